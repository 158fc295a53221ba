/* SPDX-License-Identifier: GPL-3.0-or-later
 * tail.c - the newest rows: a ring of packed ones, and their texts, each kept once, by a keyed hash.
 *
 * Owns: see tail_int.h. Thread: one at a time. Fails: see there.
 */
#include "tail_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/pool.h"

enum { TEXTS = 9, TEXTS_BYTES = NAME_TEXT + 32 + 4 * ROW_WORD + 3 * ROW_TEXT };

struct texts {
	struct texts *chain;
	uint64_t hash;
	uint32_t refs;
	uint16_t n;
	char bytes[]; /* TEXTS of them, each with its NUL */
};

struct kept {
	struct texts *texts;
	uint64_t event_id, wall_ms, last_ms, bytes_up, bytes_down;
	uint32_t duration_ms, count;
	struct verdict verdict;
	struct flow flow;
	uint16_t packet;
	uint8_t event_kind, worker, kind, source, app, anomaly;
	bool ech, ended;
};

struct tail {
	struct pool *pool;
	struct hash_key key;
	uint64_t first, end; /* ids that are kept: first..end - 1 */
	uint32_t rows, mask;
	struct kept *kept; /* that of id at id % rows */
	struct texts **buckets;
};

struct tail *tail_new(uint32_t rows)
{
	struct tail *t = calloc(1, sizeof *t);
	uint8_t seed[16] = {0};
	uint32_t buckets = 16;

	if (!t)
		return NULL;
	(void)!getrandom(seed, sizeof seed, 0);
	hash_key_set(&t->key, seed);
	while (buckets < rows / 4)
		buckets *= 2;
	t->rows = rows;
	t->mask = buckets - 1;
	t->first = t->end = 1;
	t->pool = pool_new();
	t->kept = calloc(rows, sizeof *t->kept);
	t->buckets = calloc(buckets, sizeof(struct texts *));
	if (t->pool && t->kept && t->buckets)
		return t;
	tail_free(t);
	return NULL;
}

void tail_free(struct tail *t)
{
	if (!t)
		return;
	if (t->kept && t->pool && t->buckets)
		tail_clear(t, 0);
	pool_free(t->pool);
	free(t->kept);
	free(t->buckets);
	free(t);
}

/* --- texts --- */

static uint16_t join(const struct row *r, char out[static TEXTS_BYTES])
{
	const char *const text[TEXTS] = {r->event.ident.name, r->event.ident.alpn, r->device,
		r->list, r->rule, r->rule_id, r->because, r->watch, r->watch_id};
	size_t n = 0;

	for (int i = 0; i < TEXTS; i++) {
		size_t len = strlen(text[i]) + 1;

		memcpy(out + n, text[i], len);
		n += len;
	}
	return (uint16_t)n;
}

static struct texts *texts_get(struct tail *t, const struct row *r)
{
	char bytes[TEXTS_BYTES];
	uint16_t n = join(r, bytes);
	uint64_t hash = hash_sip(&t->key, bytes, n);
	struct texts **at = &t->buckets[hash & t->mask], *x;

	for (x = *at; x; x = x->chain)
		if (x->hash == hash && x->n == n && memcmp(x->bytes, bytes, n) == 0)
			break;
	if (!x) {
		x = pool_get(t->pool, sizeof *x + n);
		if (!x)
			return NULL;
		*x = (struct texts){.chain = *at, .hash = hash, .n = n};
		memcpy(x->bytes, bytes, n);
		*at = x;
	}
	x->refs++;
	return x;
}

static void texts_put(struct tail *t, struct texts *x)
{
	struct texts **at;

	if (!x || --x->refs > 0)
		return;
	at = &t->buckets[x->hash & t->mask];
	while (*at != x)
		at = &(*at)->chain;
	*at = x->chain;
	pool_put(t->pool, x, sizeof *x + x->n);
}

