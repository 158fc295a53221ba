/* SPDX-License-Identifier: GPL-3.0-or-later
 * parse_words.c - walks over the words of one line, and reports what is wrong with them.
 *
 * Owns: nothing; all in the parser's arena. Thread: any. Fails: without memory it sets the parser's `oom` and
 * goes on in spare room; the result is then discarded.
 */
#include <stdio.h>

#include "conf_int.h"

const struct token *peek(const struct parser *p)
{
	return p->at < p->lex.n ? &p->lex.tokens[p->at] : NULL;
}

const struct token *next(struct parser *p)
{
	return p->at < p->lex.n ? &p->lex.tokens[p->at++] : NULL;
}

void skip_line(struct parser *p)
{
	p->at = p->lex.n;
}

struct conf_pos pos_of(const struct parser *p, const struct token *t)
{
	if (!t)
		return (struct conf_pos){p->lex.number, p->lex.end_column, 0};
	return (struct conf_pos){p->lex.number, t->column, (uint32_t)t->raw.n};
}

__attribute__((format(printf, 4, 0))) static void say(
	struct diag *d, enum diag_level level, struct conf_pos pos, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof text, fmt, ap);
	diag_add(d, level, pos.line, pos.column, pos.length, "%s", text);
}

void error(struct parser *p, const struct token *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p->d, DIAG_ERROR, pos_of(p, t), fmt, ap);
	va_end(ap);
}

void warning(struct parser *p, struct conf_pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p->d, DIAG_WARNING, pos, fmt, ap);
	va_end(ap);
}

const char *quote(struct parser *p, struct slice word)
{
	enum { SHOWN = 60 };
	size_t n = word.n;
	char *out;

	if (n > SHOWN)
		for (n = SHOWN; n > 0 && (word.p[n] & 0xc0) == 0x80;)
			n--; /* not inside a character */
	out = arena_alloc(p->mem, n + 8);
	if (!out)
		return "this";
	snprintf(out, n + 8, "'%.*s%s'", (int)n, (const char *)word.p, n < word.n ? "..." : "");
	return out;
}

void *push(struct parser *p, void *array, size_t *n, size_t elem)
{
	bool full = *n == 0 || (*n >= 4 && (*n & (*n - 1)) == 0);
	void *a, *more;

	memcpy(&a, array, sizeof a);
	if (full) {
		more = arena_alloc(p->mem, (*n ? *n * 2 : 4) * elem);
		if (!more) {
			p->oom = true;
			memset(p->spare, 0, sizeof p->spare);
			return p->spare;
		}
		if (*n)
			memcpy(more, a, *n * elem);
		memcpy(array, &more, sizeof more);
		a = more;
	}
	return (uint8_t *)a + elem * (*n)++;
}

/* The statement as written: spaces folded, comment off. */
const char *statement_text(struct parser *p)
{
	size_t n = 1, at = 0;
	char *out;

	for (size_t i = 0; i < p->lex.n; i++)
		n += p->lex.tokens[i].raw.n + 1;
	out = arena_alloc(p->mem, n);
	if (!out) {
		p->oom = true;
		return "";
	}
	for (size_t i = 0; i < p->lex.n; i++) {
		struct slice raw = p->lex.tokens[i].raw;

		if (i)
			out[at++] = ' ';
		memcpy(out + at, raw.p, raw.n);
		at += raw.n;
	}
	return out;
}

const char *later_note(const struct schema_word *row)
{
	return row && row->later ? " (not yet carried out by this version)" : "";
}

void unknown_word(
	struct parser *p, const struct token *t, const char *is_not, unsigned roles, enum space s)
{
	const struct schema_word *row;
	bool close;
	const char *near = nearest(p, t->raw, roles, s, &close, &row);

	if (t->raw.n > 1 && t->raw.p[t->raw.n - 1] == ',')
		error(p, t, "%s ends with a comma; part words with spaces only", quote(p, t->raw));
	else if (!near)
		error(p, t, "%s is %s; nothing of the kind is defined", quote(p, t->raw), is_not);
	else if (close)
		error(p, t, "%s is %s; did you mean '%s'?%s", quote(p, t->raw), is_not, near,
			later_note(row));
	else
		error(p, t, "%s is %s; the nearest known word is '%s'", quote(p, t->raw), is_not,
			near);
}

void not_yet(struct parser *p, const struct token *t, const struct schema_word *w)
{
	if (!word_eq(t->raw, slice_str(w->word)))
		return; /* misspelt, and told so */
	error(p, t,
		"not yet: '%s' is a word of the language that this version does not carry out; "
		"take it out",
		w->word);
}

void expect_end(struct parser *p, const char *after)
{
	const struct token *t = peek(p);

	if (t)
		error(p, t, "%s stands after the end of `%s`; take it out", quote(p, t->raw),
			after);
	skip_line(p);
}

/* One word out of a few; NULL when it is missing or wrong (reported). */
const struct schema_word *read_value(
	struct parser *p, const char *after, unsigned roles, const char *one_of)
{
	const struct token *t = next(p);
	const struct schema_word *w = t && !t->quoted ? schema_find(t->raw, roles) : NULL;
	const char *near;
	bool close;

	if (w && w->later) {
		not_yet(p, t, w);
		return NULL;
	}
	if (w)
		return w;
	if (!t) {
		error(p, NULL, "`%s` needs a word after it: %s", after, one_of);
		return NULL;
	}
	near = nearest(p, t->raw, roles, SPACES, &close, &w);
	error(p, t, "`%s` takes %s, not %s%s%s%s%s", after, one_of, quote(p, t->raw),
		close ? "; did you mean '" : "", close ? near : "", close ? "'?" : "",
		close ? later_note(w) : "");
	return NULL;
}

void read_because(struct parser *p, const struct token *option, bool block, const char **out)
{
	const struct token *t = peek(p);

	if (!block)
		warning(p, pos_of(p, option),
			"`because` on an allow is shown to nobody; take it out");
	if (t && t->quoted) {
		*out = lexer_text(p->mem, next(p)->raw);
		return;
	}
	error(p, t, "`because` needs a text in quotes: because \"Bedtime\"");
	while ((t = peek(p)) && !t->quoted && !schema_find(t->raw, ROLE_OPTION))
		next(p);
	if (t && t->quoted)
		next(p);
}
