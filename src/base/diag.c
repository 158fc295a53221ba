/* SPDX-License-Identifier: GPL-3.0-or-later
 * diag.c - the list of errors and warnings found in a file, each with its place.
 *
 * Owns: its texts (heap). Thread: one at a time. Fails: past DIAG_MAX entries, or without memory, it only counts;
 * warnings take no room that an error needs.
 */
#include "base/diag.h"

#include <stdlib.h>

void diag_fini(struct diag *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->entries[i].text);
	free(d->entries);
	*d = (struct diag){0};
}

/* The list is full: an error takes the place of the last warning. */
static struct diag_entry *make_room(struct diag *d, enum diag_level level)
{
	if (level != DIAG_ERROR || d->errors > DIAG_MAX)
		return NULL;
	for (size_t i = d->n; i-- > 0;) {
		if (d->entries[i].level == DIAG_ERROR)
			continue;
		free(d->entries[i].text);
		return &d->entries[i];
	}
	return NULL;
}

static struct diag_entry *append(struct diag *d, enum diag_level level)
{
	struct diag_entry *e;

	if (d->n >= DIAG_MAX)
		return make_room(d, level);
	if ((d->n & (d->n - 1)) == 0) { /* full at each power of two */
		e = realloc(d->entries, (d->n ? d->n * 2 : 1) * sizeof *e);
		if (!e)
			return NULL;
		d->entries = e;
	}
	return &d->entries[d->n++];
}

void diag_add(struct diag *d, enum diag_level level, uint32_t line, uint32_t column,
	uint32_t length, const char *fmt, ...)
{
	struct strbuf text = {0};
	struct diag_entry *e;
	va_list ap;

	*(level == DIAG_ERROR ? &d->errors : &d->warnings) += 1;
	e = append(d, level);
	if (!e)
		return;
	va_start(ap, fmt);
	strbuf_vfmt(&text, fmt, ap);
	va_end(ap);
	*e = (struct diag_entry){.level = level, .line = line, .column = column, .length = length};
	e->text = strbuf_take(&text);
}

static bool after(const struct diag_entry *a, const struct diag_entry *b)
{
	return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* insertion sort: stable, nearly sorted input, DIAG_MAX entries at most */
void diag_sort(struct diag *d)
{
	for (size_t i = 1; i < d->n; i++) {
		struct diag_entry e = d->entries[i];
		size_t j = i;

		for (; j > 0 && after(&d->entries[j - 1], &e); j--)
			d->entries[j] = d->entries[j - 1];
		d->entries[j] = e;
	}
}

void diag_print(const struct diag *d, const char *file, struct strbuf *out)
{
	size_t dropped = d->errors + d->warnings - d->n;

	for (size_t i = 0; i < d->n; i++) {
		const struct diag_entry *e = &d->entries[i];

		strbuf_fmt(out, "%s:%u:%u: %s%s\n", file, e->line, e->column,
			e->level == DIAG_WARNING ? "warning: " : "", e->text ? e->text : "?");
	}
	if (dropped)
		strbuf_fmt(out, "%s:0:0: warning: %zu more not shown\n", file, dropped);
}
