/* SPDX-License-Identifier: GPL-3.0-or-later
 * listfile.c - the text of a subscribed list: domains and hosts.
 *
 * One pass, no allocation for a line that is skipped; names are packed into chunks of the arena, and a plain ASCII name
 * never visits libidn2.
 *
 * Owns: nothing. Thread: any; pure. Fails: -ENOMEM, -EILSEQ. See: policy.md "Exactly" 11, 20-22.
 */
#include "conf/listfile.h"

#include <errno.h>

#include "conf_int.h"

enum {
	CHUNK = 64 * 1024,
	WORD_MAX_ = 1100 /* longer than any name in UTF-8 */,
	SAMPLE = 64 * 1024
};

struct reader {
	struct arena *mem;
	struct list_names *out;
	size_t cap;
	char *chunk;
	size_t left;
	uint32_t line;
	bool nomem;
};

static const char *keep(struct reader *r, const char *name, size_t len)
{
	char *at;

	if (r->left < len + 1) {
		r->chunk = arena_alloc(r->mem, CHUNK);
		r->left = r->chunk ? CHUNK : 0;
		if (!r->chunk)
			return NULL;
	}
	at = r->chunk;
	memcpy(at, name, len + 1);
	r->chunk += len + 1;
	r->left -= len + 1;
	return at;
}

/* false: no name (the line is broken), or memory is out. */
static bool add(struct reader *r, struct slice word, bool hosts)
{
	char text[NAME_TEXT];
	struct conf_name n = {.line = r->line}, *a;
	uint8_t len;

	if (word.n > WORD_MAX_ || name_read(word, text, &len, &n.scope) != NAME_READ)
		return false;
	if (hosts && n.scope == SCOPE_BELOW_AND_SELF)
		n.scope = SCOPE_SELF;
	n.name = keep(r, text, len);
	a = arena_grow(r->mem, r->out->names, r->out->n, &r->cap, sizeof *a);
	if (!n.name || !a) {
		r->nomem = true;
		return false;
	}
	r->out->names = a;
	a[r->out->n++] = n;
	return true;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice next_word(const uint8_t **p, const uint8_t *end)
{
	const uint8_t *from;

	while (*p < end && is_space(**p))
		(*p)++;
	from = *p;
	while (*p < end && !is_space(**p))
		(*p)++;
	return slice_of(from, (size_t)(*p - from));
}

/* An address, also with a zone (fe80::1%lo0). */
static bool is_address(struct slice s)
{
	const uint8_t *zone = s.n ? memchr(s.p, '%', s.n) : NULL;
	struct addr a;

	if (zone)
		s.n = (size_t)(zone - s.p);
	return addr_parse(s, &a);
}

/* false: something on the line is no name. */
static bool read_words(struct reader *r, const uint8_t *p, const uint8_t *end, bool hosts)
{
	struct slice word = next_word(&p, end);
	bool good = true;

	if (word.n == 0)
		return true;
	if (!hosts) {
		struct slice more = next_word(&p, end);

		return more.n == 0 && add(r, word, false);
	}
	if (word.n > ADDR_TEXT + 20 || !is_address(word))
		return false;
	word = next_word(&p, end);
	if (word.n == 0)
		return false;
	for (; word.n && !r->nomem; word = next_word(&p, end))
		good &= add(r, word, true);
	return good;
}

static void read_one(struct reader *r, const uint8_t *p, const uint8_t *end, bool hosts)
{
	const uint8_t *hash = p < end ? memchr(p, '#', (size_t)(end - p)) : NULL;

	r->out->lines++;
	if (r->line < UINT32_MAX)
		r->line++;
	if (!read_words(r, p, hash ? hash : end, hosts) && !r->nomem)
		r->out->broken++;
}

/* Bytes that stand in no text: controls but for tab, line ends, form feed and escape. */
static bool is_control(uint8_t c)
{
	return (c < 0x20 && !(c >= 0x09 && c <= 0x0d) && c != 0x1a && c != 0x1b) || c == 0x7f;
}

static bool is_binary(struct slice text)
{
	size_t n = text.n < SAMPLE ? text.n : SAMPLE, controls = 0;

	for (size_t i = 0; i < n; i++)
		controls += is_control(text.p[i]);
	return controls * 64 > n;
}

/* No line of any list begins with '<': what comes instead of a list is mostly a page that says why. */
static bool is_page(struct slice text)
{
	size_t i = 0;

	while (i < text.n && (is_space(text.p[i]) || text.p[i] == '\n'))
		i++;
	return i < text.n && text.p[i] == '<';
}

/* NULL: it is a text. */
static const char *not_text(struct slice text)
{
	if (text.n && memchr(text.p, 0, text.n))
		return "it holds NUL bytes";
	if (is_page(text))
		return "it is a web page or XML";
	return is_binary(text) ? "it holds control characters" : NULL;
}

int listfile_parse(
	struct slice text, enum list_format format, struct arena *mem, struct list_names *out)
{
	struct reader r = {.mem = mem, .out = out};
	const uint8_t *p = text.p, *end = text.n ? text.p + text.n : text.p;

	*out = (struct list_names){0};
	if (text.n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	out->not_text = not_text(slice_of(p, (size_t)(end - p)));
	if (out->not_text)
		return -EILSEQ;
	while (p < end && !r.nomem) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));

		read_one(&r, p, nl ? nl : end, format == LIST_HOSTS);
		p = nl ? nl + 1 : end;
	}
	return r.nomem ? -ENOMEM : 0;
}
