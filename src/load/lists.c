/* SPDX-License-Identifier: GPL-3.0-or-later
 * lists.c - reads the lists of a policy: each from its file, or, if the file cannot be used, from its last good copy.
 *
 *   file -> readable? text? mostly names? at least half of the last good copy?  yes: it is used, and staged as the new copy
 *                                                                               no:  the copy is used, with a warning
 *                                                                   no copy yet:     an error at the list's line
 *
 * Owns: nothing but what it puts into the facts. Thread: any, one at a time. Fails: -ENOMEM.
 * See: durward-policy(5) "The last good copy".
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "conf/listfile.h"
#include "conf/schema.h"
#include "load_int.h"

enum {
	JUNK_LINES = 1000
}; /* more broken lines than that, and than names: junk, not a list with slips */

/* A list being read. */
struct reading {
	const struct lists_in *l;
	const struct conf_list *list;
	struct list_names *names;
	struct list_fact *fact;
	struct good_copy good; /* names 0 and saved_ms 0: none */
	bool has_good;
};

/* --- its file's path --- */

/* A relative path starts at the policy file's folder. Absolute where it can be told, for the copy's name hangs on it. */
static char *file_path(const struct lists_in *l, const char *path)
{
	const char *slash = strrchr(l->in->path, '/');
	char folder[PATH_MAX], *out = NULL, *near;

	if (path[0] == '/')
		return strdup(path);
	near = slash ? strndup(l->in->path, (size_t)(slash - l->in->path) + 1) : strdup(".");
	if (!near)
		return NULL;
	if (asprintf(&out, "%s/%s", realpath(near, folder) ? folder : near, path) < 0)
		out = NULL;
	free(near);
	return out;
}

static bool may_shrink(const char *accept, const char *name)
{
	size_t n;

	if (accept && strcmp(accept, "*") == 0)
		return true;
	for (const char *p = accept ? accept : ""; *p; p += n + (p[n] == ' ')) {
		n = strcspn(p, " ");
		if (word_eq(slice_of(p, n), slice_str(name)))
			return true;
	}
	return false;
}

/* --- what is wrong with the file --- */

__attribute__((format(printf, 2, 3))) static int wrong(struct reading *r, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&r->fact->why, fmt, ap);
	va_end(ap);
	if (n < 0)
		r->fact->why = NULL;
	return n < 0 ? -ENOMEM : 0;
}

static int not_read(struct reading *r, int err)
{
	const char *why = err == -EFBIG	   ? "it is longer than 512 MiB"
			  : err == -EINVAL ? "it is no file"
			  : err == -ENOMEM ? "its names do not fit into memory"
					   : strerror(-err);

	if (err == -EILSEQ)
		return wrong(r, "%s cannot be used: it is not text (%s)", r->fact->file,
			r->names->not_text);
	return wrong(r, "%s cannot be read: %s", r->fact->file, why);
}

/* Sets fact->why where the file is not to be used. */
static int judge(struct reading *r, int err)
{
	const struct list_names *n = r->names;

	if (err)
		return not_read(r, err);
	if (n->broken >= JUNK_LINES && n->broken > n->n)
		/* taken as it is, its names would be allowed without a word */
		return wrong(r,
			"%s is no list: %" PRIu64 " of its %" PRIu64
			" lines are broken; is `format` right?",
			r->fact->file, n->broken, n->lines);
	if (!r->has_good || n->n * 2 >= r->good.names ||
		may_shrink(r->l->in->accept, r->list->name))
		return 0;
	r->fact->shrunk = true;
	return wrong(r, "%s has shrunk from %" PRIu64 " names to %zu", r->fact->file, r->good.names,
		n->n);
}

/* --- saying it --- */

static const char *day_of(uint64_t wall_ms, char out[static 32])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	out[0] = 0;
	if (gmtime_r(&t, &tm))
		strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm);
	return out;
}

