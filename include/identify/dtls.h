/* SPDX-License-Identifier: GPL-3.0-or-later
 * dtls.h - the ClientHello of DTLS: one datagram, or fragments of it in several.
 *
 * Owns: nothing; struct dtls_join is the caller's (zeroed at first), for one UDP flow. Thread: one at a time; pure.
 * Fails: by status. See: RFC 6347 4.2, RFC 9147 5; row T41.
 */
#ifndef IDENTIFY_DTLS_H
#define IDENTIFY_DTLS_H

#include "identify/tls_hello.h"

enum { DTLS_HELLO_MAX = 8192 };

struct dtls_join {
	uint32_t total;	      /* bytes of the hello's body; 0 = none has begun */
	uint16_t message_seq; /* a hello with a cookie is another message */
	uint8_t bytes[DTLS_HELLO_MAX];
	uint8_t seen[DTLS_HELLO_MAX / 8];
};

/* One UDP payload of the client. OK: the hello is complete, *out points into j or the datagram. NEED_MORE: a part of one.
 * INVALID: out->anomaly is NOT_KNOWN (not a DTLS hello), CONTRADICTION (two copies differ; *j keeps the first), TOO_LARGE,
 * or what tls_hello_parse_body says. */
enum parse dtls_hello_add(struct dtls_join *j, struct slice datagram, struct tls_hello *out);

#endif
