/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_reference.c - a block page's reference: written, read aloud, typed, read again.
 */
#include "model/reference.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool reads(const char *text, uint64_t *ms, uint16_t *port)
{
	return reference_read(slice_str(text), ms, port);
}

static void what_was_written_is_read(void **state)
{
	static const uint64_t moments[] = {1, 1796000000123u, 0xfffffffffffu};
	static const uint16_t ports[] = {0, 1, 51234, 65535};

	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < 4; k++) {
			char text[REFERENCE_TEXT];
			uint64_t ms = 0;
			uint16_t port = 0;

			reference_write(moments[i], ports[k], text);
			assert_int_equal(strlen(text), REFERENCE_TEXT - 1);
			assert_true(reads(text, &ms, &port));
			assert_int_equal(ms, moments[i]);
			assert_int_equal(port, ports[k]);
		}
	}
}

static void people_may_type_it_as_they_hear_it(void **state)
{
	static const char *const same[] = {"06DK-10ZC-0001", "06dk10zc0001", " 06dk loZc-oooI "};

	for (size_t i = 0; i < 3; i++) {
		uint64_t ms = 0;
		uint16_t port = 0;
		char text[REFERENCE_TEXT];

		assert_true(reads(same[i], &ms, &port));
		assert_string_equal(reference_write(ms, port, text), same[0]);
	}
}

static void anything_else_is_none(void **state)
{
	static const char *const none[] = {"", "-", "06DK-10ZC-000", "06DK-10ZC-00011",
		"06DK-10ZC-000U", "blocked.example", "192.0.2.2", "0000-0000-0001",
		"<b>06DK10ZC0001"};
	uint64_t ms;
	uint16_t port;

	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_false(reads(none[i], &ms, &port));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(people_may_type_it_as_they_hear_it),
		cmocka_unit_test(anything_else_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
