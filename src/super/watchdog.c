/* SPDX-License-Identifier: GPL-3.0-or-later
 * watchdog.c - five times a second: does every worker answer its queue, do the rules still stand?
 *
 * Time is counted in turns of our own, not by the clock: on a machine that is stopped, or too busy to run us, no turn
 * passes, and where we run five times with a fifth of a second between, a healthy gate ran too. A gate that is
 * killed for nothing costs more than one that hangs for a second longer; so after each kill the patience doubles, for
 * a while.
 *
 * The rules: the kernel says whether anybody changed the packet filter at all (netsetup/generation.h); then, and now
 * and then in any case, they are held against what was loaded (durward-rules check). What others took away or changed is
 * put back. What the administrator took away with durward-rules itself stays away, and `status` says so.
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
	CHECK_MIN_MS = 1000, /* a check runs some 50 ms of shell */
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
			w->suspect = true;
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
		now <= su->gateless_ms + GATELESS_MS || su->rules != RULES_UP)
		return;
	/* --queue-bypass acts only on a queue that nobody holds */
	log_warn("no gate for a second and fail open: the queues are let go");
	force_queues(su, false);
	su->unbound = true;
}

/* Whether it is time to hold the rules against what was loaded. */
static bool is_due(struct super *su, uint64_t now, uint32_t *generation, bool *counted)
{
	struct watchdog *w = &su->watchdog;
	uint64_t longest;

	*counted = w->generation_fd >= 0 && generation_read(w->generation_fd, generation) == 0;
	longest = *counted ? CHECK_MAX_MS : CHECK_UNCOUNTED_MS;
	if (now < w->checked_ms + CHECK_MIN_MS)
		return false;
	return w->suspect || now >= w->checked_ms + longest ||
	       (*counted && (!w->counted || *generation != w->generation));
}

static void mend(struct super *su)
{
	if (force_up(su) == 0) {
		su->rules_mended++;
		log_warn("somebody changed our packet rules: they were put back (%u so far)",
			su->rules_mended);
		return;
	}
	log_error("somebody changed our packet rules, and they could not be put back");
	if (!su->fail_open)
		force_failed(su);
}

static void rules_gone(struct super *su)
{
	if (!su->by_hand)
		log_warn("durward-rules took the rules away: they stay away until `durward-rules "
			 "up` or the next start");
	su->by_hand = true;
	su->rules = RULES_NONE;
}

static void watch_rules(struct super *su, uint64_t now)
{
	struct watchdog *w = &su->watchdog;
	uint32_t generation = 0;
	bool counted;

	if ((su->rules != RULES_UP && !su->by_hand) || !is_due(su, now, &generation, &counted))
		return;
	/* the number was read before the rules: a change in between is seen the next time */
	w->generation = generation;
	w->counted = counted;
	w->checked_ms = now;
	w->suspect = false;
	switch (force_check(su)) {
	case FORCE_AS_LOADED:
		if (su->by_hand) {
			force_route_mend(
				su); /* the script took it away, and does not know how to make it */
			log_note("the rules are up again");
		}
		su->by_hand = false;
		su->rules = RULES_UP;
		break;
	case FORCE_CHANGED:
		if (!su->by_hand)
			mend(su);
		break;
	case FORCE_TAKEN_AWAY:
		rules_gone(su);
		break;
	case FORCE_UNKNOWN:
		break;
	}
}

static void watch_route(struct super *su, uint64_t now)
{
	struct watchdog *w = &su->watchdog;

	if (now < w->route_ms + ROUTE_MS)
		return;
	w->route_ms = now;
	if (su->rules == RULES_UP && force_route_mend(su)) {
		su->rules_mended++;
		log_warn("somebody took our policy route away: it was put back (%u so far)",
			su->rules_mended);
	}
	/* they could not be put back, or not be made at all: perhaps now */
	if (su->rules == RULES_FAILED && su->gate_works && !su->by_hand &&
		now >= w->checked_ms + CHECK_UNCOUNTED_MS) {
		w->checked_ms = now;
		force_up(su);
	}
}

static void turn(struct timer *t, uint64_t now)
{
	struct super *su = t->user;

	watch_workers(su, now);
	watch_gateless(su, now);
	watch_rules(su, now);
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
