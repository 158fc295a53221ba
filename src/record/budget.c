/* SPDX-License-Identifier: GPL-3.0-or-later
 * budget.c - token buckets a client, in sets of WAYS, and the sums of what found none.
 *
 * A bucket that has filled up again can be forgotten, since it equals a new one. A client without a name for whose bucket there
 * is no place (more than ten thousand new clients within a second) has none, and its decisions are only counted.
 *
 * Owns: its tables. Thread: one at a time. Fails: budget_new only.
 */
#include "budget_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"

enum { WAYS = 8, NAMED_SETS = 128, STRANGER_SETS = 512, NAMED_SUMS = 512, STRANGER_SUMS = 128 };
enum { TOKEN = 60000 }; /* of a bucket's level: N tokens a minute are N a millisecond */

struct bucket {
	uint64_t client; /* 0 = free */
	uint64_t seen_ms;
	int64_t level;
};

struct sum {
	uint64_t key, client; /* key 0 = free */
	uint64_t since_ms;
	struct row row;
};

/* Named devices and strangers have tables of their own: no stranger takes a named device's place. */
struct side {
	struct bucket *buckets;
	struct sum *sums; /* the last ACTIONS: of several clients */
	size_t n_sets, n_sums, used;
};

enum { ACTIONS = ACTION_WAIT + 1 };

struct budget {
	struct hash_key key;
	struct side named, strangers;
	struct bucket all_strangers;
};

static bool make_side(struct side *s, size_t sets, size_t sums)
{
	s->n_sets = sets;
	s->n_sums = sums;
	s->buckets = calloc(sets * WAYS, sizeof *s->buckets);
	s->sums = calloc(sums + ACTIONS, sizeof *s->sums);
	return s->buckets && s->sums;
}

struct budget *budget_new(void)
{
	struct budget *b = calloc(1, sizeof *b);
	uint8_t seed[16] = {0};

	if (!b)
		return NULL;
	(void)!getrandom(seed, sizeof seed, 0);
	hash_key_set(&b->key, seed);
	b->all_strangers.level = (int64_t)BUDGET_STRANGERS_FIRST * TOKEN;
	if (make_side(&b->named, NAMED_SETS, NAMED_SUMS) &&
		make_side(&b->strangers, STRANGER_SETS, STRANGER_SUMS))
		return b;
	budget_free(b);
	return NULL;
}

void budget_free(struct budget *b)
{
	if (!b)
		return;
	free(b->named.buckets);
	free(b->named.sums);
	free(b->strangers.buckets);
	free(b->strangers.sums);
	free(b);
}

/* --- buckets --- */

static uint64_t client_of(const struct budget *b, const struct row *r)
{
	const struct flow *f = &r->event.flow;
	uint8_t id[ROW_WORD + 1] = {0};
	uint64_t h;

	if (r->device[0]) {
		memcpy(id + 1, r->device, ROW_WORD);
	} else if (f->has_mac) {
		id[0] = 1;
		memcpy(id + 1, f->mac.b, sizeof f->mac.b);
	} else {
		id[0] = 2;
		memcpy(id + 1, f->src.b, addr_is_v4(&f->src) ? 16 : 8);
	}
	h = hash_sip(&b->key, id, sizeof id);
	return h ? h : 1;
}

static void refill(struct bucket *k, uint64_t now_ms, int64_t first, int64_t a_minute)
{
	uint64_t ms = now_ms > k->seen_ms ? now_ms - k->seen_ms : 0;
	int64_t full = first * TOKEN;

	if (ms > 86400000)
		k->level = full;
	else
		k->level += (int64_t)ms * a_minute;
	if (k->level > full)
		k->level = full;
	k->seen_ms = now_ms;
}

static bool is_better(const struct bucket *k, const struct bucket *than)
{
	return !than || !k->client || (than->client && k->level > than->level);
}

/* The client's bucket, refilled. NULL: no place for one more. */
static struct bucket *bucket_of(struct side *s, uint64_t client, uint64_t now_ms, bool named)
{
	struct bucket *set = s->buckets + client % s->n_sets * WAYS, *place = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].client)
			refill(&set[i], now_ms, BUDGET_FIRST, BUDGET_MINUTE);
		if (set[i].client == client)
			return &set[i];
		if (is_better(&set[i], place))
			place = &set[i];
	}
	if (place->client && place->level < (int64_t)BUDGET_FIRST * TOKEN && !named)
		return NULL;
	*place = (struct bucket){client, now_ms, (int64_t)BUDGET_FIRST * TOKEN};
	return place;
}

/* --- sums --- */

static uint64_t sum_key(const struct budget *b, uint64_t client, const struct row *r, bool rest)
{
	const struct verdict *v = &r->event.verdict;
	uint32_t what[9] = {(uint32_t)client, (uint32_t)(client >> 32), v->action, rest};
	uint64_t h;

	if (!rest) {
		what[4] = v->by;
		what[5] = v->rule_line;
		what[6] = v->watch_line;
		what[7] = r->event.ident.anomaly;
		what[8] = (uint32_t)hash_fnv(r->rule_id, strlen(r->rule_id), HASH_FNV_START);
	}
	h = hash_sip(&b->key, what, sizeof what);
	return h ? h : 1;
}

/* The sum of this key, else a free one where the client has fewer than `most`, else NULL. */
static struct sum *sum_of(struct side *s, uint64_t key, uint64_t client, size_t most)
{
	struct sum *place = NULL;
	size_t have = 0;

	for (size_t i = 0; i < s->n_sums; i++) {
		if (s->sums[i].key == key)
			return &s->sums[i];
		if (!s->sums[i].key && !place)
			place = &s->sums[i];
		have += s->sums[i].key && s->sums[i].client == client;
	}
	if (!place || have >= most)
		return NULL;
	place->client = client;
	return place;
}

