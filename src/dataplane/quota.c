/* SPDX-License-Identifier: GPL-3.0-or-later
 * quota.c - quotas of clients in a keyed hash with chains.
 *
 * Owns: quotas. Thread: one. Fails: no memory, by result. See: dataplane/quota.h.
 */
#include "dataplane/quota.h"

#include <errno.h>
#include <stdlib.h>

#include "base/invariant.h"

struct quotas {
	struct hash_key key;
	uint32_t mask;
	struct quota **buckets;
};

enum { BY_ADDRESS, BY_HARDWARE };

int quotas_new(struct quotas **out, uint32_t clients, const struct hash_key *key)
{
	struct quotas *t = calloc(1, sizeof(*t));
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

void quotas_free(struct quotas *t)
{
	if (!t)
		return;
	free(t->buckets);
	free(t);
}

static struct quota **quota_at(const struct quotas *t, const uint8_t id[static 17])
{
	struct quota **at = &t->buckets[hash_sip(&t->key, id, 17) & t->mask];

	while (*at && memcmp((*at)->id, id, 17) != 0)
		at = &(*at)->chain;
	return at;
}

static struct quota *get(struct quotas *t, uint8_t kind, const uint8_t *bytes, size_t n)
{
	uint8_t id[17] = {kind};
	struct quota **at, *a;

	memcpy(id + 1, bytes, n);
	at = quota_at(t, id);
	a = *at ? *at : calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	memcpy(a->id, id, sizeof(id));
	a->holders++;
	*at = a;
	return a;
}

bool quota_get(struct quotas *t, const struct flow *f, struct quota *out[static QUOTAS])
{
	out[BY_ADDRESS] = get(t, BY_ADDRESS, f->src.b, sizeof(f->src.b));
	out[BY_HARDWARE] = f->has_mac ? get(t, BY_HARDWARE, f->mac.b, sizeof(f->mac.b)) : NULL;
	if (out[BY_ADDRESS] && (out[BY_HARDWARE] || !f->has_mac))
		return true;
	quota_put(t, out);
	return false;
}

void quota_put(struct quotas *t, struct quota *a[static QUOTAS])
{
	for (int i = 0; i < QUOTAS; i++) {
		struct quota **at;

		invariant(!a[i] || a[i]->holders > 0);
		if (!a[i] || --a[i]->holders > 0)
			continue;
		at = quota_at(t, a[i]->id);
		invariant(*at == a[i]);
		*at = a[i]->chain;
		free(a[i]);
		a[i] = NULL;
	}
}

void quota_add(struct quota *const a[static QUOTAS], int flows, int64_t bytes)
{
	for (int i = 0; i < QUOTAS; i++)
		if (a[i]) {
			invariant(flows >= 0 || a[i]->flows >= (uint32_t)-flows);
			invariant(bytes >= 0 || a[i]->bytes >= (uint64_t)-bytes);
			a[i]->flows += (uint32_t)flows;
			a[i]->bytes += (uint64_t)bytes;
		}
}

bool quota_below(struct quota *const a[static QUOTAS], uint32_t flows, uint64_t bytes)
{
	for (int i = 0; i < QUOTAS; i++)
		if (a[i] && (a[i]->flows >= flows << i || a[i]->bytes >= bytes << i))
			return false;
	return true;
}

bool quota_holds_below(struct quota *const a[static QUOTAS], uint32_t holders)
{
	for (int i = 0; i < QUOTAS; i++)
		if (a[i] && a[i]->holders >= holders << i)
			return false;
	return true;
}
