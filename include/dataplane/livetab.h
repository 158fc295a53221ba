/* SPDX-License-Identifier: GPL-3.0-or-later
 * livetab.h - remembers what each allowed flow was allowed as, for as long as it lives, so that the decision can be taken back.
 *
 * The kernel carries a decided flow by its mark alone, and the flow table (flowtab.h) soon forgets it. Here one compact record
 * a flow stays: its ends, its client, what was read. Names are kept once for all flows that share them. A UDP flow has a record
 * for each name that was allowed in it.
 *
 *     hash(src, dst, sport, dport, proto) -> record -> record ...      a pool, walked by index in pieces
 *
 * Bounded: what does not fit is not kept, and goes on as it was decided; the caller counts it.
 * A record goes when readings of the kernel's table do not show its flow (livetab_seen, livetab_round).
 *
 * Owns: records and names. Thread: one. Fails: by result; the hash is keyed, for strangers choose the ports.
 */
#ifndef DATAPLANE_LIVETAB_H
#define DATAPLANE_LIVETAB_H

#include "base/hash.h"
#include "model/flow.h"
#include "model/ident.h"
#include "model/verdict.h"

enum live_cut {
	LIVE_GOES_ON,
	LIVE_ASKED, /* HTTP: the answer that is on its way ends, the next request is judged for itself */
	LIVE_CUT,
	LIVE_RESTORED, /* it goes on; the kernel's mark does not say so yet */
};

struct live_name;
struct live {
	struct addr src, dst;
	struct live_name *name; /* NULL: none */
	uint16_t sport, dport;
	uint8_t proto, path;
	bool has_mac, outside, ech, used;
	struct mac mac;
	uint8_t kind, source, app, anomaly; /* of struct ident */
	bool first;			    /* judged at its first packet: no name can come */
	bool told;			    /* the refusal of a cut flow is recorded */
	uint8_t cut;			    /* enum live_cut */
	uint8_t refuse;			    /* enum refuse, of a cut one */
	uint32_t mark;	     /* of its client's packets: the bits that are not ours */
	uint32_t round;	     /* the reading that showed it last */
	uint32_t told_round; /* the one before it was told */
	uint32_t revision;   /* of the policy that cut it */
	uint32_t chain, next_free;
};

struct livetab;
int livetab_new(struct livetab **out, uint32_t flows /* 16..1 << 24 */, const struct hash_key *key);
void livetab_free(struct livetab *t); /* NULL is fine */

/* The flow was allowed as what `i` says. Takes the place of an earlier record of it (UDP: with the same name). NULL: no room. */
struct live *livetab_note(struct livetab *t, const struct flow *f, const struct ident *i);
/* The first record of this flow; the next one. NULL: none. */
struct live *livetab_find(const struct livetab *t, const struct flow *f);
struct live *livetab_next(const struct livetab *t, const struct live *l);
void livetab_remove(struct livetab *t, struct live *l);

/* What a record stands for. The names' bytes are copied. */
void live_flow(const struct live *l, struct flow *out);
void live_ident(const struct live *l, struct ident *out);

/* Record number `at` of the pool, NULL where none is; at < livetab_span(). Removing during a walk is allowed. */
struct live *livetab_at(const struct livetab *t, uint32_t at);
uint32_t livetab_span(const struct livetab *t);
uint32_t livetab_count(const struct livetab *t);
uint32_t livetab_names(const struct livetab *t);

/* A reading of the kernel's table begins; it shows this flow; after its end, how many on end did not show it. */
void livetab_round(struct livetab *t);
void livetab_seen(struct livetab *t, struct live *l);
uint32_t livetab_missed(const struct livetab *t, const struct live *l);

#endif
