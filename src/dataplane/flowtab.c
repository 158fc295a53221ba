/* SPDX-License-Identifier: GPL-3.0-or-later
 * flowtab.c - the flow table of one worker: a keyed hash with chains, lists by age, and a quota for each client.
 *
 * Only undecided flows count against a client's quota (dataplane/quota.h); the others are evicted first when room is short.
 *
 * Owns: flows (one block of the pool each). Thread: one. Fails: flowtab_new only; see dataplane/flowtab.h.
 */
#include "dataplane/flowtab.h"

#include <errno.h>
#include <stdlib.h>

#include "base/invariant.h"

struct list {
	struct flow_rec *head, *tail;
};

struct flowtab {
	struct flowtab_limits l;
	struct flow_rec **buckets;
	struct quotas *clients;
	uint32_t mask;
	size_t n;
	uint64_t memory;
	struct list lists[FLOW_LISTS];
};

enum { QUARTER = 25 /* percent */ };

int flowtab_new(struct flowtab **out, const struct flowtab_limits *l)
{
	struct flowtab *t = calloc(1, sizeof(*t));
	uint32_t buckets = 16;

	if (!t)
		return -ENOMEM;
	while (buckets < l->flows)
		buckets *= 2;
	t->l = *l;
	if (!t->l.share)
		t->l.share = QUARTER;
	t->mask = buckets - 1;
	t->buckets = calloc(buckets, sizeof(*t->buckets));
	if (!t->buckets || quotas_new(&t->clients, buckets, &l->key) != 0) {
		flowtab_free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void flowtab_free(struct flowtab *t)
{
	if (!t)
		return;
	for (int i = 0; i < FLOW_LISTS; i++)
		while (t->lists[i].head)
			flowtab_remove(t, t->lists[i].head);
	free(t->buckets);
	quotas_free(t->clients);
	free(t);
}

static struct flow_rec **bucket_of(const struct flowtab *t, const struct flow *f)
{
	uint8_t key[37];

	memcpy(key, f->src.b, 16);
	memcpy(key + 16, f->dst.b, 16);
	memcpy(key + 32, &f->sport, 2);
	memcpy(key + 34, &f->dport, 2);
	key[36] = f->proto;
	return &t->buckets[hash_sip(&t->l.key, key, sizeof(key)) & t->mask];
}

static bool same(const struct flow *a, const struct flow *b)
{
	return a->proto == b->proto && a->sport == b->sport && a->dport == b->dport &&
	       addr_eq(&a->src, &b->src) && addr_eq(&a->dst, &b->dst);
}

struct flow_rec *flowtab_find(const struct flowtab *t, const struct flow *f)
{
	struct flow_rec *r = *bucket_of(t, f);

	while (r && !same(&r->flow, f))
		r = r->chain;
	return r;
}

static void list_add(struct flowtab *t, struct flow_rec *r, enum flow_list which)
{
	struct list *l = &t->lists[which];

	invariant(!l->head == !l->tail);
	r->list = (uint8_t)which;
	r->next = NULL;
	r->prev = l->tail;
	if (l->tail)
		l->tail->next = r;
	else
		l->head = r;
	l->tail = r;
}

static void list_take(struct flowtab *t, struct flow_rec *r)
{
	struct list *l = &t->lists[r->list];

	invariant(l->head && l->tail);
	invariant(r->prev ? r->prev->next == r : l->head == r);
	invariant(r->next ? r->next->prev == r : l->tail == r);
	if (r->prev)
		r->prev->next = r->next;
	else
		l->head = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		l->tail = r->prev;
}

static bool undecided(int list)
{
	return list == LIST_PENDING || list == LIST_PREAMBLE;
}

void flowtab_remove(struct flowtab *t, struct flow_rec *r)
{
	struct flow_rec **at = bucket_of(t, &r->flow);

	while (*at != r) {
		invariant(*at); /* a record is in the bucket of its flow */
		at = &(*at)->chain;
	}
	invariant(t->n > 0 && t->memory >= r->bytes);
	*at = r->chain;
	list_take(t, r);
	t->n--;
	t->memory -= r->bytes;
	if (undecided(r->list))
		quota_add(r->client, -1, -(int64_t)r->bytes);
	quota_put(t->clients, r->client);
	if (t->l.on_free)
		t->l.on_free(t->l.user, r);
	pool_put(t->l.pool, r, sizeof(*r));
}

static void evict_one(struct flowtab *t)
{
	static const enum flow_list order[] = {
		LIST_OTHER, LIST_DECIDED, LIST_PENDING, LIST_PREAMBLE};
	struct flow_rec *r = NULL;

	for (size_t i = 0; i < FLOW_LISTS && !r; i++)
		r = t->lists[order[i]].head;
	if (!r)
		return;
	if (t->l.on_evict)
		t->l.on_evict(t->l.user, r);
	flowtab_remove(t, r);
}

/* One flow at least, or nobody could be served. */
static uint32_t share(const struct flowtab *t)
{
	uint32_t n = (uint32_t)((uint64_t)t->l.flows * t->l.share / 100);

	return n ? n : 1;
}

struct flow_rec *flowtab_add(struct flowtab *t, const struct flow *f, uint64_t now_ms)
{
	struct quota *client[QUOTAS];
	struct flow_rec *r, **at;

	if (!quota_get(t->clients, f, client))
		return NULL;
	r = quota_below(client, share(t), UINT64_MAX >> 1) ? pool_get_zeroed(t->l.pool, sizeof(*r))
							   : NULL;
	if (!r) {
		quota_put(t->clients, client);
		return NULL;
	}
	quota_add(
		client, 1, 0); /* before evicting: the quotas must not go with the flow that goes */
	if (t->n >= t->l.flows)
		evict_one(t);
	r->flow = *f;
	memcpy(r->client, client, sizeof(r->client));
	r->born_ms = r->last_ms = now_ms;
	at = bucket_of(t, f);
	r->chain = *at;
	*at = r;
	list_add(t, r, LIST_PENDING);
	t->n++;
	invariant(t->n <= t->l.flows);
	return r;
}

void flowtab_use(struct flowtab *t, struct flow_rec *r, enum flow_list list, uint64_t now_ms)
{
	r->last_ms = now_ms;
	if (r->list == LIST_PENDING && list == LIST_PENDING)
		return;
	if (undecided(r->list))
		quota_add(r->client, -1, -(int64_t)r->bytes);
	if (undecided(list))
		quota_add(r->client, 1, r->bytes);
	if (list == LIST_PENDING) /* a hello begins behind a preamble: its clock starts now */
		r->born_ms = now_ms;
	list_take(t, r);
	list_add(t, r, list);
}

bool flowtab_charge(struct flowtab *t, struct flow_rec *r, size_t bytes)
{
	invariant(t->memory >= r->bytes);
	t->memory = t->memory - r->bytes + bytes;
	if (undecided(r->list))
		quota_add(r->client, 0, (int64_t)bytes - r->bytes);
	r->bytes = (uint32_t)bytes;
	for (int which = LIST_OTHER; which > LIST_PREAMBLE && t->memory > t->l.memory; which--)
		while (t->lists[which].head && t->lists[which].head != r && t->memory > t->l.memory)
			flowtab_remove(t, t->lists[which].head);
	return t->memory <= t->l.memory &&
	       quota_below(r->client, UINT32_MAX >> 1, t->l.memory / 100 * t->l.share + 1);
}

struct flow_rec *flowtab_oldest(const struct flowtab *t, enum flow_list list)
{
	return t->lists[list].head;
}

size_t flowtab_count(const struct flowtab *t)
{
	return t->n;
}

uint64_t flowtab_memory(const struct flowtab *t)
{
	return t->memory;
}
