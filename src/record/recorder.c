/* SPDX-License-Identifier: GPL-3.0-or-later
 * recorder.c - the thread between the dataplane's rings and the database.
 *
 *   rings -> clean -> texts (fill) -> budget -> tail (memory, for the stream) -> batch -> store (one transaction)
 *                                     budget -> sum, a row for many decisions, twice a minute -> tail ...
 *   conntrack, EVENT_END -> the row that waits for it (open_flows) -> batch
 *
 * It wakes by itself each PAUSE_MS while there are events, and asks to be woken (ring_await) when there are none; connections'
 * ends are read each ENDS_MS. A batch is written after BATCH_MS or BATCH_ROWS. The lock guards the tail and the counters only and is never held
 * over a write to disk. Owns: its thread and all it maps. Fails: a store that will not open is tried again each RETRY_MS.
 */
#include "record/recorder.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/pace.h"
#include "base/ring.h"
#include "budget_int.h"
#include "open_flows_int.h"
#include "record/conntrack.h"
#include "tail_int.h"

enum {
	BATCH_ROWS = 500,
	BATCH_ENDS = 1000,
	BATCH_MS = 500,
	NEWS_MS = 100,
	PAUSE_MS = 100,
	ENDS_MS = 100,
	TURN_EVENTS = 4000, /* drained in one turn, so that the loop stays alive in a flood */
	LOOK_MS = 100,	    /* without a signal from the dataplane */
	RETRY_MS = 5000,
	PRUNE_MS = 60000,
	PRUNE_ROWS = 2000,
	WAITING = 131072, /* flows whose end is awaited */
	RINGS_MAX = 64,
};

struct recorder {
	struct recorder_in in;
	char *db_path;
	struct ring *rings[RINGS_MAX];
	struct loop *loop;
	struct watch signal;
	struct pace conntrack;
	pthread_t thread;
	bool started;
	atomic_bool stop;

	struct event_store *store;
	uint64_t store_retry_ms, batch_since_ms, prune_ms, news_ms;
	uint32_t rows_since_prune;
	bool news, busy;
	struct row batch[BATCH_ROWS];
	size_t n_batch;
	struct event_store_end ends[BATCH_ENDS];
	size_t n_ends;
	struct open_flows *by_flow, *by_decision;
	struct budget *budget;
	uint64_t now_ms; /* monotonic, of this turn */

	pthread_mutex_t lock; /* tail, counters */
	struct tail *tail;
	uint64_t next_id;
	struct recorder_counters count;
};

/* --- the database --- */

static void say(struct recorder *r, const char *failure)
{
	pthread_mutex_lock(&r->lock);
	if (strcmp(r->count.failure, failure) != 0) {
		if (failure[0])
			log_warn("record: %s", failure);
		else
			log_note("record: events are recorded again");
		snprintf(r->count.failure, sizeof r->count.failure, "%s", failure);
	}
	pthread_mutex_unlock(&r->lock);
}

/* Ids go on behind those of the file. While it cannot be read they are taken from the clock, which is far beyond; where
 * the clock was wrong, what is in memory has ids of other rows, and is forgotten. */
static void go_on_from(struct recorder *r, uint64_t last_id)
{
	pthread_mutex_lock(&r->lock);
	if (r->next_id <= last_id) {
		r->next_id = last_id + 1;
		tail_clear(r->tail, r->next_id);
		open_flows_clear(r->by_flow);
		open_flows_clear(r->by_decision);
	}
	pthread_mutex_unlock(&r->lock);
}

static void open_event_store(struct recorder *r, uint64_t now_ms)
{
	char words[128];
	int rc;

	if (r->store || now_ms < r->store_retry_ms)
		return;
	r->store_retry_ms = now_ms + RETRY_MS;
	rc = event_store_open(r->db_path, r->in.limits, &r->store);
	if (rc < 0) {
		snprintf(words, sizeof words, "events are not recorded: the database: %s",
			event_store_words(rc));
		say(r, words);
		return;
	}
	say(r, "");
	go_on_from(r, event_store_last_id(r->store));
}

static void count_written(struct recorder *r, int rc, size_t rows)
{
	pthread_mutex_lock(&r->lock);
	if (rc < 0)
		r->count.lost_store += rows;
	else
		r->count.recorded += rows;
	pthread_mutex_unlock(&r->lock);
}

static void flush(struct recorder *r)
{
	int rc = -ENODEV;

	if (r->n_batch == 0 && r->n_ends == 0)
		return;
	if (r->store) {
		rc = event_store_write(r->store, r->batch, r->n_batch, r->ends, r->n_ends);
		say(r, event_store_failure(r->store));
	}
	if (rc == -EBADMSG || rc == -EIO ||
		rc == -EEXIST) { /* opened again, and fixed, next turn */
		event_store_close(r->store);
		r->store = NULL;
	}
	count_written(r, rc, r->n_batch);
	r->rows_since_prune += (uint32_t)r->n_batch;
	r->n_batch = r->n_ends = 0;
	r->batch_since_ms = 0;
}

