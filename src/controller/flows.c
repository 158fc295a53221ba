/* SPDX-License-Identifier: GPL-3.0-or-later
 * flows.c - reads the dataplane's table of live flows, and asks for one to be cut.
 *
 *     records -> filter -> the best `limit` (a heap, the worst on top) -> sorted, with their texts
 *
 * Owns: the mappings (read only), from controller_flows_open() to controller_flows_close(). Thread: any. Fails: -errno.
 */
#include "controller/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "controller_int.h"

enum { LOOK_MS = 20 };

struct best {
	const struct controller_flows_filter *f;
	struct controller_flow *all;
	uint32_t n;
};

void controller_flows_open(struct controller *d)
{
	for (size_t i = 0; i < d->in.n_lives; i++) {
		int rc = live_map(d->in.lives[i], false, 0, &d->lives[i]);

		if (rc != 0)
			log_warn("the table of live flows, worker %zu: %s; nobody sees it", i,
				strerror(-rc));
	}
}

void controller_flows_close(struct controller *d)
{
	for (size_t i = 0; i < d->in.n_lives; i++)
		live_unmap(&d->lives[i]);
}

uint64_t controller_flow_key(const struct controller_flow *f, bool by_bytes)
{
	const struct event *e = &f->row.event;

	return by_bytes ? e->bytes_up + e->bytes_down : e->wall_ms;
}

static bool is_before(const struct controller_flow *a, uint64_t key, uint64_t id, bool by_bytes)
{
	uint64_t mine = controller_flow_key(a, by_bytes);

	return mine > key || (mine == key && a->id > id);
}

/* --- the best of all --- */

static bool is_worse(const struct best *b, uint32_t i, uint32_t k)
{
	return is_before(&b->all[k], controller_flow_key(&b->all[i], b->f->by_bytes), b->all[i].id,
		b->f->by_bytes);
}

static void swap(struct controller_flow *a, struct controller_flow *b)
{
	struct controller_flow t = *a;

	*a = *b;
	*b = t;
}

/* all[at] finds its place below; none is better than one below it. */
static void sink(struct best *b, uint32_t at, uint32_t n)
{
	for (;;) {
		uint32_t worst = at, child = 2 * at + 1;

		if (child < n && is_worse(b, child, worst))
			worst = child;
		if (child + 1 < n && is_worse(b, child + 1, worst))
			worst = child + 1;
		if (worst == at)
			return;
		swap(&b->all[at], &b->all[worst]);
		at = worst;
	}
}

static void rise(struct best *b, uint32_t at)
{
	for (; at > 0 && is_worse(b, at, (at - 1) / 2); at = (at - 1) / 2)
		swap(&b->all[at], &b->all[(at - 1) / 2]);
}

static void offer(struct best *b, const struct controller_flow *f)
{
	const struct controller_flow *top = &b->all[0];

	if (b->n < b->f->row.limit) {
		b->all[b->n] = *f;
		rise(b, b->n++);
	} else if (is_before(
			   f, controller_flow_key(top, b->f->by_bytes), top->id, b->f->by_bytes)) {
		b->all[0] = *f;
		sink(b, 0, b->n);
	}
}

static void sort(struct best *b)
{
	for (uint32_t n = b->n; n > 1; n--) {
		swap(&b->all[0], &b->all[n - 1]);
		sink(b, 0, n - 1);
	}
}

/* --- records --- */

static void fill(struct controller_flow *out, const struct live *l, const char *name)
{
	struct event *e = &out->row.event;

	memset(&out->row, 0, sizeof out->row);
	out->cut = l->cut == LIVE_RESTORED ? LIVE_GOES_ON : l->cut;
	out->packets[0] = l->packets[0];
	out->packets[1] = l->packets[1];
	e->wall_ms = l->since_ms;
	live_flow(l, &e->flow);
	live_ident_of(l, name, (uint8_t)strlen(name), &e->ident);
	e->verdict = (struct verdict){.action = out->cut ? ACTION_BLOCK : ACTION_ALLOW,
		.by = l->by_hand     ? BY_HAND
		      : l->rule_line ? BY_RULE
				     : BY_OTHERWISE,
		.device = l->device,
		.list = NO_LIST,
		.rule_line = l->rule_line,
		.revision = l->revision};
	e->bytes_up = l->bytes[0];
	e->bytes_down = l->bytes[1];
}

