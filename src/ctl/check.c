/* SPDX-License-Identifier: GPL-3.0-or-later
 * check.c - `durwardctl check [FILE]`: prints every error and warning of a policy file, without a daemon; and of the daemon's
 * own file, which rules would be known by another id after a reload.
 *
 * A line is FILE:LINE:COLUMN: what is wrong; what would be right. Exit status: 0 when there are only warnings, 1 with errors.
 * Owns: nothing. Thread: one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl_int.h"

static void print_json(const char *file, const struct diag *d, struct strbuf *out)
{
	jw_open(out, NULL, '{');
	jw_text(out, "file", file);
	jw_uint(out, "errors", d->errors);
	jw_uint(out, "warnings", d->warnings);
	jw_open(out, "diagnostics", '[');
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_entry *e = &d->entries[i];

		jw_open(out, NULL, '{');
		jw_uint(out, "line", e->line);
		jw_uint(out, "column", e->column);
		jw_uint(out, "length", e->length);
		jw_text(out, "level", e->level == DIAG_ERROR ? "error" : "warning");
		jw_text(out, "text", e->text ? e->text : "");
		jw_close(out, '}');
	}
	jw_close(out, ']');
	jw_close(out, '}');
	strbuf_char(out, '\n');
}

static void print_text(const char *file, const struct diag *d, struct strbuf *out)
{
	diag_print(d, file, out);
	if (!d->errors && !d->warnings)
		strbuf_fmt(out, "%s: ok\n", file);
	else if (isatty(STDOUT_FILENO)) /* a program counts lines */
		strbuf_fmt(out, "%s: %zu error%s, %zu warning%s\n", file, d->errors,
			d->errors == 1 ? "" : "s", d->warnings, d->warnings == 1 ? "" : "s");
}

int ctl_check(struct ctl *c, int argc, char **argv)
{
	struct policy_load_in in = {.check_only = true};
	struct policy_loaded l;
	struct strbuf out = {0};
	struct ctl_places places = {0};
	int err, status, at = 1;

	if (argc > 2 && strcmp(argv[1], "--settings") == 0) {
		places.settings = argv[2];
		at = 3;
	}
	if (argc > at + 1 || (argc > at && argv[at][0] == '-' && argv[at][1]))
		return ctl_usage(argv[0], "one FILE at most");
	in.path = argc > at ? argv[at] : NULL;
	ctl_good_lists(&in, &places);
	if (strcmp(in.path, places.policy) == 0) /* of any other file, every id may be another */
		in.in_force = places.image;
	err = policy_load(&in, &l);
	if (err && err != -EINVAL)
		diag_add(&l.diag, DIAG_ERROR, 0, 0, 0, "%s", strerror(-err));
	if (c->json)
		print_json(in.path, &l.diag, &out);
	else
		print_text(in.path, &l.diag, &out);
	status = err || l.diag.errors ? EXIT_FAILED : EXIT_OK;
	if (fputs(strbuf_text(&out), stdout) == EOF || fflush(stdout) == EOF)
		status = EXIT_FAILED;
	strbuf_fini(&out);
	policy_loaded_fini(&l);
	return status;
}
