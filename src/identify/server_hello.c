/* SPDX-License-Identifier: GPL-3.0-or-later
 * server_hello.c - what the server's first bytes are.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: identify/server_hello.h.
 */
#include "identify/server_hello.h"

#include "identify/tls_record.h"

enum {
	SERVER_HELLO_TYPE = 2,
	ALERT_WARNING = 1,
	RANDOM_AT = 6,
	RANDOM = 32,
	LOOK = RANDOM_AT + RANDOM
};

/* SHA-256("HelloRetryRequest") */
static const uint8_t retry_random[RANDOM] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe,
	0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
	0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

static enum server_says judge(const uint8_t *message, size_t n)
{
	size_t seen = n > RANDOM_AT ? n - RANDOM_AT : 0;

	if (n > 0 && message[0] != SERVER_HELLO_TYPE)
		return SERVER_OTHER;
	if (memcmp(message + RANDOM_AT, retry_random, seen) != 0)
		return SERVER_HELLO;
	return n == LOOK ? SERVER_RETRY : SERVER_PENDING;
}

/* Joins what records hold of the first LOOK bytes of the first message; warnings in front are skipped (old servers
 * send unrecognized_name so). */
enum server_says server_hello_look(struct slice stream)
{
	struct cursor c = cursor_outer(stream);
	uint8_t message[LOOK] = {0};
	size_t have = 0;

	while (have < LOOK && cursor_left(&c) > 0) {
		uint8_t type = cursor_u8(&c);
		uint16_t version = cursor_u16(&c);
		size_t len = cursor_u16(&c), there = cursor_left(&c);

		if (type != TLS_HANDSHAKE && type != TLS_ALERT)
			return SERVER_OTHER;
		if (stream.n >= 2 && stream.p[1] != 3)
			return SERVER_OTHER;
		if (!cursor_ok(&c) || there == 0)
			break;
		if (version >> 8 != 3 || len == 0)
			return SERVER_OTHER;
		if (type == TLS_ALERT && *c.p != ALERT_WARNING)
			return SERVER_ALERT;
		if (type == TLS_HANDSHAKE) {
			size_t n = there < len ? there : len;

			n = n < LOOK - have ? n : LOOK - have;
			memcpy(message + have, c.p, n);
			have += n;
		}
		cursor_skip(&c, len);
	}
	return judge(message, have);
}