static void say_kept(const struct reading *r)
{
	const struct conf_pos pos = r->list->path_pos;
	const char *name = r->list->name;
	char day[32];

	if (!r->fact->kept)
		diag_add(r->l->diag, DIAG_WARNING, pos.line, pos.column, pos.length,
			"list '%s': %s; the daemon keeps the last good copy; if the smaller list "
			"is meant: durwardctl reload --accept-lists %s",
			name, r->fact->why, name);
	else
		diag_add(r->l->diag, DIAG_WARNING, pos.line, pos.column, pos.length,
			"list '%s': %s; its last good copy (%zu names, of %s) stays in force%s%s",
			name, r->fact->why, r->names->n, day_of(r->good.saved_ms, day),
			r->fact->shrunk ? "; if the smaller list is meant: durwardctl reload "
					  "--accept-lists "
					: "; fix the file",
			r->fact->shrunk ? name : "");
}

static void say_wrong(const struct reading *r)
{
	const struct conf_pos pos = r->list->path_pos;

	diag_add(r->l->diag, DIAG_ERROR, pos.line, pos.column, pos.length, "list '%s': %s",
		r->list->name, r->fact->why);
}

static void say_empty(const struct reading *r)
{
	const struct conf_pos pos = r->list->pos;

	diag_add(r->l->diag, DIAG_WARNING, pos.line, pos.column, pos.length,
		"list '%s' has no entry (%" PRIu64 " lines, %" PRIu64
		" of them broken); is `format` right?",
		r->list->name, r->names->lines, r->names->broken);
}

/* Lines that are lost are told, with the first of them: a list for another program is mostly seen by these. */
static void say_broken(const struct reading *r)
{
	const struct conf_pos pos = r->list->path_pos;
	const struct list_names *n = r->names;

	diag_add(r->l->diag, DIAG_WARNING, pos.line, pos.column, pos.length,
		"list '%s': %" PRIu64 " of %" PRIu64
		" lines are broken and skipped; the first is line %u (%s); is `format` right?",
		r->list->name, n->broken - n->own, n->lines, n->first_broken, n->broken_why);
}

static void say_wildcard(const struct reading *r)
{
	const struct conf_pos pos = r->list->path_pos;

	diag_add(r->l->diag, DIAG_WARNING, pos.line, pos.column, pos.length,
		"list '%s' is a wildcard list, every entry is *.NAME: read as NAME and everything "
		"below it",
		r->list->name);
}

static void say_reading(const struct reading *r)
{
	if (r->names->n == 0)
		say_empty(r);
	else if (r->names->first_broken)
		say_broken(r);
	if (r->names->wildcard)
		say_wildcard(r);
}

/* --- one list --- */

/* The copy in place of the file. False: there is none that is sound. */
static bool use_good(struct reading *r)
{
	struct strbuf text = {0};
	struct list_names names = {0};
	struct slice body;
	bool ok = r->has_good && good_copy_read(r->fact->copy, &r->good, &text, &body) == 0 &&
		  listfile_parse(body, r->list->format, r->l->mem, &names) == 0;

	if (ok)
		*r->names = names;
	strbuf_fini(&text);
	return ok;
}

/* The file is good: it is to be the next copy, where it is another one. */
static void stage(struct reading *r, struct slice text)
{
	const struct policy_load_in *in = r->l->in;
	struct good_copy next = {.names = r->names->n,
		.bytes = text.n,
		.digest = good_copy_digest(text),
		.saved_ms = clock_wall_ms()};

	if (in->check_only || in->as_it_is || !r->fact->copy)
		return;
	if (r->has_good && next.digest == r->good.digest && next.bytes == r->good.bytes)
		return;
	r->fact->failure = good_copy_stage(r->fact->copy, &next, text, &r->fact->staged);
	if (r->fact->failure == 0)
		r->fact->good_ms = next.saved_ms;
	else
		r->fact->copy_goes = r->has_good && next.names * 2 < r->good.names;
}

/* Good; or smaller than a copy that turned out to be damaged. */
static void take(struct reading *r, struct slice text)
{
	free(r->fact->why);
	r->fact->why = NULL;
	r->fact->shrunk = false;
	stage(r, text);
}

