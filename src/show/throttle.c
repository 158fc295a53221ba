/* SPDX-License-Identifier: GPL-3.0-or-later
 * throttle.c - limits how fast passwords and tokens can be guessed.
 *
 * A budget is one number, the time up to which it is used up: it is full when that lies `burst` steps ahead of now.
 * Owns: nothing. Thread: one at a time; pure. Fails: never. See: show/throttle.h.
 */
#include "show/throttle.h"

struct budget {
	unsigned burst, step_ms;
};
static const struct budget first_tries = {THROTTLE_FIRST_BURST, THROTTLE_FIRST_STEP_MS},
			   later_tries = {THROTTLE_BURST, THROTTLE_STEP_MS},
			   of_net = {THROTTLE_NET_BURST, THROTTLE_NET_STEP_MS};

static struct addr net_of(const struct addr *peer)
{
	struct addr a = *peer;

	memset(a.b + 8, 0, 8);
	return a;
}

static unsigned seconds_left(uint64_t until_ms, uint64_t now_ms)
{
	return until_ms > now_ms ? (unsigned)((until_ms - now_ms + 999) / 1000) : 0;
}

/* --- budgets --- */

static unsigned budget_wait(const struct budget *b, uint64_t used_ms, uint64_t now_ms)
{
	uint64_t next = (used_ms > now_ms ? used_ms : now_ms) + b->step_ms;

	return seconds_left(next, now_ms + (uint64_t)b->burst * b->step_ms);
}

static void budget_take(const struct budget *b, uint64_t *used_ms, uint64_t now_ms)
{
	*used_ms = (*used_ms > now_ms ? *used_ms : now_ms) + b->step_ms;
}

static void budget_give_back(const struct budget *b, uint64_t *used_ms)
{
	*used_ms -= *used_ms < b->step_ms ? *used_ms : b->step_ms;
}

static unsigned level_of(const struct throttle_row *r)
{
	return r && r->failures < THROTTLE_FREE ? r->failures : r ? THROTTLE_FREE : 0;
}

static const struct budget *budget_of(unsigned level)
{
	return level < THROTTLE_FREE ? &first_tries : &later_tries;
}

/* --- rows --- */

static struct throttle_row *find(struct throttle *t, const struct addr *from, bool net)
{
	for (size_t i = 0; i < THROTTLE_ROWS; i++)
		if (t->rows[i].used && t->rows[i].net == net && addr_eq(&t->rows[i].from, from))
			return &t->rows[i];
	return NULL;
}

static struct throttle_row *find_net(struct throttle *t, const struct addr *peer)
{
	struct addr net = net_of(peer);

	return addr_is_v4(peer) ? NULL : find(t, &net, true);
}

/* An empty row, or the one whose loss frees nobody: no wait before a wait, unproven before proven, then the oldest. */
static uint64_t worth(const struct throttle_row *r, uint64_t now_ms)
{
	uint64_t age = now_ms - r->last_ms, young = age >> 60 ? 0 : (UINT64_C(1) << 60) - age;

	return r->used ? young + ((uint64_t)r->proven << 61) +
				 ((uint64_t)(r->until_ms > now_ms) << 62)
		       : 0;
}

static struct throttle_row *make(
	struct throttle *t, const struct addr *from, bool net, uint64_t now_ms)
{
	struct throttle_row *least = &t->rows[0];

	for (size_t i = 1; i < THROTTLE_ROWS; i++)
		if (worth(&t->rows[i], now_ms) < worth(least, now_ms))
			least = &t->rows[i];
	*least = (struct throttle_row){.used = true, .net = net, .from = *from, .last_ms = now_ms};
	return least;
}

/* --- the door --- */

static void charge(struct throttle_row *r, uint64_t now_ms)
{
	unsigned wait_s = 0;

	if (++r->failures >= THROTTLE_FREE) {
		unsigned over = r->failures - THROTTLE_FREE;

		wait_s = over < 6 ? 1u << over : THROTTLE_WAIT_MAX_S;
	}
	r->until_ms = wait_s ? now_ms + (uint64_t)wait_s * 1000 : 0;
	r->last_ms = now_ms;
}

static void charge_net(struct throttle *t, const struct addr *peer, uint64_t now_ms)
{
	struct throttle_row *r = find_net(t, peer);
	struct addr net = net_of(peer);

	if (addr_is_v4(peer))
		return;
	if (!r)
		r = make(t, &net, true, now_ms);
	budget_take(&of_net, &r->until_ms, now_ms);
	r->last_ms = now_ms;
}

/* What those wait for who have not proven themselves. */
static unsigned wait_of_strangers(
	struct throttle *t, const struct addr *peer, const struct throttle_row *r, uint64_t now_ms)
{
	const struct throttle_row *net = find_net(t, peer);
	unsigned level = level_of(r),
		 all_s = budget_wait(budget_of(level), t->all_ms[level], now_ms),
		 net_s = net ? budget_wait(&of_net, net->until_ms, now_ms) : 0;

	return all_s > net_s ? all_s : net_s;
}

unsigned throttle_admit(struct throttle *t, const struct addr *peer, uint64_t now_ms)
{
	struct throttle_row *r = find(t, peer, false);
	unsigned wait_s = r ? seconds_left(r->until_ms, now_ms) : 0, level = level_of(r);

	if (wait_s == 0 && !(r && r->proven))
		wait_s = wait_of_strangers(t, peer, r, now_ms);
	if (wait_s)
		return wait_s;
	if (!r || !r->proven) {
		budget_take(budget_of(level), &t->all_ms[level], now_ms);
		charge_net(t, peer, now_ms);
		r = find(t, peer, false); /* the net's row may have taken its place */
	}
	charge(r ? r : make(t, peer, false, now_ms), now_ms);
	return 0;
}

/* The charge is taken back. */
static void forgive(struct throttle *t, const struct addr *peer, struct throttle_row *r)
{
	struct throttle_row *net = find_net(t, peer);

	if (r->failures)
		r->failures--;
	r->until_ms = 0;
	if (r->proven)
		return;
	budget_give_back(budget_of(level_of(r)), &t->all_ms[level_of(r)]);
	if (net)
		budget_give_back(&of_net, &net->until_ms);
}

void throttle_settle(
	struct throttle *t, const struct addr *peer, uint64_t now_ms, enum throttle_end end)
{
	struct throttle_row *r = end == THROTTLE_WRONG ? NULL : find(t, peer, false);

	if (r)
		forgive(t, peer, r);
	if (end != THROTTLE_RIGHT)
		return;
	if (!r)
		r = make(t, peer, false, now_ms);
	r->proven = true;
	r->failures = 0;
	r->until_ms = 0;
	r->last_ms = now_ms;
}
