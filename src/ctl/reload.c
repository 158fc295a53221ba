/* SPDX-License-Identifier: GPL-3.0-or-later
 * reload.c - `durwardctl reload [--accept-lists [NAME...]]`: makes the daemon read the policy and its lists again.
 *
 * A file with errors changes nothing; they are printed, and the exit status is 1. A list that has shrunk to less than half keeps
 * its last good copy, unless it is accepted. Owns: nothing. Thread: one.
 */
#include <stdio.h>
#include <string.h>

#include "ctl_int.h"

static void print_findings(const struct json *j)
{
	const struct json *all = jr_get(j, "findings");
	struct strbuf b = {0};

	for (size_t i = 0; i < jr_count(all); i++) {
		const struct json *f = jr_at(all, i);
		const char *level = jr_get_text(f, "level");
		strbuf_fmt(&b, "%.0f:%.0f: %s", jr_number(jr_get(f, "line"), 0),
			jr_number(jr_get(f, "column"), 0), level[0] == 'w' ? "warning: " : "");
		ctl_safe(&b, jr_get_text(f, "text"));
		strbuf_char(&b, '\n');
	}
	fputs(strbuf_text(&b), stderr);
	strbuf_fini(&b);
}

/* {} | {"accept_lists":true} | {"accept_lists":[...]} */
static void write_body(struct strbuf *b, int argc, char **argv)
{
	jw_open(b, NULL, '{');
	if (argc == 2)
		jw_bool(b, "accept_lists", true);
	if (argc > 2)
		jw_open(b, "accept_lists", '[');
	for (int i = 2; i < argc; i++)
		jw_text(b, NULL, argv[i]);
	if (argc > 2)
		jw_close(b, ']');
	jw_close(b, '}');
}

int ctl_reload(struct ctl *c, int argc, char **argv)
{
	struct strbuf body = {0};
	struct api_answer a;
	struct json *j;
	bool answered;
	int status;

	if (argc > 1 && strcmp(argv[1], "--accept-lists") != 0)
		return ctl_usage(argv[0], "no such argument");
	write_body(&body, argc, argv);
	api_call(c, "POST", "/api/v1/reload", strbuf_text(&body), &a);
	strbuf_fini(&body);
	answered = a.status == 200 || a.status == 422;
	if (c->json || !answered) {
		status = api_report(c, &a);
		if (status == EXIT_OK)
			puts(strbuf_text(&a.body));
	} else {
		j = jr_parse(slice_of(a.body.s, a.body.n));
		print_findings(j);
		status = a.status == 200 ? EXIT_OK : EXIT_FAILED;
		if (status == EXIT_OK)
			printf("revision %.0f is in force%s\n", jr_number(jr_get(j, "revision"), 0),
				jr_true(jr_get(j, "taken"))
					? ""
					: "; the dataplane has not taken it yet");
		else
			fputs("nothing was changed; the old policy goes on\n", stderr);
		jr_free(j);
	}
	api_answer_fini(&a);
	return status;
}
