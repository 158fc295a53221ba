/* SPDX-License-Identifier: GPL-3.0-or-later
 * head.c - checks whether a request's head may be given to libmicrohttpd.
 *
 * It checks the form of each line; then it gives the head to the parser of the inspect path, which knows what servers read in
 * different ways.
 * Owns: nothing. Thread: any; pure. Fails: by result.
 */
#include "show/head.h"

#include <string.h>
#include <strings.h>

#include "identify/http_head.h"

/* What may be said once only: two of them are an answer for whoever reads the other one. */
static const char *const once[] = {"Host", "Content-Length", "Content-Type", "Cookie", "Origin",
	"Referer", "Sec-Fetch-Site", "X-Durward", "If-Match", "If-None-Match", "Last-Event-ID",
	"Authorization", "Expect", "User-Agent"};
enum { ONCE = sizeof once / sizeof *once };

static bool is_name(struct slice s, const char *name)
{
	return s.n == strlen(name) && strncasecmp((const char *)s.p, name, s.n) == 0;
}

static bool is_plain(struct slice line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
			return false;
	return true;
}

/* A line without its CR LF. NEED_MORE: its end is not there; INVALID: a LF alone, or a control character. */
static enum parse take_line(struct slice *in, struct slice *line)
{
	const uint8_t *lf = in->n ? memchr(in->p, '\n', in->n) : NULL;
	size_t n = lf ? (size_t)(lf - in->p) : in->n;

	*line = slice_of(in->p, n);
	if (!lf) {
		bool ends = n > 0 && line->p[n - 1] == '\r';

		line->n -= ends;
		return is_plain(*line) ? PARSE_NEED_MORE : PARSE_INVALID;
	}
	if (n == 0 || line->p[n - 1] != '\r')
		return PARSE_INVALID;
	line->n--;
	*in = slice_of(lf + 1, in->n - n - 1);
	return is_plain(*line) ? PARSE_OK : PARSE_INVALID;
}

static struct slice trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_of(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool read_field(struct slice line, unsigned *seen, struct head_seen *out)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	struct slice name = slice_of(line.p, colon ? (size_t)(colon - line.p) : 0);

	if (name.n == 0 || line.p[0] == ' ' || line.p[0] == '\t' ||
		is_name(name, "Transfer-Encoding"))
		return false;
	for (unsigned i = 0; i < ONCE; i++) {
		if (!is_name(name, once[i]))
			continue;
		if (*seen & 1u << i)
			return false;
		*seen |= 1u << i;
	}
	if (is_name(name, "Cookie"))
		out->cookie = trim(slice_of(colon + 1, line.n - name.n - 1));
	return true;
}

/* "GET /path HTTP/1.1", one blank each. */
static bool is_request_line(struct slice line)
{
	const uint8_t *target = memchr(line.p, ' ', line.n), *end = NULL;
	struct slice rest;

	if (!target || target == line.p)
		return false;
	rest = slice_of(target + 1, line.n - (size_t)(target + 1 - line.p));
	end = rest.n ? memchr(rest.p, ' ', rest.n) : NULL;
	if (!end || rest.p[0] != '/')
		return false;
	rest = slice_of(end, rest.n - (size_t)(end - rest.p));
	return rest.n == 9 &&
	       (memcmp(rest.p, " HTTP/1.1", 9) == 0 || memcmp(rest.p, " HTTP/1.0", 9) == 0);
}

static enum head_state short_of(struct slice in)
{
	return in.n >= HEAD_MAX ? HEAD_TOO_LARGE : HEAD_MORE;
}

enum head_state head_check(struct slice in, struct head_seen *out)
{
	struct slice rest = in, line;
	enum parse got = take_line(&rest, &line);
	struct http_head head;
	unsigned seen = 0;
	size_t scanned = 0;

	*out = (struct head_seen){0};
	if (got == PARSE_NEED_MORE)
		return short_of(in);
	if (got != PARSE_OK || !is_request_line(line))
		return HEAD_BAD;
	while ((got = take_line(&rest, &line)) == PARSE_OK && line.n > 0)
		if (!read_field(line, &seen, out))
			return HEAD_BAD;
	if (got == PARSE_NEED_MORE)
		return short_of(in);
	if (got != PARSE_OK)
		return HEAD_BAD;
	in.n -= rest.n;
	got = http_head_parse(in, &scanned, &head);
	return got == PARSE_OK && head.ident.kind != IDENT_EVASIVE ? HEAD_OK : HEAD_BAD;
}