static bool matches(
	struct controller *d, struct controller_flow *flow, const struct controller_flows_filter *f)
{
	if (f->path >= 0 && flow->row.event.flow.path != f->path)
		return false;
	if (f->row.n_devices || f->row.unknown_device || f->row.rule_id[0])
		controller_fill_row(d, &flow->row);
	return row_matches(&flow->row, &f->row);
}

static bool is_live(const struct live *l)
{
	return l->proto != 0 && l->since_ms != 0;
}

static bool is_after_cursor(
	const struct controller_flow *flow, const struct controller_flows_filter *f)
{
	return flow->id != f->last_id && !is_before(flow, f->last_key, f->last_id, f->by_bytes);
}

static void look(struct controller *d, size_t worker, struct best *b, uint64_t *matching)
{
	const struct live_map *m = &d->lives[worker];
	uint32_t span = __atomic_load_n(&m->head->span, __ATOMIC_RELAXED);
	char name[NAME_TEXT];
	struct controller_flow flow;
	struct live l;

	for (uint32_t i = 0; i < m->flows && i < span; i++) {
		if (live_read(m, i, &l, name) != LIVE_READ || !is_live(&l))
			continue;
		flow.id = live_id((uint8_t)worker, i, l.born);
		fill(&flow, &l, name);
		if (!matches(d, &flow, b->f))
			continue;
		++*matching;
		if (!b->f->more || is_after_cursor(&flow, b->f))
			offer(b, &flow);
	}
}

int controller_flows(struct controller *d, const struct controller_flows_filter *f,
	void (*each)(void *user, const struct controller_flow *flow), void *user,
	uint64_t *matching)
{
	struct best b = {.f = f, .all = calloc(f->row.limit, sizeof *b.all)};
	size_t seen = 0;

	*matching = 0;
	if (!b.all)
		return -ENOMEM;
	for (size_t i = 0; i < d->in.n_lives; i++) {
		if (!d->lives[i].head || !live_is_whole(&d->lives[i]))
			continue;
		seen++;
		look(d, i, &b, matching);
	}
	sort(&b);
	for (uint32_t i = 0; i < b.n; i++) {
		controller_fill_row(d, &b.all[i].row);
		each(user, &b.all[i]);
	}
	free(b.all);
	return seen ? 0 : -ENODEV;
}

/* --- cutting --- */

static bool find(struct controller *d, uint64_t id, struct live *l)
{
	size_t worker = id >> 24 & 0xff;
	uint32_t slot = id & 0xffffff;
	char name[NAME_TEXT];

	return worker < d->in.n_lives && d->lives[worker].head && slot < d->lives[worker].flows &&
	       live_read(&d->lives[worker], slot, l, name) == LIVE_READ && is_live(l) &&
	       l->born == (uint32_t)(id >> 32);
}

int controller_flow_cut(struct controller *d, uint64_t id, const char *actor, uint32_t max_ms)
{
	struct message m = {.type = MESSAGE_CUT, .flow = id};
	uint64_t until = clock_mono_ms() + max_ms;
	char src[ADDR_TEXT], dst[ADDR_TEXT];
	struct live l;
	int rc;

	if (!find(d, id, &l))
		return -ENOENT;
	log_note("flow %016llx, %s port %u to %s port %u: to be cut by %s", (unsigned long long)id,
		addr_format(&l.src, src), l.sport, addr_format(&l.dst, dst), l.dport, actor);
	rc = main_loop_send(d, &m, -1);
	if (rc != 0)
		return rc;
	while (find(d, id, &l) && !(l.cut == LIVE_CUT && l.by_hand)) {
		if (clock_mono_ms() >= until)
			return -ETIMEDOUT;
		usleep(LOOK_MS * 1000);
	}
	return 0;
}
