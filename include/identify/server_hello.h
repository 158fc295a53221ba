/* SPDX-License-Identifier: GPL-3.0-or-later
 * server_hello.h - what the server's first bytes are.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: RFC 8446 4.1.3 (the random of a HelloRetryRequest).
 */
#ifndef IDENTIFY_SERVER_HELLO_H
#define IDENTIFY_SERVER_HELLO_H

#include "base/slice.h"

enum server_says {
	SERVER_PENDING, /* too few bytes (a proper prefix of one of the next three) */
	SERVER_HELLO,	/* the handshake goes on: the client's hello is final */
	SERVER_RETRY,	/* HelloRetryRequest: a second hello will come */
	SERVER_ALERT,	/* refused by the server */
	SERVER_OTHER,	/* not TLS */
};

enum server_says server_hello_look(
	struct slice stream); /* the server's bytes from its first one on */

#endif
