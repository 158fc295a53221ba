/* SPDX-License-Identifier: GPL-3.0-or-later
 * A moment is read with its offset, and written text is read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "base/iso8601.h"

static void moments_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t at; /* -1 = not a moment */
	} cases[] = {
		{"2026-11-23T21:00:00+01:00", 1795464000},
		{"2026-11-23T20:00:00Z", 1795464000},
		{"2026-11-23T20:00Z", 1795464000},
		{"2026-11-23 20:00:00.999z", 1795464000},
		{"2026-11-23T14:30:00-0530", 1795464000},
		{"2026-11-23T21:00:00+01", 1795464000},
		{"2000-02-29T00:00:00Z", 951782400},
		{"1969-12-31T23:59:59Z", -1 * 1},
		{"2026-11-23T21:00:00", -1},
		{"2026-02-29T00:00:00Z", -1},
		{"2026-13-01T00:00:00Z", -1},
		{"2026-11-23T24:00:00Z", -1},
		{"2026-11-23T21:00:00+01:00x", -1},
		{"2026-11-23", -1},
		{"", -1},
	};
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
		int64_t at = -1;
		iso8601_parse(slice_str(cases[k].text), &at);
		assert_int_equal(at, cases[k].at);
	}
}

static void written_text_is_read_back(void **state)
{
	char text[ISO8601_TEXT];
	assert_string_equal(iso8601_format(1795464000, 3600, text), "2026-11-23T21:00:00+01:00");
	assert_string_equal(iso8601_format(1795464000, 0, text), "2026-11-23T20:00:00Z");
	assert_string_equal(iso8601_format(1795464000, -19800, text), "2026-11-23T14:30:00-05:30");
	for (int64_t t = -62135596800; t < 253402300799; t += 86400 * 3650 / 7 + 12345) {
		int64_t back = 0;
		time_t at = (time_t)t;
		struct tm tm;
		char libc[ISO8601_TEXT];
		iso8601_format(t, 0, text);
		assert_true(iso8601_parse(slice_str(text), &back));
		assert_int_equal(back, t);
		gmtime_r(&at, &tm);
		strftime(libc, sizeof libc, "%Y-%m-%dT%H:%M:%SZ", &tm);
		if (tm.tm_year > -900)
			assert_string_equal(text, libc);
	}
	iso8601_format(INT64_MAX, 50400, text); /* far outside: cut, not undefined */
	iso8601_format(INT64_MIN, -50400, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_read),
		cmocka_unit_test(written_text_is_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
