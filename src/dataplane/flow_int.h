/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_int.h - what the files of the inspect path share.
 *
 *   flow_packet.c   a packet in: parse, direction, path           flow_judge.c   who, policy, event
 *   flow_tcp.c      the client's bytes of an inspected TCP flow   flow_bytes.c   which of them are kept
 *   flow_server.c   what its server says                          flow_offer.c   offers that are taken out
 *   flow_udp.c      QUIC and other UDP on inspected ports         flow_other.c   first packets of every other flow
 *   refusal.c       the answers of a refusal                      answer.c       how many of them, and how they are sent
 *   flow_held.c     UDP datagrams that wait                       flow_sweep.c   deadlines, idle flows
 *   flow_live.c     decisions that are taken back           live_hand.c    what somebody cuts, relays in the table
 */
#ifndef FLOW_INT_H
#define FLOW_INT_H

#include "act/inject.h"
#include "act/refuse.h"
#include "dataplane/flowtab.h"
#include "dataplane/livetab.h"
#include "dataplane/worker.h"
#include "identify/http_offer.h"
#include "identify/identify.h"
#include "identify/packet.h"
#include "identify/packet_edit.h"
#include "identify/past.h"
#include "identify/quic.h"
#include "identify/segments.h"
#include "intercept/nfq.h"
#include "intercept/synlog.h"
#include "model/mark.h"

enum {
	MARK_CONN = MARK_HELD | MARK_ALLOWED | MARK_TENTATIVE | MARK_REFUSED,
	/* of an inspected TCP connection, as iptables/durward-rules reads them */
	MARK_SYN_SEEN = MARK_HELD,
	MARK_UNDECIDED = MARK_HELD | MARK_TENTATIVE,
	MARK_REQUESTS = MARK_HELD | MARK_ALLOWED,
	/* cut: TCP; HTTP that waits for its next request, and UDP */
	MARK_CUT = MARK_TENTATIVE | MARK_REFUSED,
	MARK_ASKED = MARK_HELD | MARK_REFUSED,

	SWEEP_MS = 100,
	NEW_TUPLE_MS =
		3000, /* silence after which other sequence numbers mean another connection */
	IDLE_DECIDED_MS = 60000,
	/* HTTP: where a request begins is known to the table only, so who comes back later is refused */
	IDLE_REQUESTS_MS = 900000,
	IDLE_OTHER_MS = 10000, /* a decision by address is not older */
	IDLE_REFUSED_MS = 30000,
	START_MS = 60000, /* flows that an earlier dataplane knew may turn up for so long */
	SERVER_LOOK = 96, /* bytes of the server's answer that are kept */
	/* HTTP and cleartext preambles: bytes behind a gap, and bytes kept before what is read now, to compare copies; bodies need
	 * none of it */
	REQUEST_AHEAD = 256 * 1024,
	REQUEST_KEEP = 256 * 1024,
	ANSWER_QUOTAS = 256,
	ANSWERS_LATER = 32,
	PACKET_MAX = 65535, /* as the kernel hands them over */
	OFFERS = 16,	    /* of HTTP/2 without TLS, that a flow keeps in mind */
	HELD_OF_FLOW = 16,  /* datagrams of unfinished hellos that wait in the kernel's queue */
	HELD_BYTES = 65536, /* a super-packet is one of them */
	HELD_OF_WORKER = 256,
	HELD_MS = 3000, /* a client that lost a half sends it again within a second or two */
};

/* One packet on its way through dataplane_packet(). */
struct seen {
	struct dataplane_worker *w;
	const struct nfq_packet *p;
	struct packet k;
	struct flow flow; /* original direction: src is the client */
	bool reply;	  /* from server to client */
	bool outside;	  /* the client is behind an uplink */
	uint8_t conn;	  /* the connection mark's bits when it was queued */
	bool done;	  /* the verdict was sent */
	/* a SYN that only a name could save, which may still come: passes, and is told of if none does */
	bool attempt;
	struct verdict attempted;
};

