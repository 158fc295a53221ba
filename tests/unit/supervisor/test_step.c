/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_step.c - what the supervisor decides about children, hangs, queues, policies and listeners, event by event, without a
 * kernel, a child or a clock.
 */
#include "step_help.h"

/* --- deaths --- */

static void a_dataplane_that_dies_is_there_again_at_once(void **state)
{
	(void)state;
	of(ON_ENDED, SUPERVISOR_DATAPLANE);
	assert_null(did(DO_SPAWN));
	assert_int_equal(did(DO_ARM)->at_ms, now);
	wait_for_it();
	assert_true(did_child(DO_SPAWN, SUPERVISOR_DATAPLANE));
	assert_int_equal(st.child[SUPERVISOR_DATAPLANE].restarts, 1);
	of(ON_READY, SUPERVISOR_DATAPLANE);
	assert_non_null(did(DO_SEND_IMAGE));
	assert_null(did(DO_BIND)); /* it came before a second was over */
}

static void a_crash_loop_is_slowed_down_and_forgotten(void **state)
{
	uint64_t waits, before = 0;

	(void)state;
	for (int i = 0; i < 12; i++) {
		of(ON_ENDED, SUPERVISOR_DATAPLANE);
		waits = st.child[SUPERVISOR_DATAPLANE].again_ms - now;
		if (i > 0)
			assert_int_equal(waits, before * 2 > SUPERVISOR_BACKOFF_MAX_MS
							? SUPERVISOR_BACKOFF_MAX_MS
						: before ? before * 2
							 : SUPERVISOR_BACKOFF_MS);
		before = waits;
		wait_for_it();
		assert_true(did_child(DO_SPAWN, SUPERVISOR_DATAPLANE));
	}
	assert_int_equal(before, SUPERVISOR_BACKOFF_MAX_MS);
	of(ON_READY, SUPERVISOR_DATAPLANE); /* it works again */
	of(ON_ENDED, SUPERVISOR_DATAPLANE);
	assert_int_equal(st.child[SUPERVISOR_DATAPLANE].again_ms - now, SUPERVISOR_BACKOFF_MS);
}

static void a_policy_does_not_start_a_dataplane_that_waits(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		of(ON_ENDED, SUPERVISOR_DATAPLANE);
		if (i < 3)
			wait_for_it();
	}
	policy(2, true);
	assert_null(did(DO_SPAWN));
	assert_null(did(DO_SEND_IMAGE));
	wait_for_it();
	assert_true(did_child(DO_SPAWN, SUPERVISOR_DATAPLANE));
	of(ON_READY, SUPERVISOR_DATAPLANE);
	assert_non_null(did(DO_SEND_IMAGE));
}

static void a_controller_that_dies_changes_nothing_for_packets(void **state)
{
	struct supervisor_state before = st;

	(void)state;
	for (int i = 0; i < 5; i++) {
		of(ON_ENDED, SUPERVISOR_CONTROLLER);
		for (unsigned k = 0; k < out.n; k++)
			assert_true(out.all[k].what == DO_TELL_STATUS || out.all[k].what == DO_ARM);
		wait_for_it();
		assert_true(did_child(DO_SPAWN, SUPERVISOR_CONTROLLER));
		for (unsigned k = 0; k < out.n; k++)
			assert_true(out.all[k].what == DO_SPAWN || out.all[k].what == DO_ARM);
	}
	of(ON_READY, SUPERVISOR_CONTROLLER);
	assert_memory_equal(&before.child[SUPERVISOR_DATAPLANE], &st.child[SUPERVISOR_DATAPLANE],
		sizeof before.child[SUPERVISOR_DATAPLANE]);
	assert_memory_equal(&before.plan, &st.plan, sizeof before.plan);
	assert_true(st.dataplane_works && !st.unbound && !st.hold && !st.dataplane_gone_ms);
	tick();
	assert_non_null(did(DO_ALIVE));
}

/* --- hangs --- */

static void a_worker_that_does_not_answer_is_killed_after_a_second(void **state)
{
	(void)state;
	for (unsigned quiet = 0; quiet < SUPERVISOR_HANG_TURNS; quiet++) {
		turn(quiet);
		assert_non_null(did(DO_PROBE));
		assert_null(did(DO_KILL));
	}
	turn(SUPERVISOR_HANG_TURNS);
	assert_true(did_child(DO_KILL, SUPERVISOR_DATAPLANE));
	assert_int_equal(st.hangs, 1);
	assert_false(st.dataplane_works);
	of(ON_READY, SUPERVISOR_DATAPLANE); /* what it had said before */
	taken();
	assert_false(st.dataplane_works);
	turn(SUPERVISOR_HANG_TURNS); /* not twice */
	assert_null(did(DO_KILL));
}

