/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_packet.c - long headers, connection IDs, coalesced packets.
 *
 * Owns: nothing. Thread: any; pure. Fails: false.
 * Source of the older salts: draft-ietf-quic-tls-22 to -34. See: RFC 8999; RFC 9000 17.2; RFC 9369 3.2.
 */
#include "identify/quic_packet.h"

#include "base/cursor.h"
#include "quic_int.h"

enum { LONG = 0x80, FIXED = 0x40, RETRY_TAG = 16, SHORT_MIN = 21 };

static const uint8_t SALT_22[20] = {0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a,
	0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a};
static const uint8_t SALT_23[20] = {0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7,
	0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02};
static const uint8_t SALT_29[20] = {0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,
	0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99};
static const uint8_t SALT_V1[20] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
	0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
static const uint8_t SALT_V2[20] = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
	0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
static const uint8_t RETRY_KEY_29[16] = {0xcc, 0xce, 0x18, 0x7e, 0xd0, 0x9a, 0x09, 0xd0, 0x57, 0x28,
	0x15, 0x5a, 0x6c, 0xb9, 0x6b, 0xe1};
static const uint8_t RETRY_NONCE_29[12] = {
	0xe5, 0x49, 0x30, 0xf9, 0x7f, 0x21, 0x36, 0xf0, 0x53, 0x0a, 0x8c, 0x1c};
static const uint8_t RETRY_KEY_V1[16] = {0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76,
	0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e};
static const uint8_t RETRY_NONCE_V1[12] = {
	0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb};
static const uint8_t RETRY_KEY_V2[16] = {0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb,
	0xcb, 0xce, 0xad, 0x7c, 0xcc, 0x92};
static const uint8_t RETRY_NONCE_V2[12] = {
	0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a};

static const struct quic_version VERSIONS[] = {
	{QUIC_V1, QUIC_V1, SALT_V1, false, RETRY_KEY_V1, RETRY_NONCE_V1},
	{QUIC_V2, QUIC_V2, SALT_V2, true, RETRY_KEY_V2, RETRY_NONCE_V2},
	{0xff000016, 0xff000016, SALT_22, false, NULL, NULL},
	{0xff000017, 0xff00001c, SALT_23, false, NULL, NULL},
	{0xff00001d, 0xff000020, SALT_29, false, RETRY_KEY_29, RETRY_NONCE_29},
	{0xff000021, 0xff000022, SALT_V1, false, RETRY_KEY_V1, RETRY_NONCE_V1},
	{0xfaceb001, 0xfaceb001, SALT_22, false, NULL,
		NULL}, /* mvfst's names for drafts 22 and 27 */
	{0xfaceb002, 0xfaceb002, SALT_23, false, NULL, NULL},
	{0xfaceb00e, 0xfaceb00e, SALT_23, false, NULL, NULL},
};

const struct quic_version *quic_version_find(uint32_t version)
{
	for (size_t i = 0; i < sizeof(VERSIONS) / sizeof(VERSIONS[0]); i++)
		if (version >= VERSIONS[i].first && version <= VERSIONS[i].last)
			return &VERSIONS[i];
	return NULL;
}

bool quic_version_known(uint32_t version)
{
	return quic_version_find(version) != NULL;
}

