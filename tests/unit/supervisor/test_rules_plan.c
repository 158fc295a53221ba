/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_rules_plan.c - what the supervisor does about its rules, step by step, without a kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "supervisor/rules_plan.h"

#include <cmocka.h>

enum { LONGEST = 30000, S = 1000, DOWN = 3, CHANGED = 5, AS_LOADED = 0, REFUSAL = 1 };

static struct rules_plan plan;
static uint64_t now;

static int next(void)
{
	return (int)rules_plan_next(&plan, now, LONGEST);
}

static int done(int status)
{
	return (int)rules_plan_done(&plan, status, now);
}

static int set_up(void **state)
{
	(void)state;
	plan = (struct rules_plan){.state = RULES_UP, .works = true, .checked_ms = 100 * S};
	now = 102 * S;
	return 0;
}

static void nothing_is_run_without_a_reason(void **state)
{
	(void)state;
	assert_int_equal(next(), RUN_NOTHING);
	now = 129 * S;
	assert_int_equal(next(), RUN_NOTHING);
	now = 130 * S; /* the longest time */
	assert_int_equal(next(), RUN_CHECK);
	assert_int_equal(done(AS_LOADED), NEWS_NONE);
	assert_int_equal(next(), RUN_NOTHING);
}

static void one_run_at_a_time_and_a_wish_made_meanwhile_is_kept(void **state)
{
	(void)state;
	plan.suspect = true;
	assert_int_equal(next(), RUN_CHECK);
	plan.wished = true;
	assert_int_equal(next(), RUN_NOTHING);
	assert_int_equal(done(AS_LOADED), NEWS_NONE);
	assert_int_equal(next(), RUN_UP);
	plan.wished = true; /* another policy while the first one's rules are loaded */
	plan.suspect = true;
	assert_int_equal(next(), RUN_NOTHING);
	assert_int_equal(done(0), NEWS_UP);
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(done(0), NEWS_UP);
	now += S;
	assert_int_equal(next(), RUN_CHECK); /* the suspicion was not lost either */
}

static void what_others_changed_is_put_back(void **state)
{
	(void)state;
	plan.suspect = true;
	assert_int_equal(next(), RUN_CHECK);
	assert_int_equal(done(CHANGED), NEWS_CHANGED);
	assert_int_equal(rules_plan_shown(&plan), RULES_NONE); /* not "up" */
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(rules_plan_shown(&plan), RULES_NONE);
	assert_int_equal(done(0), NEWS_FIXED);
	assert_int_equal(rules_plan_shown(&plan), RULES_UP);
	assert_int_equal(rules_plan_fixes(&plan, now), 1);
}

/* One change a second, as a script in a loop makes them; what was run at which second. */
static unsigned flushed_for(unsigned seconds)
{
	unsigned ups = 0;

	for (unsigned i = 0; i < seconds; i++, now += S) {
		int run;

		plan.suspect = true;
		while ((run = next()) != RUN_NOTHING) {
			ups += run == RUN_UP;
			done(run == RUN_CHECK ? CHANGED : 0);
			plan.suspect = false;
		}
	}
	return ups;
}

static void a_storm_is_met_at_full_rate_and_then_slowly(void **state)
{
	(void)state;
	assert_int_equal(flushed_for(5), 5);
	assert_false(rules_plan_storms(&plan, now));
	assert_int_equal(flushed_for(1), 1);
	assert_true(rules_plan_storms(&plan, now));
	assert_int_equal(flushed_for(54), 5); /* one in ten seconds */
	assert_int_equal(flushed_for(120), 12);
	assert_true(rules_plan_storms(&plan, now));
	assert_int_equal(rules_plan_shown(&plan), RULES_NONE); /* while it waits */
	now += PLAN_SLOW_MS;
	assert_int_equal(next(), RUN_UP); /* the last one's damage */
	assert_int_equal(done(0), NEWS_FIXED);
	now += 30 * S;
	assert_true(rules_plan_storms(&plan, now));
	now += 20 * S;
	assert_false(rules_plan_storms(&plan, now));
	assert_int_equal(flushed_for(1), 1); /* and at once again */
}

