/* SPDX-License-Identifier: GPL-3.0-or-later
 * flowtab.c - the flow table of one worker: a keyed hash with chains, three lists by age, an account a client.
 *
 * A client is its MAC where one was seen, else its address. Only undecided flows count against its share: the others go
 * first when room is short. Strangers choose all of these: the hash is keyed.
 *
 * Owns: flows and accounts (heap, one block each). Thread: one. Fails: flowtab_new only; see gate/flowtab.h.
 */
#include "gate/flowtab.h"

#include <errno.h>
#include <stdlib.h>

struct flow_client {
	struct flow_client *chain;
	uint8_t id[17];	  /* kind, MAC or address */
	uint32_t flows;	  /* that point here */
	uint32_t pending; /* of these: in LIST_PENDING */
	uint64_t bytes;	  /* kept for those */
};

struct list {
	struct flow_rec *head, *tail;
	size_t n;
};

struct flowtab {
	struct flowtab_limits l;
	struct flow_rec **buckets;
	struct flow_client **clients;
	uint32_t mask;
	size_t n;
	uint64_t memory;
	struct list lists[FLOW_LISTS];
};

enum { SHARE = 4 /* one part in so many */, SHARE_MIN = 16 };

int flowtab_new(struct flowtab **out, const struct flowtab_limits *l)
{
	struct flowtab *t = calloc(1, sizeof(*t));
	uint32_t buckets = 16;

	if (!t)
		return -ENOMEM;
	while (buckets < l->flows)
		buckets *= 2;
	t->l = *l;
	t->mask = buckets - 1;
	t->buckets = calloc(buckets, sizeof(*t->buckets));
	t->clients = calloc(buckets, sizeof(*t->clients));
	if (!t->buckets || !t->clients) {
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
	free(t->clients);
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

	r->list = (uint8_t)which;
	r->next = NULL;
	r->prev = l->tail;
	if (l->tail)
		l->tail->next = r;
	else
		l->head = r;
	l->tail = r;
	l->n++;
}

static void list_take(struct flowtab *t, struct flow_rec *r)
{
	struct list *l = &t->lists[r->list];

	if (r->prev)
		r->prev->next = r->next;
	else
		l->head = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		l->tail = r->prev;
	l->n--;
}

static struct flow_client **client_at(const struct flowtab *t, const uint8_t id[static 17])
{
	struct flow_client **at = &t->clients[hash_sip(&t->l.key, id, 17) & t->mask];

	while (*at && memcmp((*at)->id, id, 17) != 0)
		at = &(*at)->chain;
	return at;
}

static struct flow_client *client_of(struct flowtab *t, const struct flow *f)
{
	struct flow_client **at, *c;
	uint8_t id[17] = {f->has_mac};

	if (f->has_mac)
		memcpy(id + 1, f->mac.b, sizeof(f->mac.b));
	else
		memcpy(id + 1, f->src.b, sizeof(f->src.b));
	at = client_at(t, id);
	c = *at;
	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	memcpy(c->id, id, sizeof(id));
	*at = c;
	return c;
}

static void client_put(struct flowtab *t, struct flow_client *c)
{
	struct flow_client **at;

	if (c->flows > 0)
		return;
	at = client_at(t, c->id);
	*at = c->chain;
	free(c);
}

void flowtab_remove(struct flowtab *t, struct flow_rec *r)
{
	struct flow_rec **at = bucket_of(t, &r->flow);

	while (*at != r)
		at = &(*at)->chain;
	*at = r->chain;
	list_take(t, r);
	t->n--;
	t->memory -= r->bytes;
	if (r->list == LIST_PENDING) {
		r->client->pending--;
		r->client->bytes -= r->bytes;
	}
	r->client->flows--;
	client_put(t, r->client);
	if (t->l.on_free)
		t->l.on_free(t->l.user, r);
	free(r);
}

static void evict_one(struct flowtab *t)
{
	static const enum flow_list order[] = {LIST_OTHER, LIST_DECIDED, LIST_PENDING};
	struct flow_rec *r = NULL;

	for (size_t i = 0; i < FLOW_LISTS && !r; i++)
		r = t->lists[order[i]].head;
	if (!r)
		return;
	if (t->l.on_evict)
		t->l.on_evict(t->l.user, r);
	flowtab_remove(t, r);
}

static uint32_t share(const struct flowtab *t)
{
	return t->l.flows / SHARE > SHARE_MIN ? t->l.flows / SHARE : SHARE_MIN;
}

struct flow_rec *flowtab_add(struct flowtab *t, const struct flow *f, uint64_t now_ms)
{
	struct flow_client *c = client_of(t, f);
	struct flow_rec *r, **at;

	if (!c)
		return NULL;
	r = c->pending < share(t) ? calloc(1, sizeof(*r)) : NULL;
	if (!r) {
		client_put(t, c);
		return NULL;
	}
	c->pending++;
	c->flows++; /* before evicting: the account must not go with the flow that goes */
	if (t->n >= t->l.flows)
		evict_one(t);
	r->flow = *f;
	r->client = c;
	r->born_ms = r->last_ms = now_ms;
	at = bucket_of(t, f);
	r->chain = *at;
	*at = r;
	list_add(t, r, LIST_PENDING);
	t->n++;
	return r;
}

void flowtab_use(struct flowtab *t, struct flow_rec *r, enum flow_list list, uint64_t now_ms)
{
	r->last_ms = now_ms;
	if (r->list == LIST_PENDING && list == LIST_PENDING)
		return;
	if (r->list == LIST_PENDING) {
		r->client->pending--;
		r->client->bytes -= r->bytes;
	}
	if (list == LIST_PENDING) { /* a hello begins behind a dialogue: its clock starts now */
		r->client->pending++;
		r->client->bytes += r->bytes;
		r->born_ms = now_ms;
	}
	list_take(t, r);
	list_add(t, r, list);
}

bool flowtab_account(struct flowtab *t, struct flow_rec *r, size_t bytes)
{
	struct flow_client *c = r->client;

	t->memory += bytes - r->bytes;
	if (r->list == LIST_PENDING)
		c->bytes += bytes - r->bytes;
	r->bytes = (uint32_t)bytes;
	for (int which = LIST_OTHER; which > LIST_PENDING && t->memory > t->l.memory; which--)
		while (t->lists[which].head && t->lists[which].head != r && t->memory > t->l.memory)
			flowtab_remove(t, t->lists[which].head);
	return t->memory <= t->l.memory && c->bytes <= t->l.memory / SHARE;
}

struct flow_rec *flowtab_oldest(const struct flowtab *t, enum flow_list list)
{
	return t->lists[list].head;
}

size_t flowtab_count(const struct flowtab *t)
{
	return t->n;
}

size_t flowtab_count_list(const struct flowtab *t, enum flow_list list)
{
	return t->lists[list].n;
}

uint64_t flowtab_memory(const struct flowtab *t)
{
	return t->memory;
}
