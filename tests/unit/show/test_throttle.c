/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_throttle.c - how fast passwords may be guessed, by a scripted clock.
 */
#include "show/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct throttle t;
static uint64_t now;

static struct addr from(const char *text)
{
	struct addr a;

	assert_true(addr_parse(slice_str(text), &a));
	return a;
}

static unsigned admit(const char *text)
{
	struct addr a = from(text);

	return throttle_admit(&t, &a, now);
}

static void settle(const char *text, enum throttle_end end)
{
	struct addr a = from(text);

	throttle_settle(&t, &a, now, end);
}

static unsigned guess(const char *text, bool right)
{
	unsigned wait_s = admit(text);

	if (wait_s == 0)
		settle(text, right ? THROTTLE_RIGHT : THROTTLE_WRONG);
	return wait_s;
}

static int fresh(void **state)
{
	memset(&t, 0, sizeof t);
	now = 1000000;
	return 0;
}

static void a_wait_doubles_up_to_a_minute(void **state)
{
	static const unsigned waits[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};

	for (int i = 0; i < THROTTLE_FREE; i++)
		assert_int_equal(guess("192.0.2.2", false), 0);
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		assert_int_equal(admit("192.0.2.2"), waits[i]);
		now += waits[i] * 1000 - 1;
		assert_int_equal(admit("192.0.2.2"), 1);
		now++;
		assert_int_equal(guess("192.0.2.2", false), 0);
	}
}

static void the_right_password_clears_it(void **state)
{
	for (int i = 0; i < 3; i++)
		assert_int_equal(guess("192.0.2.2", false), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(guess("192.0.2.2", true), 0);
	for (int i = 0; i < THROTTLE_FREE; i++)
		assert_int_equal(guess("192.0.2.2", false), 0);
	assert_int_equal(admit("192.0.2.2"), 1);
}

static void an_ipv4_neighbour_is_somebody_else(void **state)
{
	for (int i = 0; i < THROTTLE_FREE; i++)
		guess("192.0.2.2", false);
	assert_int_equal(admit("192.0.2.3"), 0);
}

static void a_whole_64_shares_what_its_addresses_guess(void **state)
{
	char text[60];
	int passed = 0;

	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "2001:db8:1:0:%x::%x", i * 7, i);
		passed += guess(text, false) == 0;
	}
	assert_int_equal(passed, THROTTLE_NET_BURST);
	assert_int_equal(admit("2001:db8:1::9"), THROTTLE_NET_STEP_MS / 1000);
	assert_int_equal(admit("2001:db8:1:1::2"), 0);
	now += THROTTLE_NET_STEP_MS;
	assert_int_equal(guess("2001:db8:1::9", false), 0);
	assert_int_equal(admit("2001:db8:1::a"), THROTTLE_NET_STEP_MS / 1000);
}

static void one_address_does_not_lock_its_64_out(void **state)
{
	char text[40];

	for (int i = 0; i < 3600; i++) { /* an hour of it */
		guess("2001:db8:1::666", false);
		now += 1000;
	}
	for (int i = 0; i < THROTTLE_FREE; i++)
		assert_int_equal(guess("2001:db8:1::2", false), 0);
	snprintf(text, sizeof text, "2001:db8:1::3");
	assert_int_equal(admit(text), 0);
}

static void who_was_right_once_is_not_locked_out_by_neighbours(void **state)
{
	char text[40];

	assert_int_equal(guess("2001:db8:1::2", true), 0);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "2001:db8:1::%x", 0x100 + i);
		guess(text, false);
	}
	assert_true(admit("2001:db8:1::666") > 0);
	for (int i = 0; i < THROTTLE_FREE; i++)
		assert_int_equal(guess("2001:db8:1::2", false), 0);
	assert_int_equal(admit("2001:db8:1::2"), 1); /* but it is bounded, too */
}

