/* SPDX-License-Identifier: GPL-3.0-or-later
 * http_line.c - the first line of an HTTP request: where it ends, and whether it is one.
 *
 *	empty lines --> blanks and a first word --> the rest, up to LF
 *
 * The parser makes one pass, byte by byte. The first byte that tells a request from anything else settles it, so it does not
 * matter in which pieces the line arrives.
 *
 * Owns: nothing. Thread: any; pure. Fails: NEED_MORE, INVALID. See: http_int.h; RFC 9112 2.2, 3; rows H17, H18, H23.
 */
#include "http_int.h"

enum { EMPTY_LINES_MAX = 16, METHOD_MAX = 64 };

/* Blanks to servers that split a line by their language's notion of one: VT, FF, CR, FS to US, NEL and NBSP of Latin-1. */
static bool is_gap(uint8_t c)
{
	return http_is_blank(c) || (c >= '\v' && c <= '\r') || (c >= 0x1c && c <= 0x1f) ||
	       c == 0x85 || c == 0xa0;
}

/* A control byte that is a blank to nobody: in front of a method, or in it, it tells a binary protocol. */
static bool is_strange(uint8_t c)
{
	return (c < ' ' && c != '\n' && !is_gap(c)) || c == 0x7f;
}

/* Empty lines. OK: out->from is the first byte behind them. Too many, or a bare CR among them: some skip these too. */
static enum parse skip_empty(struct slice in, struct http_found *out)
{
	size_t i, lines = 0;

	for (i = 0; i < in.n && !out->anomaly; i++) {
		bool bare = i > 0 && in.p[i - 1] == '\r' && in.p[i] != '\n';

		if (is_strange(in.p[i]))
			return PARSE_INVALID;
		lines += in.p[i] == '\n';
		out->anomaly = bare || lines > EMPTY_LINES_MAX;
		if (in.p[i] != '\r' && in.p[i] != '\n')
			break;
	}
	out->from = i;
	return i < in.n || out->anomaly ? PARSE_OK : PARSE_NEED_MORE;
}

/* Blanks and the first word: more bytes than any method has are odd. OK: *n of them, *method: a server may take it for one
 * whatever follows. Other words are methods to some, yet with no control byte behind them. */
static enum parse skip_word(struct slice in, size_t *n, bool *method, bool *anomaly)
{
	bool any = false;
	size_t i;

	*method = true;
	for (i = 0; i < in.n && in.p[i] != '\n' && (!any || !is_gap(in.p[i])); i++) {
		if (is_strange(in.p[i]))
			return PARSE_INVALID;
		*anomaly = i >= METHOD_MAX;
		if (*anomaly)
			return PARSE_OK;
		if (is_gap(in.p[i]))
			continue;
		*method &= http_is_token(in.p[i]) && (any || (in.p[i] | 0x20) >= 'a');
		any = true;
	}
	*n = i;
	return i < in.n ? PARSE_OK : PARSE_NEED_MORE;
}

/* Behind a method any byte may come; a NUL and a bare CR are a line's end to some. */
static enum parse skip_rest(struct slice rest, size_t from, bool method, bool *anomaly)
{
	for (size_t i = from; i < rest.n; i++) {
		if (!method && is_strange(rest.p[i]))
			return PARSE_INVALID;
		*anomaly = method && (rest.p[i] == '\0' || (i > 0 && rest.p[i - 1] == '\r'));
		if (*anomaly)
			break;
	}
	return PARSE_OK;
}

enum parse http_line_find(struct slice in, size_t scanned, struct http_found *out)
{
	enum parse status;
	const uint8_t *lf;
	bool method;
	size_t n = 0;

	*out = (struct http_found){0};
	status = skip_empty(in, out);
	if (status != PARSE_OK || out->anomaly)
		return status;
	in = slice_of(in.p + out->from, in.n - out->from);
	scanned = scanned > out->from ? scanned - out->from : 0;
	status = skip_word(in, &n, &method, &out->anomaly);
	if (status != PARSE_OK || out->anomaly)
		return status;
	lf = memchr(in.p + n, '\n', in.n - n);
	out->lf = out->from + (lf ? (size_t)(lf - in.p) : 0);
	status = skip_rest(slice_of(in.p, lf ? (size_t)(lf - in.p) : in.n),
		scanned > n ? scanned : n, method, &out->anomaly);
	return status == PARSE_OK && !lf && !out->anomaly ? PARSE_NEED_MORE : status;
}

enum parse http_line_find_in_body(struct slice in, struct http_found *out)
{
	const uint8_t *lf;
	size_t i = 0;

	*out = (struct http_found){0};
	while (i < in.n && (in.p[i] == '\n' || is_gap(in.p[i])))
		i++;
	out->from = i;
	while (i < in.n && http_is_token(in.p[i]) && i - out->from < METHOD_MAX)
		i++;
	out->lf = i;
	if (i == in.n)
		return PARSE_NEED_MORE;
	if (i == out->from || !is_gap(in.p[i]))
		return PARSE_INVALID;
	lf = memchr(in.p + i, '\n', in.n - i);
	out->lf = lf ? (size_t)(lf - in.p) : in.n;
	return lf ? PARSE_OK : PARSE_NEED_MORE;
}

