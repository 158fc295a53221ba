/* SPDX-License-Identifier: GPL-3.0-or-later
 * capture_flow_int.h - one captured flow, as capture_flows.c, capture_tcp.c and capture_udp.c share it.
 *
 * Thread: one.
 */
#ifndef CTL_CAPTURE_FLOW_INT_H
#define CTL_CAPTURE_FLOW_INT_H

#include "capture_int.h"
#include "identify/dtls.h"
#include "identify/identify.h"
#include "identify/quic.h"
#include "identify/segments.h"

enum { SIDE_UNKNOWN = -1, SYNS_KEPT = 8, WINDOW = 1 << 20 };

struct side { /* what one end of a TCP connection sends */
	bool begun;
	bool over;     /* all that will be said is said */
	bool syn;      /* its SYN was seen */
	bool syn_data; /* nothing but what came with the SYN is there */
	bool late; /* the capture began later and the bytes so far are no protocol: try each segment */
	struct segments segments;
	struct stream_ident id;
	struct ident first; /* its part */
};

struct flow {
	struct flow *next;    /* in the bucket */
	struct flow *younger; /* in order of first packets */
	struct addr addr[2];
	uint16_t port[2];
	uint8_t proto;
	int client;    /* index of addr, or SIDE_UNKNOWN */
	bool answered; /* by a SYN-ACK, which says where the client's stream begins */
	uint32_t syns
		[SYNS_KEPT]; /* where it may begin: behind each SYN so far, the last ones; a ring */
	unsigned n_syns;
	struct side sides[2];	 /* TCP */
	struct quic_ident *quic; /* UDP */
	struct dtls_join *dtls;
	struct capture_result result;
	unsigned results;
};

/* The flow's judged kind is the first result's; something evasive later on wins. */
void flow_note(struct flow *f, int client, const struct ident *id, enum app_proto app);
/* A hello's: its name is listed where there is one, its ALPN if it is the first. */
void flow_note_hello(struct flow *f, int client, const struct ident *id, struct slice name,
	struct slice alpn, enum app_proto app);
/* One item of result.names; p NULL is null. */
void flow_add_name(struct flow *f, struct slice name);

/* p belongs to the connection `newest` of its ends, or to `before`, the one before it (NULL: there is none); NULL: a SYN
 * that begins another. */
struct flow *tcp_choose(struct flow *newest, struct flow *before, int from, const struct packet *p);
void tcp_packet(struct flow *f, int from, const struct packet *p, uint8_t *scratch);
void tcp_end(struct flow *f, uint8_t *scratch);

void udp_packet(
	struct flow *f, int from, const struct packet *p, uint64_t at_ms, struct quic_crypt *crypt);
void udp_end(struct flow *f);

#endif
