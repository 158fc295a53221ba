/* SPDX-License-Identifier: GPL-3.0-or-later
 * dtls.c - the ClientHello of DTLS.
 *
 * Owns: nothing. Thread: one at a time; pure. Fails: by status. See: identify/dtls.h.
 */
#include "identify/dtls.h"

enum { HANDSHAKE = 22, CLIENT_HELLO = 1 };

struct fragment {
	uint32_t total, offset;
	uint16_t message_seq;
	struct slice body;
};

static enum parse invalid(struct tls_hello *out, enum anomaly anomaly)
{
	out->anomaly = anomaly;
	return PARSE_INVALID;
}

/* One record of epoch 0 that holds (a fragment of) a ClientHello. */
static bool read_record(struct cursor *c, struct fragment *f)
{
	uint8_t type = cursor_u8(c);
	uint16_t version = cursor_u16(c), epoch = cursor_u16(c);
	struct cursor body;
	uint32_t len;

	cursor_skip(c, 6); /* sequence number */
	body = cursor_block(c, cursor_u16(c));
	if (!cursor_ok(c) || type != HANDSHAKE || version >> 8 != 0xfe || epoch != 0)
		return false;
	if (cursor_u8(&body) != CLIENT_HELLO)
		return false;
	f->total = cursor_u24(&body);
	f->message_seq = cursor_u16(&body);
	f->offset = cursor_u24(&body);
	len = cursor_u24(&body);
	f->body = cursor_bytes(&body, len);
	return cursor_ok(&body) && f->offset + len <= f->total;
}

/* First copy wins. False when a copy differs. */
static bool store(struct dtls_join *j, const struct fragment *f)
{
	for (uint32_t i = 0; i < f->body.n; i++) {
		uint32_t at = f->offset + i;
		uint8_t mask = (uint8_t)(1u << (at % 8));

		if ((j->seen[at / 8] & mask) && j->bytes[at] != f->body.p[i])
			return false;
		j->seen[at / 8] |= mask;
		j->bytes[at] = f->body.p[i];
	}
	return true;
}

static bool complete(const struct dtls_join *j)
{
	for (uint32_t at = 0; at < j->total; at++)
		if (!(j->seen[at / 8] >> (at % 8) & 1))
			return false;
	return true;
}

static enum parse add_fragment(struct dtls_join *j, const struct fragment *f, struct tls_hello *out)
{
	if (f->total > DTLS_HELLO_MAX)
		return invalid(out, ANOMALY_TOO_LARGE);
	if (j->total == 0 || f->message_seq != j->message_seq) {
		*j = (struct dtls_join){.total = f->total, .message_seq = f->message_seq};
	} else if (f->total != j->total) {
		return invalid(out, ANOMALY_CONTRADICTION);
	}
	if (!store(j, f))
		return invalid(out, ANOMALY_CONTRADICTION);
	if (!complete(j))
		return PARSE_NEED_MORE;
	return tls_hello_parse_body(slice_of(j->bytes, j->total), true, out);
}

enum parse dtls_hello_add(struct dtls_join *j, struct slice datagram, struct tls_hello *out)
{
	struct cursor c = cursor_inner(datagram);
	enum parse status = PARSE_INVALID;
	struct fragment f;

	*out = (struct tls_hello){.anomaly = ANOMALY_NOT_KNOWN};
	while (cursor_left(&c) > 0 && read_record(&c, &f)) {
		out->anomaly = ANOMALY_NOTHING;
		status = add_fragment(j, &f, out);
		if (status != PARSE_NEED_MORE)
			break;
	}
	return status;
}
