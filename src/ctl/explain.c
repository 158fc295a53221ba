/* SPDX-License-Identifier: GPL-3.0-or-later
 * explain.c - `durwardctl explain`: tells what would be decided for WHO, and by which line.
 *
 *	explain WHO NAME [tls|quic|http] [to ADDRESS] [at TIME]
 *	explain WHO ADDRESS [tcp/PORT|udp/PORT|PROTO] [no-name|hidden|evasive] [at TIME]
 *	explain --batch FILE        one question a line: {"who","name","proto","at"} or {"who","addr","port","kind"}, "to"
 *
 * With --policy FILE it answers by that file, without a daemon; else it asks the daemon.
 *
 * Owns: the policy it loads. Thread: one. Fails: exit status 0 allowed (or batch answered), 4 blocked, 1, 2, 3.
 * See: durwardctl(8) "VERBS".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/clock.h"
#include "ctl_int.h"
#include "show/explain.h"

struct options {
	const char *policy, *batch;
	struct explain_ask ask;
};
/* Whom to ask: the image of a file, or (NULL) the daemon. */
struct source {
	struct ctl *ctl;
	const struct image *image;
};
/* What came back: the answer's JSON, or an exit status. */
struct reply {
	char *json;
	bool blocked;
	int status;
	char why[256]; /* "" = already said */
};

/* --- words of the command line --- */

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++) {
		if (strcasecmp(word, *list) == 0)
			return true;
	}
	return false;
}

static int take_word(struct options *o, const char *word, const char *verb)
{
	static const char *const kinds[] = {"no-name", "hidden", "evasive", NULL};
	static const char *const carriers[] = {"tls", "quic", "http", NULL};
	struct explain_ask *a = &o->ask;
	struct addr address;
	if (!a->who)
		a->who = word;
	else if (!a->name && !a->addr && addr_parse(slice_str(word), &address))
		a->addr = word;
	else if (!a->name && !a->addr)
		a->name = word;
	else if (!a->kind && is_one_of(word, kinds))
		a->kind = word;
	else if (!a->port && strchr(word, '/'))
		a->port = word;
	else if (!a->proto && (a->addr || is_one_of(word, carriers)))
		a->proto = word;
	else
		return ctl_usage(verb, "one word too many, or not understood");
	return EXIT_OK;
}

/* The options and clauses that take the word behind them. */
static const char **valued(struct options *o, const char *word)
{
	bool target = o->ask.name || o->ask.addr;
	if (strcmp(word, "--policy") == 0)
		return &o->policy;
	if (strcmp(word, "--batch") == 0)
		return &o->batch;
	if (target && strcasecmp(word, "to") == 0)
		return &o->ask.to;
	if (target && strcasecmp(word, "at") == 0)
		return &o->ask.at;
	return NULL;
}

static int read_options(struct options *o, int argc, char **argv)
{
	for (int k = 1; k < argc; k++) {
		const char **to = valued(o, argv[k]);
		int status = EXIT_OK;
		if (to && (k + 1 == argc || *to))
			status = ctl_usage(argv[0], *to ? "said twice" : "a value is missing");
		else if (to)
			*to = argv[++k];
		else if (argv[k][0] == '-')
			status = ctl_usage(argv[0], "no such option");
		else
			status = take_word(o, argv[k], argv[0]);
		if (status != EXIT_OK)
			return status;
	}
	if (o->batch && o->ask.who)
		return ctl_usage(argv[0], "with --batch the questions are in the file");
	if (!o->batch && !o->ask.name && !o->ask.addr)
		return ctl_usage(argv[0], "who, and going where?");
	return EXIT_OK;
}

/* --- asking --- */

static void query_field(struct strbuf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	strbuf_fmt(b, "%s%s=", b->n ? "&" : "", key);
	api_escape(b, value);
}

/* Said as an answer without a daemon would be, so that a batch has a line for each question. */
static void take_refusal(const struct api_answer *a, struct reply *r)
{
	struct json *j = jr_parse(slice_of(a->body.s, a->body.n));
	struct strbuf said = {0};

	ctl_safe(&said, a->status == 0 ? a->failure : jr_get_text(j, "detail"));
	snprintf(r->why, sizeof r->why, "%s", said.n ? said.s : "the daemon gave no answer");
	r->status = a->status == 0 ? EXIT_UNREACHABLE : a->status == 400 ? EXIT_USAGE : EXIT_FAILED;
	strbuf_fini(&said);
	jr_free(j);
}

static void ask_daemon(struct ctl *c, const struct explain_ask *a, struct reply *r)
{
	struct strbuf query = {0};
	struct api_answer answer = {0};
	query_field(&query, "who", a->who);
	query_field(&query, "name", a->name);
	query_field(&query, "addr", a->addr);
	query_field(&query, "proto", a->proto);
	query_field(&query, "port", a->port);
	query_field(&query, "kind", a->kind);
	query_field(&query, "to", a->to);
	query_field(&query, "at", a->at);
	explain_daemon(c, strbuf_text(&query), &answer);
	if (answer.status == 200 && explain_is_blocked(strbuf_text(&answer.body), &r->blocked))
		r->json = strbuf_take(&answer.body);
	else
		take_refusal(&answer, r);
	api_answer_fini(&answer);
	strbuf_fini(&query);
}

