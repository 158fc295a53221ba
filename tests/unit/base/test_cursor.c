/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_cursor.c - the cursor's law: a proper prefix is NEED_MORE outside, INVALID inside a declared block.
 */
#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t message[] = {1, 0, 2, 0, 0, 3, 0, 0, 0, 4, 0x40, 0x25, 0, 2, 'o', 'k'};

static enum parse walk(struct slice in)
{
	struct cursor c = cursor_outer(in);
	struct cursor block;
	uint64_t sum = 0;

	sum += cursor_u8(&c);
	sum += cursor_u16(&c);
	sum += cursor_u24(&c);
	sum += cursor_u32(&c);
	sum += cursor_varint(&c);
	block = cursor_block(&c, cursor_u16(&c));
	struct slice ok = cursor_bytes(&block, 2);
	if (cursor_ok(&block))
		assert_true(slice_eq(ok, slice_str("ok")));
	if (cursor_done(&block) == PARSE_INVALID)
		cursor_fail(&c);
	if (cursor_done(&c) == PARSE_OK)
		assert_int_equal(sum, 1 + 2 + 3 + 4 + 0x25);
	return cursor_done(&c);
}

static void every_proper_prefix_needs_more(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof message; n++)
		assert_int_equal(walk(slice_of(message, n)), PARSE_NEED_MORE);
	assert_int_equal(walk(slice_of(message, sizeof message)), PARSE_OK);
}

static void an_inner_cursor_that_runs_short_is_invalid(void **state)
{
	const uint8_t lies[] = {0, 1, 0xff};
	struct cursor c = cursor_outer(slice_of(lies, 3));
	struct cursor b = cursor_block(&c, cursor_u16(&c));

	(void)state;
	assert_int_equal(cursor_u16(&b), 0);
	assert_int_equal(cursor_done(&b), PARSE_INVALID);
	assert_int_equal(cursor_left(&b), 0);
	assert_int_equal(cursor_done(&c), PARSE_OK);
}

static void the_first_error_stays(void **state)
{
	struct cursor c = cursor_outer(slice_of("ab", 2));

	(void)state;
	cursor_skip(&c, 3);
	cursor_fail(&c);
	assert_int_equal(cursor_u8(&c), 0);
	assert_int_equal(cursor_done(&c), PARSE_NEED_MORE);
}

static void bytes_left_over_are_invalid(void **state)
{
	struct cursor c = cursor_outer(slice_of("ab", 2));

	(void)state;
	cursor_skip(&c, 1);
	assert_int_equal(cursor_left(&c), 1);
	assert_int_equal(cursor_done(&c), PARSE_INVALID);
}

static void varints_of_rfc_9000(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t n;
		uint64_t value;
	} cases[] = {
		{{0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}, 8, 151288809941952652},
		{{0x9d, 0x7f, 0x3e, 0x7d}, 4, 494878333},
		{{0x7b, 0xbd}, 2, 15293},
		{{0x25}, 1, 37},
		{{0x40, 0x25}, 2, 37},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cursor c = cursor_outer(slice_of(cases[i].bytes, cases[i].n));

		assert_int_equal(cursor_varint(&c), cases[i].value);
		assert_int_equal(cursor_done(&c), PARSE_OK);
		c = cursor_outer(slice_of(cases[i].bytes, cases[i].n - 1));
		assert_int_equal(cursor_varint(&c), 0);
		assert_int_equal(cursor_done(&c), PARSE_NEED_MORE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_proper_prefix_needs_more),
		cmocka_unit_test(an_inner_cursor_that_runs_short_is_invalid),
		cmocka_unit_test(the_first_error_stays),
		cmocka_unit_test(bytes_left_over_are_invalid),
		cmocka_unit_test(varints_of_rfc_9000),
	};

	return cmocka_run_group_tests_name("cursor", tests, NULL, NULL);
}