bool quic_cid_eq(const struct quic_cid *a, const struct quic_cid *b)
{
	return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

static void read_cid(struct cursor *c, struct quic_cid *out)
{
	uint8_t n = cursor_u8(c);
	if (n > QUIC_CID_MAX) {
		cursor_fail(c);
		n = 0;
	}
	struct slice s = cursor_bytes(c, n);
	*out = (struct quic_cid){.n = (uint8_t)s.n};
	if (s.n)
		memcpy(out->b, s.p, s.n);
}

static enum quic_type type_of(uint8_t first, const struct quic_version *v)
{
	static const uint8_t V1[4] = {
		QUIC_TYPE_INITIAL, QUIC_TYPE_0RTT, QUIC_TYPE_HANDSHAKE, QUIC_TYPE_RETRY};
	static const uint8_t V2[4] = {
		QUIC_TYPE_RETRY, QUIC_TYPE_INITIAL, QUIC_TYPE_0RTT, QUIC_TYPE_HANDSHAKE};
	return (v->v2 ? V2 : V1)[first >> 4 & 3];
}

/* All but Retry: [token] length, packet number, payload. */
static bool read_numbered(struct slice d, struct cursor *c, struct quic_packet *out)
{
	if (out->type == QUIC_TYPE_INITIAL) {
		uint64_t n = cursor_varint(c);
		if (n > cursor_left(c))
			return false;
		out->token = cursor_bytes(c, (size_t)n);
	}
	uint64_t n = cursor_varint(c);
	if (!cursor_ok(c) || n > cursor_left(c))
		return false;
	out->pn_at = (size_t)(c->p - d.p);
	out->whole = slice_of(d.p, out->pn_at + (size_t)n);
	return true;
}

static bool read_retry(struct slice d, struct cursor *c, struct quic_packet *out)
{
	if (!cursor_ok(c) || cursor_left(c) < RETRY_TAG)
		return false;
	out->token = cursor_bytes(c, cursor_left(c) - RETRY_TAG);
	out->whole = d;
	return true;
}

static bool read_long(struct slice d, struct quic_packet *out)
{
	struct cursor c = cursor_inner(slice_of(d.p + 1, d.n - 1));
	out->version = cursor_u32(&c);
	read_cid(&c, &out->dcid);
	read_cid(&c, &out->scid);
	if (!cursor_ok(&c))
		return false;
	const struct quic_version *v = quic_version_find(out->version);
	if (!v) {
		out->type = out->version ? QUIC_TYPE_UNKNOWN : QUIC_TYPE_VERSIONS;
		out->whole = d;
		return true;
	}
	out->type = type_of(d.p[0], v);
	return out->type == QUIC_TYPE_RETRY ? read_retry(d, &c, out) : read_numbered(d, &c, out);
}

bool quic_packet_next(struct slice *rest, struct quic_packet *out)
{
	struct slice d = *rest;
	if (d.n == 0)
		return false;
	*out = (struct quic_packet){0};
	if (d.p[0] & LONG) {
		if (!read_long(d, out))
			return false;
	} else if (d.p[0] & FIXED) {
		out->type = QUIC_TYPE_SHORT;
		out->whole = d;
	} else {
		return false;
	}
	*rest = slice_of(d.p + out->whole.n, d.n - out->whole.n);
	return true;
}

bool quic_looks_short(struct slice d)
{
	return d.n >= SHORT_MIN && (d.p[0] & (LONG | FIXED)) == FIXED;
}

/* gQUIC up to Q043: flags 0x01 (version) and 0x08 (8 bytes of connection ID), then "Q0" and two digits. */
static bool is_old_gquic(struct slice d)
{
	return (d.p[0] & 0x89) == 0x09 && d.p[9] == 'Q' && d.p[10] == '0' && d.p[11] >= '0' &&
	       d.p[11] <= '9' && d.p[12] >= '0' && d.p[12] <= '9';
}

/* gQUIC Q046 to T051: the lengths of both connection IDs in one byte, so read_long() may misread it. */
static bool is_late_gquic(struct slice d)
{
	return (d.p[0] & LONG) && (d.p[1] == 'Q' || d.p[1] == 'T') && d.p[2] == '0' &&
	       d.p[3] >= '0' && d.p[3] <= '9' && d.p[4] >= '0' && d.p[4] <= '9';
}

bool quic_version_usual(uint32_t v)
{
	static const struct {
		uint32_t mask, value;
	} FAMILIES[] = {
		{0x0f0f0f0f, 0x0a0a0a0a}, /* greased, RFC 9000 15 */
		{0xffff0000, 0xff000000}, /* drafts of version 1 */
		{0xffff0000, 0xff020000}, /* drafts of version 2, and its first number */
		{0xffffffff, 0x709a50c4},
		{0xffffff00, 0xfaceb000}, /* mvfst */
		{0xfffffff0, 0xabcd0000}, /* MsQuic */
		{0xfffffff0, 0x50435130}, /* picoquic, "PCQ" */
		{0xffff0000, 0x51300000}, /* gQUIC, "Q0" and "T0" */
		{0xffff0000, 0x54300000},
	};
	for (size_t i = 0; i < sizeof(FAMILIES) / sizeof(FAMILIES[0]); i++)
		if ((v & FAMILIES[i].mask) == FAMILIES[i].value)
			return true;
	return quic_version_known(v);
}

bool quic_plausible(struct slice d)
{
	if (d.n < QUIC_INITIAL_MIN)
		return false;
	if (is_old_gquic(d) || is_late_gquic(d))
		return true;
	struct quic_packet p;
	if ((d.p[0] & (LONG | FIXED)) != (LONG | FIXED) || !quic_packet_next(&d, &p))
		return false;
	return p.dcid.n >= 8 && p.type != QUIC_TYPE_VERSIONS && p.type != QUIC_TYPE_RETRY;
}
