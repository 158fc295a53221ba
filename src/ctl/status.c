/* SPDX-License-Identifier: GPL-3.0-or-later
 * status.c - `durwardctl status [-q]`: prints what is in force, which processes run and what was decided.
 *
 * Exit status 0 while Durward filters, 1 when it runs and does not, 3 when it is unreachable. With -q it prints nothing.
 * Owns: nothing. Thread: one.
 */
#include <stdio.h>
#include <string.h>

#include "ctl_int.h"

static double number(const struct json *j, const char *group, const char *key)
{
	return jr_number(jr_get(group ? jr_get(j, group) : j, key), 0);
}

static void print_policy(const struct json *j)
{
	const struct json *p = jr_get(j, "policy");
	const char *state = jr_get_text(p, "state");

	if (strcmp(state, "none") == 0) {
		printf("policy    none in force (%s)\n", jr_get_text(p, "file"));
		return;
	}
	printf("policy    revision %.0f%s%s, %s\n", number(p, NULL, "revision"),
		jr_true(jr_get(p, "revision_kept")) ? "" : " (not kept)",
		strcmp(state, "last-good") == 0 ? ", the last good one: the file has errors" : "",
		jr_get_text(p, "file"));
	printf("          %.0f rules, %.0f devices, %.0f names; fail %s\n",
		number(p, NULL, "rules"), number(p, NULL, "devices"), number(p, NULL, "names"),
		jr_get_text(p, "fail"));
}

static void print_lists(const struct json *j)
{
	const struct json *all = jr_get(j, "lists");
	struct strbuf b = {0};

	for (size_t i = 0; i < jr_count(all); i++) {
		const struct json *l = jr_at(all, i);
		double broken = number(l, NULL, "broken");

		strbuf_fmt(&b, "%-9s ", i ? "" : "lists");
		ctl_safe(&b, jr_get_text(l, "name"));
		strbuf_fmt(&b, ": %.0f names", number(l, NULL, "names"));
		if (broken > 0)
			strbuf_fmt(&b, ", %.0f broken lines", broken);
		if (strcmp(jr_get_text(l, "state"), "last-good") == 0)
			strbuf_fmt(
				&b, ", the last good copy of %.10s", jr_get_text(l, "last_good"));
		strbuf_char(&b, '\n');
	}
	fputs(strbuf_text(&b), stdout);
	strbuf_fini(&b);
}

static void print_processes(const struct json *j)
{
	static const char *const names[] = {"dataplane", "controller", "failsafe"};

	printf("rules     %s", jr_get_text(j, "rules"));
	if (number(j, NULL, "rules_fixed") > 0)
		printf(", put back %.0f times", number(j, NULL, "rules_fixed"));
	putchar('\n');
	for (size_t i = 0; i < 3; i++) {
		double pid = number(j, names[i], "pid"), again = number(j, names[i], "restarts");
		if (pid > 0)
			printf("%-9s pid %.0f", names[i], pid);
		else
			printf("%-9s not running", names[i]);
		if (again > 0)
			printf(", started again %.0f times", again);
		putchar('\n');
	}
}

static void print_counts(const struct json *j)
{
	double rests = number(j, "counters", "relay_rests");

	printf("decided   %.0f allowed, %.0f blocked, %.0f without a name\n",
		number(j, "events", "allowed"), number(j, "events", "blocked"),
		number(j, "events", "unnamed"));
	printf("recorded  %.0f events, %.0f lost", number(j, "events", "recorded"),
		number(j, "events", "lost"));
	if (number(j, "events", "summed") > 0)
		printf("; beyond a client's rows: %.0f decisions, counted",
			number(j, "events", "summed"));
	putchar('\n');
	printf("packets   %.0f queued, %.0f proxied connections\n", number(j, "counters", "queued"),
		number(j, "counters", "relays"));
	printf("limits    %.0f hellos not complete in time, %.0f pushed out; at a client's quota: "
	       "%.0f packets, %.0f connections refused\n",
		number(j, "counters", "timeouts"), number(j, "counters", "evicted"),
		number(j, "counters", "overload"), number(j, "counters", "relay_shed"));
	if (rests > 0)
		printf("shortage  waited %.0f times for a free file descriptor\n", rests);
}

/* A few are usual: devices go away with packets in a queue, addresses have nobody. */
static void print_failed(const struct json *j)
{
	double verdicts = number(j, "counters", "verdicts_failed"),
	       marks = number(j, "counters", "marks_failed"),
	       answers = number(j, "counters", "answers_failed");

	if (verdicts + marks + answers > 0)
		printf("kernel    did not take %.0f verdicts, %.0f marks of connections, %.0f "
		       "packets of "
		       "refusals\n",
			verdicts, marks, answers);
}

static void print_words(const struct ctl *c, const struct json *j)
{
	const struct json *problems = jr_get(j, "problems");
	const char *state = jr_get_text(j, "state");
	bool good = strcmp(state, "filtering") == 0;

	printf("%sDurward %s: %s%s\n", ctl_paint(c, good ? "\033[1;32m" : "\033[1;31m"),
		jr_get_text(j, "version"), good ? "filtering" : state, ctl_paint(c, "\033[0m"));
	if (*jr_get_text(j, "sanitize"))
		printf("build     sanitizers (%s), no seccomp filter: for tests only\n",
			jr_get_text(j, "sanitize"));
	print_policy(j);
	print_lists(j);
	print_processes(j);
	print_counts(j);
	print_failed(j);
	for (size_t i = 0; i < jr_count(problems); i++)
		printf("%sproblem   %s%s\n", ctl_paint(c, "\033[31m"), jr_text(jr_at(problems, i)),
			ctl_paint(c, "\033[0m"));
	ctl_status_foreign(c, NULL);
}

/* The daemon's own object, and `foreign` behind its last member. */
static void print_json(const struct ctl *c, const struct json *j)
{
	struct strbuf b = {0};

	jr_print(j, &b);
	while (b.n && b.s[b.n - 1] != '}')
		b.n--;
	if (b.n)
		b.s[--b.n] = 0;
	jw_open(&b, "foreign", '[');
	ctl_status_foreign(c, &b);
	jw_close(&b, ']');
	jw_close(&b, '}');
	puts(strbuf_text(&b));
	strbuf_fini(&b);
}

int ctl_status(struct ctl *c, int argc, char **argv)
{
	bool quiet = argc == 2 && strcmp(argv[1], "-q") == 0;
	struct json *j;
	int status;

	if (argc > 1 && !quiet)
		return ctl_usage(argv[0], "no such argument");
	status = ctl_get(c, "/api/v1/status", &j);
	if (status != EXIT_OK)
		return status;
	if (c->json && !quiet)
		print_json(c, j);
	else if (!quiet)
		print_words(c, j);
	status = strcmp(jr_get_text(j, "state"), "filtering") == 0 ? EXIT_OK : EXIT_FAILED;
	jr_free(j);
	return status;
}
