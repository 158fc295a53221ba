/* SPDX-License-Identifier: GPL-3.0-or-later
 * watchdog.c - five times a second: does every worker answer its queue, do the rules still stand?
 *
 * Nothing here waits for anybody: a turn is short, whatever runs meanwhile.
 *
 * Time is counted in turns of our own, not by the clock: on a machine that is stopped, or too busy to run us, no turn
 * passes, and where we run five times with a fifth of a second between, a healthy gate ran too. A gate that is
 * killed for nothing costs more than one that hangs for a second longer; so after each kill the patience doubles, for
 * a while.
 *
 * The rules: the kernel says whether anybody changed the packet filter at all (netsetup/generation.h); then, and now
 * and then in any case, they are held against what was loaded (durward-rules check; keeper.c).
 *
 * Owns: struct watchdog of the super. Thread: the super's. Fails: never. See: house.md 1; reliability.md 0.1, 2 "hang".
 */
#include <string.h>

#include "base/log.h"
#include "netsetup/generation.h"
#include "super_int.h"

enum {
	TURN_MS = 200,
	HANG_TURNS = 5, /* a second */
	HANG_TURNS_MAX = 40,
	CALM_MS = 60000, /* without a hang: the patience of the beginning */
	GATELESS_MS = 1000,
	CHECK_MAX_MS = 30000,
	CHECK_UNCOUNTED_MS = 5000, /* where the kernel does not count changes */
	ROUTE_MS = 2000,
};

static void watch_workers(struct super *su, uint64_t now)
{
	struct watchdog *w = &su->watchdog;
	unsigned worker = 0, quiet;

	if (!su->gate_works || su->unbound) {
		probe_reset(su);
		return;
	}
	if (now > w->hung_ms + CALM_MS)
		w->patience = HANG_TURNS;
	quiet = probe_quiet(su, &worker);
	if (quiet < w->patience) {
		if (probe_send(su))
			su->plan.suspect = true;
		return;
	}
	log_error("worker %u of the gate has not answered its queue for %u ms: the gate is killed",
		worker, quiet * TURN_MS);
	if (su->gateless_ms == 0)
		su->gateless_ms = now - quiet * TURN_MS;
	w->hung_ms = now;
	w->patience = w->patience * 2 > HANG_TURNS_MAX ? HANG_TURNS_MAX : w->patience * 2;
	su->gate_works = false;
	su->gate_hangs++;
	child_kill(&su->gate);
}

static void watch_gateless(struct super *su, uint64_t now)
{
	if (!su->gateless_ms || !su->fail_open || su->unbound ||
		now <= su->gateless_ms + GATELESS_MS || su->plan.state != RULES_UP)
		return;
	/* --queue-bypass acts only on a queue that nobody holds */
	log_warn("no gate for a second and fail open: the queues are let go");
	force_queues(su, false);
	su->unbound = true;
}

/* Whether anybody changed the packet filter since the last turn. A number read while a check runs belongs to the next one:
 * what changes in between is never missed. */
static void watch_filter(struct super *su, uint64_t now)
{
	struct watchdog *w = &su->watchdog;
	uint32_t generation = 0;
	bool counted = w->generation_fd >= 0 && generation_read(w->generation_fd, &generation) == 0;

	if (counted && (!w->counted || generation != w->generation))
		su->plan.suspect = true;
	w->counted = counted;
	w->generation = generation;
	keeper_turn(su, now, counted ? CHECK_MAX_MS : CHECK_UNCOUNTED_MS);
}

static void watch_route(struct super *su, uint64_t now)
{
	struct watchdog *w = &su->watchdog;

	if (now < w->route_ms + ROUTE_MS)
		return;
	w->route_ms = now;
	if (!su->plan.suspect)
		keeper_route(su, now);
}

static void turn(struct timer *t, uint64_t now)
{
	struct super *su = t->user;

	watch_workers(su, now);
	watch_gateless(su, now);
	watch_filter(su, now);
	watch_route(su, now);
	loop_timer_set(su->loop, t, now + TURN_MS);
}

void watchdog_open(struct super *su)
{
	struct watchdog *w = &su->watchdog;
	int rc = generation_open(&w->generation_fd);

	if (rc != 0) {
		w->generation_fd = -1;
		log_warn("changes of the packet filter are looked for, not heard of: %s",
			strerror(-rc));
	}
	w->patience = HANG_TURNS;
	probe_open(su);
}

int watchdog_start(struct super *su, uint64_t now)
{
	su->watchdog.timer = (struct timer){.on_due = turn, .user = su};
	return loop_timer_set(su->loop, &su->watchdog.timer, now + TURN_MS);
}
