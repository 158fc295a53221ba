/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_packet.h - the readable part of QUIC packets: long headers, connection IDs, coalesced packets.
 *
 * This part decrypts nothing; only quic_crypt_open() proves that a packet is an Initial.
 *
 * Owns: nothing; slices point into the datagram. Thread: any; pure. Fails: false, *out and *rest then mean nothing.
 * See: RFC 8999; RFC 9000 12.2, 17.2; RFC 9369 3.2 (type bits of version 2).
 */
#ifndef IDENTIFY_QUIC_PACKET_H
#define IDENTIFY_QUIC_PACKET_H

#include "base/slice.h"

enum {
	QUIC_CID_MAX = 20,
	QUIC_INITIAL_MIN =
		1200, /* bytes of a UDP payload with a client Initial in it, RFC 9000 14.1 */
};
#define QUIC_V1 0x00000001u
#define QUIC_V2 0x6b3343cfu

struct quic_cid {
	uint8_t n; /* 0..20 */
	uint8_t b[QUIC_CID_MAX];
};

enum quic_type {
	QUIC_TYPE_INITIAL,
	QUIC_TYPE_0RTT,
	QUIC_TYPE_HANDSHAKE,
	QUIC_TYPE_RETRY,
	QUIC_TYPE_VERSIONS, /* Version Negotiation */
	QUIC_TYPE_SHORT,    /* 1-RTT: no length and no version; the rest of the datagram */
	QUIC_TYPE_UNKNOWN, /* a long header of a version whose types and keys are not known; the rest of the datagram */
};

struct quic_packet {
	enum quic_type type;
	uint32_t version;	    /* 0 for VERSIONS and SHORT */
	struct quic_cid dcid, scid; /* empty for SHORT, whose length is not readable */
	struct slice token;	    /* INITIAL; RETRY: the token without the integrity tag */
	struct slice whole;	    /* first byte of the header to the last byte of the payload */
	size_t pn_at; /* offset in whole of the (protected) packet number; INITIAL, 0RTT, HANDSHAKE */
};

/* Takes the first packet off *rest. False at the end of the datagram, and at bytes that are no QUIC packet (zero
 * padding behind the last packet is common). Lengths that lie are false, never read past. */
bool quic_packet_next(struct slice *rest, struct quic_packet *out);

/* v1, v2, drafts 22 to 34 and mvfst's names for them. */
bool quic_version_known(uint32_t version);

/* One of a known family: those, grease, other drafts, gQUIC, and what the libraries use for trials. */
bool quic_version_usual(uint32_t version);

/* Could this first datagram of a client be QUIC at all? Cheap, no cryptography: the fixed bit, connection IDs of the
 * right sizes, lengths that hold, at least 1200 bytes; gQUIC's old headers too. Meant to be right about DNS, NTP, RTP,
 * SIP, STUN, DTLS and their like; a proof is only quic_ident_client(). */
bool quic_plausible(struct slice datagram);

/* A 1-RTT packet by its look: 01...... and at least 21 bytes. One in four random datagrams looks so. */
bool quic_looks_short(struct slice datagram);

bool quic_cid_eq(const struct quic_cid *a, const struct quic_cid *b);

#endif