static void prune(struct recorder *r, uint64_t now_ms)
{
	if (!r->store || (now_ms < r->prune_ms && r->rows_since_prune < PRUNE_ROWS))
		return;
	event_store_prune(r->store, clock_wall_ms());
	r->prune_ms = now_ms + PRUNE_MS;
	r->rows_since_prune = 0;
}

/* --- events --- */

/* The dataplane parses hostile bytes: what it hands over is bounded again before it is used as text or index. */
static void clean(struct event *e)
{
	struct ident *i = &e->ident;
	struct verdict *v = &e->verdict;

	i->name[NAME_TEXT - 1] = 0;
	i->name_len = (uint8_t)strlen(i->name);
	i->alpn[sizeof i->alpn - 1] = 0;
	i->kind = i->kind < IDENT_KINDS ? i->kind : 0;
	i->source = i->source < IDENT_SOURCES ? i->source : 0;
	i->app = i->app < APP_PROTOS ? i->app : 0;
	i->anomaly = i->anomaly < ANOMALIES ? i->anomaly : 0;
	e->flow.path = e->flow.path <= PATH_PROXY ? e->flow.path : 0;
	v->action = v->action <= ACTION_WAIT ? v->action : ACTION_BLOCK;
	v->watch_action = v->watch_action <= ACTION_WAIT ? v->watch_action : 0;
	v->refuse = v->refuse <= REFUSE_PAGE ? v->refuse : 0;
	v->by = v->by <= BY_HAND ? v->by : 0;
}

static uint64_t flow_key(const struct addr *src, const struct addr *dst, uint16_t sport,
	uint16_t dport, uint8_t proto)
{
	static const struct hash_key key = {0x6475727761726421u, 0x656e646d61702121u};
	uint8_t b[37];

	memcpy(b, src->b, 16);
	memcpy(b + 16, dst->b, 16);
	memcpy(b + 32, &sport, 2);
	memcpy(b + 34, &dport, 2);
	b[36] = proto;
	return hash_sip(&key, b, sizeof b);
}

static void await_end(struct recorder *r, const struct row *row)
{
	const struct flow *f = &row->event.flow;

	if (row->event.verdict.action != ACTION_ALLOW)
		return;
	if (f->path == PATH_PROXY)
		open_flows_put(r->by_decision, row->event.id, row->id, row->event.wall_ms);
	else
		open_flows_put(r->by_flow, flow_key(&f->src, &f->dst, f->sport, f->dport, f->proto),
			row->id, row->event.wall_ms);
}

static void count_row(struct recorder_counters *c, const struct event *e)
{
	c->allowed += e->verdict.action == ACTION_ALLOW;
	c->blocked += e->verdict.action == ACTION_BLOCK;
	c->watched += e->verdict.watch_line != 0;
	c->unnamed += e->flow.path != PATH_OTHER && e->ident.kind != IDENT_NAME;
}

/* The row that stands last in the batch gets its id, and is shown. The lock is held. */
static void put_row(struct recorder *r)
{
	struct row *row = &r->batch[r->n_batch - 1];

	row->id = r->next_id++;
	tail_put(r->tail, row);
	r->count.last_id = row->id;
	r->news = true;
}

static void take_decision(struct recorder *r, const struct event *e)
{
	struct row *row = &r->batch[r->n_batch++];
	bool own;

	memset(row, 0, sizeof *row);
	row->event = *e;
	if (r->in.fill)
		r->in.fill(r->in.user, row);
	own = budget_take(r->budget, row, r->now_ms);
	pthread_mutex_lock(&r->lock);
	count_row(&r->count, e);
	r->count.summed += !own;
	if (own)
		put_row(r);
	pthread_mutex_unlock(&r->lock);
	if (own)
		await_end(r, row);
	else
		r->n_batch--;
}

/* A row that is not written yet is written once, as it ended. */
static bool end_in_batch(struct recorder *r, const struct event_store_end *e)
{
	uint64_t at = r->n_batch ? e->row_id - r->batch[0].id : 0;

	if (at >= r->n_batch || r->batch[at].id != e->row_id)
		return false;
	r->batch[at].ended = true;
	r->batch[at].event.bytes_up = e->bytes_up;
	r->batch[at].event.bytes_down = e->bytes_down;
	r->batch[at].event.duration_ms = e->duration_ms;
	return true;
}

