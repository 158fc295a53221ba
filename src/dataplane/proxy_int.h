/* SPDX-License-Identifier: GPL-3.0-or-later
 * proxy_int.h - the state of one relayed connection, shared by the proxy's files.
 *
 *          client fd                                             server fd
 *   read ->  bytes -> stream_ident -> policy -> pass_to  -> write        judged: heads, hellos, small bodies
 *   splice ----------------------- up pipe ----------------> splice      open: TLS decided, a tunnel; and bodies
 *   splice <---------------------- down pipe <-------------- splice      always
 */
#ifndef PROXY_INT_H
#define PROXY_INT_H

#include "act/splice.h"
#include "base/loop.h"
#include "base/strbuf.h"
#include "dataplane/proxy.h"
#include "dataplane/quota.h"
#include "identify/identify.h"

enum conn_state {
	CONN_JUDGED, /* the client's bytes are read, judged, written */
	CONN_OPEN,   /* nothing more to judge: spliced */
	CONN_ANSWER, /* refused: our own answer is on its way to the client */
	CONN_LINGER, /* answered: the client's bytes are read and thrown away until it closes */
};

/* One direction: what is spliced, and how far its end has come. */
struct way {
	struct splice pipe;
	uint64_t bytes;
	bool eof;  /* read to the end */
	bool shut; /* and passed on */
};

struct conn {
	struct proxy *proxy;
	struct conn *next, **prev;
	struct watch client, server; /* fd -1 = none */
	uint32_t client_events, server_events;
	struct timer timer;   /* the next of: silence, deadline, idle */
	uint64_t deadline_ms; /* of the hello or head now begun; 0 = none begun */
	uint64_t start_ms, active_ms;

	struct flow flow;
	uint32_t mark; /* bits of the packet mark that are not ours */
	struct policy_who who;
	struct quota *quota[QUOTAS];
	bool undecided; /* counts against its client's quota */
	struct stream_ident ident;
	struct ident first; /* its part */
	uint8_t *bytes;	    /* the client's, from stream offset `offset` */
	uint32_t n, cap;
	uint64_t offset, pass_to; /* bytes before pass_to may go on */

	uint8_t state; /* enum conn_state */
	bool dialled, connected;
	bool dial_waits; /* for a descriptor */
	bool greeted;	 /* judged without a byte, the client being silent */
	bool unrecorded; /* that judgement: nobody has spoken yet, and perhaps nobody will */
	struct verdict silent;
	bool asked; /* HTTP: what it carries is refused now; its next request is judged for itself */
	bool dead;
	struct way up, down;
	struct strbuf answer; /* to the client, after what the server sent */
	size_t answered;
	bool answer_waits;	/* for the server's answers to earlier requests */
	uint64_t idle_since_ms; /* when the server last sent or took something */

	uint64_t live;	   /* its number among the live flows; 0: none */
	uint64_t event_id; /* of the last decision */
	struct event last; /* for EVENT_END */
	uint64_t requests, down_at_request;
	uint64_t rested_ms; /* nothing is read before; 0 = does not rest */
	uint8_t looks;	    /* at the server's first bytes */
};

struct proxy {
	struct proxy_config c;
	struct watch listener[2];
	struct timer rested;
	struct conn *conns;
	struct conn *dead; /* freed at the end of the event */
	struct conn *look; /* the next to be judged again; NULL: all were */
	struct timer again;
	uint32_t judgements; /* of the worker, as last seen */
	struct quotas *clients;
	uint32_t n, max;
	struct splice_pool pipes;
	uint8_t scratch[TLS_SCRATCH];
};

/* proxy.c */
void conn_close(struct conn *c, bool orderly); /* orderly: FIN; else RST. Freed after the event */
/* Waits for a verdict, or does no longer. False: its client has as many of these as it may. */
bool conn_undecided(struct conn *c, bool yes);
void conn_arm(struct conn *c);	    /* watches and timer by what is wanted now */
void conn_back_off(struct conn *c); /* nothing is read for a moment */
void conn_dial(struct conn *c);	    /* once: the server, when something was allowed */

/* proxy_judge.c: looks at the bytes in hand; may dial, refuse, or open the relay */
void conn_judge(struct conn *c);
void conn_judge_silent(struct conn *c); /* the client says nothing: a flow without a name */
void conn_server_spoke(
	struct conn *c); /* the silent client's server did: now it is one, and recorded */
void conn_judge_evasive(
	struct conn *c, enum anomaly anomaly); /* a hello or head begun and not ended */
void conn_judge_again(struct conn *c);	       /* by another policy, or at another hour */
void conn_cut(struct conn *c);		       /* because somebody said so: reset */
void conn_end_asked(struct conn *c);	       /* c->asked, and it goes on: reset */

/* proxy_relay.c: moves what can be moved; closes when both directions have ended */
void conn_read_client(struct conn *c);
void conn_relay(struct conn *c, bool client_readable, bool server_readable);

#endif
