/* SPDX-License-Identifier: GPL-3.0-or-later
 * flows.c - `durwardctl flows [-n N] [FILTER...]`: what goes on just now, and `durwardctl flows --cut ID`.
 *
 * -j: one JSON object a line. Owns: the pages it fetched. Thread: one. Fails: exit statuses of ctl/ctl.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_int.h"

enum { FLOWS_DEFAULT = 50, FLOWS_MAX = 1000000, PAGE = 1000 };

/* --- as lines --- */

/* "12.3 MB", in powers of a thousand. */
static void add_bytes(struct strbuf *b, double n)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	size_t i = 0;

	while (n >= 1000 && i + 1 < sizeof units / sizeof *units) {
		n /= 1000;
		i++;
	}
	strbuf_fmt(b, i ? "%.1f %s" : "%.0f %s", n, units[i]);
}

static void add_target(const struct json *f, struct strbuf *b)
{
	const char *name = jr_get_text(f, "name"), *app = jr_get_text(f, "app");
	bool known = app[0] && strcmp(app, "unknown") != 0;
	bool v6 = strchr(jr_get_text(f, "dst"), ':') != NULL;
	double port = jr_number(jr_get(f, "dport"), 0);

	if (name[0]) {
		ctl_safe(b, name);
		strbuf_fmt(b, " (%s)  ", jr_get_text(f, "source"));
	}
	strbuf_fmt(b, v6 && port > 0 ? "[%s]" : "%s", jr_get_text(f, "dst"));
	if (port > 0)
		strbuf_fmt(b, ":%.0f", port);
	strbuf_fmt(b, "  %s", known ? app : jr_get_text(f, "proto"));
	if (jr_get_text(f, "anomaly_text")[0])
		strbuf_fmt(b, " (%s)", jr_get_text(f, "anomaly_text"));
}

static void add_counts(const struct json *f, struct strbuf *b)
{
	strbuf_str(b, "  ");
	add_bytes(b, jr_number(jr_get(f, "bytes_up"), 0));
	strbuf_str(b, " up ");
	add_bytes(b, jr_number(jr_get(f, "bytes_down"), 0));
	strbuf_str(b, " down");
	if (!jr_is_null(jr_get(f, "packets_up")))
		strbuf_fmt(b, " (%.0f/%.0f packets)", jr_number(jr_get(f, "packets_up"), 0),
			jr_number(jr_get(f, "packets_down"), 0));
}

static void add_cut(const struct ctl *c, const struct json *f, struct strbuf *b)
{
	const char *cut = jr_get_text(f, "cut");

	if (strcmp(cut, "no") == 0)
		return;
	strbuf_fmt(b, "  %s%s%s", ctl_paint(c, "\033[1;31m"),
		strcmp(cut, "now") == 0 ? "CUT" : "CUT AT THE NEXT REQUEST",
		ctl_paint(c, "\033[0m"));
	if (jr_true(jr_get(f, "by_hand")))
		strbuf_str(b, " by hand");
}

static void add_flow(const struct ctl *c, const struct json *f, struct strbuf *b)
{
	const struct json *rule = jr_get(f, "rule");
	const char *who = jr_get_text(f, "who"), *src = jr_get_text(f, "src");

	strbuf_fmt(b, "%s  ", jr_get_text(f, "id"));
	ctl_add_time(b, jr_get_text(f, "since"));
	strbuf_str(b, "  ");
	if (who[0]) {
		ctl_safe(b, who);
		strbuf_char(b, ' ');
	}
	strbuf_fmt(b, "%s  ", src);
	add_target(f, b);
	strbuf_fmt(b, "  %s", jr_get_text(f, "path"));
	add_counts(f, b);
	if (!jr_is_null(rule)) {
		strbuf_fmt(b, "  line %.0f: ", jr_number(jr_get(rule, "line"), 0));
		ctl_safe(b, jr_get_text(rule, "text"));
	}
	add_cut(c, f, b);
}

static void print(const struct ctl *c, const struct json *f)
{
	struct strbuf b = {0};

	if (c->json)
		jr_print(f, &b);
	else
		add_flow(c, f, &b);
	puts(strbuf_text(&b));
	strbuf_fini(&b);
}

/* --- the daemon --- */

static int show_all(struct ctl *c, const char *filter, size_t want)
{
	struct strbuf path = {0}, next = {0};
	int status = EXIT_OK;
	bool more = true;

	while (status == EXIT_OK && more && want > 0) {
		struct json *j = NULL;
		size_t n;

		strbuf_reset(&path);
		strbuf_fmt(&path, "/api/v1/flows?limit=%zu&%s", want < PAGE ? want : PAGE, filter);
		if (next.n)
			strbuf_fmt(&path, "&cursor=%s", strbuf_text(&next));
		status = ctl_get(c, strbuf_text(&path), &j);
		n = jr_count(jr_get(j, "flows"));
		for (size_t i = 0; i < n; i++)
			print(c, jr_at(jr_get(j, "flows"), i));
		want -= n < want ? n : want;
		strbuf_reset(&next);
		api_escape(&next, jr_get_text(j, "next"));
		more = next.n > 0;
		jr_free(j);
	}
	strbuf_fini(&path);
	strbuf_fini(&next);
	return status;
}

static int cut(struct ctl *c, const char *id)
{
	struct strbuf path = {0};
	struct api_answer a;
	int status;

	strbuf_str(&path, "/api/v1/flows/");
	api_escape(&path, id);
	api_call(c, "DELETE", strbuf_text(&path), NULL, &a);
	status = api_report(c, &a);
	if (status == EXIT_OK && !c->json)
		printf("%s is cut\n", id);
	api_answer_fini(&a);
	strbuf_fini(&path);
	return status;
}

int ctl_flows(struct ctl *c, int argc, char **argv)
{
	struct strbuf filter = {0};
	unsigned long want = FLOWS_DEFAULT;
	int first = 1, status = EXIT_USAGE;

	if (argc > 1 && strcmp(argv[1], "--cut") == 0)
		return argc == 3 ? cut(c, argv[2])
				 : ctl_usage(argv[0], "--cut takes the id that a line begins with");
	if (argc > 1 && strcmp(argv[1], "-n") == 0) {
		char *end = NULL;
		want = argc > 2 ? strtoul(argv[2], &end, 10) : 0;
		if (!end || *end || want == 0 || want > FLOWS_MAX)
			return ctl_usage(argv[0], "-n takes a number from 1 to 1000000");
		first = 3;
	}
	if (ctl_filter(argc - first, argv + first, &filter))
		status = show_all(c, strbuf_text(&filter), want);
	strbuf_fini(&filter);
	if (fflush(stdout) != 0)
		status = EXIT_FAILED;
	return status;
}
