/* SPDX-License-Identifier: GPL-3.0-or-later
 * watchdog.c - five times a second: does every worker answer its queue, do the rules still stand?
 *
 * Nothing here waits for anybody: a turn is short, whatever runs meanwhile.
 *
 * Time is counted in turns of our own, not by the clock: on a machine that is stopped, or too busy to run us, no turn
 * passes, and where we run five times with a fifth of a second between, a healthy dataplane ran too. Killing a
 * healthy dataplane costs more than letting one hang for a second longer; so after each kill the hang threshold doubles, for
 * a while.
 *
 * The rules: the kernel says whether anybody changed the packet filter at all (netsetup/generation.h); then, and now
 * and then in any case, they are held against what was loaded (durward-rules check; keeper.c).
 *
 * Owns: struct watchdog of the supervisor. Thread: the supervisor's. Fails: never. See: docs/design/processes.md "Hangs".
 */
#include <string.h>

#include "base/log.h"
#include "netsetup/generation.h"
#include "supervisor_int.h"

enum {
	TURN_MS = 200,
	HANG_TURNS = 5, /* a second */
	HANG_TURNS_MAX = 40,
	CALM_MS = 60000, /* without a hang: the hang_threshold of the beginning */
	GATELESS_MS = 1000,
	CHECK_MAX_MS = 30000,
	CHECK_UNCOUNTED_MS = 5000, /* where the kernel does not count changes */
	ROUTE_MS = 2000,
};

static void watch_workers(struct supervisor *su, uint64_t now)
{
	struct watchdog *w = &su->watchdog;
	unsigned worker = 0, idle;

	if (!su->dataplane_works || su->unbound) {
		probe_reset(su);
		return;
	}
	if (now > w->hung_ms + CALM_MS)
		w->hang_threshold = HANG_TURNS;
	idle = probe_idle(su, &worker);
	if (idle < w->hang_threshold) {
		if (probe_send(su))
			su->plan.suspect = true;
		return;
	}
	log_error("worker %u of the dataplane has not answered its queue for %u ms: the dataplane "
		  "is killed",
		worker, idle * TURN_MS);
	if (su->dataplane_gone_ms == 0)
		su->dataplane_gone_ms = now - idle * TURN_MS;
	w->hung_ms = now;
	w->hang_threshold =
		w->hang_threshold * 2 > HANG_TURNS_MAX ? HANG_TURNS_MAX : w->hang_threshold * 2;
	su->dataplane_works = false;
	su->dataplane_hangs++;
	child_kill(&su->dataplane);
}

static void watch_dataplane_gone(struct supervisor *su, uint64_t now)
{
	if (!su->dataplane_gone_ms || !su->fail_open || su->unbound ||
		now <= su->dataplane_gone_ms + GATELESS_MS || su->plan.state != RULES_UP)
		return;
	/* --queue-bypass acts only on a queue that nobody holds */
	log_warn("no dataplane for a second and fail open: the queues are let go");
	force_queues(su, false);
	su->unbound = true;
}

/* Whether anybody changed the packet filter since the last turn. A number read while a check runs belongs to the next one:
 * what changes in between is never missed. */
static void watch_filter(struct supervisor *su, uint64_t now)
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

static void watch_route(struct supervisor *su, uint64_t now)
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
	struct supervisor *su = t->user;

	watch_workers(su, now);
	watch_dataplane_gone(su, now);
	watch_filter(su, now);
	watch_route(su, now);
	loop_timer_set(su->loop, t, now + TURN_MS);
}

void watchdog_open(struct supervisor *su)
{
	struct watchdog *w = &su->watchdog;
	int rc = generation_open(&w->generation_fd);

	if (rc != 0) {
		w->generation_fd = -1;
		log_warn("changes of the packet filter are looked for, not heard of: %s",
			strerror(-rc));
	}
	w->hang_threshold = HANG_TURNS;
	probe_open(su);
}

int watchdog_start(struct supervisor *su, uint64_t now)
{
	su->watchdog.timer = (struct timer){.on_due = turn, .user = su};
	return loop_timer_set(su->loop, &su->watchdog.timer, now + TURN_MS);
}