/* Every address of a LAN guesses as often as it may, for an hour. */
static int lan_guesses(void)
{
	char text[40];
	int passed = 0;

	for (int s = 0; s < 3600; s++) {
		for (int i = 2; i < 250; i++) {
			snprintf(text, sizeof text, "192.0.2.%d", i);
			passed += guess(text, false) == 0;
		}
		now += 1000;
	}
	return passed;
}

static void guesses_from_many_addresses_lock_no_newcomer_out(void **state)
{
	int passed = lan_guesses();

	printf("%d guesses of 248 addresses in an hour\n", passed);
	assert_true(
		passed < 248 * THROTTLE_FREE + THROTTLE_BURST + 3600 * 1000 / THROTTLE_STEP_MS + 1);
	for (int i = 0; i < THROTTLE_FREE; i++) /* they mistype, and may try again */
		assert_int_equal(guess("192.0.2.251", false), 0);
	assert_int_equal(guess("192.0.2.252", true), 0); /* a first login */
	assert_int_equal(guess("192.0.2.252", false), 0);
}

static void addresses_without_number_gain_a_bounded_rate(void **state)
{
	char text[40];
	int passed = 0;

	assert_int_equal(guess("192.0.2.2", true), 0);
	for (int s = 0; s < 60; s++) {
		now += 1000;
		for (int i = 0; i < 200; i++) {
			snprintf(text, sizeof text, "2001:db8:%x:%x::1", s, i);
			passed += guess(text, false) == 0;
		}
	}
	assert_in_range(passed, THROTTLE_FIRST_BURST, THROTTLE_FIRST_BURST + 60);
	assert_int_equal(admit("198.51.100.7") > 0, 1);
	assert_int_equal(guess("192.0.2.2", true), 0); /* the owner's place */
}

static void guesses_side_by_side_gain_nothing(void **state)
{
	int passed = 0;

	for (int i = 0; i < 100; i++)
		passed += admit("192.0.2.2") == 0; /* none of them is settled yet */
	assert_int_equal(passed, THROTTLE_FREE);
}

static void what_was_not_learnt_is_not_charged(void **state)
{
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(admit("192.0.2.2"), 0);
		settle("192.0.2.2", THROTTLE_UNTOLD);
	}
}

static void a_full_table_forgets_who_does_not_wait(void **state)
{
	char text[40];

	for (int i = 0; i < THROTTLE_FREE + 3; i++) {
		guess("192.0.2.66", false);
		now += 4000;
	}
	assert_int_equal(admit("192.0.2.66") > 0, 1);
	for (int i = 0; i < 2 * THROTTLE_ROWS; i++) {
		struct throttle before = t;
		snprintf(text, sizeof text, "10.0.%d.%d", i / 250, i % 250 + 1);
		guess(text, false);
		memcpy(t.all_ms, before.all_ms,
			sizeof t.all_ms); /* the bounds of all are not this test's */
	}
	assert_int_equal(admit("192.0.2.66") > 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_wait_doubles_up_to_a_minute, fresh),
		cmocka_unit_test_setup(the_right_password_clears_it, fresh),
		cmocka_unit_test_setup(an_ipv4_neighbour_is_somebody_else, fresh),
		cmocka_unit_test_setup(a_whole_64_shares_what_its_addresses_guess, fresh),
		cmocka_unit_test_setup(one_address_does_not_lock_its_64_out, fresh),
		cmocka_unit_test_setup(who_was_right_once_is_not_locked_out_by_neighbours, fresh),
		cmocka_unit_test_setup(guesses_from_many_addresses_lock_no_newcomer_out, fresh),
		cmocka_unit_test_setup(addresses_without_number_gain_a_bounded_rate, fresh),
		cmocka_unit_test_setup(guesses_side_by_side_gain_nothing, fresh),
		cmocka_unit_test_setup(what_was_not_learnt_is_not_charged, fresh),
		cmocka_unit_test_setup(a_full_table_forgets_who_does_not_wait, fresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
