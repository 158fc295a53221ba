/* SPDX-License-Identifier: GPL-3.0-or-later
 * http_offer.h - where a request's head offers to go on in HTTP/2 without TLS (`Upgrade: h2c`), so that it can be taken out.
 *
 * Nobody could read which requests such a connection carries, so its first bytes would be refused, but the server has agreed to
 * the protocol by then. With another last letter the offer names a protocol that no server knows, and the server goes on in
 * HTTP/1.1 (RFC 9110 7.8). The change is one byte and keeps the length, however the head was cut into packets.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: RFC 7540 3.2, RFC 9113 3.1.
 */
#ifndef IDENTIFY_HTTP_OFFER_H
#define IDENTIFY_HTTP_OFFER_H

#include "base/slice.h"

enum { HTTP_OFFER_NONE = 'x' }; /* the letter: h2x is no protocol */

struct http_offer { /* = {0} for each head; private */
	size_t line, scanned, value;
	bool headers;
};

/* head: the bytes of one head that are there, from its first one on, whole or not. True: *at is the place of the next
 * offer's letter; ask again. Behind false, ask again with more of the same head: each byte is looked at once. */
bool http_offer_find(struct http_offer *o, struct slice head, size_t *at);

#endif
