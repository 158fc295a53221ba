/* SPDX-License-Identifier: GPL-3.0-or-later
 * keeper.c - keeps the packet rules as they should be while we run: carries out rules_plan.c, one run at a time.
 *
 * durward-rules takes a third of a second on an idle machine and waits for locks of others; so nobody waits for it here.
 * Its end comes by a pidfd, its words by a pipe, and after RULES_SCRIPT_MS it is killed with all that it started.
 *
 * Owns: struct rules_task of the supervisor. Thread: the supervisor's. Fails: never; what cannot be run is said and tried again.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor_int.h"

static void began_by_hand(struct supervisor *su)
{
	log_warn("durward-rules took the rules away: they stay away until `durward-rules up` or "
		 "the next start");
}

static void back_by_hand(struct supervisor *su)
{
	force_route_fix(su); /* the script took it away, and does not know how to make it */
	log_note("the rules are up again");
	if (force_is_stale(su))
		keeper_wish(su);
}

static void fixed(struct supervisor *su, uint64_t now, const char *what)
{
	su->rules_fixed++;
	if (rules_plan_storms(&su->plan, now))
		problem_raise(su, PROBLEM_RULES_TAKEN, "%s, %u times in the last minute", what,
			rules_plan_fixes(&su->plan, now));
	else
		log_warn("somebody changed our %s: put back (%u so far)", what, su->rules_fixed);
}

/* Not while the rules are uncertain: `durward-rules down` takes the route away, too, and that is meant. */
void keeper_route(struct supervisor *su, uint64_t now)
{
	const struct rules_plan *p = &su->plan;
	bool stand = p->state == RULES_UP && p->runs == RUN_NOTHING && !p->unsure && !p->broken;

	if (!stand || !rules_plan_may_fix(&su->plan, now) || !force_route_fix(su))
		return;
	rules_plan_fixed(&su->plan, now);
	fixed(su, now, "policy route");
}

static void up_failed(struct supervisor *su)
{
	if (!su->ready_ms) {
		log_error("the rules could not be put in force");
		supervisor_end(su, 1);
		return;
	}
	log_error("the rules could not be changed; what stands stays in force, and it is tried "
		  "again");
	problem_raise(su, PROBLEM_RULES_OLD, "%s", "");
}

static void up(struct supervisor *su)
{
	problem_over(su, PROBLEM_RULES_OLD);
	if (force_is_stale(su))
		keeper_wish(su);
	supervisor_ready(su);
}

static void tell(struct supervisor *su, enum plan_news news, uint64_t now)
{
	switch (news) {
	case NEWS_UP:
		up(su);
		break;
	case NEWS_UP_FAILED:
		up_failed(su);
		break;
	case NEWS_FIXED:
		fixed(su, now, "packet rules");
		up(su);
		break;
	case NEWS_MEND_FAILED:
		log_error("somebody changed our packet rules, and they could not be put back");
		break;
	case NEWS_REFUSED_BY:
		log_warn("somebody put a refusal of all forwarding over our rules (a second copy "
			 "that failed, or `durward-rules failed` by hand)");
		break;
	case NEWS_FAILED:
		log_warn("fail closed: forwarding is refused until the rules can be put back");
		break;
	case NEWS_BY_HAND:
		began_by_hand(su);
		break;
	case NEWS_BACK:
		back_by_hand(su);
		break;
	case NEWS_CHANGED:
	case NEWS_NONE:
		break;
	}
}

static void show(struct supervisor *su, uint64_t now)
{
	const struct rules_plan *p = &su->plan;

	if (rules_plan_shown(p) == RULES_FAILED)
		problem_raise(su, PROBLEM_REFUSED, "%s",
			p->state == RULES_FAILED ? "our rules could not be put back"
						 : "put there by somebody else");
	else if (p->refused)
		problem_raise(su, PROBLEM_REFUSED, "%s",
			"by hand, or by another copy, after the rules were taken away by hand");
	else
		problem_over(su, PROBLEM_REFUSED);
	if (p->n_blind < PLAN_BLIND)
		problem_over(su, PROBLEM_RULES_UNKNOWN);
	else
		problem_raise(su, PROBLEM_RULES_UNKNOWN, "%s", "");
	if (!rules_plan_storms(&su->plan, now))
		problem_over(su, PROBLEM_RULES_TAKEN);
}

