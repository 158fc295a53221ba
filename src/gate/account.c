/* SPDX-License-Identifier: GPL-3.0-or-later
 * account.c - accounts of clients in a keyed hash with chains.
 *
 * Owns: accounts. Thread: one. Fails: no memory, by result. See: gate/account.h.
 */
#include "gate/account.h"

#include <errno.h>
#include <stdlib.h>

struct accounts {
	struct hash_key key;
	uint32_t mask;
	struct account **buckets;
};

enum { BY_ADDRESS, BY_HARDWARE };

int accounts_new(struct accounts **out, uint32_t clients, const struct hash_key *key)
{
	struct accounts *t = calloc(1, sizeof(*t));
	uint32_t buckets = 16;

	if (!t)
		return -ENOMEM;
	while (buckets < clients)
		buckets *= 2;
	t->key = *key;
	t->mask = buckets - 1;
	t->buckets = calloc(buckets, sizeof(*t->buckets));
	if (!t->buckets) {
		free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void accounts_free(struct accounts *t)
{
	if (!t)
		return;
	free(t->buckets);
	free(t);
}

static struct account **account_at(const struct accounts *t, const uint8_t id[static 17])
{
	struct account **at = &t->buckets[hash_sip(&t->key, id, 17) & t->mask];

	while (*at && memcmp((*at)->id, id, 17) != 0)
		at = &(*at)->chain;
	return at;
}

static struct account *get(struct accounts *t, uint8_t kind, const uint8_t *bytes, size_t n)
{
	uint8_t id[17] = {kind};
	struct account **at, *a;

	memcpy(id + 1, bytes, n);
	at = account_at(t, id);
	a = *at ? *at : calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	memcpy(a->id, id, sizeof(id));
	a->holders++;
	*at = a;
	return a;
}

bool account_get(struct accounts *t, const struct flow *f, struct account *out[static ACCOUNTS])
{
	out[BY_ADDRESS] = get(t, BY_ADDRESS, f->src.b, sizeof(f->src.b));
	out[BY_HARDWARE] = f->has_mac ? get(t, BY_HARDWARE, f->mac.b, sizeof(f->mac.b)) : NULL;
	if (out[BY_ADDRESS] && (out[BY_HARDWARE] || !f->has_mac))
		return true;
	account_put(t, out);
	return false;
}

void account_put(struct accounts *t, struct account *a[static ACCOUNTS])
{
	for (int i = 0; i < ACCOUNTS; i++) {
		struct account **at;

		if (!a[i] || --a[i]->holders > 0)
			continue;
		at = account_at(t, a[i]->id);
		*at = a[i]->chain;
		free(a[i]);
		a[i] = NULL;
	}
}

void account_add(struct account *const a[static ACCOUNTS], int flows, int64_t bytes)
{
	for (int i = 0; i < ACCOUNTS; i++)
		if (a[i]) {
			a[i]->flows += (uint32_t)flows;
			a[i]->bytes += (uint64_t)bytes;
		}
}

bool account_below(struct account *const a[static ACCOUNTS], uint32_t flows, uint64_t bytes)
{
	for (int i = 0; i < ACCOUNTS; i++)
		if (a[i] && (a[i]->flows >= flows << i || a[i]->bytes >= bytes << i))
			return false;
	return true;
}

bool account_holds_below(struct account *const a[static ACCOUNTS], uint32_t holders)
{
	for (int i = 0; i < ACCOUNTS; i++)
		if (a[i] && a[i]->holders >= holders << i)
			return false;
	return true;
}