/* Of HTTP. */
struct flow_offers {
	struct http_offer look; /* in the head that begins at `head` */
	uint64_t head;
	uint64_t at[OFFERS]; /* stream offsets of the newest */
	uint32_t n;	     /* ever */
};

struct flow_tcp {
	struct segments seg;
	struct past past; /* up to seg.released */
	struct stream_ident id;
	uint32_t base;	      /* sequence number of stream offset 0 */
	uint32_t syns;	      /* synlog_count() when it began */
	bool closed;	      /* seg and id are gone: refused or final */
	bool retry;	      /* the server asked for a second hello */
	bool tunnel;	      /* behind plain words: nothing more will be said of its bytes */
	bool unseen;	      /* bytes have passed that are not in seg */
	bool asked;	      /* HTTP: what goes on is refused now (LIVE_ASKED) */
	uint32_t judged_end;  /* the server has answered when it acknowledges this */
	uint32_t pass_seq;    /* first byte not passed on without a gap */
	uint32_t client_end;  /* one past the newest byte the client sent */
	uint32_t server_next; /* what the client expects from the server */
	bool has_ts;
	uint32_t ts_client, ts_server; /* newest */
	uint64_t heard_ms;	       /* when the client said something last */
	uint16_t packets;
	struct flow_offers *offers; /* NULL: none yet */
	bool server_based;
	uint32_t server_base; /* of server[] */
	uint8_t server_n;
	uint8_t *server; /* SERVER_LOOK; NULL until it says something */
};

struct held_packet {
	uint32_t id, mark, bytes;
	uint8_t conn; /* whose hello it waits for */
};

/* In order of arrival. */
struct flow_held {
	struct flow_held *prev, *next; /* in the worker's list, while n is not 0 */
	uint64_t since_ms;	       /* the first came */
	uint32_t bytes;
	uint8_t n;
	struct held_packet packets[HELD_OF_FLOW];
};

/* Flows for which datagrams wait, the oldest first. */
struct held_list {
	struct flow_held *first, *last;
	uint32_t n; /* datagrams */
};

struct flow_udp {
	struct quic_ident *quic;
	struct flow_held held;
	bool judged[QUIC_CONNS], allowed[QUIC_CONNS];
	bool other_judged, other_allowed; /* as a flow that is not QUIC */
	bool timed_out;	   /* a hello was begun and not ended: all that comes is refused */
	uint64_t any_ms;   /* when a datagram of no known connection was judged last */
	uint64_t heard_ms; /* when the client said something last */
};

enum answer_class { ANSWER_KNOWN, ANSWER_STRANGER, ANSWER_CLASSES };

/* answer.c: what was sent in this second, and what could not be yet. */
struct answers {
	uint64_t until_ms;
	uint32_t common[ANSWER_CLASSES];
	uint8_t share[ANSWER_CLASSES][ANSWER_QUOTAS];
	uint32_t later_n;
	struct answer_later {
		uint8_t way, tries;
		uint16_t n;
		uint32_t mark;
		uint8_t bytes[REFUSE_PACKET_MAX];
	} later[ANSWERS_LATER];
};

/* flow_live.c: judging again, piece by piece. */
struct live_work {
	struct livetab *flows;
	struct timer timer;
	uint64_t generation; /* of the policy that all were judged by */
	int64_t judged_s;    /* UTC */
	uint32_t at;	     /* the next record */
	bool judging, reading, ageing;
	bool adopted;	   /* records of the dataplane before are there, and were not judged yet */
	bool cut;	   /* some were, since the table was read last */
	bool broken;	   /* it could not be read */
	bool look_again;   /* some lost their marks a moment ago */
	uint64_t round_ms; /* when it was */
	uint64_t round_us; /* what that took, with all that came of it */
};

/* The worker's own. */
struct dataplane_own {
	uint8_t scratch[TLS_SCRATCH];
	uint8_t edited[PACKET_MAX]; /* a packet that goes on with other bytes */
	struct quic_crypt *quic;
	uint32_t syns_read; /* nfq_packet.reading for which the log of SYNs was read */
	struct pool *pool;  /* of flows and the bytes kept for them */
	bool cleared;	    /* packets that a dead dataplane left were dropped */
	struct held_list held;
	struct answers answers;
	struct live_work live;
	uint64_t overload_ms, start_ms;
};

