/* SPDX-License-Identifier: GPL-3.0-or-later
 * livetab.c - the records of allowed flows: a pool, a keyed hash over their numbers, shared names.
 *
 * Numbers are indexes + 1; 0 is none. Only records and names lie in the map. What leads to them (buckets, chains, free
 * lists, counts of users) is ours alone, and made anew when a map is adopted.
 *
 * Owns: the heap of these. Thread: one. Fails: livetab_new, livetab_adopt and livetab_note only.
 */
#include "dataplane/livetab.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/invariant.h"

enum { TRIES_MAX = 3 };

struct names {
	uint32_t *buckets, *chain, *refs, mask;
	uint32_t free[2], span[2]; /* short, long ones */
	uint32_t n;
};

struct livetab {
	struct hash_key key;
	struct live_map map, own;	 /* own: unmapped with the table */
	uint32_t *buckets, *chain, mask; /* chain: the next of the bucket, or free one */
	uint32_t n, round, free;
	struct names names;
};

static uint32_t power(uint32_t n)
{
	uint32_t p = 16;

	while (p < n)
		p *= 2;
	return p;
}

static int make(struct livetab **out, const struct hash_key *key, const struct live_map *map)
{
	struct livetab *t = calloc(1, sizeof *t);
	uint32_t buckets = power(map->flows);

	if (!t)
		return -ENOMEM;
	t->key = *key;
	t->map = *map;
	t->mask = t->names.mask = buckets - 1;
	t->buckets = calloc(buckets, sizeof *t->buckets);
	t->chain = calloc(map->flows, sizeof *t->chain);
	t->names.buckets = calloc(buckets, sizeof *t->names.buckets);
	t->names.chain = calloc(2 * (size_t)map->flows, sizeof *t->names.chain);
	t->names.refs = calloc(2 * (size_t)map->flows, sizeof *t->names.refs);
	*out = t;
	if (t->buckets && t->chain && t->names.buckets && t->names.chain && t->names.refs)
		return 0;
	livetab_free(t);
	return -ENOMEM;
}

int livetab_new(struct livetab **out, uint32_t flows, const struct hash_key *key)
{
	struct live_map own;
	int rc = live_map(-1, true, flows, &own);

	if (rc != 0)
		return rc;
	live_clear(&own);
	rc = make(out, key, &own);
	if (rc == 0)
		(*out)->own = own;
	else
		live_unmap(&own);
	return rc;
}

void livetab_free(struct livetab *t)
{
	if (!t)
		return;
	live_unmap(&t->own);
	free(t->buckets);
	free(t->chain);
	free(t->names.buckets);
	free(t->names.chain);
	free(t->names.refs);
	free(t);
}

/* Readers may look at any time: what stands between these two, they do not take for a record. */
static void write_begin(struct live *l)
{
	__atomic_store_n(&l->seq, l->seq | 1, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_release);
}

static void write_end(struct live *l)
{
	__atomic_store_n(&l->seq, (l->seq | 1) + 1, __ATOMIC_RELEASE);
}

/* --- names --- */

static uint32_t *name_at(struct livetab *t, const char *text, uint8_t n)
{
	uint32_t *at = &t->names.buckets[hash_sip(&t->key, text, n) & t->names.mask];
	uint8_t have = 0;

	while (*at) {
		const char *its = live_name(&t->map, *at - 1, &have);

		if (have == n && memcmp(its, text, n) == 0)
			break;
		at = &t->names.chain[*at - 1];
	}
	return at;
}

static void name_link(struct livetab *t, uint32_t number, uint32_t *at)
{
	t->names.chain[number - 1] = *at;
	*at = number;
	t->names.n++;
}

static uint32_t name_free(struct livetab *t, bool is_long)
{
	uint32_t number = t->names.free[is_long];

	if (number) {
		t->names.free[is_long] = t->names.chain[number - 1];
		return number;
	}
	if (t->names.span[is_long] == t->map.flows)
		return 0;
	return ++t->names.span[is_long] + (is_long ? t->map.flows : 0);
}

static void name_write(struct livetab *t, uint32_t number, const char *text, uint8_t n)
{
	uint32_t i = number - 1;

	if (i < t->map.flows) {
		t->map.shorts[i].n = n;
		memcpy(t->map.shorts[i].text, text, n);
	} else {
		t->map.longs[i - t->map.flows].n = n;
		memcpy(t->map.longs[i - t->map.flows].text, text, n);
	}
}

static uint32_t name_get(struct livetab *t, const char *text, uint8_t n)
{
	uint32_t *at = name_at(t, text, n), number = *at;

	if (!number) {
		number = name_free(t, n > LIVE_SHORT);
		if (!number)
			return 0;
		name_write(t, number, text, n);
		name_link(t, number, at);
	}
	t->names.refs[number - 1]++;
	return number;
}