/* Nothing of it is in the loop any more. */
static void run_is_over(struct supervisor *su, int status)
{
	uint64_t now = clock_mono_ms();
	uint8_t before = (uint8_t)rules_plan_shown(&su->plan);

	tell(su, rules_plan_done(&su->plan, status, now), now);
	if (su->task.verb == RULES_VERB_CHECK && status == 0)
		keeper_route(su, now);
	show(su, now);
	if (before != rules_plan_shown(&su->plan))
		supervisor_tell_status(su);
	keeper_turn(su, now, su->longest_ms);
}

static void forget(struct rules_task *t)
{
	loop_del(&t->ended);
	loop_del(&t->said);
	loop_timer_clear(&t->late);
}

static void on_ended(struct watch *w, uint32_t events)
{
	struct supervisor *su = w->user;
	struct rules_task *t = &su->task;

	forget(t);
	run_is_over(su, force_ended(su, t->verb, &t->job));
}

static void on_said(struct watch *w, uint32_t events)
{
	struct supervisor *su = w->user;

	if (!rules_collect(&su->task.job))
		loop_del(w);
}

static void on_late(struct timer *t, uint64_t now_ms)
{
	struct supervisor *su = t->user;

	rules_kill(&su->task.job); /* and on_ended() follows */
}

static int begin(struct supervisor *su, enum rules_verb verb)
{
	struct rules_task *t = &su->task;
	int rc = force_begin(su, verb, &t->job);

	if (rc != 0) {
		log_error("durward-rules cannot be run: %s", strerror(-rc));
		return rc;
	}
	t->verb = verb;
	t->ended.fd = t->job.pidfd;
	t->said.fd = t->job.out;
	rc = loop_add(su->loop, &t->ended, EPOLLIN);
	if (rc == 0)
		rc = loop_add(su->loop, &t->said, EPOLLIN);
	if (rc == 0)
		rc = loop_timer_set(su->loop, &t->late, clock_mono_ms() + RULES_SCRIPT_MS);
	if (rc == 0)
		return 0;
	forget(t);
	rules_kill(&t->job);
	rules_end(&t->job);
	return rc;
}

static enum rules_verb verb_of(enum plan_run run)
{
	return run == RUN_UP	   ? RULES_VERB_UP
	       : run == RUN_CHECK  ? RULES_VERB_CHECK
	       : run == RUN_FAILED ? RULES_VERB_FAILED
				   : RULES_VERB_STATUS;
}

void keeper_turn(struct supervisor *su, uint64_t now, uint64_t longest_ms)
{
	enum plan_run run;

	su->longest_ms = longest_ms;
	su->plan.fail_open = su->fail_open;
	su->plan.works = su->dataplane_works;
	if (!su->ending) {
		run = rules_plan_next(&su->plan, now, longest_ms);
		if (run != RUN_NOTHING && begin(su, verb_of(run)) != 0) {
			/* not at once again: a turn later */
			tell(su, rules_plan_done(&su->plan, -1, now), now);
		}
	}
	show(su, now);
}

void keeper_wish(struct supervisor *su)
{
	su->plan.wished = true;
	keeper_turn(su, clock_mono_ms(), su->longest_ms);
}

void keeper_open(struct supervisor *su)
{
	struct rules_task *t = &su->task;

	su->longest_ms = 5000; /* until the first turn says */
	t->job = (struct rules_job){.pidfd = -1, .out = -1};
	t->ended = (struct watch){.fd = -1, .on_event = on_ended, .user = su};
	t->said = (struct watch){.fd = -1, .on_event = on_said, .user = su};
	t->late = (struct timer){.on_due = on_late, .user = su};
}

void keeper_end(struct supervisor *su)
{
	struct rules_task *t = &su->task;
	int rc;

	if (t->job.pid <= 0)
		return;
	forget(t);
	if (t->verb == RULES_VERB_CHECK || t->verb == RULES_VERB_STATUS)
		rules_kill(&t->job); /* nobody needs the answer any more */
	rc = rules_wait(&t->job, RULES_SCRIPT_MS);
	rules_plan_done(&su->plan, rc ? -1 : t->job.result.status, clock_mono_ms());
}
