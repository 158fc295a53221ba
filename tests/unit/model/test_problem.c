/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_problem.c - a set of problems: what is new, what is said, what a hostile name may not do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "model/problem.h"

#include <cmocka.h>

static void a_problem_is_new_once_and_when_its_detail_changes(void **state)
{
	struct problems s = {0};

	(void)state;
	assert_false(problem_is(&s, PROBLEM_WEB_LISTEN));
	assert_true(problem_set(&s, PROBLEM_WEB_LISTEN, "192.0.2.1:8480: in use"));
	assert_false(problem_set(&s, PROBLEM_WEB_LISTEN, "192.0.2.1:8480: in use"));
	assert_true(problem_set(&s, PROBLEM_WEB_LISTEN, "%s", ""));
	assert_true(problem_is(&s, PROBLEM_WEB_LISTEN));
	assert_false(problem_is(&s, PROBLEM_REFUSED));
	assert_true(problem_clear(&s, PROBLEM_WEB_LISTEN));
	assert_false(problem_clear(&s, PROBLEM_WEB_LISTEN));
	assert_int_equal(s.raised, 0);
}

static void the_words_hold_the_detail_and_what_fixes_it(void **state)
{
	struct problems s = {0};
	struct strbuf words = {0};

	(void)state;
	problem_set(&s, PROBLEM_INTERFACE_MISSING, "%s", "lan\x1b[31m9");
	problem_words(&s, PROBLEM_INTERFACE_MISSING, &words);
	assert_string_equal(strbuf_text(&words),
		"the settings (client-interfaces, uplink-interfaces) name an interface that does "
		"not exist: lan?[31m9; "
		"make it, or correct the setting and restart");
	strbuf_fini(&words);
}

static void a_long_detail_is_cut(void **state)
{
	struct problems s = {0};

	(void)state;
	problem_set(&s, PROBLEM_REFUSED, "%0200d", 7);
	assert_int_equal(strlen(s.detail[PROBLEM_REFUSED]), PROBLEM_DETAIL - 1);
}

static void every_row_has_a_key_of_its_own(void **state)
{
	(void)state;
	for (int p = 0; p < PROBLEMS; p++)
		for (int q = 0; q < p; q++)
			assert_string_not_equal(problem_key(p), problem_key(q));
	assert_string_equal(problem_key(PROBLEMS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_problem_is_new_once_and_when_its_detail_changes),
		cmocka_unit_test(the_words_hold_the_detail_and_what_fixes_it),
		cmocka_unit_test(a_long_detail_is_cut),
		cmocka_unit_test(every_row_has_a_key_of_its_own),
	};

	return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