/* flow_packet.c */
void flow_pass(struct seen *s,
	uint8_t conn_bits); /* accept; the connection's mark becomes these bits, 0 = as it is */
void flow_pass_bare(struct seen *s, uint8_t conn_bits); /* the same, without the packet's payload */
/* The same, with what `bytes` says in place of the packet; not at all when the kernel cannot be told. */
void flow_pass_as(struct seen *s, uint8_t conn_bits, struct slice bytes);
void flow_drop(struct seen *s);

/* flow_judge.c */
bool flow_fail_open(const struct dataplane_worker *w);
void flow_who(struct dataplane_worker *w, const struct flow *f, struct policy_who *out);
/* Asks policy and records the decision. */
void flow_judge(struct dataplane_worker *w, const struct flow *f, const struct ident *i,
	enum policy_stage stage, struct verdict *v);
void flow_record(struct dataplane_worker *w, const struct flow *f, const struct ident *i,
	const struct verdict *v);
/* What `fail` says, recorded. */
void flow_judge_fail(struct dataplane_worker *w, const struct flow *f, const struct ident *i,
	bool open, struct verdict *v);
/* A new flow in the table; NULL: the packet was dealt with as overload. */
struct flow_rec *flow_begin(struct seen *s);
void flow_overload(struct seen *s);
void flow_settle(struct dataplane_worker *w, struct flow_rec *r, enum flow_state state);

/* flow_tcp.c, flow_server.c */
/* Where this packet's stream begins, by the log of SYNs. */
enum synlog_says flow_tcp_start(const struct seen *s, uint32_t *isn);
/* The server's answer to what is judged now begins at this number. */
void flow_tcp_expect_answer(struct flow_tcp *t, uint32_t seq);
uint8_t flow_tcp_mark(const struct flow_rec *r);    /* of its connection, by its state */
bool flow_tcp_is_attempt(const struct flow_rec *r); /* nothing but SYNs (seen.attempt) */
void flow_tcp_client(struct seen *s, struct flow_rec *r /* NULL: none yet */);
void flow_tcp_server(struct seen *s, struct flow_rec *r);
struct flow_tcp *flow_tcp_new(struct seen *s, struct flow_rec *r, uint32_t base);
void flow_tcp_free(struct dataplane_worker *w, struct flow_tcp *t);
void flow_tcp_close(struct dataplane_worker *w, struct flow_rec *r); /* final: the bytes go */
/* flow_bytes.c */
size_t flow_tcp_kept(const struct flow_tcp *t); /* bytes of heap */
bool flow_tcp_before_start(const struct flow_tcp *t, uint32_t seq);
void flow_tcp_settle(struct flow_tcp *t); /* what was read goes to the past */
/* Whether a body stands here that need not be read: it is behind us now. newest: one past this packet's last byte. */
bool flow_tcp_skip_body(struct flow_tcp *t, uint32_t newest);
bool flow_tcp_in_body(const struct flow_tcp *t); /* more of a request's body is to come */
/* As segments_add(), compared with all that is kept. */
enum segments_result flow_tcp_add(struct flow_tcp *t, const struct packet *k);
/* flow_offer.c */
void flow_offer_look(struct dataplane_worker *w, struct flow_tcp *t, enum identify_step step,
	const struct identify_result *res);
/* Whether this packet must not pass yet: an offer may stand in it. */
bool flow_offer_too_early(const struct seen *s, const struct flow_tcp *t);
/* True: ip (PACKET_MAX bytes) holds the packet as it is to go on. */
bool flow_offer_edit(const struct seen *s, const struct flow_tcp *t, uint8_t *ip);
/* flow_tcp.c: the kind is known and final: asks policy; refuses or settles. True: allowed. */
bool flow_tcp_conclude(
	struct seen *s, struct flow_rec *r, enum ident_kind kind, enum anomaly anomaly);