static struct slice last_word(struct slice line)
{
	size_t i = line.n;

	while (i > 0 && !http_is_blank(line.p[i - 1]))
		i--;
	return slice_of(line.p + i, line.n - i);
}

/* "HTTP/1.1" and the like. */
static bool read_version(struct slice word, struct http_line *out)
{
	if (word.n < 5 || strncasecmp((const char *)word.p, "HTTP/", 5) != 0)
		return false;
	if (word.n == 8 && word.p[5] == '1' && word.p[6] == '.' && word.p[7] >= '0' &&
		word.p[7] <= '9')
		out->minor = (uint8_t)(word.p[7] - '0');
	else
		out->anomaly = word.n >= 6 && word.p[5] == '2' ? ANOMALY_H2C : ANOMALY_BAD_REQUEST;
	return true;
}

/* What HAProxy takes for a version, when told to be lenient. */
static bool is_like_version(struct slice word)
{
	size_t i = 0;

	while (i < word.n &&
		((word.p[i] >= 'A' && word.p[i] <= 'Z') || (word.p[i] >= '.' && word.p[i] <= '9')))
		i++;
	return i == word.n || (word.n >= 4 && strncasecmp((const char *)word.p, "HTTP", 4) == 0) ||
	       memmem(word.p, word.n, "/1.", 3);
}

/* Behind a method, three words or more: the second is a path or a URL, or the last is like a version. Some servers do not
 * read the version, or not strictly. */
static bool is_like_request(struct slice rest, struct slice last, bool token)
{
	size_t n = 0;

	while (n < rest.n && !http_is_blank(rest.p[n]))
		n++;
	return rest.p[0] == '/' || memmem(rest.p, n, "://", 3) || (token && is_like_version(last));
}

/* No version. A word that is a path: HTTP/0.9, and so is what stands behind a plain GET. Such a server answers the line
 * alone, or takes a Host behind it all the same. */
static bool read_unversioned(
	struct slice rest, struct slice last, bool token, bool control, struct http_line *out)
{
	bool one = last.n == rest.n, url = memmem(rest.p, rest.n, "://", 3) != NULL,
	     get = slice_eq(out->method, slice_str("GET"));

	out->minor = HTTP_MINOR_09;
	out->target = rest;
	if (one && !url && !http_same(out->method, "CONNECT")) {
		out->anomaly = control ? ANOMALY_BAD_REQUEST : ANOMALY_NOTHING;
		return get || rest.p[0] == '/';
	}
	out->anomaly = ANOMALY_BAD_REQUEST;
	return one || is_like_request(rest, last, token);
}

/* Is it a request line after all, to who takes gaps for blanks? */
static bool is_gapped(struct slice line)
{
	struct slice word;
	size_t n = 0, to = line.n, from;

	while (to > 0 && is_gap(line.p[to - 1]))
		to--;
	for (from = to; from > 0 && !is_gap(line.p[from - 1]); from--)
		;
	word = slice_of(line.p + from, to - from);
	if (from > 0 && word.n > 5 && strncasecmp((const char *)word.p, "HTTP/", 5) == 0)
		return true;
	while (n < to && is_gap(line.p[n]))
		n++;
	line = slice_of(line.p + n, to - n);
	for (n = 0; n < line.n && !is_gap(line.p[n]); n++)
		;
	return n < line.n && !http_is_blank(line.p[n]) && http_same(slice_of(line.p, n), "GET");
}

/* METHOD TARGET HTTP/1.x; blanks may be many, the target may hold some. A method of other bytes than a token's, and
 * control bytes, are taken by some servers and refused by others. */
static bool read_plain(struct slice line, struct http_line *out)
{
	struct slice rest = http_trim(line), word;
	bool token = true, control = false;
	size_t i = 0, j;

	while (i < rest.n && !http_is_blank(rest.p[i]))
		token &= http_is_token(rest.p[i++]);
	if (i == 0 || i == rest.n)
		return false;
	out->method = slice_of(rest.p, i);
	rest = http_trim(slice_of(rest.p + i, rest.n - i));
	for (j = 0; j < rest.n; j++)
		control |= (rest.p[j] < ' ' && rest.p[j] != '\t') || rest.p[j] == 0x7f;
	word = last_word(rest);
	if (!read_version(word, out))
		return read_unversioned(rest, word, token, control, out);
	out->target = http_trim(slice_of(rest.p, rest.n - word.n));
	if (!out->anomaly && (!token || control || http_is_blank(line.p[0]) || out->target.n == 0))
		out->anomaly = ANOMALY_BAD_REQUEST;
	return true;
}

bool http_line_read(struct slice line, struct http_line *out)
{
	bool read;

	*out = (struct http_line){0};
	read = read_plain(line, out);
	if ((read && out->minor != HTTP_MINOR_09) || !is_gapped(line))
		return read;
	out->minor = 0;
	if (!out->anomaly)
		out->anomaly = ANOMALY_BAD_REQUEST;
	return true;
}
