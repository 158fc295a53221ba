/* SPDX-License-Identifier: GPL-3.0-or-later
 * http_stream.h - the client's side of one HTTP/1 connection: request after request, bodies skipped.
 *
 * The stream keeps no bytes. The caller holds the client's bytes from stream offset s->pos on and calls until WAIT:
 *   REQUEST  one head read: judge it; if allowed, bytes before s->pos (its head) may be passed on
 *   WAIT     bytes before s->pos belong to bodies of requests already reported: pass them on; come back with more
 *   SWITCHED what follows s->pos is another protocol (CONNECT, Upgrade): identify afresh, or relay
 *   BAD      out->ident is EVASIVE; nothing from s->pos on may pass; final
 *
 * Some servers answer a request without reading its body and take the body for the next request. So the first bytes of a body
 * are read as such a server would read them: heads that follow each other there are REQUESTs, too (head.in_body). This ends at
 * the first byte that cannot begin a request line, which is the first byte of most bodies. The size of a chunk is no request
 * line.
 *
 * The stream need not know whether the server agreed to an Upgrade. Bytes behind it that begin like a request are read as a
 * request, for the server may have declined; bytes that cannot begin one are the tunnel, for a server that declined answers
 * them with 400. CONNECT is SWITCHED at once. HTTP/2's preface is EVASIVE wherever it comes, so `Upgrade: h2c` is a request
 * like any other and opens no tunnel.
 *
 * Owns: nothing. Thread: one at a time; pure. Fails: by step. See: RFC 9112 6, 7, 9.
 */
#ifndef IDENTIFY_HTTP_STREAM_H
#define IDENTIFY_HTTP_STREAM_H

#include "identify/http_head.h"

enum http_step {
	HTTP_WAIT,
	HTTP_REQUEST,
	HTTP_SWITCHED,
	HTTP_BAD,
	HTTP_NOT_HTTP /* first request only */
};

struct http_stream {
	uint64_t pos;	   /* stream offset of the first byte not consumed */
	uint64_t left;	   /* bytes of body or chunk data still to skip */
	size_t scanned;	   /* of an unfinished head */
	uint32_t limit;	   /* most bytes of one head */
	uint32_t count;	   /* requests reported */
	uint8_t state;	   /* private */
	uint8_t switch_to; /* enum http_switch of the last request */
	bool stops; /* set by the caller: next() says WAIT where a body or chunk begins, for _rest() and _skip() */
	uint8_t line;	  /* private: bytes of a chunk line or trailer line so far */
	uint8_t flags;	  /* private */
	bool shadow;	  /* private: a server that reads no body may find a request here */
	uint16_t trailer; /* private */
};

void http_stream_init(struct http_stream *s, uint32_t limit);
/* bytes: from stream offset s->pos on. *out is set for REQUEST and BAD; its slices point into bytes. */
enum http_step http_stream_next(struct http_stream *s, struct slice bytes, struct http_head *out);
/* Bytes from s->pos on that belong to a body and need not be seen: all of them may pass unread, told by _skip(). */
uint64_t http_stream_rest(const struct http_stream *s);
void http_stream_skip(struct http_stream *s, uint64_t n); /* n <= rest */
/* The next byte is one of a body or chunk, whether it need be seen or not. */
bool http_stream_in_body(const struct http_stream *s);

#endif