static void settle(struct reading *r, struct slice text)
{
	struct list_fact *f = r->fact;
	bool as_it_is = r->l->in->as_it_is && f->shrunk;

	if (f->why && !as_it_is)
		f->kept = use_good(r);
	if (f->why && (f->kept || as_it_is))
		say_kept(r);
	else if (f->why && !f->shrunk)
		say_wrong(r);
	else
		take(r, text);
	if (!f->why || f->kept || f->shrunk)
		say_reading(r);
	f->names = r->names->n;
	f->lines = r->names->lines;
	f->broken = r->names->broken;
}

static int load_list(struct reading *r)
{
	struct list_fact *f = r->fact;
	struct strbuf text = {0};
	int err;

	if (!r->list->name || !r->list->path || !r->list->path[0])
		return 0; /* an error that is told already */
	f->name = strdup(r->list->name);
	f->file = file_path(r->l, r->list->path);
	if (!f->name || !f->file)
		return -ENOMEM;
	if (r->l->in->good_dir)
		f->copy = good_copy_path(r->l->in->good_dir, r->list, f->file);
	r->has_good = f->copy && good_copy_head(f->copy, &r->good) == 0;
	f->good_ms = r->has_good ? r->good.saved_ms : 0;
	err = file_read(f->file, LIST_BYTES_MAX, &text);
	if (!err)
		err = listfile_parse(
			slice_of(text.s, text.n), r->list->format, r->l->mem, r->names);
	err = judge(r, err);
	if (!err)
		settle(r, slice_of(text.s, text.n));
	strbuf_fini(&text);
	return err;
}

/* --- all --- */

static void say_unknown(const struct lists_in *l)
{
	const char *p = l->in->accept && strcmp(l->in->accept, "*") != 0 ? l->in->accept : "";
	size_t n;

	for (; *p; p += n + (p[n] == ' ')) {
		bool known = false;

		n = strcspn(p, " ");
		for (size_t i = 0; i < l->conf->n_lists; i++)
			known |= l->conf->lists[i].name &&
				 word_eq(slice_of(p, n), slice_str(l->conf->lists[i].name));
		if (n && !known)
			diag_add(l->diag, DIAG_WARNING, 0, 0, 0,
				"there is no list '%.*s' that could be accepted",
				(int)(n < 80 ? n : 80), p);
	}
}

int lists_load(const struct lists_in *l, struct list_names *names, struct list_facts *facts)
{
	size_t n = l->conf->n_lists;
	int err = 0;

	facts->all = calloc(n ? n : 1, sizeof *facts->all);
	if (!facts->all)
		return -ENOMEM;
	facts->n = n;
	for (size_t i = 0; i < n && !err; i++) {
		struct reading r = {.l = l,
			.list = &l->conf->lists[i],
			.names = &names[i],
			.fact = &facts->all[i]};

		err = load_list(&r);
		if (!err && l->in->check_only)
			arena_fini(l->mem); /* looked at, not needed */
	}
	say_unknown(l);
	return err;
}

void policy_load_keep(struct policy_loaded *l, const char *good_dir)
{
	for (size_t i = 0; i < l->lists.n; i++) {
		struct list_fact *f = &l->lists.all[i];

		if (f->staged && rename(f->staged, f->copy) < 0)
			f->failure = -errno;
		else if (f->staged)
			free(f->staged), f->staged = NULL;
		if (f->copy_goes)
			unlink(f->copy);
	}
	good_copy_sweep(good_dir, &l->lists);
}

void list_facts_fini(struct list_facts *facts)
{
	for (size_t i = 0; i < facts->n; i++) {
		struct list_fact *f = &facts->all[i];

		if (f->staged)
			unlink(f->staged);
		free(f->staged);
		free(f->copy);
		free(f->why);
		free(f->file);
		free(f->name);
	}
	free(facts->all);
	*facts = (struct list_facts){0};
}
