/* SPDX-License-Identifier: GPL-3.0-or-later
 * rules_plan.c - decides which run of durward-rules is next, and what the last one means.
 *
 * Owns: nothing; pure. Thread: as supervisor/rules_plan.h says. Fails: never.
 */
#include "supervisor/rules_plan.h"

/* exit status of durward-rules */
enum { CHECK_TAKEN_AWAY = 3, CHECK_CHANGED = 5, STATUS_FAILED = 1, STATUS_DOWN = 3 };

unsigned rules_plan_fixes(const struct rules_plan *p, uint64_t now)
{
	unsigned n = 0, known = p->n_fixes < PLAN_FIXES ? p->n_fixes : PLAN_FIXES;

	for (unsigned i = 0; i < known; i++)
		n += now < p->fixed_ms[i] + PLAN_MINUTE_MS;
	return n;
}

bool rules_plan_storms(struct rules_plan *p, uint64_t now)
{
	unsigned n = rules_plan_fixes(p, now);

	p->storm = n >= PLAN_BURST || (p->storm && n >= PLAN_CALM);
	return p->storm;
}

void rules_plan_fixed(struct rules_plan *p, uint64_t now)
{
	p->fixed_ms[p->n_fixes++ % PLAN_FIXES] = now;
	if (p->n_fixes >= 2 * PLAN_FIXES)
		p->n_fixes -= PLAN_FIXES; /* it never wraps to less than it holds */
	rules_plan_storms(p, now);
}

bool rules_plan_may_fix(struct rules_plan *p, uint64_t now)
{
	uint64_t last = p->n_fixes ? p->fixed_ms[(p->n_fixes - 1) % PLAN_FIXES] : 0;

	return !rules_plan_storms(p, now) || now >= last + PLAN_SLOW_MS;
}

static bool may_be_up(const struct rules_plan *p, uint64_t now)
{
	return !p->by_hand && now >= p->again_ms;
}

static bool check_is_due(const struct rules_plan *p, uint64_t now, uint64_t longest_ms)
{
	if (p->state != RULES_UP && !p->by_hand)
		return false;
	if (p->broken || now < p->checked_ms + PLAN_CHECK_MS)
		return false;
	return p->suspect || now >= p->checked_ms + longest_ms;
}

static enum plan_run choose(struct rules_plan *p, uint64_t now, uint64_t longest_ms)
{
	if (p->unsure)
		return RUN_STATUS;
	if (p->refuse)
		return RUN_FAILED;
	if (p->wished && may_be_up(p, now))
		return RUN_UP;
	if (p->broken && may_be_up(p, now) && rules_plan_may_fix(p, now))
		return RUN_UP;
	/* they could not be put back, or not be made at all: perhaps now */
	if (p->state == RULES_FAILED && p->works && may_be_up(p, now))
		return RUN_UP;
	return check_is_due(p, now, longest_ms) ? RUN_CHECK : RUN_NOTHING;
}

enum plan_run rules_plan_next(struct rules_plan *p, uint64_t now, uint64_t longest_ms)
{
	if (p->runs != RUN_NOTHING)
		return RUN_NOTHING;
	p->runs = (uint8_t)choose(p, now, longest_ms);
	switch ((enum plan_run)p->runs) {
	case RUN_UP:
		p->runs_fix = p->broken;
		p->wished = p->broken =
			false; /* what is wished or found from here on is another run's */
		break;
	case RUN_CHECK:
		p->checked_ms = now;
		p->suspect = false;
		break;
	case RUN_STATUS:
		p->unsure = false;
		break;
	case RUN_FAILED:
		p->refuse = false;
		break;
	case RUN_NOTHING:
		break;
	}
	return p->runs;
}

static enum plan_news done_up(struct rules_plan *p, int status, uint64_t now)
{
	bool fix = p->runs_fix;

	if (status == 0) {
		p->state = RULES_UP;
		p->refused = false;
		if (fix)
			rules_plan_fixed(p, now);
		return fix ? NEWS_FIXED : NEWS_UP;
	}
	p->again_ms = now + PLAN_RETRY_MS;
	if (!fix) {
		p->wished = true;
		return NEWS_UP_FAILED;
	}
	p->broken = true;
	p->refuse = !p->fail_open && p->state != RULES_FAILED;
	if (p->state == RULES_UP)
		p->state = RULES_NONE;
	return NEWS_FIX_FAILED;
}

static enum plan_news found(struct rules_plan *p, enum rules_state what)
{
	p->broken = true;
	p->found = (uint8_t)what;
	return what == RULES_FAILED ? NEWS_REFUSED_BY : NEWS_CHANGED;
}

static enum plan_news done_check(struct rules_plan *p, int status, uint64_t now)
{
	if (status != 0 && status != CHECK_TAKEN_AWAY && status != CHECK_CHANGED) {
		p->n_blind += p->n_blind < PLAN_BLIND;
		p->suspect = true;
		p->checked_ms = now + PLAN_RETRY_MS - PLAN_CHECK_MS; /* the next one is due then */
		return NEWS_NONE;
	}
	p->n_blind = 0;
	if (status == CHECK_TAKEN_AWAY) {
		p->unsure = true;
	} else if (status == CHECK_CHANGED) {
		p->by_hand =
			false; /* there is something to compare with: somebody said `up` again */
		return found(p, RULES_NONE);
	} else if (status == 0) {
		bool was = p->by_hand;

		p->by_hand = p->refused = false;
		p->state = RULES_UP;
		return was ? NEWS_BACK : NEWS_NONE;
	}
	return NEWS_NONE;
}

/* `down` is meant; a refusal while we run never is, it came from somebody who took us for dead. */
static enum plan_news done_status(struct rules_plan *p, int status)
{
	if (status < 0) {
		p->suspect = true; /* asked again */
		return NEWS_NONE;
	}
	p->refused = p->by_hand && status == STATUS_FAILED;
	if (p->by_hand)
		return NEWS_NONE;
	if (status != STATUS_DOWN)
		return found(p, status == STATUS_FAILED ? RULES_FAILED : RULES_NONE);
	p->by_hand = true;
	p->state = RULES_NONE;
	return NEWS_BY_HAND;
}

enum plan_news rules_plan_done(struct rules_plan *p, int status, uint64_t now)
{
	enum plan_run ran = p->runs;

	p->runs = RUN_NOTHING;
	switch (ran) {
	case RUN_UP:
		return done_up(p, status, now);
	case RUN_CHECK:
		return done_check(p, status, now);
	case RUN_STATUS:
		return done_status(p, status);
	case RUN_FAILED:
		if (status == 0)
			p->state = RULES_FAILED;
		return status == 0 ? NEWS_FAILED : NEWS_NONE;
	case RUN_NOTHING:
		break;
	}
	return NEWS_NONE;
}

enum rules_state rules_plan_shown(const struct rules_plan *p)
{
	bool fixing = p->runs == RUN_UP && p->runs_fix;

	return p->state == RULES_UP && (p->broken || fixing) ? p->found : p->state;
}