static void name_put(struct livetab *t, uint32_t number)
{
	const char *text;
	uint32_t *at;
	uint8_t n;
	bool is_long;

	if (!number || --t->names.refs[number - 1] > 0)
		return;
	text = live_name(&t->map, number - 1, &n);
	at = name_at(t, text, n);
	*at = t->names.chain[number - 1];
	is_long = number > t->map.flows;
	t->names.chain[number - 1] = t->names.free[is_long];
	t->names.free[is_long] = number;
	t->names.n--;
}

/* --- records --- */

static struct live *record(const struct livetab *t, uint32_t number)
{
	return number ? &t->map.at[number - 1] : NULL;
}

static uint32_t number_of(const struct livetab *t, const struct live *l)
{
	return (uint32_t)(l - t->map.at) + 1;
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
	       (l->path == PATH_PROXY) == (f->path == PATH_PROXY) && addr_eq(&l->src, &f->src) &&
	       addr_eq(&l->dst, &f->dst);
}

struct live *livetab_find(const struct livetab *t, const struct flow *f)
{
	struct live *l = record(t, *bucket_of(t, f));

	while (l && !is_of(l, f))
		l = record(t, t->chain[number_of(t, l) - 1]);
	return l;
}

struct live *livetab_next(const struct livetab *t, const struct live *l)
{
	struct live *n = record(t, t->chain[number_of(t, l) - 1]);
	struct flow f;

	live_flow(l, &f);
	while (n && !is_of(n, &f))
		n = record(t, t->chain[number_of(t, n) - 1]);
	return n;
}

static uint32_t take_free(struct livetab *t)
{
	uint32_t number = t->free;

	if (number) {
		invariant(!t->map.at[number - 1].used);
		t->free = t->chain[number - 1];
		return number;
	}
	return t->map.head->span == t->map.flows ? 0 : ++t->map.head->span;
}

static void put_free(struct livetab *t, uint32_t number)
{
	t->chain[number - 1] = t->free;
	t->free = number;
}

static void link_record(struct livetab *t, uint32_t number, uint32_t *at)
{
	t->chain[number - 1] = *at;
	*at = number;
	t->n++;
}

/* Its writing has begun. */
static struct live *add(struct livetab *t, const struct flow *f)
{
	uint32_t number = take_free(t);
	struct live *l = record(t, number);

	if (!l)
		return NULL;
	write_begin(l);
	*l = (struct live){.src = f->src,
		.dst = f->dst,
		.seq = l->seq,
		.born = ++t->map.head->born,
		.device = NO_DEVICE,
		.sport = f->sport,
		.dport = f->dport,
		.proto = f->proto,
		.path = f->path,
		.used = true};
	link_record(t, number, bucket_of(t, f));
	return l;
}

static bool same_name(const struct livetab *t, const struct live *l, const struct ident *i)
{
	const char *text;
	uint8_t n;

	if (!l->name)
		return i->name_len == 0;
	text = live_name(&t->map, l->name - 1, &n);
	return n == i->name_len && memcmp(text, i->name, n) == 0;
}

static void set_words(struct live *l, const struct flow *f, const struct ident *i)
{
	l->path = f->path;
	l->has_mac = f->has_mac;
	l->mac = f->mac;
	l->outside = f->outside;
	l->kind = i->kind;
	l->source = i->source;
	l->app = i->app;
	l->anomaly = i->anomaly;
	l->ech = i->ech;
	l->first = l->told = l->by_hand = l->unsure = false;
	l->cut = LIVE_GOES_ON;
}

struct live *livetab_note(struct livetab *t, const struct flow *f, const struct ident *i)
{
	struct live *l = livetab_find(t, f);
	uint32_t name = 0, before = 0;

	while (l && f->proto == IPPROTO_UDP && !same_name(t, l, i))
		l = livetab_next(t, l);
	if (l)
		before = l->name;
	if (i->name_len && !(name = name_get(t, i->name, i->name_len))) {
		if (l)
			livetab_remove(t, l);
		return NULL;
	}
	if (l)
		write_begin(l);
	else
		l = add(t, f);
	if (!l) {
		name_put(t, name);
		return NULL;
	}
	l->name = name;
	set_words(l, f, i);
	l->round = t->round;
	write_end(l);
	name_put(t, before);
	return l;
}

void livetab_renew(struct livetab *t, struct live *l, uint64_t since_ms)
{
	write_begin(l);
	l->born = ++t->map.head->born;
	l->since_ms = since_ms;
	memset(l->bytes, 0, sizeof l->bytes);
	memset(l->packets, 0, sizeof l->packets);
	write_end(l);
}

void livetab_remove(struct livetab *t, struct live *l)
{
	uint32_t *at =
		bucket(t, &l->src, &l->dst, (const uint16_t[]){l->sport, l->dport}, l->proto);
	uint32_t number = number_of(t, l), name = l->name;

	invariant(l->used && t->n > 0);
	while (*at != number) {
		invariant(*at); /* a record is in the bucket of its flow */
		at = &t->chain[*at - 1];
	}
	*at = t->chain[number - 1];
	write_begin(l);
	*l = (struct live){.seq = l->seq};
	write_end(l);
	name_put(t, name);
	put_free(t, number);
	t->n--;
}

