/* SPDX-License-Identifier: GPL-3.0-or-later
 * quota.h - client quotas: what each client takes of a shared table, by its address and by its hardware address.
 *
 * A client may have as many IPv6 addresses as it likes, and a router with a whole network may stand behind one hardware
 * address. So a flow counts for both, and both are bounded, the hardware address by twice as much. The owner of the table counts
 * in `flows` and `bytes` what is undecided.
 *
 *     struct quota *a[QUOTAS];  quota_get()   ... a[i]->flows++ ...   quota_put()
 *
 * Owns: quotas (heap), each as long as somebody holds it. Thread: one. Fails: by result; the hash is keyed, because
 * strangers choose the addresses.
 */
#ifndef DATAPLANE_QUOTA_H
#define DATAPLANE_QUOTA_H

#include "base/hash.h"
#include "model/flow.h"

enum { QUOTAS = 2 }; /* of a flow: address, hardware address (NULL when it is not known) */

struct quota {
	uint32_t flows; /* undecided ones */
	uint64_t bytes; /* kept for these */

	uint32_t holders;
	uint8_t id[17];
	struct quota *chain;
};

struct quotas;
int quotas_new(struct quotas **out, uint32_t clients /* about */, const struct hash_key *key);
void quotas_free(struct quotas *t); /* NULL is fine; nobody holds one any more */

/* The quotas of f->src and f->mac, made when new. False: no memory, and nothing is held. */
bool quota_get(struct quotas *t, const struct flow *f, struct quota *out[static QUOTAS]);
void quota_put(struct quotas *t, struct quota *a[static QUOTAS]);
/* Counts a flow more or less as undecided, and the bytes kept for it. */
void quota_add(struct quota *const a[static QUOTAS], int flows, int64_t bytes);
/* Whether both stay below: the address below `flows` and `bytes`, the hardware address below twice that. */
bool quota_below(struct quota *const a[static QUOTAS], uint32_t flows, uint64_t bytes);
/* The same of all that hold them, decided or not. */
bool quota_holds_below(struct quota *const a[static QUOTAS], uint32_t holders);

#endif
