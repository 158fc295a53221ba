/* SPDX-License-Identifier: GPL-3.0-or-later
 * identify.h - the facade: where is this TCP connection going, by the client's own bytes.
 *
 * One struct stream_ident a connection, for the queue, the proxy and the reader of captures alike. It keeps no bytes:
 * the caller holds the client's bytes, in order, at least from stream offset s->pos on, and calls
 *
 *	while (stream_ident_next(s, offset, bytes, scratch, &r) == IDENTIFY_RESULT)
 *		judge r.ident; if refused, stop; else bytes before r.safe_to may be passed on
 *
 *   WAIT    nothing new before the stream has s->need bytes (calls before that cost nothing). Bytes before s->pos may be
 *           passed on and forgotten (they belong to what was reported). For TLS after its result s->pos stands behind the
 *           hello, and the records that follow are watched for a second one (HelloRetryRequest, renegotiation). Behind
 *           an HTTP CONNECT identification begins afresh: the inner TLS or HTTP gives results of its own.
 *   RESULT  r is set: TLS one (and one more, EVASIVE NAME_CHANGED, if a second hello differs), HTTP one a request, else
 *           one. A result of kind EVASIVE is the last, and so is NOT_PROTO unless r.goes_on (a cleartext preamble on a port
 *           of STARTTLS: a hello may still come, and is one more result).
 *   DONE    nothing more will be said: TLS is encrypted now, or a tunnel is open, or the last result was final.
 *
 * Results by kind: NAME, NONE, OPAQUE, EVASIVE; NOT_PROTO (anomaly NOT_KNOWN) where the bytes are neither TLS nor HTTP. TOO_LARGE
 * comes from here (the limit), TIMEOUT from the caller's clock: s->app says which protocol it was going to be.
 *
 * Owns: nothing. Thread: one at a time; pure. Fails: by step and kind. See: rows T01-T45, H01-H23.
 */
#ifndef IDENTIFY_IDENTIFY_H
#define IDENTIFY_IDENTIFY_H

#include "identify/http_stream.h"
#include "identify/server_hello.h"
#include "identify/starttls.h"
#include "identify/tls_hello.h"
#include "identify/tls_record.h"

enum identify_step { IDENTIFY_WAIT, IDENTIFY_RESULT, IDENTIFY_DONE };
enum { IDENTIFY_LIMIT = 64 * 1024 };

struct stream_ident {
	uint64_t pos;  /* bytes before this stream offset are not needed any more */
	uint64_t need; /* next() says WAIT until offset + bytes.n reaches this */
	uint32_t limit;
	uint8_t state; /* private */
	bool preamble; /* a cleartext preamble of which nothing was said yet may still turn into TLS */
	bool stops; /* set by the caller: next() says WAIT where a body begins; see _rest(). Without it bodies are consumed. */
	struct starttls talk; /* private */
	uint64_t asked_at;    /* private: talk.asked holds from this stream offset on */
	uint8_t app;	      /* enum app_proto, as far as known */
	bool retry;	      /* the server asked for a second hello */
	bool ccs;	      /* private: a change of cipher was seen behind the hello */
	struct ident *first;  /* TLS: the first hello's, once there was one */
	struct http_stream http;
};

struct identify_result {
	struct ident ident; /* packet is 0: the caller's to set */
	/* stream offset: if this result is allowed, bytes before it may be passed on; UINT64_MAX = all */
	uint64_t safe_to;
	/* the name as sent (SNI, Host, CONNECT or SOCKS target), p NULL = none; valid until the next call */
	struct slice raw;
	struct http_head http; /* ident.app HTTP: method, target and so on, same validity */
	uint16_t records;      /* TLS: over how many records */
	bool goes_on;	       /* NOT_PROTO: not the last result */
	struct slice alpn;     /* TLS: as in struct tls_hello */
};

/* limit: bytes of one hello or head. first: where what the first hello said is kept, the caller's, as long as s; the caller may
 * keep its own copy of that result there, and changes nothing in it until the stream is done with. */
void stream_ident_init(struct stream_ident *s, uint32_t limit, struct ident *first);
/* A port where TLS may begin behind a cleartext preamble: its words pass (WAIT), the hello behind them is judged as ever,
 * anything else is NOT_PROTO (or, at the stream's start, read by content: identify/starttls.h). Before the first next(). */
void stream_ident_expect_preamble(struct stream_ident *s, enum starttls_proto p);

/* bytes: the client's, without a gap, from stream offset `offset` <= s->pos on. scratch: TLS_SCRATCH bytes, may be shared
 * by all flows of a thread. */
enum identify_step stream_ident_next(struct stream_ident *s, uint64_t offset, struct slice bytes,
	uint8_t *scratch, struct identify_result *out);

/* Bytes from s->pos on that belong to a body (an HTTP request's, an LDAP message's): all of them may pass unseen, and
 * _skip() tells how many did. 0 = none now: the next bytes are to be shown. UINT64_MAX: all there will ever be. */
uint64_t stream_ident_rest(const struct stream_ident *s);
void stream_ident_skip(struct stream_ident *s, uint64_t n); /* n <= rest */
/* More of a request's body is to come, whether it need be shown or not (see http_stream.h). */
bool stream_ident_in_body(const struct stream_ident *s);

/* Behind plain words: may these bytes take the place of the ones read at stream offset `at`, whatever those were? They may
 * when no hello can begin in them, or by them. */
bool stream_ident_may_differ(const struct stream_ident *s, uint64_t at, struct slice bytes);

/* The server answered: SERVER_HELLO or SERVER_ALERT ends the watch for a second hello (next() says DONE). */
void stream_ident_server(struct stream_ident *s, enum server_says what);
/* A hello has begun and is not complete. */
bool stream_ident_reads_hello(const struct stream_ident *s);

#endif