static void after_a_kill_the_hang_threshold_doubles_for_a_minute(void **state)
{
	unsigned hang_threshold = SUPERVISOR_HANG_TURNS;

	(void)state;
	for (int i = 0; i < 6; i++) {
		turn(hang_threshold - 1);
		assert_null(did(DO_KILL));
		turn(hang_threshold);
		assert_true(did_child(DO_KILL, SUPERVISOR_DATAPLANE));
		hang_threshold = hang_threshold * 2 > SUPERVISOR_HANG_TURNS_MAX
					 ? SUPERVISOR_HANG_TURNS_MAX
					 : hang_threshold * 2;
		of(ON_ENDED, SUPERVISOR_DATAPLANE);
		wait_for_it();
		of(ON_READY, SUPERVISOR_DATAPLANE);
		taken();
	}
	assert_int_equal(hang_threshold, SUPERVISOR_HANG_TURNS_MAX);
	now += SUPERVISOR_CALM_MS;
	turn(SUPERVISOR_HANG_TURNS);
	assert_true(did_child(DO_KILL, SUPERVISOR_DATAPLANE));
}

static void a_child_that_says_nothing_is_killed(void **state)
{
	(void)state;
	for (int k = SUPERVISOR_DATAPLANE; k <= SUPERVISOR_CONTROLLER; k++) {
		new_one();
		ready_it(true);
		for (unsigned i = 1; i < SUPERVISOR_HANG_TICKS; i++) {
			of(ON_SAID, k == SUPERVISOR_DATAPLANE ? SUPERVISOR_CONTROLLER
							      : SUPERVISOR_DATAPLANE);
			tick();
			assert_null(did(DO_KILL));
		}
		of(ON_SAID,
			k == SUPERVISOR_DATAPLANE ? SUPERVISOR_CONTROLLER : SUPERVISOR_DATAPLANE);
		tick();
		assert_true(did_child(DO_KILL, (enum supervisor_kind)k));
		assert_int_equal(st.dataplane_gone_ms != 0, k == SUPERVISOR_DATAPLANE);
	}
}

static void a_large_image_gives_the_dataplane_time(void **state)
{
	(void)state;
	step((struct supervisor_event){.what = ON_IMAGE,
		.child = SUPERVISOR_CONTROLLER,
		.revision = 2,
		.fail_open = true,
		.judges_all = true,
		.bytes = 10ull * SUPERVISOR_IMAGE_TICK_BYTES});
	for (unsigned i = 1; i < SUPERVISOR_HANG_TICKS + 10; i++) {
		of(ON_SAID, SUPERVISOR_CONTROLLER);
		tick();
		assert_null(did(DO_KILL));
	}
	taken(); /* now it has it, and may be as quiet as ever */
	for (unsigned i = 1; i < SUPERVISOR_HANG_TICKS; i++) {
		of(ON_SAID, SUPERVISOR_CONTROLLER);
		tick();
		assert_null(did(DO_KILL));
	}
	of(ON_SAID, SUPERVISOR_CONTROLLER);
	tick();
	assert_true(did_child(DO_KILL, SUPERVISOR_DATAPLANE));
}

static void one_that_says_no_message_is_killed(void **state)
{
	(void)state;
	of(ON_BROKEN, SUPERVISOR_CONTROLLER);
	assert_true(did_child(DO_KILL, SUPERVISOR_CONTROLLER));
	assert_false(st.child[SUPERVISOR_CONTROLLER].ready);
}

/* --- no dataplane --- */

static void with_fail_open_the_queues_are_let_go_and_taken_back(void **state)
{
	uint64_t died;

	(void)state;
	of(ON_ENDED, SUPERVISOR_DATAPLANE);
	died = now;
	wait_for_it();
	while (now <= died + SUPERVISOR_GATELESS_MS - SUPERVISOR_TURN_MS) {
		turn(0);
		assert_null(did(DO_UNBIND));
	}
	turn(0);
	turn(0);
	assert_true(st.unbound);
	of(ON_READY, SUPERVISOR_DATAPLANE);
	assert_non_null(did(DO_BIND));
	assert_false(st.unbound);
	on(ON_BIND_FAILED);
	turn(0);
	assert_non_null(did(DO_BIND)); /* once more */
	assert_false(st.unbound);
}

static void a_hung_dataplane_counts_as_none_from_when_it_hung(void **state)
{
	(void)state;
	turn(SUPERVISOR_HANG_TURNS + 1);
	assert_true(did_child(DO_KILL, SUPERVISOR_DATAPLANE));
	assert_non_null(did(DO_UNBIND)); /* it has been away for more than a second already */
}

