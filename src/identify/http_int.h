/* SPDX-License-Identifier: GPL-3.0-or-later
 * http_int.h - an HTTP request's first line, and the alphabet that lines and headers share.
 *
 * Owns: nothing. Thread: any; pure.
 */
#ifndef IDENTIFY_HTTP_INT_H
#define IDENTIFY_HTTP_INT_H

#include <strings.h>

#include "base/cursor.h"
#include "model/ident.h"

enum { HTTP_MINOR_09 = 9 }; /* struct http_head's minor for HTTP/0.9 */

static inline bool http_is_token(uint8_t c)
{
	if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
		return true;
	return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static inline bool http_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static inline bool http_same(struct slice s, const char *word)
{
	return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

static inline struct slice http_trim(struct slice s)
{
	while (s.n > 0 && http_is_blank(s.p[0]))
		s = slice_of(s.p + 1, s.n - 1);
	while (s.n > 0 && http_is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Where the first line lies. */
struct http_found {
	size_t from; /* its first byte, behind empty lines */
	size_t lf;   /* the LF that ends it */
	bool anomaly; /* some servers answer it and some do not, whatever follows: EVASIVE; lf is not set */
};

/* Reads from left to right and says as soon as a byte decides; bytes behind that one change nothing. `scanned` bytes of
 * `in` were looked at before. INVALID: no HTTP. */
enum parse http_line_find(struct slice in, size_t scanned, struct http_found *out);

/* The same in a body, where any text may stand: only a method of a token's bytes, which a blank of some kind follows, begins a
 * line worth reading. INVALID: out->lf is the byte that tells. */
enum parse http_line_find_in_body(struct slice in, struct http_found *out);

struct http_line {
	struct slice method, target; /* as sent */
	uint8_t minor;		     /* as in struct http_head */
	uint8_t anomaly;	     /* enum anomaly; not NOTHING: EVASIVE */
};

/* line: without its end. False: no server takes it for a request. */
bool http_line_read(struct slice line, struct http_line *out);

#endif
