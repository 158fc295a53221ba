/* SPDX-License-Identifier: GPL-3.0-or-later
 * packet.h - one IPv4 or IPv6 packet, from its IP header on, as a queue or a capture hands it over.
 *
 * The parser copes with GSO super-packets (64 KiB, also those whose length field is 0), verifies no checksum (partial ones are
 * normal here), trims Ethernet padding by the IP length and walks IPv6 extension headers (at most PACKET_EXT_MAX).
 *
 * Owns: nothing; payload points into the caller's bytes. Thread: any; pure.
 * Fails: PARSE_INVALID, *out then undefined. Never NEED_MORE. See: RFC 791, 8200, 9293, 6946, 7045.
 */
#ifndef IDENTIFY_PACKET_H
#define IDENTIFY_PACKET_H

#include "base/addr.h"
#include "base/cursor.h"

enum { PACKET_EXT_MAX = 8 };

enum packet_tcp_flag {
	PACKET_FIN = 1 << 0,
	PACKET_SYN = 1 << 1,
	PACKET_RST = 1 << 2,
	PACKET_PSH = 1 << 3,
	PACKET_ACK = 1 << 4,
	PACKET_URG = 1 << 5,
};

struct packet {
	struct addr src, dst;
	uint16_t sport, dport; /* host order; TCP, UDP, UDP-Lite, SCTP, DCCP; else 0 */
	uint8_t proto;	       /* upper layer, IPPROTO_*; after all extension headers */
	uint8_t ttl;	       /* or hop limit */
	bool fragment; /* a raw fragment (an IPv6 atomic one is not): ports only where `first` and there */
	bool first;	/* not a fragment, or the one with offset 0 */
	bool truncated; /* fewer bytes than the IP length says; payload holds those that are there */
	/* of a raw fragment: */
	uint16_t frag_offset; /* bytes */
	uint16_t frag_at;     /* where the fragmented bytes begin in the packet */
	uint32_t frag_id;
	bool frag_more;
	uint8_t frag_next; /* protocol of the fragmented bytes: may be an extension header's */
	uint16_t ip_len;   /* bytes of IP header and extension headers */
	uint16_t l4_len;   /* bytes of TCP or UDP header */
	struct slice
		payload; /* after the TCP or UDP header; for other protocols after the IP headers */

	/* TCP only, else 0 */
	uint32_t seq, ack; /* host order */
	uint16_t window;   /* as sent, unscaled */
	uint16_t urgent;
	uint8_t flags; /* enum packet_tcp_flag */
	bool has_ts, has_md5, has_ao, has_fastopen, has_mptcp;
	uint32_t ts_val, ts_ecr;
	uint16_t mss; /* 0 = no option */

	/* ICMP, ICMPv6 */
	uint8_t icmp_type, icmp_code;
};

/* INVALID: not IP 4 or 6, a header that does not fit, a TCP data offset below 20 or past the packet, a UDP length
 * past it, too many or doubled hop-by-hop extension headers. */
enum parse packet_parse(struct slice ip, struct packet *out);

#endif