static const char *next_text(char *to, const char *from)
{
	size_t n = strlen(from) + 1;

	memcpy(to, from, n);
	return from + n;
}

static void texts_read(const struct texts *x, struct row *out)
{
	const char *at = x->bytes;

	at = next_text(out->event.ident.name, at);
	at = next_text(out->event.ident.alpn, at);
	at = next_text(out->device, at);
	at = next_text(out->list, at);
	at = next_text(out->rule, at);
	at = next_text(out->rule_id, at);
	at = next_text(out->because, at);
	at = next_text(out->watch, at);
	next_text(out->watch_id, at);
	out->event.ident.name_len = (uint8_t)strlen(out->event.ident.name);
}

/* --- rows --- */

static struct kept pack(const struct row *r)
{
	const struct event *e = &r->event;

	return (struct kept){.event_id = e->id,
		.wall_ms = e->wall_ms,
		.last_ms = r->last_ms,
		.bytes_up = e->bytes_up,
		.bytes_down = e->bytes_down,
		.duration_ms = e->duration_ms,
		.count = r->count,
		.verdict = e->verdict,
		.flow = e->flow,
		.packet = e->ident.packet,
		.event_kind = e->kind,
		.worker = e->worker,
		.kind = e->ident.kind,
		.source = e->ident.source,
		.app = e->ident.app,
		.anomaly = e->ident.anomaly,
		.ech = e->ident.ech,
		.ended = r->ended};
}

static void unpack(const struct kept *k, struct row *out)
{
	struct event *e = &out->event;

	*e = (struct event){.kind = k->event_kind,
		.worker = k->worker,
		.id = k->event_id,
		.wall_ms = k->wall_ms,
		.flow = k->flow,
		.verdict = k->verdict,
		.bytes_up = k->bytes_up,
		.bytes_down = k->bytes_down,
		.duration_ms = k->duration_ms};
	e->ident.kind = k->kind;
	e->ident.source = k->source;
	e->ident.app = k->app;
	e->ident.anomaly = k->anomaly;
	e->ident.ech = k->ech;
	e->ident.packet = k->packet;
	out->last_ms = k->last_ms;
	out->count = k->count;
	out->ended = k->ended;
	out->device[0] = out->list[0] = out->rule[0] = out->because[0] = out->watch[0] = 0;
	out->rule_id[0] = out->watch_id[0] = 0;
	out->rule_today = 0;
	if (k->texts)
		texts_read(k->texts, out);
}

static struct kept *kept_of(const struct tail *t, uint64_t id)
{
	return id >= t->first && id < t->end ? &t->kept[id % t->rows] : NULL;
}

static void drop_first(struct tail *t)
{
	struct kept *k = kept_of(t, t->first);

	texts_put(t, k->texts);
	k->texts = NULL;
	t->first++;
}

void tail_clear(struct tail *t, uint64_t next)
{
	while (t->first < t->end)
		drop_first(t);
	t->first = t->end = next;
}

void tail_put(struct tail *t, const struct row *row)
{
	struct kept *k = &t->kept[row->id % t->rows];

	if (row->id != t->end)
		tail_clear(t, row->id);
	else if (row->id - t->first >= t->rows)
		drop_first(t);
	*k = pack(row);
	k->texts = texts_get(t, row);
	t->end = row->id + 1;
}

bool tail_get(const struct tail *t, uint64_t id, struct row *out)
{
	const struct kept *k = kept_of(t, id);

	if (!k)
		return false;
	out->id = id;
	unpack(k, out);
	return true;
}

void tail_end(struct tail *t, const struct event_store_end *end)
{
	struct kept *k = kept_of(t, end->row_id);

	if (!k)
		return;
	k->ended = true;
	k->bytes_up = end->bytes_up;
	k->bytes_down = end->bytes_down;
	k->duration_ms = end->duration_ms;
}

uint64_t tail_first(const struct tail *t)
{
	return t->first;
}