void flow_tcp_midstream(struct seen *s);
bool flow_tcp_is_new(struct seen *s, const struct flow_rec *r); /* the tuple of r, used again */
void flow_tcp_note(struct seen *s, struct flow_tcp *t); /* sequence numbers and timestamps */
void flow_tcp_due(struct dataplane_worker *w, struct flow_rec *r); /* no hello in time */

/* flow_udp.c, flow_other.c */
void flow_udp_packet(struct seen *s, struct flow_rec *r);
/* A packet that conntrack calls a server's is a client's: s is turned round. r: the flow as conntrack has it, or NULL. */
bool flow_udp_turn(struct seen *s, const struct flow_rec *r);
void flow_udp_free(struct dataplane_worker *w, struct flow_udp *u);
void flow_udp_due(struct dataplane_worker *w,
	struct flow_rec *r); /* a hello that did not come whole in time */
void flow_other_packet(struct seen *s, struct flow_rec *r);

/* flow_live.c */
int flow_live_init(struct dataplane_worker *w);
void flow_live_fini(struct dataplane_worker *w);
/* Allowed: remembered, with r->ident or as a flow of which its first packet said all. */
void flow_live_note(struct dataplane_worker *w, const struct flow_rec *r, bool first);
void flow_live_forget(
	struct dataplane_worker *w, const struct flow_rec *r); /* refused, by its own words */
void flow_live_note_overload(struct seen *s, const struct ident *i);
/* By the policy's generation and the clock: whether all are to be judged again; and the kernel's table, read from time to time. */
void flow_live_sweep(struct dataplane_worker *w);
/* The mark says that the flow was cut: r, or the table's part of it, made anew. NULL: this dataplane knows nothing of it. */
struct flow_rec *flow_live_recall(struct seen *s, struct flow_rec *r);
/* A packet of a flow that was cut, r->cut. False: it is of a new one (and r is gone), or to be dealt with as ever. */
bool flow_live_packet(struct seen *s, struct flow_rec **r);
/* live_hand.c: k->flows, with what an earlier dataplane left. */
int flow_live_open(struct dataplane_worker *w);
/* Cut now, whatever the policy says: a record of the inspect path. */
void flow_live_cut(struct dataplane_worker *w, struct live *l);
/* What is said of a flow that somebody cut. */
struct verdict flow_live_by_hand(const struct live *l);
/* HTTP, r->tcp->asked: this packet belongs to what is refused. True: it was dealt with. */
bool flow_live_end_asked(struct seen *s, struct flow_rec *r);

/* flow_held.c */
/* The packet waits for what its connection's hello says: it has its verdict later. False: no room, nothing was done. */
bool flow_held_add(struct seen *s, struct flow_held *h, uint8_t conn);
/* Ends the waiting of a connection's datagrams, or of all (QUIC_CONN_ANY), in order of arrival. conn_bits: as flow_pass(). */
void flow_held_end(struct dataplane_worker *w, struct flow_held *h, uint8_t conn, bool pass,
	uint8_t conn_bits);
void flow_held_sweep(struct dataplane_worker *w); /* what has waited for too long */

/* answer.c */
/* Whether one more packet may be sent because of this client; counted. */
bool answer_may(struct dataplane_worker *w, const struct flow *f);
/* False: it was not sent, and will not be. */
bool answer_send(struct dataplane_worker *w, const struct flow_rec *r, enum inject_way way,
	struct slice packet);
void answer_again(struct dataplane_worker *w); /* what could not be sent at once */

/* refusal.c. All obey the verdict's `refuse` word and the limits of answers. */
void refusal_stream(struct dataplane_worker *w, struct flow_rec *r); /* first answer, both sides */
void refusal_again(struct seen *s, struct flow_rec *r);	 /* more of a refused TCP connection */
void refusal_packet(struct seen *s, struct flow_rec *r); /* any packet, by its own numbers */
void refusal_quic(struct seen *s, struct flow_rec *r, const struct quic_seen *q);

#endif
