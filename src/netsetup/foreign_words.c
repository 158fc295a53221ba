/* SPDX-License-Identifier: GPL-3.0-or-later
 * foreign_words.c - lines, words and marks of a printed rule.
 *
 * Owns: nothing. Thread: any. Fails: never.
 */
#include <stdio.h>
#include <stdlib.h>

#include "foreign_int.h"

struct slice line_next(struct slice *text)
{
	const uint8_t *end = text->n ? memchr(text->p, '\n', text->n) : NULL;
	size_t n = end ? (size_t)(end - text->p) : text->n, skip = end ? n + 1 : n;
	struct slice line = slice_of(text->p, n);

	*text = slice_of(text->p + skip, text->n - skip);
	return line;
}

/* The end of the word that begins at p: a blank, or the quote that closes it. */
static const uint8_t *word_end(const uint8_t *p, const uint8_t *end)
{
	bool quoted = false;

	for (; p < end && (quoted || (*p != ' ' && *p != '\t')); p++) {
		if (*p == '\\' && quoted && p + 1 < end)
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	return p;
}

bool words_split(struct words *ws, struct slice line)
{
	const uint8_t *p = line.p, *end = line.p + line.n;

	ws->n = 0;
	while (true) {
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (p == end)
			return true;
		if (ws->n == FOREIGN_WORDS)
			return false;
		const uint8_t *e = word_end(p, end);
		ws->w[ws->n++] = slice_of(p, (size_t)(e - p));
		p = e;
	}
}

bool word_is(const struct words *ws, size_t i, const char *text)
{
	return i < ws->n && slice_eq(ws->w[i], slice_str(text));
}

size_t words_find(const struct words *ws, const char *text)
{
	size_t i = 0;

	while (i < ws->n && !word_is(ws, i, text))
		i++;
	return i;
}

void words_add(struct strbuf *b, const struct words *ws, size_t from, size_t to)
{
	for (size_t i = from; i < to && i < ws->n; i++) {
		strbuf_char(b, ' ');
		strbuf_add(b, ws->w[i]);
	}
}

bool mark_read(struct slice w, uint32_t *out)
{
	char text[16], *end;
	unsigned long long v;

	if (w.n == 0 || w.n >= sizeof text || w.p[0] < '0' || w.p[0] > '9')
		return false;
	memcpy(text, w.p, w.n);
	text[w.n] = 0;
	v = strtoull(text, &end, 0);
	*out = (uint32_t)v;
	return *end == 0 && v <= UINT32_MAX;
}

void foreign_tell(
	struct foreign_in *in, enum foreign_kind kind, struct strbuf *rule, struct strbuf *fix)
{
	struct foreign f = {.kind = kind, .rule = strbuf_text(rule), .fix = strbuf_text(fix)};

	if (!rule->failed && !fix->failed)
		in->tell(in->user, &f);
	strbuf_reset(rule);
	strbuf_reset(fix);
}

uint32_t foreign_free_mask(uint32_t used)
{
	/* whole bytes first: they read better */
	for (int step = 8; step > 0; step -= 7)
		for (int shift = 24; shift >= 0; shift -= step)
			if (!(used & 0xffu << shift))
				return 0xffu << shift;
	return 0;
}
