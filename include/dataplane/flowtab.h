/* SPDX-License-Identifier: GPL-3.0-or-later
 * flowtab.h - the flows of one worker that the kernel cannot handle alone: undecided, just decided, refused.
 *
 * This table is the truth and the connection mark its cache. The table is bounded in flows and in kept bytes, and so is each
 * client's part of it (a quota of both, for undecided flows only). A full table first evicts the decided flow that was unused
 * for longest, then the oldest undecided one, whose later packets count as a flow found in mid-stream.
 *
 *     hash(src, dst, sport, dport, proto) -> flow -> flow ...
 *     lists, oldest first:  PENDING by birth    PREAMBLE (undecided, too, but with no deadline), DECIDED, OTHER by last use
 *
 * Owns: the flows (blocks of the pool) and their parts, freed by `on_free`. Thread: one. Fails: by result, never by abort.
 */
#ifndef DATAPLANE_FLOWTAB_H
#define DATAPLANE_FLOWTAB_H

#include "base/hash.h"
#include "base/pool.h"
#include "dataplane/quota.h"
#include "model/flow.h"
#include "model/ident.h"
#include "model/verdict.h"

enum flow_state {
	FLOW_PENDING,	/* no verdict yet */
	FLOW_TENTATIVE, /* TCP: allowed, the server has not answered */
	FLOW_REQUESTS,	/* TCP: plain HTTP, each request is judged */
	FLOW_ALLOWED,
	FLOW_REFUSED,
};
enum flow_list { LIST_PENDING, LIST_PREAMBLE, LIST_DECIDED, LIST_OTHER, FLOW_LISTS };

struct flow_tcp; /* src/dataplane/flow_int.h */
struct flow_udp;

struct flow_rec {
	struct flow flow;
	uint8_t state; /* enum flow_state */
	uint8_t list;  /* enum flow_list */
	bool cut;      /* allowed once, and taken back (dataplane/livetab.h) */
	uint64_t born_ms, last_ms;
	uint64_t answer_ms; /* not before this is a refusal answered again */
	uint32_t answers;
	uint8_t ends;	/* RSTs by the server's own number */
	uint32_t mark;	/* of its client's packets: the bits that are not ours */
	uint32_t bytes; /* kept for it, as accounted */
	struct verdict verdict;
	struct ident ident;
	struct flow_tcp *tcp;
	struct flow_udp *udp;

	struct flow_rec *chain, *prev, *next;
	struct quota *client[QUOTAS];
};

struct flowtab_limits {
	uint32_t flows; /* 16..1 << 24 */
	uint32_t share; /* percent that one client's undecided flows take at most, 1..100; 0 = 25 */
	uint64_t memory;   /* bytes of kept data */
	struct pool *pool; /* of the flows; NULL: the heap. The caller's, and outlives the table */
	struct hash_key key;
	void (*on_free)(void *user, struct flow_rec *r); /* frees the parts */
	void (*on_evict)(
		void *user, struct flow_rec *r); /* pushed out of a full table, before on_free */
	void *user;
};

struct flowtab;
int flowtab_new(struct flowtab **out, const struct flowtab_limits *l);
void flowtab_free(struct flowtab *t);

struct flow_rec *flowtab_find(const struct flowtab *t, const struct flow *f);
/* A new flow, PENDING, in list LIST_PENDING. NULL: the client's quota is used up, or memory is out. */
struct flow_rec *flowtab_add(struct flowtab *t, const struct flow *f, uint64_t now_ms);
void flowtab_remove(struct flowtab *t, struct flow_rec *r);
/* Used now: to the end of `list` (PENDING keeps its place by birth). */
void flowtab_use(struct flowtab *t, struct flow_rec *r, enum flow_list list, uint64_t now_ms);
/* The flow keeps `bytes` now; decided flows may go to make room. False: the table's memory, or the client's quota
 * for its undecided flows, is used up (accounted all the same). */
bool flowtab_charge(struct flowtab *t, struct flow_rec *r, size_t bytes);
struct flow_rec *flowtab_oldest(const struct flowtab *t, enum flow_list list); /* NULL: empty */

size_t flowtab_count(const struct flowtab *t); /* the tests see the bounds by it */
uint64_t flowtab_memory(const struct flowtab *t);

#endif
