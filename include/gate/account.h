/* SPDX-License-Identifier: GPL-3.0-or-later
 * account.h - what each client takes of a table that all share: by its address, and by its hardware address.
 *
 * A client may have as many IPv6 addresses as it likes, and behind one hardware address may stand a router with a whole
 * network: so a flow counts for both, and both are bounded, the second by twice as much. Who keeps the table says in
 * `flows` and `bytes` what of it is undecided.
 *
 *     struct account *a[ACCOUNTS];  account_get()   ... a[i]->flows++ ...   account_put()
 *
 * Owns: accounts (heap), each as long as somebody holds it. Thread: one. Fails: by result; the hash is keyed, for
 * strangers choose the addresses.
 */
#ifndef GATE_ACCOUNT_H
#define GATE_ACCOUNT_H

#include "base/hash.h"
#include "model/flow.h"

enum { ACCOUNTS = 2 }; /* of a flow: address, hardware address (NULL when it is not known) */

struct account {
	uint32_t flows; /* undecided ones */
	uint64_t bytes; /* kept for these */

	uint32_t holders;
	uint8_t id[17];
	struct account *chain;
};

struct accounts;
int accounts_new(struct accounts **out, uint32_t clients /* about */, const struct hash_key *key);
void accounts_free(struct accounts *t); /* NULL is fine; nobody holds one any more */

/* The accounts of f->src and f->mac, made when new. False: no memory, and nothing is held. */
bool account_get(struct accounts *t, const struct flow *f, struct account *out[static ACCOUNTS]);
void account_put(struct accounts *t, struct account *a[static ACCOUNTS]);
/* Counts a flow more or less as undecided, and the bytes kept for it. */
void account_add(struct account *const a[static ACCOUNTS], int flows, int64_t bytes);
/* Whether both stay below: the address below `flows` and `bytes`, the hardware address below twice that. */
bool account_below(struct account *const a[static ACCOUNTS], uint32_t flows, uint64_t bytes);
/* The same of all that hold them, decided or not. */
bool account_holds_below(struct account *const a[static ACCOUNTS], uint32_t holders);

#endif