static void ask_image(const struct image *img, const struct explain_ask *a, struct reply *r)
{
	struct explain_answer answer;
	int64_t now_s = (int64_t)(clock_wall_ms() / 1000);
	int err = explain_answer(img, a, NULL, now_s, &answer);
	r->json = answer.json;
	r->blocked = answer.blocked;
	r->status = err == 0 ? EXIT_OK : err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	snprintf(r->why, sizeof r->why, "%s", err == -ENOMEM ? "out of memory" : answer.why);
}

static void ask_source(const struct source *s, const struct explain_ask *a, struct reply *r)
{
	*r = (struct reply){0};
	if (s->image)
		ask_image(s->image, a, r);
	else
		ask_daemon(s->ctl, a, r);
}

static void print_reply(const struct ctl *c, const struct reply *r)
{
	struct strbuf words = {0};
	if (c->json)
		printf("%s\n", r->json);
	else if (explain_words(r->json, &words))
		fputs(strbuf_text(&words), stdout);
	strbuf_fini(&words);
}

static int ask_once(const struct source *s, const struct explain_ask *a)
{
	struct reply r;
	ask_source(s, a, &r);
	int status = r.json ? (r.blocked ? EXIT_BLOCKED : EXIT_OK) : r.status;
	if (r.json)
		print_reply(s->ctl, &r);
	else if (r.why[0])
		fprintf(stderr, "durwardctl explain: %s\n", r.why);
	free(r.json);
	return status;
}

/* --- many questions --- */

/* A line that cannot be answered gets its own line, so that answers stay beside their questions. */
static void print_failure(const struct ctl *c, unsigned long number, const char *why)
{
	struct strbuf b = {0};
	if (c->json) {
		explain_failure(why, &b);
		printf("%s\n", strbuf_text(&b));
	}
	fprintf(stderr, "durwardctl explain: line %lu: %s\n", number, why);
	strbuf_fini(&b);
}

static int ask_line(const struct source *s, struct slice line, unsigned long number)
{
	struct explain_ask ask;
	struct explain_hold hold;
	struct reply r = {.status = EXIT_FAILED};
	if (explain_ask_read(line, &ask, &hold, r.why))
		ask_source(s, &ask, &r);
	if (r.json)
		print_reply(s->ctl, &r);
	else
		print_failure(s->ctl, number, r.why[0] ? r.why : "not answered");
	bool ok = r.json != NULL;
	explain_ask_fini(&hold);
	free(r.json);
	return ok ? EXIT_OK : r.status == EXIT_UNREACHABLE ? EXIT_UNREACHABLE : EXIT_FAILED;
}

static int ask_batch(const struct source *s, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int status = EXIT_OK;
	if (!f) {
		fprintf(stderr, "durwardctl explain: %s: %s\n", path, strerror(errno));
		return EXIT_FAILED;
	}
	for (unsigned long number = 1; (n = getline(&line, &cap, f)) >= 0; number++) {
		struct slice text = slice_of(line, (size_t)n);
		while (text.n > 0 && strchr(" \t\r\n", text.p[text.n - 1]))
			text.n--;
		int one = text.n ? ask_line(s, text, number) : EXIT_OK;
		if (one != EXIT_OK)
			status = one;
		if (one == EXIT_UNREACHABLE)
			break;
	}
	free(line);
	if (f != stdin)
		fclose(f);
	return status;
}

/* --- the verb --- */

static int ask(const struct source *s, const struct options *o)
{
	int status = o->batch ? ask_batch(s, o->batch) : ask_once(s, &o->ask);
	if (fflush(stdout) != 0)
		status = EXIT_FAILED;
	return status;
}

/* A list that is not used as its file is, or would not be by the daemon. */
static void say_lists(const struct list_facts *lists)
{
	for (size_t i = 0; i < lists->n; i++) {
		const struct list_fact *f = &lists->all[i];
		if (f->why)
			fprintf(stderr, "durwardctl explain: list %s: %s; %s\n", f->name, f->why,
				f->kept ? "its last good copy is used" : "taken as it is");
	}
}

static int ask_file(struct ctl *c, const struct options *o)
{
	struct policy_load_in in = {.path = o->policy};
	struct policy_loaded l;
	struct source s = {.ctl = c};
	struct strbuf said = {0};
	const char *why = "this policy cannot be used; durwardctl check tells more";
	struct ctl_places places = {0};
	int status = EXIT_FAILED, err;
	ctl_good_lists(&in, &places);
	err = policy_load(&in, &l);
	if (err == 0 && image_open(l.image, l.image_size, &s.image, &why) == 0) {
		say_lists(&l.lists);
		status = ask(&s, o);
	} else {
		diag_print(&l.diag, o->policy, &said);
		fprintf(stderr, "%sdurwardctl explain: %s: %s\n", strbuf_text(&said), o->policy,
			err && err != -EINVAL ? strerror(-err) : why);
	}
	strbuf_fini(&said);
	policy_loaded_fini(&l);
	return status;
}

int ctl_explain(struct ctl *c, int argc, char **argv)
{
	struct options o = {0};
	struct source daemon = {.ctl = c};
	int status = read_options(&o, argc, argv);
	if (status != EXIT_OK)
		return status;
	return o.policy ? ask_file(c, &o) : ask(&daemon, &o);
}