static void take_end(struct recorder *r, const struct event_store_end *e)
{
	pthread_mutex_lock(&r->lock);
	tail_end(r->tail, e);
	pthread_mutex_unlock(&r->lock);
	if (!end_in_batch(r, e) && r->n_ends < BATCH_ENDS)
		r->ends[r->n_ends++] = *e;
}

static void take_event(struct recorder *r, struct event *e)
{
	struct event_store_end end = {.bytes_up = e->bytes_up,
		.bytes_down = e->bytes_down,
		.duration_ms = e->duration_ms};
	uint64_t wall;

	clean(e);
	if (e->kind == EVENT_DECISION)
		take_decision(r, e);
	else if (e->kind == EVENT_END && open_flows_take(r->by_decision, e->id, &end.row_id, &wall))
		take_end(r, &end);
}

static bool batch_is_full(const struct recorder *r)
{
	return r->n_batch == BATCH_ROWS || r->n_ends >= BATCH_ENDS - 1;
}

static void take_sums(struct recorder *r, bool all)
{
	while (budget_due(r->budget, r->now_ms, all, &r->batch[r->n_batch])) {
		r->n_batch++;
		pthread_mutex_lock(&r->lock);
		put_row(r);
		pthread_mutex_unlock(&r->lock);
		if (batch_is_full(r))
			flush(r);
	}
}

/* Empties the rings, at most TURN_EVENTS. True when there may be more. */
static bool drain(struct recorder *r)
{
	struct event e;
	size_t taken = 0;

	for (size_t i = 0; i < r->in.n_rings; i++) {
		while (taken < TURN_EVENTS && ring_pop(r->rings[i], &e)) {
			take_event(r, &e);
			taken++;
			if (batch_is_full(r))
				flush(r);
		}
	}
	r->busy |= taken > 0;
	return taken == TURN_EVENTS;
}

static void on_flow_end(void *user, const struct conntrack_end *c)
{
	struct recorder *r = user;
	struct event_store_end end = {.bytes_up = c->bytes_up, .bytes_down = c->bytes_down};
	uint64_t began, ms, now = clock_wall_ms();

	if (!open_flows_take(r->by_flow, flow_key(&c->src, &c->dst, c->sport, c->dport, c->proto),
		    &end.row_id, &began))
		return;
	if (c->start_ns && c->stop_ns >= c->start_ns)
		ms = (c->stop_ns - c->start_ns) / 1000000;
	else
		ms = now > began ? now - began : 0;
	end.duration_ms = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
	pthread_mutex_lock(&r->lock);
	r->count.conntrack_matched++;
	pthread_mutex_unlock(&r->lock);
	take_end(r, &end);
	if (batch_is_full(r))
		flush(r);
}

/* --- the thread --- */

static void on_signal(struct watch *w, uint32_t events)
{
	uint64_t n;

	(void)!read(w->fd, &n, sizeof n); /* only wakes the loop: each turn drains */
}

static void on_conntrack(struct pace *p)
{
	struct recorder *r = p->user;
	int rc;

	while (drain(r))
		; /* the decision comes before its end */
	rc = conntrack_read(p->fd, on_flow_end, r);
	if (rc == -ENOBUFS) {
		pthread_mutex_lock(&r->lock);
		r->count.lost_ends = conntrack_lost(p->fd);
		pthread_mutex_unlock(&r->lock);
	}
	if (rc < 0 && rc != -ENOBUFS) {
		log_warn("record: the conntrack socket: %s", strerror(-rc));
		pace_stop(p);
	}
}

static void tell_news(struct recorder *r, uint64_t now_ms)
{
	if (!r->news || now_ms < r->news_ms)
		return;
	r->news = false;
	r->news_ms = now_ms + NEWS_MS;
	if (r->in.news)
		r->in.news(r->in.user);
}

/* Asks to be woken by each ring. False: one is not empty. */
static bool await_all(struct recorder *r)
{
	bool all = true;

	for (size_t i = 0; i < r->in.n_rings; i++)
		all = ring_await(r->rings[i]) && all;
	return all;
}

/* busy: events came in this turn, and more are likely. */
static int next_wait(struct recorder *r, uint64_t now_ms)
{
	uint64_t wait = r->in.ring_signal < 0 ? LOOK_MS : 1000;

	if (r->busy || !await_all(r))
		wait = PAUSE_MS;
	r->busy = false;

	if (r->batch_since_ms && r->batch_since_ms + BATCH_MS < now_ms + wait)
		wait = r->batch_since_ms + BATCH_MS > now_ms ? r->batch_since_ms + BATCH_MS - now_ms
							     : 0;
	if (r->news && r->news_ms < now_ms + wait)
		wait = r->news_ms > now_ms ? r->news_ms - now_ms : 0;
	return (int)wait;
}

