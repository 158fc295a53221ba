/* SPDX-License-Identifier: GPL-3.0-or-later
 * livetab.c - the records of allowed flows: blocks of a pool, a keyed hash over their numbers, shared names.
 *
 * A number is an index into the pool + 1; 0 is none. Blocks never move, so that a record's address holds.
 *
 * Owns: blocks and names (heap). Thread: one. Fails: livetab_new and livetab_note only.
 */
#include "dataplane/livetab.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/invariant.h"

enum { BLOCK = 256, NAME_BUCKETS = 4096 };

struct live_name {
	struct live_name *chain;
	uint32_t refs;
	uint8_t n;
	char text[];
};

struct livetab {
	struct hash_key key;
	uint32_t *buckets, mask;
	struct live **blocks;
	uint32_t max, span, n, names, round;
	uint32_t free; /* number of the first free record */
	struct live_name *name[NAME_BUCKETS];
};

_Static_assert(sizeof(struct live) <= 128, "a record is small");

int livetab_new(struct livetab **out, uint32_t flows, const struct hash_key *key)
{
	struct livetab *t = calloc(1, sizeof *t);
	uint32_t buckets = 16;

	if (!t)
		return -ENOMEM;
	while (buckets < flows)
		buckets *= 2;
	t->key = *key;
	t->max = flows;
	t->mask = buckets - 1;
	t->buckets = calloc(buckets, sizeof *t->buckets);
	t->blocks = calloc((flows + BLOCK - 1) / BLOCK, sizeof *t->blocks);
	if (!t->buckets || !t->blocks) {
		livetab_free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void livetab_free(struct livetab *t)
{
	struct live_name *n;

	if (!t)
		return;
	for (uint32_t i = 0; t->blocks && i < (t->span + BLOCK - 1) / BLOCK; i++)
		free(t->blocks[i]);
	for (uint32_t i = 0; i < NAME_BUCKETS; i++)
		while ((n = t->name[i])) {
			t->name[i] = n->chain;
			free(n);
		}
	free(t->blocks);
	free(t->buckets);
	free(t);
}

/* --- names --- */

static struct live_name **name_at(struct livetab *t, const char *text, uint8_t n)
{
	struct live_name **at = &t->name[hash_sip(&t->key, text, n) % NAME_BUCKETS];

	while (*at && ((*at)->n != n || memcmp((*at)->text, text, n) != 0))
		at = &(*at)->chain;
	return at;
}

static struct live_name *name_get(struct livetab *t, const char *text, uint8_t n)
{
	struct live_name **at = name_at(t, text, n), *name = *at;

	if (!name) {
		name = malloc(sizeof *name + n);
		if (!name)
			return NULL;
		*name = (struct live_name){.n = n};
		memcpy(name->text, text, n);
		*at = name;
		t->names++;
	}
	name->refs++;
	return name;
}

static void name_put(struct livetab *t, struct live_name *name)
{
	struct live_name **at;

	invariant(!name || name->refs > 0);
	if (!name || --name->refs > 0)
		return;
	at = name_at(t, name->text, name->n);
	invariant(*at == name);
	*at = name->chain;
	t->names--;
	free(name);
}

/* --- records --- */

static struct live *record(const struct livetab *t, uint32_t number)
{
	invariant(number <= t->span);
	return number ? &t->blocks[(number - 1) / BLOCK][(number - 1) % BLOCK] : NULL;
}

static uint32_t *bucket(const struct livetab *t, const struct addr *src, const struct addr *dst,
	const uint16_t ports[2], uint8_t proto)
{
	uint8_t key[37];

	memcpy(key, src->b, 16);
	memcpy(key + 16, dst->b, 16);
	memcpy(key + 32, ports, 4);
	key[36] = proto;
	return &t->buckets[hash_sip(&t->key, key, sizeof key) & t->mask];
}

static uint32_t *bucket_of(const struct livetab *t, const struct flow *f)
{
	return bucket(t, &f->src, &f->dst, (const uint16_t[]){f->sport, f->dport}, f->proto);
}

static bool is_of(const struct live *l, const struct flow *f)
{
	return l->proto == f->proto && l->sport == f->sport && l->dport == f->dport &&
	       addr_eq(&l->src, &f->src) && addr_eq(&l->dst, &f->dst);
}

struct live *livetab_find(const struct livetab *t, const struct flow *f)
{
	struct live *l = record(t, *bucket_of(t, f));

	while (l && !is_of(l, f))
		l = record(t, l->chain);
	return l;
}

struct live *livetab_next(const struct livetab *t, const struct live *l)
{
	struct live *n = record(t, l->chain);
	struct flow f;

	live_flow(l, &f);
	while (n && !is_of(n, &f))
		n = record(t, n->chain);
	return n;
}

static uint32_t take_free(struct livetab *t)
{
	uint32_t number = t->free;

	if (number) {
		invariant(!record(t, number)->used);
		t->free = record(t, number)->next_free;
		return number;
	}
	if (t->span == t->max)
		return 0;
	if (t->span % BLOCK == 0) {
		t->blocks[t->span / BLOCK] = calloc(BLOCK, sizeof(struct live));
		if (!t->blocks[t->span / BLOCK])
			return 0;
	}
	return ++t->span;
}

static struct live *add(struct livetab *t, const struct flow *f)
{
	uint32_t number = take_free(t), *at = bucket_of(t, f);
	struct live *l = record(t, number);

	if (!l)
		return NULL;
	*l = (struct live){.src = f->src,
		.dst = f->dst,
		.sport = f->sport,
		.dport = f->dport,
		.proto = f->proto,
		.used = true,
		.chain = *at};
	*at = number;
	t->n++;
	return l;
}

static bool same_name(const struct live *l, const struct ident *i)
{
	return l->name ? l->name->n == i->name_len &&
				 memcmp(l->name->text, i->name, i->name_len) == 0
		       : i->name_len == 0;
}

struct live *livetab_note(struct livetab *t, const struct flow *f, const struct ident *i)
{
	struct live *l = livetab_find(t, f);
	struct live_name *name = NULL;

	while (l && f->proto == IPPROTO_UDP && !same_name(l, i))
		l = livetab_next(t, l);
	if (!l)
		l = add(t, f);
	if (l && i->name_len && !same_name(l, i) && !(name = name_get(t, i->name, i->name_len))) {
		livetab_remove(t, l);
		return NULL;
	}
	if (!l)
		return NULL;
	if (!same_name(l, i)) {
		name_put(t, l->name);
		l->name = name;
	}
	l->path = f->path;
	l->has_mac = f->has_mac;
	l->mac = f->mac;
	l->outside = f->outside;
	l->kind = i->kind;
	l->source = i->source;
	l->app = i->app;
	l->anomaly = i->anomaly;
	l->ech = i->ech;
	l->first = l->told = false;
	l->cut = LIVE_GOES_ON;
	l->round = t->round;
	return l;
}

void livetab_remove(struct livetab *t, struct live *l)
{
	uint32_t *at =
		bucket(t, &l->src, &l->dst, (const uint16_t[]){l->sport, l->dport}, l->proto);
	uint32_t number;

	invariant(l->used && t->n > 0);
	while (record(t, *at) != l) {
		invariant(*at); /* a record is in the bucket of its flow */
		at = &record(t, *at)->chain;
	}
	number = *at;
	*at = l->chain;
	name_put(t, l->name);
	*l = (struct live){.next_free = t->free};
	t->free = number;
	t->n--;
}

void live_flow(const struct live *l, struct flow *out)
{
	*out = (struct flow){.src = l->src,
		.dst = l->dst,
		.sport = l->sport,
		.dport = l->dport,
		.proto = l->proto,
		.path = l->path,
		.outside = l->outside,
		.has_mac = l->has_mac,
		.mac = l->mac};
}

void live_ident(const struct live *l, struct ident *out)
{
	*out = (struct ident){.kind = l->kind,
		.source = l->source,
		.app = l->app,
		.anomaly = l->anomaly,
		.ech = l->ech};
	if (!l->name)
		return;
	out->name_len = l->name->n;
	memcpy(out->name, l->name->text, l->name->n);
}

struct live *livetab_at(const struct livetab *t, uint32_t at)
{
	struct live *l = record(t, at + 1);

	return l->used ? l : NULL;
}

uint32_t livetab_span(const struct livetab *t)
{
	return t->span;
}

uint32_t livetab_count(const struct livetab *t)
{
	return t->n;
}

uint32_t livetab_names(const struct livetab *t)
{
	return t->names;
}

void livetab_round(struct livetab *t)
{
	t->round++;
}

void livetab_seen(struct livetab *t, struct live *l)
{
	l->round = t->round;
}

uint32_t livetab_missed(const struct livetab *t, const struct live *l)
{
	return t->round - l->round;
}
