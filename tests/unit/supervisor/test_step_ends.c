/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_step_ends.c - the start up to the first time ready, and the end.
 */
#include "step_help.h"

#include <errno.h>

/* --- the start --- */

static void fail_closed_stands_before_anything_is_opened(void **state)
{
	(void)state;
	on(ON_BEGIN);
	assert_non_null(did(DO_TAKE_LOCK));
	status(ON_LOCK, 0);
	assert_non_null(did(DO_ASK));
	word(BOOT_GUARD_CLOSED);
	assert_true(runs(RULES_VERB_UP));
	assert_null(did(DO_OPEN));
	assert_true(st.loading.hold && st.loading.all && !st.loading.open);
	ran(0);
	assert_non_null(did(DO_OPEN));
	status(ON_OPENED, 0);
	assert_true(did_child(DO_SPAWN, SUPERVISOR_FAILSAFE) &&
		    did_child(DO_SPAWN, SUPERVISOR_CONTROLLER));
	assert_false(did_child(DO_SPAWN, SUPERVISOR_DATAPLANE)); /* it has no policy yet */
	assert_int_equal(did(DO_TELL_FAILSAFE)->mode, 'c');
	assert_non_null(did(DO_WATCH));
}

static void fail_open_and_nothing_declared_open_first(void **state)
{
	static const enum boot_guard_word words[] = {BOOT_GUARD_OPEN, BOOT_GUARD_UNKNOWN};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		new_one();
		lock_it();
		word(words[i]);
		assert_null(did(DO_RUN));
		assert_non_null(did(DO_OPEN));
	}
}

static void rules_that_cannot_be_made_refuse_from_the_start(void **state)
{
	(void)state;
	lock_it();
	word(BOOT_GUARD_CLOSED);
	ran(1);
	assert_true(runs(RULES_VERB_FAILED));
	ran(0);
	assert_int_equal(st.plan.state, RULES_FAILED);
	assert_non_null(did(DO_OPEN)); /* and it goes on: the dataplane may make it good */
	status(ON_OPENED, 0);
	of(ON_READY, SUPERVISOR_CONTROLLER);
	policy(1, false);
	of(ON_READY, SUPERVISOR_DATAPLANE);
	assert_true(runs(RULES_VERB_UP));
	ran(0);
	taken();
	assert_true(st.ready_ms > 0);
}

static void a_reader_that_hangs_is_taken_as_closed(void **state)
{
	(void)state;
	lock_it();
	wait_for_it();
	assert_int_equal(now, 100 * S + SUPERVISOR_ASK_MS);
	assert_non_null(did(DO_DROP_ASK));
	assert_true(runs(RULES_VERB_UP));
	word(BOOT_GUARD_OPEN); /* too late */
	assert_false(st.fail_open);
	assert_int_equal(st.phase, SUPERVISOR_FIRST_UP);
}

static void a_second_copy_touches_nothing(void **state)
{
	(void)state;
	on(ON_BEGIN);
	status(ON_LOCK, -EALREADY);
	assert_int_equal(out.n, 1);
	assert_int_equal(did(DO_EXIT)->status, 1);
}

static void a_dead_ones_failsafe_is_waited_for_and_not_for_ever(void **state)
{
	unsigned tries = 0;

	(void)state;
	on(ON_BEGIN);
	while (!did(DO_TAKE_LOCK)->last) {
		status(ON_LOCK, -EAGAIN);
		wait_for_it();
		assert_non_null(did(DO_TAKE_LOCK));
		tries++;
	}
	assert_in_range(tries, SUPERVISOR_LOCK_MS / SUPERVISOR_LOCK_STEP_MS,
		SUPERVISOR_LOCK_MS / SUPERVISOR_LOCK_STEP_MS + 2);
	status(ON_LOCK, -EALREADY);
	assert_int_equal(did(DO_EXIT)->status, 1);
}

