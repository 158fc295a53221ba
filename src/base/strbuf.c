/* SPDX-License-Identifier: GPL-3.0-or-later
 * strbuf.c - text that grows on the heap.
 *
 * Owns: its heap bytes. Thread: one at a time. Fails: memory exhausted sets `failed`.
 */
#include "base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>

void strbuf_fini(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf){0};
}

void strbuf_reset(struct strbuf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->s)
		b->s[0] = 0;
}

/* room for `more` bytes and the final NUL */
static bool grow(struct strbuf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 64;
	char *s;

	if (b->failed)
		return false;
	if (b->s && b->cap - b->n > more)
		return true;
	if (more > SIZE_MAX / 4 || b->n > SIZE_MAX / 4) {
		b->failed = true;
		return false;
	}
	while (cap - b->n <= more)
		cap *= 2;
	s = realloc(b->s, cap);
	if (!s) {
		b->failed = true;
		return false;
	}
	b->s = s;
	b->cap = cap;
	b->s[b->n] = 0;
	return true;
}

void strbuf_add(struct strbuf *b, struct slice s)
{
	if (!grow(b, s.n))
		return;
	if (s.n)
		memcpy(b->s + b->n, s.p, s.n);
	b->n += s.n;
	b->s[b->n] = 0;
}

void strbuf_str(struct strbuf *b, const char *s)
{
	strbuf_add(b, slice_str(s));
}

void strbuf_char(struct strbuf *b, char c)
{
	strbuf_add(b, slice_of(&c, 1));
}

void strbuf_vfmt(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		b->failed = true;
		return;
	}
	if (!grow(b, (size_t)n))
		return;
	vsnprintf(b->s + b->n, (size_t)n + 1, fmt, ap);
	b->n += (size_t)n;
}

void strbuf_fmt(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vfmt(b, fmt, ap);
	va_end(ap);
}

const char *strbuf_text(const struct strbuf *b)
{
	return b->s && !b->failed ? b->s : "";
}

char *strbuf_take(struct strbuf *b)
{
	char *s;

	if (!grow(b, 0)) {
		strbuf_fini(b);
		return NULL;
	}
	s = b->s;
	*b = (struct strbuf){0};
	return s;
}

void strbuf_escaped(struct strbuf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			strbuf_fmt(b, "\\x%02x", c);
		else
			strbuf_char(b, (char)c);
	}
}

void strbuf_html(struct strbuf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		switch (c) {
		case '&':
			strbuf_str(b, "&amp;");
			break;
		case '<':
			strbuf_str(b, "&lt;");
			break;
		case '>':
			strbuf_str(b, "&gt;");
			break;
		case '"':
			strbuf_str(b, "&quot;");
			break;
		case '\'':
			strbuf_str(b, "&#39;");
			break;
		default:
			if (c < 0x20 || c >= 0x7f)
				strbuf_str(b, "&#65533;");
			else
				strbuf_char(b, (char)c);
		}
	}
}
