/* SPDX-License-Identifier: GPL-3.0-or-later
 * lex.c - splits a policy text into lines of words and quoted texts.
 *
 * The text is UTF-8 with LF or CRLF; '#' begins a comment except inside quotes; \" and \\ are the only escapes; lines have no
 * continuation. A byte order mark at the very start is skipped and counts as no column.
 *
 * Owns: nothing; tokens point into the text. Thread: any; pure. Fails: reports to the diag and marks the line broken.
 */
#include "conf_int.h"

void lexer_init(struct lexer *l, struct slice text, struct arena *mem, struct diag *d)
{
	*l = (struct lexer){
		.p = text.p, .end = text.n ? text.p + text.n : text.p, .mem = mem, .d = d};
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		l->p += 3;
}

/* Bytes of the well-formed character at p, or 0: Unicode 15, table 3-7. */
static size_t utf8_char(const uint8_t *p, const uint8_t *end)
{
	size_t n = p[0] < 0x80	 ? 1
		   : p[0] < 0xc2 ? 0
		   : p[0] < 0xe0 ? 2
		   : p[0] < 0xf0 ? 3
		   : p[0] < 0xf5 ? 4
				 : 0;

	if (n == 0 || n > (size_t)(end - p))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

bool utf8_valid(struct slice s)
{
	const uint8_t *p = s.p, *end = s.n ? s.p + s.n : s.p;

	while (p < end) {
		size_t n = utf8_char(p, end);

		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

static void complain(struct lexer *l, size_t column, size_t length, const char *text)
{
	l->broken = true;
	if (l->d)
		diag_add(l->d, DIAG_ERROR, l->number, (uint32_t)column, (uint32_t)length, "%s",
			text);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* One complaint a line is enough: what follows a wrong byte is mostly wrong too. */
static bool check_bytes(struct lexer *l, struct slice line)
{
	for (size_t i = 0, n; i < line.n; i += n) {
		uint8_t c = line.p[i];

		n = utf8_char(line.p + i, line.p + line.n);
		if (n == 0)
			complain(l, i + 1, 1, "this is not UTF-8; save the file as UTF-8");
		else if ((c < 0x20 && c != '\t') || c == 0x7f ||
			 (c == 0xc2 && line.p[i + 1] < 0xa0))
			complain(l, i + 1, n, "a control character; take it out");
		if (l->broken)
			return false;
	}
	return true;
}

/* The end of the quoted text that begins at i: just past its closing quote, or the line's end. */
static size_t quoted_end(struct lexer *l, struct slice line, size_t start)
{
	size_t i = start + 1;

	for (; i < line.n && line.p[i] != '"'; i++) {
		if (line.p[i] != '\\')
			continue;
		if (i + 1 < line.n && (line.p[i + 1] == '"' || line.p[i + 1] == '\\'))
			i++;
		else if (l->d)
			diag_add(l->d, DIAG_ERROR, l->number, (uint32_t)i + 1, 1,
				"a backslash; in quotes only \\\" and \\\\ are known");
	}
	if (i < line.n)
		return i + 1;
	if (l->d)
		diag_add(l->d, DIAG_ERROR, l->number, (uint32_t)start + 1,
			(uint32_t)(line.n - start), "the text has no end; close it with \"");
	return line.n;
}

static size_t word_end(struct slice line, size_t i)
{
	while (i < line.n && !is_space(line.p[i]) && line.p[i] != '#' && line.p[i] != '"')
		i++;
	return i;
}

/* It looks like a space and is none: the usual guest of a text copied from a page. */
static void check_word(struct lexer *l, struct slice line, size_t from, size_t to)
{
	for (size_t i = from; i + 1 < to && !l->broken; i++)
		if (line.p[i] == 0xc2 && line.p[i + 1] == 0xa0)
			complain(l, i + 1, 2, "a no-break space; write a plain space");
}

static void add_token(struct lexer *l, struct slice line, size_t from, size_t to, bool quoted)
{
	struct token *t = arena_grow(l->mem, l->tokens, l->n, &l->cap, sizeof *t);

	if (!t) {
		l->failed = true;
		return;
	}
	l->tokens = t;
	t[l->n++] = (struct token){slice_of(line.p + from, to - from), (uint32_t)from + 1, quoted};
	l->end_column = (uint32_t)to + 1;
}

static void split(struct lexer *l, struct slice line)
{
	size_t i = 0, end = 0;

	while (i < line.n) {
		bool quoted = line.p[i] == '"';

		if (is_space(line.p[i])) {
			i++;
			continue;
		}
		if (line.p[i] == '#')
			return;
		if (i > 0 && i == end && l->d)
			diag_add(l->d, DIAG_ERROR, l->number, (uint32_t)i + 1, 1,
				"a space is missing before this");
		end = quoted ? quoted_end(l, line, i) : word_end(line, i);
		if (!quoted)
			check_word(l, line, i, end);
		add_token(l, line, i, end, quoted);
		i = end;
	}
}

bool lexer_line(struct lexer *l)
{
	while (l->p < l->end && !l->failed) {
		const uint8_t *nl = memchr(l->p, '\n', (size_t)(l->end - l->p));
		struct slice line = slice_of(l->p, (size_t)((nl ? nl : l->end) - l->p));

		l->p = nl ? nl + 1 : l->end;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		l->number++;
		l->n = 0;
		l->end_column = 1;
		l->broken = false;
		if (check_bytes(l, line))
			split(l, line);
		if (l->n || l->broken)
			return true;
	}
	return false;
}

char *lexer_text(struct arena *mem, struct slice raw)
{
	char *out = arena_alloc(mem, raw.n + 1);
	size_t n = 0, end = raw.n > 1 && raw.p[raw.n - 1] == '"' ? raw.n - 1 : raw.n;

	for (size_t i = 1; out && i < end; i++) {
		if (raw.p[i] == '\\' && i + 1 < end)
			i++;
		out[n++] = (char)raw.p[i];
	}
	return out;
}