static void what_cannot_be_opened_ends_it_as_fail_says(void **state)
{
	static const struct {
		enum boot_guard_word word;
		int first_up;
		bool strict;
		enum rules_verb ends;
	} rows[] = {
		{BOOT_GUARD_OPEN, 0, false, RULES_VERB_DOWN},
		{BOOT_GUARD_OPEN, 0, true, RULES_VERB_FAILED}, /* an earlier one's refusal stays */
		{BOOT_GUARD_CLOSED, 0, false, RULES_VERB_FAILED}, /* its rules were up */
		{BOOT_GUARD_CLOSED, 1, true, RULES_VERB_FAILED},
		{BOOT_GUARD_CLOSED, 1, false, RULES_VERB_DOWN}, /* by hand, since */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		new_one();
		lock_it();
		word(rows[i].word);
		if (rows[i].word == BOOT_GUARD_CLOSED)
			ran(rows[i].first_up);
		if (rows[i].first_up)
			ran(0); /* the refusal */
		status(ON_OPENED, -EBUSY);
		assert_non_null(did(DO_STOPPING));
		if (rows[i].first_up || rows[i].word == BOOT_GUARD_OPEN) {
			assert_true(runs(RULES_VERB_STATUS));
			step((struct supervisor_event){
				.what = ON_RUN_ENDED, .begun = true, .strict = rows[i].strict});
		}
		assert_true(runs(rows[i].ends));
		ran(0);
		assert_int_equal(did(DO_EXIT)->status, 1);
	}
}

static void an_answer_that_does_not_come_opens_nothing(void **state)
{
	(void)state;
	lock_it();
	word(BOOT_GUARD_CLOSED);
	ran(1);
	ran(0);
	status(ON_OPENED, -EBUSY);
	assert_true(runs(RULES_VERB_STATUS));
	ran(-1);
	assert_true(runs(RULES_VERB_FAILED));
}

static void ready_is_said_once_and_after_the_controller_knows(void **state)
{
	(void)state;
	open_it(false);
	of(ON_READY, SUPERVISOR_CONTROLLER);
	policy(7, false);
	assert_true(did_child(DO_SPAWN, SUPERVISOR_DATAPLANE));
	of(ON_READY, SUPERVISOR_DATAPLANE);
	assert_non_null(did(DO_SEND_IMAGE));
	assert_true(runs(RULES_VERB_UP)); /* without the hold */
	taken();
	assert_int_equal(did(DO_TELL_TAKEN)->revision, 7);
	assert_int_equal(st.ready_ms, 0); /* not before the rules are those of this policy */
	of(ON_HEARD, SUPERVISOR_CONTROLLER);
	assert_null(did(DO_READY));
	ran(0);
	assert_true(st.ready_ms > 0);
	assert_non_null(did(DO_TELL_STATUS));
	of(ON_HEARD, SUPERVISOR_CONTROLLER);
	assert_non_null(did(DO_READY));
	of(ON_HEARD, SUPERVISOR_CONTROLLER);
	assert_null(did(DO_READY));
	on(ON_NOT_HEARD); /* the service manager had no room for it */
	ticks(2);
	assert_true(st.announced);
}

static void a_dead_controller_keeps_nobody_from_hearing_ready(void **state)
{
	(void)state;
	open_it(true);
	of(ON_READY, SUPERVISOR_CONTROLLER);
	policy(1, true);
	of(ON_READY, SUPERVISOR_DATAPLANE);
	ran(0);
	taken();
	of(ON_ENDED, SUPERVISOR_CONTROLLER);
	tick();
	assert_null(did(DO_READY));
	tick();
	assert_non_null(did(DO_READY));
}

static void a_start_that_fails_ends(void **state)
{
	(void)state;
	static const struct {
		enum supervisor_on what;
		enum supervisor_kind child;
	} rows[] = {{ON_ENDED, SUPERVISOR_CONTROLLER}, {ON_ENDED, SUPERVISOR_DATAPLANE},
		{ON_NO_POLICY, SUPERVISOR_CONTROLLER}, {ON_SPAWN_FAILED, SUPERVISOR_DATAPLANE},
		{ON_FAULT, SUPERVISOR_DATAPLANE}};

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		new_one();
		open_it(true);
		of(ON_READY, SUPERVISOR_CONTROLLER);
		if (rows[i].what != ON_NO_POLICY)
			policy(1, true);
		of(rows[i].what, rows[i].child);
		assert_true(st.ending);
		assert_int_equal(st.status, 1);
	}
	new_one();
	open_it(true);
	of(ON_ENDED, SUPERVISOR_FAILSAFE); /* but this one is started again */
	assert_false(st.ending);
	wait_for_it();
	assert_true(did_child(DO_SPAWN, SUPERVISOR_FAILSAFE));
	assert_int_equal(did(DO_TELL_FAILSAFE)->mode, 'o');
}

