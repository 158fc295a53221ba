/* SPDX-License-Identifier: GPL-3.0-or-later
 * listfile.c - reads the text of a subscribed list: domains and hosts.
 *
 * The reader makes one pass and allocates nothing for a line that it skips. Names are packed into chunks of the arena, and a
 * plain ASCII name is not given to libidn2.
 *
 * Owns: nothing. Thread: any; pure. Fails: -ENOMEM, -EILSEQ. See: durward-policy(5) "LISTS".
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
	size_t below; /* names written *.x */
	bool nomem;
};

static const char own_line[] = "the machine's own name";

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

/* What hosts files say of the machine they lie on: no entries, and nothing is lost with them. */
static bool is_own(struct slice word)
{
	static const char *const own[] = {"localhost", "local", "broadcasthost", "ip6-localhost",
		"ip6-loopback", "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters",
		"ip6-allhosts", "0.0.0.0"};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (word_eq(word, slice_str(own[i])))
			return true;
	return false;
}

static const char *words_of(enum name_read r)
{
	return r == NAME_ADDRESS  ? "an address"
	       : r == NAME_SINGLE ? "a single label"
	       : r == NAME_STAR	  ? "a star that does not stand for whole labels at its front"
				  : "no name of a site";
}

/* NULL, or what is wrong. `.x` is Squid's way to say x and all below. */
static const char *read_entry(
	struct slice word, bool hosts, char text[static NAME_TEXT], struct conf_name *n)
{
	bool dot = !hosts && word.n > 1 && word.p[0] == '.';
	enum name_read r = NAME_MALFORMED;
	uint8_t len;

	if (word.n <= WORD_MAX_)
		r = name_read(slice_of(word.p + dot, word.n - dot), text, &len, &n->scope);
	if (dot && n->scope != SCOPE_BELOW_AND_SELF)
		r = NAME_MALFORMED;
	if (dot && r == NAME_SINGLE)
		r = NAME_READ; /* a top level, as meant as in *.zip */
	if (hosts && n->scope == SCOPE_BELOW_AND_SELF)
		n->scope = SCOPE_SELF;
	return r == NAME_READ ? NULL : words_of(r);
}

/* NULL, or what is wrong with the line; memory may be out, too. */
static const char *add(struct reader *r, struct slice word, bool hosts)
{
	char text[NAME_TEXT];
	struct conf_name n = {.line = r->line}, *a;
	const char *wrong = read_entry(word, hosts, text, &n);

	if (wrong)
		return is_own(word) ? own_line : wrong;
	n.name = keep(r, text, strlen(text));
	a = arena_grow(r->mem, r->out->names, r->out->n, &r->cap, sizeof *a);
	if (!n.name || !a) {
		r->nomem = true;
		return NULL;
	}
	r->out->names = a;
	a[r->out->n++] = n;
	r->below += n.scope == SCOPE_BELOW;
	return NULL;
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

static const char *read_hosts(struct reader *r, const uint8_t *p, const uint8_t *end)
{
	struct slice word = next_word(&p, end);
	const char *wrong = NULL;

	if (word.n > ADDR_TEXT + 20 || !is_address(word))
		return "no address at its front";
	word = next_word(&p, end);
	if (word.n == 0)
		return "an address alone";
	for (; word.n && !r->nomem; word = next_word(&p, end)) {
		const char *one = add(r, word, true);

		wrong = !one || (wrong && one == own_line) ? wrong : one;
	}
	return wrong;
}

/* NULL, or what is wrong with the line. */
static const char *read_words(struct reader *r, const uint8_t *p, const uint8_t *end, bool hosts)
{
	const uint8_t *from = p;
	struct slice word = next_word(&p, end);

	if (word.n == 0)
		return NULL;
	if (hosts)
		return read_hosts(r, from, end);
	return next_word(&p, end).n ? "more than one word" : add(r, word, false);
}

static void read_one(struct reader *r, const uint8_t *p, const uint8_t *end, bool hosts)
{
	const uint8_t *hash = p < end ? memchr(p, '#', (size_t)(end - p)) : NULL;
	struct list_names *out = r->out;
	const char *wrong;

	out->lines++;
	if (r->line < UINT32_MAX)
		r->line++;
	wrong = read_words(r, p, hash ? hash : end, hosts);
	if (!wrong || r->nomem)
		return;
	out->broken++;
	if (wrong == own_line)
		out->own++;
	else if (!out->first_broken)
		out->first_broken = r->line, out->broken_why = wrong;
}

/* A list of nothing but *.x is the "wildcard" form of list makers, who mean x, too (durward-policy(5), LISTS). */
static void read_as_wildcard(struct reader *r)
{
	struct list_names *out = r->out;

	out->wildcard = out->n > 0 && r->below == out->n;
	for (size_t i = 0; out->wildcard && i < out->n; i++)
		out->names[i].scope = SCOPE_BELOW_AND_SELF;
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
	read_as_wildcard(&r);
	return r.nomem ? -ENOMEM : 0;
}