static void fixes_are_counted_however_many_there_were(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		rules_plan_fixed(&plan, now);
	assert_int_equal(rules_plan_fixes(&plan, now), PLAN_FIXES);
	now += PLAN_MINUTE_MS;
	assert_int_equal(rules_plan_fixes(&plan, now), 0);
	rules_plan_fixed(&plan, now);
	assert_int_equal(rules_plan_fixes(&plan, now), 1);
}

static void what_is_taken_away_by_hand_stays_away(void **state)
{
	(void)state;
	plan.suspect = true;
	assert_int_equal(next(), RUN_CHECK);
	assert_int_equal(done(DOWN), NEWS_NONE);
	assert_int_equal(next(), RUN_STATUS);
	assert_int_equal(done(DOWN), NEWS_BY_HAND);
	assert_true(plan.by_hand);
	assert_int_equal(rules_plan_shown(&plan), RULES_NONE);
	plan.wished = true; /* a new policy does not change that */
	now += S;
	assert_int_equal(next(), RUN_NOTHING);
	plan.suspect = true;
	assert_int_equal(next(), RUN_CHECK);
	assert_int_equal(done(AS_LOADED), NEWS_BACK);
	assert_false(plan.by_hand);
	assert_int_equal(rules_plan_shown(&plan), RULES_UP);
	assert_int_equal(next(), RUN_UP); /* now the policy's */
}

static void what_was_changed_after_an_up_by_hand_is_put_back(void **state)
{
	(void)state;
	plan.by_hand = true;
	plan.state = RULES_NONE;
	plan.suspect = true;
	assert_int_equal(next(), RUN_CHECK);
	assert_int_equal(done(CHANGED), NEWS_CHANGED);
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(done(0), NEWS_FIXED);
	assert_false(plan.by_hand);
}

static void a_refusal_over_a_running_one_is_fixed(void **state)
{
	(void)state;
	plan.suspect = true;
	assert_int_equal(next(), RUN_CHECK);
	assert_int_equal(done(DOWN), NEWS_NONE); /* check says: gone by durward-rules itself */
	assert_int_equal(next(), RUN_STATUS);
	assert_int_equal(done(REFUSAL), NEWS_REFUSED_BY);
	assert_int_equal(rules_plan_shown(&plan), RULES_FAILED);
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(done(0), NEWS_FIXED);
	assert_false(plan.by_hand);
}

static void a_refusal_after_a_down_by_hand_is_told(void **state)
{
	(void)state;
	plan.by_hand = true;
	plan.state = RULES_NONE;
	plan.suspect = true;
	assert_int_equal(next(), RUN_CHECK);
	done(DOWN);
	assert_int_equal(next(), RUN_STATUS);
	assert_int_equal(done(REFUSAL), NEWS_NONE);
	assert_true(plan.refused);
	assert_int_equal(next(), RUN_NOTHING);
	now += S;
	plan.suspect = true;
	assert_int_equal(next(), RUN_CHECK);
	done(DOWN);
	assert_int_equal(next(), RUN_STATUS);
	done(DOWN);
	assert_false(plan.refused);
}

static void what_cannot_be_put_back_is_refused_in_fail_closed(void **state)
{
	(void)state;
	plan.suspect = true;
	next();
	done(CHANGED);
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(done(1), NEWS_FIX_FAILED);
	assert_int_not_equal(rules_plan_shown(&plan), RULES_UP);
	assert_int_equal(next(), RUN_FAILED);
	assert_int_equal(done(0), NEWS_FAILED);
	assert_int_equal(rules_plan_shown(&plan), RULES_FAILED);
	assert_int_equal(next(), RUN_NOTHING);
	now += PLAN_RETRY_MS;
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(done(1), NEWS_FIX_FAILED);
	assert_int_equal(next(), RUN_NOTHING); /* the refusal stands already */
	now += PLAN_RETRY_MS;
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(done(0), NEWS_FIXED);
	assert_int_equal(rules_plan_shown(&plan), RULES_UP);
}

