/* SPDX-License-Identifier: GPL-3.0-or-later
 * refuse.h - builds the packets of a refusal: TCP segments, ICMP errors, QUIC closes, HTTP answers.
 *
 * Packets are whole IP packets (v4 when both addresses are), checksums filled in, fit for inject_send().
 *
 * Owns: nothing; writes to the caller's bytes. Thread: any; pure. Fails: 0 bytes when `cap` is too small or the
 * addresses are of two families; REFUSE_PACKET_MAX is always enough.
 * See: docs/design/decision.md "Refusing"; RFC 9293 3.10.7, RFC 7323 5, RFC 792, RFC 1812 5.2.7.1, RFC 4443 3.1,
 * RFC 6066 3, RFC 9000 10.2.3 and 17.2.1.
 */
#ifndef ACT_REFUSE_H
#define ACT_REFUSE_H

#include "base/addr.h"
#include "base/strbuf.h"
#include "identify/quic.h"

enum { REFUSE_PACKET_MAX = 1500 };

/* One segment. src and dst are the segment's own: towards the client, src is the server. */
struct refuse_tcp {
	struct addr src, dst;
	uint16_t sport, dport;
	uint32_t seq,
		ack; /* host order. Towards the client: seq = next byte it expects from the server (the ACK of its
	                       * newest segment), ack = end of what it sent. Towards the server: seq = first byte not passed
	                       * on without a gap (an exact match, or RFC 5961 answers with a challenge ACK) */
	bool has_ts; /* the flow negotiated timestamps: without one the segment is dropped */
	uint32_t tsval,
		tsecr; /* host order. tsval: the sender's newest + a little (PAWS); tsecr: the receiver's newest */
	uint8_t ttl; /* 0 = 64 */
};

enum { REFUSE_ALERT_SIZE = 7 };
enum refuse_alert { REFUSE_ALERT_ACCESS_DENIED = 49, REFUSE_ALERT_UNRECOGNIZED_NAME = 112 };

/* The TLS record of a fatal alert, version 0303. */
void refuse_alert_record(enum refuse_alert alert, uint8_t out[static REFUSE_ALERT_SIZE]);

/* PSH ACK with `payload`: more words will follow (a page longer than a segment). */
size_t refuse_tcp_payload(
	const struct refuse_tcp *t, struct slice payload, uint8_t *out, size_t cap);
/* PSH ACK FIN with `payload` (the alert's record): the client reads it and the end. */
size_t refuse_tcp_last_payload(
	const struct refuse_tcp *t, struct slice payload, uint8_t *out, size_t cap);
/* RST ACK. */
size_t refuse_tcp_rst(const struct refuse_tcp *t, uint8_t *out, size_t cap);

/* ICMP 3/13 or ICMPv6 1/1, "administratively prohibited", to the sender of `packet` (an IP packet, from its first
 * byte), as if its destination or, with `from`, as the gateway said it. NULL from: the packet's destination. Quotes at
 * most 548 (v4) or 1232 (v6) bytes. 0 also for packets that may not be answered: ICMP errors, fragments but the first,
 * multicast, broadcast and unspecified addresses. */
size_t refuse_icmp(struct slice packet, const struct addr *from, uint8_t *out, size_t cap);

/* The four parts of a UDP answer to a client's datagram: addresses are the ANSWER's own, src is the server. */
struct refuse_udp {
	struct addr src, dst;
	uint16_t sport, dport;
	uint8_t ttl; /* 0 = 64 */
};
enum refuse_quic_error {
	REFUSE_QUIC_CONNECTION_REFUSED = 0x02,
	REFUSE_QUIC_UNRECOGNIZED_NAME = 0x0100 + 112, /* CRYPTO_ERROR of the TLS alert */
};

/* A server Initial with CONNECTION_CLOSE (0x1c), sealed with the keys of the client's connection ID, from the ID the
 * server has chosen if it has answered part of the hello (a client drops any other, RFC 9000 7.2). `to`: what
 * quic_ident_client() said about the datagram refused. 0 also for a version without known keys. */
size_t refuse_quic_close(const struct refuse_udp *u, struct quic_crypt *c,
	const struct quic_seen *to, enum refuse_quic_error error, uint8_t *out, size_t cap);
/* Version Negotiation that offers v1 and v2: the answer to quic_seen.unreadable_version. */
size_t refuse_quic_versions(
	const struct refuse_udp *u, const struct quic_seen *to, uint8_t *out, size_t cap);

#endif