void live_ident(const struct livetab *t, const struct live *l, struct ident *out)
{
	uint8_t n = 0;
	const char *text = l->name ? live_name(&t->map, l->name - 1, &n) : "";

	live_ident_of(l, text, n, out);
}

struct live *livetab_at(const struct livetab *t, uint32_t at)
{
	struct live *l = record(t, at + 1);

	return l->used ? l : NULL;
}

struct live *livetab_born(const struct livetab *t, uint32_t at, uint32_t born)
{
	struct live *l = at < livetab_span(t) ? livetab_at(t, at) : NULL;

	return l && l->born == born ? l : NULL;
}

uint32_t livetab_slot(const struct livetab *t, const struct live *l)
{
	return number_of(t, l) - 1;
}

uint32_t livetab_span(const struct livetab *t)
{
	return t->map.head->span;
}

uint32_t livetab_max(const struct livetab *t)
{
	return t->map.flows;
}

uint32_t livetab_count(const struct livetab *t)
{
	return t->n;
}

uint32_t livetab_names(const struct livetab *t)
{
	return t->names.n;
}

void livetab_round(struct livetab *t)
{
	t->round++;
}

void livetab_seen(struct livetab *t, struct live *l)
{
	l->round = t->round;
	l->unsure = false;
}

uint32_t livetab_missed(const struct livetab *t, const struct live *l)
{
	return t->round - l->round;
}

void livetab_works(struct livetab *t)
{
	t->map.head->tries = 0;
}

/* --- what an earlier process left --- */

/* The name where the earlier one had it; what was free there is found out when all are taken. */
static bool adopt_name(struct livetab *t, uint32_t number, const char *name)
{
	uint32_t *at = name_at(t, name, (uint8_t)strlen(name));

	if (!number || *at == number) {
		if (number)
			t->names.refs[number - 1]++;
		return true;
	}
	if (*at || t->names.refs[number - 1]) /* twice the same, or one that is another by now */
		return false;
	name_link(t, number, at);
	t->names.refs[number - 1]++;
	return true;
}

static void adopt_free(struct livetab *t)
{
	for (uint32_t i = t->map.head->span; i-- > 0;)
		if (!t->map.at[i].used)
			put_free(t, i + 1);
	for (int k = 0; k < 2; k++) {
		uint32_t first = k ? t->map.flows : 0, last = 0;

		for (uint32_t i = t->map.flows; i-- > 0 && !last;)
			last = t->names.refs[first + i] ? i + 1 : 0;
		t->names.span[k] = last;
		for (uint32_t i = last; i-- > 0;) {
			if (t->names.refs[first + i])
				continue;
			t->names.chain[first + i] = t->names.free[k];
			t->names.free[k] = first + i + 1;
		}
	}
}

/* Once by us alone: nothing of it changes between the look and the use. */
static bool adopt_record(struct livetab *t, uint32_t at)
{
	struct live *l = &t->map.at[at], seen;
	char name[NAME_TEXT];
	enum live_reading how = live_read(&t->map, at, &seen, name);
	struct flow f;

	if (how == LIVE_BAD || (how == LIVE_READ && seen.born > t->map.head->born))
		return false;
	if (how == LIVE_READ && seen.path != PATH_PROXY) {
		live_flow(&seen, &f);
		if (!adopt_name(t, seen.name, name))
			return false;
		l->unsure = true;
		l->round = l->told_round = t->round;
		link_record(t, at + 1, bucket_of(t, &f));
		return true;
	}
	/* none, or its writer died over it, or a relay, which died with its dataplane */
	write_begin(l);
	*l = (struct live){.seq = l->seq};
	write_end(l);
	return true;
}

static bool adopt_all(struct livetab *t, const char **why)
{
	struct live_head *h = t->map.head;

	if (h->magic == 0 && h->span == 0 && h->record == 0)
		return false; /* nobody has had it yet */
	if (!live_is_whole(&t->map)) {
		*why = "it is not of this version, or its head was written over";
		return false;
	}
	if (++h->tries > TRIES_MAX) {
		*why = "dataplanes that began with it died soon";
		return false;
	}
	for (uint32_t i = 0; i < h->span; i++) {
		if (adopt_record(t, i))
			continue;
		*why = "a record in it cannot be";
		return false;
	}
	adopt_free(t);
	return true;
}

int livetab_adopt(struct livetab **out, const struct live_map *map, const struct hash_key *key,
	const char **why)
{
	int rc = make(out, key, map);

	*why = NULL;
	if (rc != 0 || adopt_all(*out, why))
		return rc;
	livetab_free(*out);
	for (uint32_t i = 0; *why && i < map->flows; i++)
		if (map->at[i].used || map->at[i].seq & 1)
			map->at[i] = (struct live){.seq = (map->at[i].seq | 1) + 1};
	live_clear(&(struct live_map){.head = map->head, .flows = map->flows});
	return make(out, key, map);
}
