/* SPDX-License-Identifier: GPL-3.0-or-later
 * worker.h - one worker of the dataplane: all that its thread uses, and the function that takes a packet.
 *
 * A worker is one thread with one loop, one queue and one flow table; nothing here is shared but the ring (single
 * producer), the settings and the image (both read-only). The process (dataplane/main loop, image swap) fills the struct,
 * sets the three "turn" fields at the start of each loop turn and carries packets in:
 *
 *     queue readable -> nfq_read() -> dataplane_packet() -> nfq_verdict(), inject_*(), ring_push()
 *     ten times a s  -> dataplane_sweep()       deadlines, idle flows (its own timer: dataplane_worker_init)
 *
 * Owns: the flow table and the sweep timer, from dataplane_worker_init() to dataplane_worker_fini(). Thread: its own.
 * Fails: packets never fail; init gives 0 or -errno.
 */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include "base/hash.h"
#include "base/loop.h"
#include "decide/policy.h"
#include "model/event.h"
#include "model/live.h"
#include "model/message.h"
#include "model/settings.h"

struct conns;
struct nfq;
struct nfq_packet;
struct synlog;
struct ring;
struct inject;
struct neigh;
struct devices;
struct flowtab;
struct dataplane_own; /* src/dataplane/flow_int.h */

/* Settings of the process; read-only once the workers run. Times in ms. */
struct dataplane_settings {
	uint32_t mark_mask;
	bool fail_open; /* what `fail` says until an image says otherwise */
	struct port_set inspect_tcp, starttls_tcp, inspect_udp, proxy_tcp;
	uint32_t hello_deadline_ms; /* 10000 */
	uint32_t hello_max_bytes;   /* 64 KiB of hello */
	uint32_t crypto_max_bytes;  /* 16 KiB of QUIC CRYPTO data */
	uint32_t
		client_quota; /* percent of a table that one client's undecided flows take; 0 = 25 */
	uint32_t flows_max;   /* of one worker's table; 0 = 65536 */
	uint32_t memory_max;  /* bytes of kept hello bytes, one worker; 0 = 64 MiB */
	struct hash_key hash_key; /* random, from the supervisor or getrandom() */
};

struct dataplane_worker {
	uint8_t index;
	const struct dataplane_settings *settings;
	struct loop *loop;
	struct nfq *nfq;
	struct synlog *syns;	 /* where streams begin; shared by all workers */
	struct inject *inject;	 /* NULL: refusals are drops */
	struct ring *ring;	 /* of struct event; NULL: none is recorded */
	struct devices *devices; /* NULL: who is the address and NFQA_HWADDR alone */
	struct neigh *neigh;
	struct conns *
		conns; /* NULL: no decision can be taken back but by the next packet that is queued */

	struct live_map live_map; /* head NULL: live flows are forgotten with this worker */

	/* the turn: set by the process at the start of each loop turn, before any packet */
	uint64_t now_ms;	   /* monotonic */
	uint64_t wall_ms;	   /* UTC */
	const struct image *image; /* NULL = none yet: `fail` answers */
	uint64_t generation;	   /* another number for each image */

	struct dataplane_counters counters; /* the process copies them out */

	/* the worker's own */
	struct flowtab *flows;
	struct timer sweep;
	struct dataplane_own *own;
	uint64_t event_id; /* counter of decisions */
	uint32_t
		judgements; /* moves when all that goes on is to be judged again: another policy, an hour's edge */
};

int dataplane_worker_init(
	struct dataplane_worker *w); /* the fields above are set; arms the sweep */
void dataplane_worker_fini(struct dataplane_worker *w);

/* Judges one queued packet: exactly one verdict is sent for it. */
void dataplane_packet(struct dataplane_worker *w, const struct nfq_packet *p);
/* Deadlines and idle flows; called by the worker's timer, and by tests with a scripted clock. */
void dataplane_sweep(struct dataplane_worker *w);
/* A live flow by its number (model/live.h: live_id). NULL: it has ended, or is another worker's. */
struct live *dataplane_live_get(struct dataplane_worker *w, uint64_t id);
/* One of the inspect path is cut now, whatever the policy says; true. False: none, or a relay (proxy_cut). */
bool dataplane_live_cut(struct dataplane_worker *w, uint64_t id);
/* A relay among the live flows, as this decision says; `before`: its number until now, or 0. Its number; 0: no room. */
uint64_t dataplane_live_relay(struct dataplane_worker *w, uint64_t before, const struct event *e);
void dataplane_live_forget(struct dataplane_worker *w, uint64_t id); /* 0 is fine */
/* The next decision's id: index << 56 | counter. For both paths of this worker. */
uint64_t dataplane_event_id(struct dataplane_worker *w);
/* Records a decision; wall_ms, worker and kind are set here. Never blocks. */
void dataplane_event_push(struct dataplane_worker *w, const struct event *e);

#endif