#define KEEP_EQUAL(a, b)                                                                           \
	do {                                                                                       \
		if (memcmp(&(a), &(b), sizeof(a)) != 0)                                            \
			memset(&(a), 0, sizeof(a));                                                \
	} while (0)

static void fold_flow(struct flow *a, const struct flow *b)
{
	if (!a->has_mac || !b->has_mac || !mac_eq(&a->mac, &b->mac)) {
		a->has_mac = false;
		memset(&a->mac, 0, sizeof a->mac);
	}
	KEEP_EQUAL(a->src, b->src);
	KEEP_EQUAL(a->dst, b->dst);
	KEEP_EQUAL(a->sport, b->sport);
	KEEP_EQUAL(a->dport, b->dport);
	KEEP_EQUAL(a->path, b->path);
}

static void fold_ident(struct ident *a, const struct ident *b)
{
	KEEP_EQUAL(a->kind, b->kind);
	KEEP_EQUAL(a->source, b->source);
	KEEP_EQUAL(a->app, b->app);
	KEEP_EQUAL(a->anomaly, b->anomaly);
	KEEP_EQUAL(a->packet, b->packet);
	if (a->name_len != b->name_len || memcmp(a->name, b->name, a->name_len) != 0) {
		memset(a->name, 0, sizeof a->name);
		a->name_len = 0;
	}
	if (strcmp(a->alpn, b->alpn) != 0)
		memset(a->alpn, 0, sizeof a->alpn);
	a->ech &= b->ech;
}

static void fold_verdict(struct row *a, const struct row *b)
{
	struct verdict *v = &a->event.verdict;
	const struct verdict *w = &b->event.verdict;

	if (v->rule_line != w->rule_line || v->by != w->by || strcmp(a->rule_id, b->rule_id) != 0) {
		v->rule_line = 0;
		a->rule_id[0] = a->rule[0] = a->because[0] = 0;
	}
	if (v->watch_line != w->watch_line || strcmp(a->watch_id, b->watch_id) != 0) {
		v->watch_line = 0;
		a->watch_id[0] = a->watch[0] = 0;
	}
	if (strcmp(a->list, b->list) != 0)
		a->list[0] = 0;
	KEEP_EQUAL(v->list_line, w->list_line);
	KEEP_EQUAL(v->until_s, w->until_s);
	KEEP_EQUAL(v->tcp_instead, w->tcp_instead);
	if (w->revision > v->revision)
		v->revision = w->revision;
}

/* What differs among a sum's decisions is empty in it; the verdict never differs. */
static void fold(struct row *a, const struct row *b)
{
	uint64_t wall = b->event.wall_ms;

	fold_flow(&a->event.flow, &b->event.flow);
	fold_ident(&a->event.ident, &b->event.ident);
	fold_verdict(a, b);
	if (strcmp(a->device, b->device) != 0)
		a->device[0] = 0;
	if (a->event.flow.proto != b->event.flow.proto)
		a->event.flow.proto = 0;
	if (wall < a->event.wall_ms)
		a->event.wall_ms = wall;
	if (wall > a->last_ms)
		a->last_ms = wall;
	a->count += a->count < UINT32_MAX;
}

static void add(
	struct budget *b, struct side *s, uint64_t client, const struct row *r, uint64_t now_ms)
{
	uint64_t key = sum_key(b, client, r, false);
	struct sum *sum = sum_of(s, key, client, BUDGET_CLIENT_SUMS - ACTIONS);

	if (!sum) {
		key = sum_key(b, client, r, true);
		sum = sum_of(s, key, client, BUDGET_CLIENT_SUMS);
	}
	if (!sum) {
		key = 1;
		sum = &s->sums[s->n_sums + r->event.verdict.action % ACTIONS];
	}
	if (sum->key) {
		fold(&sum->row, r);
		return;
	}
	sum->key = key;
	sum->since_ms = now_ms;
	sum->row = *r;
	sum->row.count = 1;
	sum->row.last_ms = r->event.wall_ms;
	s->used++;
}

/* --- public calls --- */

bool budget_take(struct budget *b, const struct row *row, uint64_t now_ms)
{
	bool named = row->device[0] != 0;
	struct side *s = named ? &b->named : &b->strangers;
	uint64_t client = client_of(b, row);
	struct bucket *own = bucket_of(s, client, now_ms, named);
	bool ok = own && own->level >= TOKEN;

	if (!named) {
		refill(&b->all_strangers, now_ms, BUDGET_STRANGERS_FIRST, BUDGET_STRANGERS_MINUTE);
		ok = ok && b->all_strangers.level >= TOKEN;
	}
	if (!ok) {
		add(b, s, client, row, now_ms);
		return false;
	}
	own->level -= TOKEN;
	if (!named)
		b->all_strangers.level -= TOKEN;
	return true;
}

static bool due(struct side *s, uint64_t now_ms, bool all, struct row *out)
{
	for (size_t i = 0; s->used && i < s->n_sums + ACTIONS; i++) {
		struct sum *sum = &s->sums[i];

		if (!sum->key || (!all && now_ms < sum->since_ms + BUDGET_SUM_MS))
			continue;
		*out = sum->row;
		if (out->count == 1) /* a row like any other, after all */
			out->count = 0, out->last_ms = 0;
		sum->key = 0;
		s->used--;
		return true;
	}
	return false;
}

bool budget_due(struct budget *b, uint64_t now_ms, bool all, struct row *out)
{
	return due(&b->named, now_ms, all, out) || due(&b->strangers, now_ms, all, out);
}