static void a_refusal_that_fails_is_tried_again(void **state)
{
	(void)state;
	plan.suspect = true;
	next();
	done(CHANGED);
	next();
	done(1);
	assert_int_equal(next(), RUN_FAILED);
	done(-1);
	assert_int_equal(rules_plan_shown(&plan), RULES_NONE);
	now += PLAN_RETRY_MS;
	assert_int_equal(next(), RUN_UP);
	done(1);
	assert_int_equal(next(), RUN_FAILED);
}

static void with_fail_open_nothing_is_refused(void **state)
{
	(void)state;
	plan.fail_open = true;
	plan.suspect = true;
	next();
	done(CHANGED);
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(done(-1), NEWS_FIX_FAILED);
	assert_int_equal(rules_plan_shown(&plan), RULES_NONE);
	assert_int_equal(next(), RUN_NOTHING);
	now += PLAN_RETRY_MS;
	assert_int_equal(next(), RUN_UP);
}

static void a_wish_that_fails_is_tried_again(void **state)
{
	(void)state;
	plan.wished = true;
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(done(1), NEWS_UP_FAILED);
	assert_int_equal(rules_plan_shown(&plan), RULES_UP); /* the old ones */
	assert_int_equal(next(), RUN_NOTHING);
	now += PLAN_RETRY_MS;
	assert_int_equal(next(), RUN_UP);
	assert_int_equal(done(0), NEWS_UP);
}

static void a_refusal_from_the_start_goes_when_the_dataplane_works(void **state)
{
	(void)state;
	plan.state = RULES_FAILED;
	plan.works = false;
	now += 100 * S;
	assert_int_equal(next(), RUN_NOTHING);
	plan.works = true;
	assert_int_equal(next(), RUN_UP);
}

static void a_question_that_could_not_be_asked_is_asked_again(void **state)
{
	(void)state;
	plan.suspect = true;
	next();
	done(DOWN);
	assert_int_equal(next(), RUN_STATUS);
	assert_int_equal(done(-1), NEWS_NONE);
	now += S;
	assert_int_equal(next(), RUN_CHECK);
}

static void checks_that_fail_are_known(void **state)
{
	(void)state;
	plan.suspect = true;
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(next(), RUN_CHECK);
		assert_int_equal(done(i % 2 ? -1 : 1), NEWS_NONE);
		assert_int_equal(plan.n_blind, i < PLAN_BLIND ? i : PLAN_BLIND);
		assert_int_equal(rules_plan_shown(&plan), RULES_UP); /* nothing else is known */
		now += PLAN_RETRY_MS - 1;
		assert_int_equal(next(), RUN_NOTHING);
		now++;
	}
	assert_int_equal(next(), RUN_CHECK);
	done(AS_LOADED);
	assert_int_equal(plan.n_blind, 0);
}

#define PLAN(t) cmocka_unit_test_setup(t, set_up)
int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAN(nothing_is_run_without_a_reason),
		PLAN(one_run_at_a_time_and_a_wish_made_meanwhile_is_kept),
		PLAN(what_others_changed_is_put_back),
		PLAN(a_storm_is_met_at_full_rate_and_then_slowly),
		PLAN(fixes_are_counted_however_many_there_were),
		PLAN(what_is_taken_away_by_hand_stays_away),
		PLAN(checks_that_fail_are_known),
		PLAN(what_was_changed_after_an_up_by_hand_is_put_back),
		PLAN(a_refusal_over_a_running_one_is_fixed),
		PLAN(a_refusal_after_a_down_by_hand_is_told),
		PLAN(what_cannot_be_put_back_is_refused_in_fail_closed),
		PLAN(a_refusal_that_fails_is_tried_again),
		PLAN(with_fail_open_nothing_is_refused),
		PLAN(a_wish_that_fails_is_tried_again),
		PLAN(a_refusal_from_the_start_goes_when_the_dataplane_works),
		PLAN(a_question_that_could_not_be_asked_is_asked_again),
	};

	return cmocka_run_group_tests_name("rules_plan", tests, NULL, NULL);
}