static void turn(struct recorder *r)
{
	uint64_t now = clock_mono_ms(), dropped = 0;
	bool more;

	r->now_ms = now;
	open_event_store(r, now);
	more = drain(r);
	take_sums(r, false);
	if ((r->n_batch || r->n_ends) && !r->batch_since_ms)
		r->batch_since_ms = now;
	if (r->batch_since_ms && now >= r->batch_since_ms + BATCH_MS)
		flush(r);
	prune(r, now);
	tell_news(r, now);
	for (size_t i = 0; i < r->in.n_rings; i++)
		dropped += ring_dropped(r->rings[i]);
	pthread_mutex_lock(&r->lock);
	r->count.lost_ring = dropped;
	r->count.alive_ms = now;
	pthread_mutex_unlock(&r->lock);
	loop_turn(r->loop, more ? 0 : next_wait(r, now));
}

static void *run(void *user)
{
	struct recorder *r = user;

	pthread_setname_np(pthread_self(), "recorder");
	while (!atomic_load(&r->stop))
		turn(r);
	while (drain(r))
		;
	take_sums(r, true);
	flush(r);
	return NULL;
}

/* --- public calls --- */

static int open_rings(struct recorder *r)
{
	for (size_t i = 0; i < r->in.n_rings; i++) {
		int rc = ring_map(
			r->in.rings[i], sizeof(struct event), EVENT_RING_ITEMS, &r->rings[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int watch_fds(struct recorder *r)
{
	int rc = loop_new(&r->loop);

	r->signal = (struct watch){.fd = r->in.ring_signal, .on_event = on_signal, .user = r};
	r->conntrack = (struct pace){
		.fd = r->in.conntrack, .pause_ms = ENDS_MS, .on_ready = on_conntrack, .user = r};
	if (rc == 0 && r->in.ring_signal >= 0)
		rc = loop_add(r->loop, &r->signal, EPOLLIN);
	if (rc == 0 && r->in.conntrack >= 0)
		rc = pace_start(r->loop, &r->conntrack);
	return rc;
}

int recorder_start(const struct recorder_in *in, struct recorder **out)
{
	struct recorder *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return -ENOMEM;
	r->in = *in;
	pthread_mutex_init(&r->lock, NULL);
	r->next_id = 1;
	r->db_path = strdup(in->db_path);
	r->tail = tail_new(RECORDER_TAIL);
	r->by_flow = open_flows_new(WAITING);
	r->by_decision = open_flows_new(WAITING);
	r->budget = budget_new();
	rc = r->db_path && r->tail && r->by_flow && r->by_decision && r->budget ? 0 : -ENOMEM;
	if (rc == 0)
		rc = in->n_rings > RINGS_MAX ? -EINVAL : open_rings(r);
	if (rc == 0)
		rc = watch_fds(r);
	if (rc == 0)
		open_event_store(r, clock_mono_ms()); /* before the first row, for its id */
	if (rc == 0 && !r->store)
		tail_clear(r->tail, r->next_id = clock_wall_ms());
	if (rc == 0)
		rc = -pthread_create(&r->thread, NULL, run, r);
	r->started = rc == 0;
	if (rc < 0) {
		recorder_stop(r);
		return rc;
	}
	*out = r;
	return 0;
}

void recorder_stop(struct recorder *r)
{
	if (!r)
		return;
	if (r->started) {
		atomic_store(&r->stop, true);
		loop_wake(r->loop);
		pthread_join(r->thread, NULL);
	}
	loop_free(r->loop);
	event_store_close(r->store);
	for (size_t i = 0; i < RINGS_MAX; i++)
		ring_unmap(r->rings[i]);
	open_flows_free(r->by_flow);
	open_flows_free(r->by_decision);
	budget_free(r->budget);
	pthread_mutex_destroy(&r->lock);
	tail_free(r->tail);
	free(r->db_path);
	free(r);
}

void recorder_counters(struct recorder *r, struct recorder_counters *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->count;
	out->last_id = r->next_id - 1;
	pthread_mutex_unlock(&r->lock);
}

size_t recorder_tail(struct recorder *r, const struct row_filter *f, uint64_t after,
	struct row *out, size_t max, uint64_t *next, uint64_t *lost_to)
{
	size_t n = 0;
	uint64_t id, first;

	pthread_mutex_lock(&r->lock);
	first = tail_first(r->tail);
	*lost_to = 0;
	if (after + 1 < first) {
		*lost_to = first - 1;
		after = first - 1;
	}
	for (id = after + 1; id < r->next_id && n < max; id++)
		n += tail_get(r->tail, id, &out[n]) && row_matches(&out[n], f);
	*next = id - 1;
	pthread_mutex_unlock(&r->lock);
	return n;
}
