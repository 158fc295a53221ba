/* SPDX-License-Identifier: GPL-3.0-or-later
 * step_ends.c - the start up to the first child, and the end: each phase waits for one thing, and not for ever.
 *
 * The start, `fail closed`: the working rules stand before there is a queue or a listener. What is decided (a mark of an earlier
 * life) goes on, what is new waits, for a packet to a queue or a diverted port that nobody holds is dropped and sent
 * again. Where they cannot be made yet (no netfilter, say), nothing passes at all. In `fail open` traffic passes until
 * the dataplane is ready, as declared; so it does where no policy declares anything.
 *
 * The end: rules first, so that nothing is queued for a dataplane that is going; then dataplane, controller and failsafe, which acts until then
 * if we die.
 *
 * Owns: nothing; pure. Thread: see step.h. Fails: never.
 */
#include <errno.h>

#include "step_int.h"

static void enter(struct step *s, enum supervisor_phase phase, uint64_t due_ms)
{
	s->st->phase = phase;
	s->st->due_ms = due_ms;
}

/* --- the end --- */

static void over(struct step *s)
{
	enter(s, SUPERVISOR_OVER, 0);
	step_add(s, DO_EXIT)->status = s->st->status;
}

/* The phase END_DATAPLANE + k ends child k, if it is there. */
static void end_children(struct step *s, unsigned k)
{
	struct supervisor_state *st = s->st;

	for (; k < SUPERVISOR_KINDS; k++) {
		if (k == SUPERVISOR_FAILSAFE)
			step_add(s, DO_TELL_FAILSAFE)->mode = 'q';
		if (!st->child[k].runs)
			continue;
		enter(s, SUPERVISOR_END_DATAPLANE + k, s->e->now_ms + SUPERVISOR_STOP_MS);
		st->stop_killed = false;
		step_add(s, DO_STOP)->child = (enum supervisor_kind)k;
		return;
	}
	over(s);
}

static void end_by(struct step *s, enum rules_verb verb)
{
	enter(s, SUPERVISOR_END_RULES, 0);
	step_run(s, verb);
}

/* In order and guarded, in fail closed: the rules stay, and no dataplane will be there. */
static void leave_up(struct step *s)
{
	struct supervisor_state *st = s->st;

	st->hold = true;
	step_say(s, SAY_STAY, 0, 0);
	if (st->plan.state == RULES_UP)
		end_by(s, RULES_VERB_UP);
	else
		end_children(s, SUPERVISOR_DATAPLANE);
}

static void end_rules(struct step *s)
{
	struct supervisor_state *st = s->st;
	bool in_order = st->status == 0;

	if (in_order && st->guarded && !st->fail_open) {
		leave_up(s);
	} else if (in_order) {
		end_by(s, RULES_VERB_DOWN);
	} else if (st->plan.state == RULES_UP) {
		end_by(s, st->fail_open ? RULES_VERB_DOWN : RULES_VERB_FAILED);
	} else {
		/* What an earlier supervisor left in fail closed (a refusal, or rules whose queues nobody holds) must not
		 * become an open gateway because the next one could not start. */
		enter(s, SUPERVISOR_END_ASKS, 0);
		step_run(s, RULES_VERB_STATUS);
	}
}

static void finish(struct step *s)
{
	struct supervisor_state *st = s->st;

	for (unsigned i = 0; i < SUPERVISOR_KINDS; i++)
		st->child[i].waits = false;
	step_add(s, DO_STOPPING);
	if (!st->runs) {
		end_rules(s);
		return;
	}
	enter(s, SUPERVISOR_END_RUN, 0);
	if (st->verb == RULES_VERB_CHECK || st->verb == RULES_VERB_STATUS) {
		st->run_killed = true; /* nobody needs the answer any more */
		st->run_ms = s->e->now_ms + SUPERVISOR_STUCK_MS;
		step_add(s, DO_KILL_RUN);
	}
}

void step_end(struct step *s, int status)
{
	struct supervisor_state *st = s->st;

	if (st->ending)
		return;
	st->ending = true;
	st->status = status;
	if (st->phase <= SUPERVISOR_LOCKING)
		over(s); /* another one's: its rules and children are not ours to end */
	else if (st->phase >= SUPERVISOR_OPENING)
		finish(s);
	/* else what runs is waited for, and then comes the end */
}

/* What the rules of the end came to. */
static void end_rules_done(struct step *s, int status)
{
	struct supervisor_state *st = s->st;

	if (st->verb == RULES_VERB_UP) {
		if (status != 0)
			step_say(s, SAY_HOLD_FAILED, 0, 0);
	} else if (st->verb == RULES_VERB_FAILED && status == 0) {
		step_say(s, st->plan.state == RULES_UP ? SAY_REFUSES : SAY_STAYS_REFUSED, 0, 0);
		st->plan.state = RULES_FAILED;
	} else if (st->verb == RULES_VERB_DOWN) {
		bool opens = st->status != 0 && st->plan.state == RULES_UP;

		if (opens)
			step_say(s, SAY_OPEN, 0, 0);
		if (status == 0)
			st->plan.state = opens ? RULES_OPEN : RULES_NONE;
	}
	end_children(s, SUPERVISOR_DATAPLANE);
}

