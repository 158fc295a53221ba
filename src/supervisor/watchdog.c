/* SPDX-License-Identifier: GPL-3.0-or-later
 * watchdog.c - five times a second: does every worker answer its queue, did anybody change the packet filter?
 *
 * It measures; what follows from that is decided by step.c. Nothing here waits for anybody: a turn is short, whatever runs
 * meanwhile.
 *
 * The rules: the kernel says whether anybody changed the packet filter at all (netsetup/generation.h); then, and now
 * and then in any case, they are held against what was loaded (durward-rules check; step_rules.c).
 *
 * Owns: struct watchdog of the supervisor. Thread: the supervisor's. Fails: never. See: docs/design/processes.md "Hangs".
 */
#include <string.h>

#include "base/log.h"
#include "netsetup/generation.h"
#include "supervisor_int.h"

enum {
	CHECK_MAX_MS = 30000,
	CHECK_UNCOUNTED_MS = 5000, /* where the kernel does not count changes */
};

/* Whether anybody changed the packet filter since the last turn. A number read while a check runs belongs to the next one:
 * what changes in between is never missed. */
static void look_at_filter(struct supervisor *su, struct supervisor_event *e)
{
	struct watchdog *w = &su->watchdog;
	uint32_t generation = 0;
	bool counted = w->generation_fd >= 0 && generation_read(w->generation_fd, &generation) == 0;

	e->changed = counted && (!w->counted || generation != w->generation);
	e->longest_ms = counted ? CHECK_MAX_MS : CHECK_UNCOUNTED_MS;
	w->counted = counted;
	w->generation = generation;
}

static void turn(struct timer *t, uint64_t now)
{
	struct supervisor *su = t->user;
	struct supervisor_event e = {.what = ON_TURN};

	loop_timer_set(su->loop, t, now + SUPERVISOR_TURN_MS);
	if (su->st.phase != SUPERVISOR_RUNNING)
		return;
	if (su->st.dataplane_works && !su->st.unbound)
		e.idle = probe_idle(su, &e.worker);
	look_at_filter(su, &e);
	supervisor_post(su, e);
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
	probe_open(su);
}

int watchdog_start(struct supervisor *su, uint64_t now)
{
	su->watchdog.timer = (struct timer){.on_due = turn, .user = su};
	return loop_timer_set(su->loop, &su->watchdog.timer, now + SUPERVISOR_TURN_MS);
}
