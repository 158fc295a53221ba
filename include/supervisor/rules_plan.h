/* SPDX-License-Identifier: GPL-3.0-or-later
 * rules_plan.h - what the supervisor does about the packet rules while it runs: one run of durward-rules at a time, which one next?
 *
 *   wishes (a policy, a dataplane), turns of the watchdog  -->  rules_plan_next()  -->  a run  -->  rules_plan_done()  -->  news
 *
 * What others changed is put back: at once PLAN_BURST times a minute, then once in PLAN_SLOW_MS; that is a storm, which ends
 * when less than PLAN_CALM were needed within a minute. A refusal that stands while we run (a second copy's, a late
 * failsafe's) is such a change. What `durward-rules down` took away by hand stays away.
 *
 * Owns: nothing; touches neither script nor kernel. Thread: one at a time. Fails: never. Times: monotonic ms.
 */
#ifndef SUPERVISOR_RULES_PLAN_H
#define SUPERVISOR_RULES_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "model/message.h"

enum {
	PLAN_BURST = 6,
	PLAN_CALM = 3,
	PLAN_MINUTE_MS = 60000,
	PLAN_SLOW_MS = 10000,
	PLAN_RETRY_MS = 5000, /* after a run that failed */
	PLAN_CHECK_MS = 1000, /* between two checks at least */
	PLAN_FIXES = 16,
	PLAN_BLIND = 3, /* checks in a row that failed: whether the rules stand is not known */
};

/* A run of the script, in the words of its verbs. */
enum plan_run { RUN_NOTHING, RUN_UP, RUN_CHECK, RUN_STATUS, RUN_FAILED };

enum plan_news {
	NEWS_NONE,
	NEWS_UP,	 /* the rules that were wished for are in force */
	NEWS_UP_FAILED,	 /* they are not; it is tried again */
	NEWS_FIXED,	 /* others had changed the rules: they were put back */
	NEWS_FIX_FAILED, /* they could not be; with `fail closed` a refusal comes next */
	NEWS_CHANGED,	 /* others changed the rules: to be put back next */
	NEWS_REFUSED_BY, /* the same, and it is a refusal */
	NEWS_BY_HAND,	 /* durward-rules down: they stay away */
	NEWS_BACK,	 /* durward-rules up by hand */
	NEWS_FAILED,	 /* our own refusal is in force */
};

struct rules_plan {	/* {0}: nothing is loaded, nothing known */
	uint8_t state;	/* enum rules_state, as far as we know */
	bool by_hand;	/* somebody took the rules away, and wants it so */
	bool refused;	/* a refusal stands though by_hand: told, not fixed */
	bool fail_open; /* kept up to date by the caller, as the next one */
	bool works;	/* the dataplane judges: rules that a refusal replaced may come back */
	bool suspect; /* somebody may have changed the rules: check before the longest time is over */
	bool wished;   /* `up` with the parameters of now */
	bool broken;   /* others changed what was loaded */
	uint8_t found; /* broken: enum rules_state, what stands instead */
	bool unsure;   /* a check found it taken away: by `down` or by a refusal? */
	bool refuse;   /* it cannot be put back, and fail is closed */
	bool storm;
	bool runs_fix;
	uint8_t runs; /* enum plan_run */
	uint64_t checked_ms, again_ms;
	uint64_t fixed_ms[PLAN_FIXES]; /* the last ones */
	unsigned n_fixes, n_blind;
};

/* What to run now; it counts as begun. longest_ms: between two checks, without suspicion. RUN_NOTHING while one runs. */
enum plan_run rules_plan_next(struct rules_plan *p, uint64_t now, uint64_t longest_ms);
/* The run has ended: with this exit status of the script; -1 when it could not be run at all. */
enum plan_news rules_plan_done(struct rules_plan *p, int status, uint64_t now);
/* What stands, for who asks: not what we loaded, when others changed it. */
enum rules_state rules_plan_shown(const struct rules_plan *p);
bool rules_plan_may_fix(struct rules_plan *p, uint64_t now);
void rules_plan_fixed(
	struct rules_plan *p, uint64_t now); /* something of ours was put back without the script */
unsigned rules_plan_fixes(
	const struct rules_plan *p, uint64_t now); /* within the last minute; at most PLAN_FIXES */
bool rules_plan_storms(struct rules_plan *p, uint64_t now);

#endif