void step_gone(struct step *s)
{
	struct supervisor_state *st = s->st;

	if (st->phase == SUPERVISOR_END_DATAPLANE + s->e->child)
		end_children(s, s->e->child + 1);
}

static void child_late(struct step *s)
{
	struct supervisor_state *st = s->st;
	unsigned k = st->phase - SUPERVISOR_END_DATAPLANE;

	if (st->stop_killed) {
		step_say_of(s, SAY_STUCK, (enum supervisor_kind)k, 0);
		end_children(s, k + 1);
		return;
	}
	st->stop_killed = true;
	st->due_ms = s->e->now_ms + SUPERVISOR_STUCK_MS;
	step_say_of(s, SAY_LATE, (enum supervisor_kind)k, SUPERVISOR_STOP_MS);
	step_kill(s, (enum supervisor_kind)k);
}

/* --- the start --- */

static void open_all(struct step *s)
{
	if (s->st->ending) {
		finish(s);
		return;
	}
	enter(s, SUPERVISOR_OPENING, 0);
	step_add(s, DO_OPEN);
}

static void fail_said(struct step *s, enum boot_guard_word word)
{
	struct supervisor_state *st = s->st;

	st->due_ms = 0;
	st->fail_open = word == BOOT_GUARD_OPEN;
	st->judges_all = true; /* until the image says otherwise */
	if (st->ending || word != BOOT_GUARD_CLOSED) {
		open_all(s);
		return;
	}
	st->hold = true;
	enter(s, SUPERVISOR_FIRST_UP, 0);
	step_run(s, RULES_VERB_UP);
}

static void locked(struct step *s)
{
	struct supervisor_state *st = s->st;

	if (s->e->status == 0) {
		enter(s, SUPERVISOR_ASKING, s->e->now_ms + SUPERVISOR_ASK_MS);
		step_add(s, DO_ASK);
	} else if (s->e->status == -EAGAIN) {
		st->due_ms = s->e->now_ms + SUPERVISOR_LOCK_STEP_MS;
	} else {
		step_end(s, 1);
	}
}

static void opened(struct step *s)
{
	if (s->e->status != 0) {
		step_end(s, 1);
		return;
	}
	enter(s, SUPERVISOR_RUNNING, 0);
	step_spawn(s, SUPERVISOR_FAILSAFE);
	step_spawn(s, SUPERVISOR_CONTROLLER);
	step_add(s, DO_WATCH);
}

void step_start(struct step *s)
{
	struct supervisor_state *st = s->st;

	if (s->e->what == ON_BEGIN && st->phase == SUPERVISOR_NEW) {
		st->until_ms = s->e->now_ms + SUPERVISOR_LOCK_MS;
		st->longest_ms = 5000; /* until the first turn says */
		enter(s, SUPERVISOR_LOCKING, 0);
		step_add(s, DO_TAKE_LOCK);
	} else if (s->e->what == ON_LOCK && st->phase == SUPERVISOR_LOCKING) {
		locked(s);
	} else if (s->e->what == ON_FAIL_SAID && st->phase == SUPERVISOR_ASKING) {
		fail_said(s, s->e->word);
	} else if (s->e->what == ON_OPENED && st->phase == SUPERVISOR_OPENING) {
		opened(s);
	}
}

static void first_up_ended(struct step *s, int status)
{
	if (status == 0) {
		s->st->plan.state = RULES_UP;
		step_say(s, SAY_FIRST_UP, 0, 0);
		open_all(s);
		return;
	}
	enter(s, SUPERVISOR_FIRST_REFUSAL, 0);
	step_run(s, RULES_VERB_FAILED);
}

/* --- what a phase waited for --- */

void step_phase_ended(struct step *s, int status)
{
	struct supervisor_state *st = s->st;

	switch (st->phase) {
	case SUPERVISOR_FIRST_UP:
		first_up_ended(s, status);
		break;
	case SUPERVISOR_FIRST_REFUSAL:
		if (status == 0) {
			st->plan.state = RULES_FAILED;
			step_say(s, SAY_REFUSES, 0, 0);
		}
		open_all(s);
		break;
	case SUPERVISOR_END_RUN:
		rules_plan_done(&st->plan, status, s->e->now_ms);
		end_rules(s);
		break;
	case SUPERVISOR_END_ASKS:
		/* an answer that did not come is no leave to open what `fail closed` had closed */
		end_by(s, (status < 0 ? st->hold : s->e->strict) ? RULES_VERB_FAILED
								 : RULES_VERB_DOWN);
		break;
	case SUPERVISOR_END_RULES:
		end_rules_done(s, status);
		break;
	default:
		break;
	}
}

void step_phase_late(struct step *s)
{
	struct supervisor_state *st = s->st;

	if (st->phase == SUPERVISOR_LOCKING) {
		st->due_ms = 0;
		step_add(s, DO_TAKE_LOCK)->last = s->e->now_ms > st->until_ms;
	} else if (st->phase == SUPERVISOR_ASKING) {
		step_say(s, SAY_ASK_LATE, 0, 0);
		step_add(s, DO_DROP_ASK);
		fail_said(s, BOOT_GUARD_CLOSED);
	} else if (st->phase >= SUPERVISOR_END_DATAPLANE && st->phase < SUPERVISOR_OVER) {
		child_late(s);
	}
}
