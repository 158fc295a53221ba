/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_step_rules.c - what the supervisor does about durward-rules while it runs.
 */
#include "step_help.h"

/* --- rules --- */

static void interfaces_that_change_load_the_rules_anew(void **state)
{
	(void)state;
	step((struct supervisor_event){.what = ON_SIDES, .sides = 5});
	assert_true(runs(RULES_VERB_UP));
	step((struct supervisor_event){.what = ON_RUN_BEGUN, .sides = 6}); /* seen only now */
	step((struct supervisor_event){.what = ON_SIDES, .sides = 7});
	step((struct supervisor_event){.what = ON_RUN_ENDED, .begun = true});
	assert_int_equal(st.loaded.sides, 6);
	assert_true(runs(RULES_VERB_UP));
}

static void a_change_by_others_is_put_back(void **state)
{
	(void)state;
	now += 2 * S;
	step((struct supervisor_event){.what = ON_TURN, .changed = true, .longest_ms = LONGEST});
	assert_true(runs(RULES_VERB_CHECK));
	ran(5);
	assert_true(runs(RULES_VERB_UP));
	ran(0);
	assert_true(said(SAY_FIXED_RULES));
	assert_int_equal(st.fixed, 1);
}

static void a_script_that_fails_is_no_loop(void **state)
{
	unsigned runs_of_it = 0;

	(void)state;
	policy(2, false);
	for (int i = 0; i < 300; i++) { /* a minute */
		if (st.runs) {
			runs_of_it++;
			step((struct supervisor_event){
				.what = ON_RUN_ENDED, .status = -1, .begun = i % 2});
			assert_true(st.rules_old);
		}
		turn(0);
	}
	assert_in_range(runs_of_it, 8, 30);
	assert_false(st.ending);
	assert_int_equal(st.plan.state, RULES_UP); /* the old ones stand */
}

static void a_script_that_hangs_is_killed_and_then_left_alone(void **state)
{
	(void)state;
	policy(2, false);
	assert_int_equal(did(DO_ARM)->at_ms, now + SUPERVISOR_RUN_MS);
	wait_for_it();
	assert_non_null(did(DO_KILL_RUN));
	assert_true(st.runs);
	wait_for_it();
	assert_non_null(did(DO_DROP_RUN));
	assert_true(said(SAY_RULES_OLD));
	assert_false(st.runs);
}

static void rules_that_cannot_be_made_end_the_start(void **state)
{
	(void)state;
	open_it(true);
	of(ON_READY, SUPERVISOR_CONTROLLER);
	policy(1, true);
	of(ON_READY, SUPERVISOR_DATAPLANE);
	ran(1);
	assert_true(said(SAY_NO_RULES));
	assert_true(st.ending);
	assert_int_equal(st.status, 1);
}

static void the_route_is_looked_at_every_two_seconds(void **state)
{
	unsigned looks = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		turn(0);
		looks += did(DO_ROUTE) != NULL;
	}
	assert_int_equal(looks, 100 * SUPERVISOR_TURN_MS / SUPERVISOR_ROUTE_MS);
	on(ON_ROUTE_FIXED);
	assert_true(said(SAY_FIXED_ROUTE));
	assert_int_equal(st.fixed, 1);
}

#define NEW(t)	cmocka_unit_test_setup(t, set_new)
#define OPEN(t) cmocka_unit_test_setup(t, set_open)
int main(void)
{
	const struct CMUnitTest tests[] = {
		OPEN(interfaces_that_change_load_the_rules_anew),
		OPEN(a_change_by_others_is_put_back),
		OPEN(a_script_that_fails_is_no_loop),
		OPEN(a_script_that_hangs_is_killed_and_then_left_alone),
		NEW(rules_that_cannot_be_made_end_the_start),
		OPEN(the_route_is_looked_at_every_two_seconds),
	};

	return cmocka_run_group_tests_name("supervisor_step_rules", tests, NULL, NULL);
}