static void with_fail_closed_they_never_are(void **state)
{
	(void)state;
	turn(SUPERVISOR_HANG_TURNS);
	for (int i = 0; i < 100; i++) {
		turn(0);
		assert_null(did(DO_UNBIND));
	}
	assert_false(st.unbound);
}

/* --- policies --- */

static void a_policy_of_another_failure_mode_changes_the_rules(void **state)
{
	(void)state;
	policy(2, false);
	assert_non_null(did(DO_SEND_IMAGE));
	assert_int_equal(did(DO_TELL_FAILSAFE)->mode, 'c');
	assert_true(runs(RULES_VERB_UP));
	policy(3, true); /* while they are being loaded */
	assert_null(did(DO_RUN));
	ran(0);
	assert_true(runs(RULES_VERB_UP)); /* those of the third */
	ran(0);
	assert_null(did(DO_RUN));
	assert_true(st.loaded.open);
}

static void one_of_the_same_kind_does_not(void **state)
{
	(void)state;
	policy(2, true);
	assert_non_null(did(DO_SEND_IMAGE));
	assert_null(did(DO_RUN));
}

static void a_reload_is_the_desks_whatever_runs(void **state)
{
	(void)state;
	step((struct supervisor_event){.what = ON_TURN, .changed = true, .longest_ms = LONGEST});
	on(ON_RELOAD);
	assert_non_null(did(DO_TELL_RELOAD));
	ran(0);
	assert_null(did(DO_TELL_RELOAD));
}

/* --- the web's listeners --- */

static void listens(enum supervisor_on what, unsigned n)
{
	step((struct supervisor_event){.what = what, .listener = n});
}

static void a_listener_of_the_start_is_inherited(void **state)
{
	(void)state;
	lock_it();
	word(BOOT_GUARD_OPEN);
	listens(ON_LISTENING, 0);
	assert_non_null(did(DO_HAND));
	assert_false(did(DO_HAND)->sends); /* there is no controller to send it to */
	status(ON_OPENED, 0);
	assert_null(did(DO_HAND));
}

static void a_late_one_goes_to_the_controller_that_runs(void **state)
{
	(void)state;
	listens(ON_LISTENING, 1);
	assert_int_equal(did(DO_HAND)->n, 1);
	assert_true(did(DO_HAND)->sends);
	tick();
	assert_null(did(DO_HAND)); /* once */
	listens(ON_NOT_HANDED, 1);
	assert_null(did(DO_HAND)); /* no room: not at once again */
	tick();
	assert_int_equal(did(DO_HAND)->n, 1);
	of(ON_ENDED, SUPERVISOR_CONTROLLER);
	listens(ON_LISTENING, 2); /* nobody runs: for the next one */
	assert_false(did(DO_HAND)->sends);
	on(ON_STOP);
	listens(ON_LISTENING, 3);
	assert_int_equal(out.n, 0);
}

#define NEW(t)	  cmocka_unit_test_setup(t, set_new)
#define OPEN(t)	  cmocka_unit_test_setup(t, set_open)
#define CLOSED(t) cmocka_unit_test_setup(t, set_closed)
int main(void)
{
	const struct CMUnitTest tests[] = {
		OPEN(a_dataplane_that_dies_is_there_again_at_once),
		OPEN(a_crash_loop_is_slowed_down_and_forgotten),
		OPEN(a_policy_does_not_start_a_dataplane_that_waits),
		OPEN(a_controller_that_dies_changes_nothing_for_packets),
		CLOSED(a_controller_that_dies_changes_nothing_for_packets),
		OPEN(a_worker_that_does_not_answer_is_killed_after_a_second),
		CLOSED(after_a_kill_the_hang_threshold_doubles_for_a_minute),
		NEW(a_child_that_says_nothing_is_killed),
		OPEN(a_large_image_gives_the_dataplane_time),
		OPEN(one_that_says_no_message_is_killed),
		OPEN(with_fail_open_the_queues_are_let_go_and_taken_back),
		OPEN(a_hung_dataplane_counts_as_none_from_when_it_hung),
		CLOSED(with_fail_closed_they_never_are),
		OPEN(a_policy_of_another_failure_mode_changes_the_rules),
		OPEN(one_of_the_same_kind_does_not),
		OPEN(a_reload_is_the_desks_whatever_runs),
		NEW(a_listener_of_the_start_is_inherited),
		OPEN(a_late_one_goes_to_the_controller_that_runs),
	};

	return cmocka_run_group_tests_name("supervisor_step", tests, NULL, NULL);
}