static void a_start_takes_a_minute_at_most(void **state)
{
	(void)state;
	open_it(false);
	of(ON_READY, SUPERVISOR_CONTROLLER);
	while (now < 100 * S + SUPERVISOR_START_MS) {
		of(ON_SAID, SUPERVISOR_CONTROLLER);
		tick();
		assert_false(st.ending);
	}
	tick();
	assert_true(said(SAY_NO_READY));
	assert_true(runs(RULES_VERB_FAILED)); /* fail closed */
}

static void a_policy_with_errors_is_no_reason_to_end_later(void **state)
{
	(void)state;
	ready_it(true);
	of(ON_NO_POLICY, SUPERVISOR_CONTROLLER);
	assert_false(st.ending);
}

/* --- the end --- */

/* Children end when asked, in order; EXIT is the last. */
static void children_end(int exit_status)
{
	for (int k = SUPERVISOR_DATAPLANE; k < SUPERVISOR_KINDS; k++) {
		assert_true(did_child(DO_STOP, (enum supervisor_kind)k));
		assert_int_equal(did(DO_TELL_FAILSAFE) ? did(DO_TELL_FAILSAFE)->mode : 0,
			k == SUPERVISOR_FAILSAFE ? 'q' : 0);
		of(ON_ENDED, (enum supervisor_kind)k);
	}
	assert_int_equal(did(DO_EXIT)->status, exit_status);
	assert_int_equal(st.phase, SUPERVISOR_OVER);
	on(ON_STOP);
	assert_int_equal(out.n, 0);
}

static void an_orderly_end_takes_the_rules_first(void **state)
{
	(void)state;
	on(ON_STOP);
	assert_non_null(did(DO_STOPPING));
	assert_true(runs(RULES_VERB_DOWN));
	assert_null(did(DO_STOP));
	on(ON_STOP); /* impatient */
	assert_int_equal(out.n, 0);
	turn(0); /* nothing of it is done any more */
	tick();
	policy(9, true);
	ran(0);
	children_end(0);
	assert_int_equal(st.plan.state, RULES_NONE);
}

static void guarded_the_rules_stay_in_fail_closed(void **state)
{
	(void)state;
	st.guarded = true;
	on(ON_STOP);
	assert_true(said(SAY_STAY));
	assert_true(runs(RULES_VERB_UP));
	assert_true(st.loading.hold);
	ran(1);
	assert_true(said(SAY_HOLD_FAILED));
	children_end(0);
	new_one();
	st.guarded = true;
	ready_it(true); /* with fail open they go */
	on(ON_STOP);
	assert_true(runs(RULES_VERB_DOWN));
}

static void the_end_waits_for_the_script_and_for_no_answer(void **state)
{
	(void)state;
	policy(2, false);
	assert_true(runs(RULES_VERB_UP));
	on(ON_STOP);
	assert_null(did(DO_RUN));
	assert_null(did(DO_KILL_RUN));
	ran(0);
	assert_true(runs(RULES_VERB_DOWN));
	new_one();
	ready_it(true);
	step((struct supervisor_event){.what = ON_TURN, .changed = true, .longest_ms = LONGEST});
	assert_true(runs(RULES_VERB_CHECK));
	on(ON_STOP);
	assert_non_null(did(DO_KILL_RUN));
	ran(-1);
	assert_true(runs(RULES_VERB_DOWN));
}

