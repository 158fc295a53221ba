/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_conn_int.h - one QUIC connection as quic.c and quic_conn.c see it.
 *
 * Owns: struct conn (heap; its CRYPTO stream with it). Thread: the flow's worker. Fails: see each.
 */
#ifndef IDENTIFY_QUIC_CONN_INT_H
#define IDENTIFY_QUIC_CONN_INT_H

#include "identify/quic.h"
#include "identify/quic_frames.h"

enum {
	DCIDS = 2, /* the client's first, a Retry's */
	SERVER_CIDS = 2,
	KEYS = 4, /* two versions of each of DCIDS */
};

struct quic_key_slot {
	uint32_t version;
	struct quic_cid dcid;
	struct quic_keys keys;
};

struct conn {
	struct ident ident; /* PENDING until the hello is complete */
	bool news;	    /* ident was not reported yet */
	uint8_t n_dcids, n_server, n_keys;
	struct quic_cid dcids[DCIDS], server[SERVER_CIDS], scid;
	struct quic_cid opened_by; /* of the newest Initial */
	struct quic_key_slot keys[KEYS];
	struct quic_stream stream;
	uint32_t checked;  /* bytes of the stream whose messages were judged */
	uint32_t hello;	   /* bytes of the first message; 0 = not complete */
	uint64_t next_pn;  /* one more than the highest packet number that opened */
	uint32_t initials; /* while PENDING */
	uint16_t packet;   /* number of the newest datagram with an Initial of this connection */
	uint64_t born_ms, seen_ms;
};

/* Of an Initial that opened with `keys`, of its own destination ID. NULL: no memory. */
struct conn *quic_conn_new(const struct quic_packet *p, const struct quic_keys *keys,
	uint64_t next_pn, uint64_t now_ms);
void quic_conn_free(struct conn *k); /* NULL is fine */

/* Whether a destination ID is one of this connection's: the client's first, a Retry's, one that the server chose. */
bool quic_conn_knows(const struct conn *k, const struct quic_cid *dcid);
/* Whether one of its keys opens the Initial; *plain lies in c until its next use. Newest destination ID first: after a Retry
 * the old keys are done with. */
bool quic_conn_opens(
	struct conn *k, struct quic_crypt *c, const struct quic_packet *p, struct slice *plain);
/* The server chose this ID. */
void quic_conn_learn(struct conn *k, const struct quic_cid *cid);
/* A server's Retry: its ID is the client's next one. False: another's, or one too many. */
bool quic_conn_retried(struct conn *k, struct quic_crypt *c, const struct quic_packet *p);

struct quic_feed {
	uint16_t datagram;    /* its number, from 1 */
	uint32_t room;	      /* where the CRYPTO stream must end */
	uint32_t deadline_ms; /* for a hello that is not complete; 0 = none */
	uint64_t now_ms;
};
/* The frames of an Initial that opened; sets ident, and news when that is another. False: out of memory. */
bool quic_conn_feed(struct conn *k, struct slice plain, const struct quic_feed *f);

#endif
