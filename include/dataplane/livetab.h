/* SPDX-License-Identifier: GPL-3.0-or-later
 * livetab.h - remembers what each allowed flow was allowed as, for as long as it lives, so that the decision can be taken back.
 *
 * The kernel carries a decided flow by its mark alone, and the flow table (flowtab.h) soon forgets it. Here one compact record
 * a flow stays: its ends, its client, what was read. Names are kept once for all flows that share them. A UDP flow has a record
 * for each name that was allowed in it.
 *
 *     hash(src, dst, sport, dport, proto) -> record -> record ...      a pool (model/live.h), walked by index in pieces
 *
 * The pool may lie in memory that outlives the process: then the next one begins with what is whole in it. A relay of the
 * proxy path has a record, too, so that it is seen; its tuple is another one's than that of an inspected flow.
 *
 * Bounded: what does not fit is not kept, and goes on as it was decided; the caller counts it.
 * A record goes when readings of the kernel's table do not show its flow (livetab_seen, livetab_round).
 *
 * Owns: records and names, not the map they lie in. Thread: one. Fails: by result; the hash is keyed, for strangers choose the ports.
 */
#ifndef DATAPLANE_LIVETAB_H
#define DATAPLANE_LIVETAB_H

#include "base/hash.h"
#include "model/live.h"

struct livetab;
/* An empty table, in memory of its own. */
int livetab_new(struct livetab **out, uint32_t flows /* LIVE_FLOWS_MIN..LIVE_FLOWS_MAX */,
	const struct hash_key *key);
/* With what an earlier process left in `map` (writable; it stays the caller's and outlives the table). Records are `unsure`
 * until livetab_seen(). *why: NULL, or for what reason all of it was thrown away. */
int livetab_adopt(struct livetab **out, const struct live_map *map, const struct hash_key *key,
	const char **why);
void livetab_free(struct livetab *t); /* NULL is fine */

/* The flow was allowed as what `i` says. Takes the place of an earlier record of it (UDP: with the same name). NULL: no room. */
struct live *livetab_note(struct livetab *t, const struct flow *f, const struct ident *i);
/* The record stands for another flow by the same ports, which began then (UTC). */
void livetab_renew(struct livetab *t, struct live *l, uint64_t since_ms);
/* The first record of this flow; the next one. NULL: none. */
struct live *livetab_find(const struct livetab *t, const struct flow *f);
struct live *livetab_next(const struct livetab *t, const struct live *l);
void livetab_remove(struct livetab *t, struct live *l);

/* How the flow of this record was read (live_flow(): its ends). The bytes of the name are copied. */
void live_ident(const struct livetab *t, const struct live *l, struct ident *out);

/* Record number `at` of the pool, NULL where none is; at < livetab_span(). Removing during a walk is allowed. */
struct live *livetab_at(const struct livetab *t, uint32_t at);
/* The same, if it is the one that was born as this. */
struct live *livetab_born(const struct livetab *t, uint32_t at, uint32_t born);
uint32_t livetab_slot(const struct livetab *t, const struct live *l);
uint32_t livetab_span(const struct livetab *t);
uint32_t livetab_max(const struct livetab *t);
uint32_t livetab_count(const struct livetab *t);
uint32_t livetab_names(const struct livetab *t);

/* A reading of the kernel's table begins; it shows this flow; after its end, how many on end did not show it. */
void livetab_round(struct livetab *t);
void livetab_seen(struct livetab *t, struct live *l);
uint32_t livetab_missed(const struct livetab *t, const struct live *l);
/* A reading has reached its end with this table: whoever begins with it next need not think that it kills. */
void livetab_works(struct livetab *t);

#endif