static void a_fault_ends_it_as_fail_says(void **state)
{
	(void)state;
	of(ON_SPAWN_FAILED, SUPERVISOR_DATAPLANE);
	assert_true(runs(RULES_VERB_FAILED));
	ran(0);
	assert_true(said(SAY_REFUSES));
	assert_true(did_child(DO_STOP, SUPERVISOR_CONTROLLER)); /* there is no dataplane */
	new_one();
	ready_it(true);
	of(ON_SPAWN_FAILED, SUPERVISOR_DATAPLANE);
	assert_true(runs(RULES_VERB_DOWN));
	ran(0);
	assert_true(said(SAY_OPEN));
}

static void a_child_that_does_not_end_is_killed_and_then_left_alone(void **state)
{
	(void)state;
	on(ON_STOP);
	ran(0);
	wait_for_it();
	assert_true(did_child(DO_KILL, SUPERVISOR_DATAPLANE));
	of(ON_ENDED, SUPERVISOR_DATAPLANE);
	assert_true(did_child(DO_STOP, SUPERVISOR_CONTROLLER));
	wait_for_it();
	assert_true(did_child(DO_KILL, SUPERVISOR_CONTROLLER));
	wait_for_it();
	assert_true(said(SAY_STUCK));
	assert_true(did_child(DO_STOP, SUPERVISOR_FAILSAFE));
	of(ON_ENDED, SUPERVISOR_FAILSAFE);
	assert_non_null(did(DO_EXIT));
}

static void a_stop_during_the_start_ends_it_in_order(void **state)
{
	(void)state;
	on(ON_BEGIN); /* it waits for the lock */
	on(ON_STOP);
	assert_int_equal(did(DO_EXIT)->status, 0);

	new_one();
	lock_it(); /* it asks */
	on(ON_STOP);
	assert_null(did(DO_EXIT));
	word(BOOT_GUARD_CLOSED);
	assert_true(runs(RULES_VERB_DOWN));
	ran(0);
	assert_int_equal(did(DO_EXIT)->status, 0);

	new_one();
	st.guarded = true;
	lock_it();
	word(BOOT_GUARD_CLOSED); /* the first rules are being loaded */
	on(ON_STOP);
	assert_int_equal(out.n, 0);
	ran(0);
	assert_null(did(DO_OPEN));
	assert_true(runs(RULES_VERB_UP));
	ran(0);
	assert_int_equal(did(DO_EXIT)->status, 0);
	assert_int_equal(st.plan.state, RULES_UP);

	new_one();
	open_it(false); /* there is a controller and no dataplane yet */
	on(ON_STOP);
	assert_true(runs(RULES_VERB_DOWN));
	ran(0);
	assert_true(did_child(DO_STOP, SUPERVISOR_CONTROLLER));
}

#define NEW(t)	  cmocka_unit_test_setup(t, set_new)
#define OPEN(t)	  cmocka_unit_test_setup(t, set_open)
#define CLOSED(t) cmocka_unit_test_setup(t, set_closed)
int main(void)
{
	const struct CMUnitTest tests[] = {
		NEW(fail_closed_stands_before_anything_is_opened),
		NEW(fail_open_and_nothing_declared_open_first),
		NEW(rules_that_cannot_be_made_refuse_from_the_start),
		NEW(a_reader_that_hangs_is_taken_as_closed),
		NEW(a_second_copy_touches_nothing),
		NEW(a_dead_ones_failsafe_is_waited_for_and_not_for_ever),
		NEW(what_cannot_be_opened_ends_it_as_fail_says),
		NEW(an_answer_that_does_not_come_opens_nothing),
		NEW(ready_is_said_once_and_after_the_controller_knows),
		NEW(a_dead_controller_keeps_nobody_from_hearing_ready),
		NEW(a_start_that_fails_ends),
		NEW(a_start_takes_a_minute_at_most),
		NEW(a_policy_with_errors_is_no_reason_to_end_later),
		OPEN(an_orderly_end_takes_the_rules_first),
		CLOSED(guarded_the_rules_stay_in_fail_closed),
		OPEN(the_end_waits_for_the_script_and_for_no_answer),
		CLOSED(a_fault_ends_it_as_fail_says),
		OPEN(a_child_that_does_not_end_is_killed_and_then_left_alone),
		NEW(a_stop_during_the_start_ends_it_in_order),
	};

	return cmocka_run_group_tests_name("supervisor_step_ends", tests, NULL, NULL);
}
