/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_live.c - the block of live state is taken only as a whole and right one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "decide/live.h"

static void the_empty_block_is_a_right_one(void **state)
{
	const struct policy_live *l = NULL;
	const char *why = "";

	assert_int_equal(policy_live_open(&policy_live_none, sizeof policy_live_none, &l, &why), 0);
	assert_ptr_equal(l, &policy_live_none);
}

/* Every bit of it counts, and so does its size. */
static void a_changed_block_is_refused(void **state)
{
	struct policy_live copy;
	const struct policy_live *l = NULL;
	const char *why = NULL;

	for (size_t bit = 0; bit < 8 * sizeof copy; bit++) {
		copy = policy_live_none;
		((uint8_t *)&copy)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		why = NULL;
		assert_int_not_equal(policy_live_open(&copy, sizeof copy, &l, &why), 0);
		assert_non_null(why);
	}
	for (size_t n = 0; n < sizeof copy; n++)
		assert_int_not_equal(policy_live_open(&policy_live_none, n, &l, &why), 0);
	assert_null(l);
}

static void what_is_behind_the_header_is_in_the_checksum(void **state)
{
	struct {
		_Alignas(8) struct policy_live head;
		uint64_t more;
	} block = {policy_live_none, 7};
	const struct policy_live *l;
	const char *why;

	block.head.size = sizeof block;
	block.head.checksum = hash_fnv(&block.more, sizeof block.more, HASH_FNV_START);
	assert_int_equal(policy_live_open(&block, sizeof block, &l, &why), 0);
	block.more++;
	assert_int_not_equal(policy_live_open(&block, sizeof block, &l, &why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_empty_block_is_a_right_one),
		cmocka_unit_test(a_changed_block_is_refused),
		cmocka_unit_test(what_is_behind_the_header_is_in_the_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
