/* SPDX-License-Identifier: GPL-3.0-or-later
 * check.c - `durwardctl check [FILE]`: every mistake in a policy file, without a daemon.
 *
 * FILE:LINE:COLUMN: what is wrong; what would be right. Exit status: 0 when there are only warnings, 1 with errors.
 * Owns: nothing. Thread: one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "load/policy_load.h"

#define POLICY_FILE "/etc/durward/policy"

/* JSON text of RFC 8259: the policy is UTF-8 (conf/ has checked), a path need not be. */
static void json_text(struct strbuf *b, const char *s)
{
	strbuf_char(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			strbuf_fmt(b, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			strbuf_fmt(b, "\\u%04x", c);
		else
			strbuf_char(b, (char)c);
	}
	strbuf_char(b, '"');
}

static void print_json(const char *file, const struct diag *d, struct strbuf *out)
{
	strbuf_str(out, "{\"file\":");
	json_text(out, file);
	strbuf_fmt(
		out, ",\"errors\":%zu,\"warnings\":%zu,\"diagnostics\":[", d->errors, d->warnings);
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_entry *e = &d->entries[i];

		strbuf_fmt(out,
			"%s{\"line\":%u,\"column\":%u,\"length\":%u,\"level\":\"%s\",\"text\":",
			i ? "," : "", e->line, e->column, e->length,
			e->level == DIAG_ERROR ? "error" : "warning");
		json_text(out, e->text ? e->text : "");
		strbuf_char(out, '}');
	}
	strbuf_str(out, "]}\n");
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
	struct policy_load_in in = {.path = argc > 1 ? argv[1] : POLICY_FILE, .check_only = true};
	struct policy_loaded l;
	struct strbuf out = {0};
	int err, status;

	if (argc > 2 || (argc == 2 && argv[1][0] == '-' && argv[1][1]))
		return ctl_usage(argv[0], "one FILE at most");
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
