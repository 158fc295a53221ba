/* SPDX-License-Identifier: GPL-3.0-or-later
 * step_rules.c - durward-rules: one run at a time, with a deadline; and the rules as they should be while the supervisor runs.
 *
 * rules_plan.c says which run is next and what the last one means; here is when it is asked, and what follows.
 *
 * Owns: nothing; pure. Thread: see step.h. Fails: never.
 */
#include "step_int.h"

bool supervisor_is_stale(const struct supervisor_state *st)
{
	return st->plan.state == RULES_UP &&
	       (st->loaded.open != st->fail_open || st->loaded.all != st->judges_all ||
		       st->loaded.hold != st->hold || st->loaded.sides != st->sides);
}

/* --- a run --- */

void step_run(struct step *s, enum rules_verb verb)
{
	struct supervisor_state *st = s->st;

	st->runs = true;
	st->run_killed = false;
	st->verb = verb;
	st->run_ms = s->e->now_ms + SUPERVISOR_RUN_MS;
	if (verb == RULES_VERB_UP)
		st->loading = (struct supervisor_loaded){.open = st->fail_open,
			.all = st->judges_all,
			.hold = st->hold,
			.sides = st->sides};
	step_add(s, DO_RUN)->verb = verb;
}

/* Which interfaces lead where is looked at when the parameters are written. */
void step_run_begun(struct step *s)
{
	if (s->st->runs && s->st->verb == RULES_VERB_UP)
		s->st->sides = s->st->loading.sides = s->e->sides;
}

void step_run_late(struct step *s)
{
	struct supervisor_state *st = s->st;

	if (!st->runs || s->e->now_ms < st->run_ms)
		return;
	st->run_ms = s->e->now_ms + SUPERVISOR_STUCK_MS;
	if (!st->run_killed) {
		st->run_killed = true;
		step_add(s, DO_KILL_RUN);
		return;
	}
	step_say(s, SAY_RUN_STUCK, 0, 0);
	step_add(s, DO_DROP_RUN);
	step_run_ended(s, -1);
}

/* --- while we run --- */

static enum rules_verb verb_of(enum plan_run run)
{
	return run == RUN_UP	   ? RULES_VERB_UP
	       : run == RUN_CHECK  ? RULES_VERB_CHECK
	       : run == RUN_FAILED ? RULES_VERB_FAILED
				   : RULES_VERB_STATUS;
}

void step_rules_next(struct step *s)
{
	struct supervisor_state *st = s->st;
	enum plan_run run;

	if (st->phase != SUPERVISOR_RUNNING)
		return;
	st->plan.fail_open = st->fail_open;
	st->plan.works = st->dataplane_works;
	run = rules_plan_next(&st->plan, s->e->now_ms, st->longest_ms);
	if (run != RUN_NOTHING)
		step_run(s, verb_of(run));
}

void step_rules_wish(struct step *s)
{
	s->st->plan.wished = true;
	step_rules_next(s);
}

/* Not while the rules are uncertain: `durward-rules down` takes the route away, too, and that is meant. */
void step_route(struct step *s)
{
	struct rules_plan *p = &s->st->plan;
	bool stand = p->state == RULES_UP && p->runs == RUN_NOTHING && !p->unsure && !p->broken;

	if (stand && rules_plan_may_fix(p, s->e->now_ms))
		step_add(s, DO_ROUTE)->counts = true;
}

static void fixed(struct step *s, enum supervisor_say what)
{
	s->st->fixed++;
	step_say(s, what, s->st->fixed, rules_plan_fixes(&s->st->plan, s->e->now_ms));
}

void step_route_fixed(struct step *s)
{
	rules_plan_fixed(&s->st->plan, s->e->now_ms);
	fixed(s, SAY_FIXED_ROUTE);
}

static void up(struct step *s)
{
	s->st->rules_old = false;
	if (supervisor_is_stale(s->st))
		s->st->plan.wished = true;
	step_ready(s);
}

static void up_failed(struct step *s)
{
	if (!s->st->ready_ms) {
		step_say(s, SAY_NO_RULES, 0, 0);
		step_end(s, 1);
		return;
	}
	step_say(s, SAY_RULES_OLD, 0, 0);
	s->st->rules_old = true;
}

static void back_by_hand(struct step *s)
{
	step_add(s, DO_ROUTE); /* the script took it away, and does not know how to make it */
	step_say(s, SAY_BACK, 0, 0);
	if (supervisor_is_stale(s->st))
		s->st->plan.wished = true;
}

static void follow(struct step *s, enum plan_news news)
{
	switch (news) {
	case NEWS_UP:
		up(s);
		break;
	case NEWS_UP_FAILED:
		up_failed(s);
		break;
	case NEWS_FIXED:
		fixed(s, SAY_FIXED_RULES);
		up(s);
		break;
	case NEWS_FIX_FAILED:
		step_say(s, SAY_FIX_FAILED, 0, 0);
		break;
	case NEWS_REFUSED_BY:
		step_say(s, SAY_REFUSED_BY, 0, 0);
		break;
	case NEWS_FAILED:
		step_say(s, SAY_REFUSAL, 0, 0);
		break;
	case NEWS_BY_HAND:
		step_say(s, SAY_BY_HAND, 0, 0);
		break;
	case NEWS_BACK:
		back_by_hand(s);
		break;
	case NEWS_CHANGED:
	case NEWS_NONE:
		break;
	}
}

/* One that could not be begun is not tried again at once: a turn later. */
static void ended_while_running(struct step *s, int status)
{
	struct supervisor_state *st = s->st;
	enum rules_state before = rules_plan_shown(&st->plan);

	follow(s, rules_plan_done(&st->plan, status, s->e->now_ms));
	if (st->phase != SUPERVISOR_RUNNING)
		return;
	if (st->verb == RULES_VERB_CHECK && status == 0)
		step_route(s);
	if (before != rules_plan_shown(&st->plan))
		step_add(s, DO_TELL_STATUS);
	if (s->e->what == ON_RUN_ENDED && s->e->begun)
		step_rules_next(s);
}

void step_run_ended(struct step *s, int status)
{
	struct supervisor_state *st = s->st;

	st->runs = false;
	if (st->verb == RULES_VERB_UP && status == 0)
		st->loaded = st->loading;
	if (st->phase == SUPERVISOR_RUNNING)
		ended_while_running(s, status);
	else
		step_phase_ended(s, status);
}
