/* SPDX-License-Identifier: GPL-3.0-or-later
 * refuse_quic.c - closes a QUIC connection before its handshake.
 *
 * The close is an Initial with the server's keys, which everybody who saw the client's Initial can derive. Its packet number is
 * high, because the server may have acknowledged part of the hello with low numbers, and a client discards a number that it has
 * seen. The packet is not padded: CONNECTION_CLOSE elicits no acknowledgement, so RFC 9000 14.1 requires no padding.
 *
 * Owns: nothing. Thread: any; pure. Fails: 0 bytes. See: RFC 9000 7.2, 17.2.1, 19.19; RFC 9369 3.2.
 */
#include "act/refuse.h"
#include "refuse_int.h"

enum {
	UDP_HEAD = 8,
	PN = 0x3f00,
	PN_LEN = 2,
	TAG = 16,
	HEADER_MAX = 1 + 4 + 2 * (1 + QUIC_CID_MAX) + 1 + 2 + PN_LEN
};

static size_t wrap_udp(
	const struct refuse_udp *u, size_t payload, uint8_t *out, size_t cap, uint8_t **at)
{
	size_t ip =
		refuse_ip_head(&u->src, &u->dst, IPPROTO_UDP, u->ttl, UDP_HEAD + payload, out, cap);
	if (ip == 0)
		return 0;
	uint8_t *p = out + ip;
	refuse_put16(p, u->sport);
	refuse_put16(p + 2, u->dport);
	refuse_put16(p + 4, (uint32_t)(UDP_HEAD + payload));
	refuse_put16(p + 6, 0);
	*at = p + UDP_HEAD;
	return ip + UDP_HEAD + payload;
}

static void finish_udp(const struct refuse_udp *u, uint8_t *payload, size_t n)
{
	uint8_t *p = payload - UDP_HEAD;
	refuse_put16(p + 6, refuse_checksum(&u->src, &u->dst, IPPROTO_UDP, p, UDP_HEAD + n));
}

static uint8_t *put_cid(uint8_t *p, const struct quic_cid *cid)
{
	*p++ = cid->n;
	memcpy(p, cid->b, cid->n);
	return p + cid->n;
}

static size_t initial_header(
	const struct quic_seen *to, size_t frames, uint8_t out[static HEADER_MAX])
{
	uint8_t *p = out;
	*p++ = (to->version == QUIC_V2 ? 0xd0 : 0xc0) | (PN_LEN - 1);
	refuse_put32(p, to->version);
	p = put_cid(p + 4, &to->scid);
	p = put_cid(p, to->server.n ? &to->server : &to->dcid);
	*p++ = 0; /* token */
	refuse_put16(p, (uint32_t)(0x4000 | (PN_LEN + frames + TAG)));
	refuse_put16(p + 2, PN);
	return (size_t)(p + 2 + PN_LEN - out);
}

size_t refuse_quic_close(const struct refuse_udp *u, struct quic_crypt *c,
	const struct quic_seen *to, enum refuse_quic_error error, uint8_t *out, size_t cap)
{
	/* CONNECTION_CLOSE, error (two bytes), caused by a CRYPTO frame, no reason phrase */
	uint8_t frames[5] = {0x1c, (uint8_t)(0x40 | error >> 8), (uint8_t)error, 0x06, 0};
	uint8_t header[HEADER_MAX], *at;
	struct quic_keys keys;
	if (!quic_crypt_keys(c, to->version, &to->dcid, QUIC_SERVER, &keys))
		return 0;
	size_t head = initial_header(to, sizeof(frames), header), n = head + sizeof(frames) + TAG;
	size_t total = wrap_udp(u, n, out, cap, &at);
	if (total == 0 || quic_crypt_seal(c, &keys, slice_of(header, head), PN_LEN, PN,
				  slice_of(frames, sizeof(frames)), at, n) != n)
		return 0;
	finish_udp(u, at, n);
	return total;
}

size_t refuse_quic_versions(
	const struct refuse_udp *u, const struct quic_seen *to, uint8_t *out, size_t cap)
{
	size_t n = 1 + 4 + 1 + (size_t)to->scid.n + 1 + to->dcid.n + 8;
	uint8_t *p;
	size_t total = wrap_udp(u, n, out, cap, &p);
	if (total == 0)
		return 0;
	uint8_t *start = p;
	*p++ = 0xc0;
	refuse_put32(p, 0);
	p = put_cid(p + 4, &to->scid);
	p = put_cid(p, &to->dcid);
	refuse_put32(p, QUIC_V1);
	refuse_put32(p + 4, QUIC_V2);
	finish_udp(u, start, n);
	return total;
}
