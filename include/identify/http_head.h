/* SPDX-License-Identifier: GPL-3.0-or-later
 * http_head.h - reads the head of one HTTP/1 request: where is it going, and how long is its body.
 *
 * The parser is tolerant where servers are (bare LF, empty lines in front, case, spaces), and says EVASIVE where they differ.
 *
 * Owns: nothing; slices point into the caller's bytes. Thread: any; pure.
 * Fails: NEED_MORE until the empty line; INVALID = not HTTP at all. Ill-formed HTTP is OK with ident.kind EVASIVE as
 * soon as it is seen (head_len is then what was read). See: RFC 9112, 9110 7.2; rows H01-H23.
 */
#ifndef IDENTIFY_HTTP_HEAD_H
#define IDENTIFY_HTTP_HEAD_H

#include "base/cursor.h"
#include "model/ident.h"

enum http_body { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED };
enum http_switch {
	HTTP_SWITCH_NONE,
	HTTP_SWITCH_CONNECT,
	HTTP_SWITCH_WEBSOCKET,
	HTTP_SWITCH_OTHER, /* Upgrade: something else. h2c too, which the server does not see (http_offer.h) */
};

struct http_head {
	struct ident ident;  /* NAME, NONE or EVASIVE; app HTTP, source HOST */
	struct slice method; /* as sent */
	struct slice target; /* as sent */
	struct slice host;   /* the first Host header's value, trimmed; p NULL = there is none */
	uint16_t port;	     /* of the authority; 0 = not said */
	uint8_t body;	     /* enum http_body */
	uint8_t switch_to;   /* enum http_switch */
	uint8_t minor;	     /* HTTP/1.minor; 9 = HTTP/0.9 */
	uint64_t length;     /* HTTP_BODY_LENGTH: bytes of body */
	size_t head_len;     /* bytes, empty lines in front and the one at the end included */
	bool in_body;	     /* stands in the body of the request before it (http_in_body) */
};

/* in: from the request's first byte on. *scanned: bytes already searched in earlier calls for the same head, 0 at
 * first; makes feeding byte by byte linear. */
enum parse http_head_parse(struct slice in, size_t *scanned, struct http_head *out);

/* A body, to a server that answers without reading it: the next request. in: the body's bytes from its first one on, or from
 * behind a head that was read so. last: no more of the body will come.
 * OK: a head, judged as a request's would be; EVASIVE if it has a body itself, or the body ends amid it. Whoever reads on does
 *     so behind out->head_len. ident.kind NOT_PROTO: it names no site.
 * INVALID: no request line stands here, the first *used bytes (> 0) tell so, whatever follows them. */
enum parse http_in_body(
	struct slice in, bool last, size_t *scanned, size_t *used, struct http_head *out);

#endif
