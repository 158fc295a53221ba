/* SPDX-License-Identifier: GPL-3.0-or-later
 * Time zones agree with libc, hour by hour; windows mean what the wall clock shows.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "../../../src/decide/image_int.h"
#include "base/file.h"
#include "decide/tz.h"

enum { ROWS = 400 };
static const int64_t year_2000 = 946684800, year_2060 = 2840140800;

static size_t zone(const char *name, struct tz_change *rows)
{
	struct strbuf file = {0};
	char path[128];
	size_t n = 0;
	snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
	if (file_read(path, 1 << 20, &file) != 0)
		skip();
	assert_int_equal(
		tz_read(slice_of(file.s, file.n), year_2000, year_2060, rows, ROWS, &n), 0);
	/* each proper prefix that still holds the transitions lacks only the rule; none crashes */
	for (size_t cut = 0; cut < file.n; cut++) {
		struct tz_change scratch[ROWS];
		size_t got;
		uint8_t *exact = malloc(cut + 1);
		memcpy(exact + 1, file.s, cut);
		tz_read(slice_of(exact + 1, cut), year_2000, year_2060, scratch, ROWS, &got);
		free(exact);
	}
	strbuf_fini(&file);
	return n;
}

static void rows_agree_with_libc(void **state)
{
	static const char *const zones[] = {"Europe/Berlin", "America/New_York",
		"Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca", "Europe/Dublin", "UTC"};
	for (size_t z = 0; z < sizeof zones / sizeof zones[0]; z++) {
		struct tz_change rows[ROWS];
		size_t n = zone(zones[z], rows);
		setenv("TZ", zones[z], 1);
		tzset();
		assert_true(n >= 1 && rows[0].from_utc == INT64_MIN);
		for (int64_t t = year_2000; t < year_2060; t += 1800 * 7) {
			time_t at = (time_t)t;
			struct tm tm;
			localtime_r(&at, &tm);
			assert_int_equal(tz_offset(rows, n, t), tm.tm_gmtoff);
		}
		for (size_t k = 1; k < n; k++) { /* to the second */
			for (int d = -1; d <= 0; d++) {
				time_t at = (time_t)(rows[k].from_utc + d);
				struct tm tm;
				localtime_r(&at, &tm);
				assert_int_equal(tz_offset(rows, n, at), tm.tm_gmtoff);
			}
		}
	}
}

static void too_many_rows_is_said(void **state)
{
	struct tz_change rows[4];
	struct strbuf file = {0};
	size_t n;
	if (file_read("/usr/share/zoneinfo/Europe/Berlin", 1 << 20, &file) != 0)
		skip();
	struct slice s = slice_of(file.s, file.n);
	assert_int_equal(tz_read(s, year_2000, year_2060, rows, 4, &n), -E2BIG);
	s.n = 3;
	assert_int_equal(tz_read(s, year_2000, year_2060, rows, 4, &n), -EINVAL);
	assert_int_equal(tz_read(slice_str("no zone at all"), 0, 1, rows, 4, &n), -EINVAL);
	strbuf_fini(&file);
}

/* Berlin 2026: 29 March 01:00Z to summer time, 25 October 01:00Z back. */
enum { SPRING = 1774746000, AUTUMN = 1792890000 };

static bool at(const struct img_window *w, const struct tz_change *rows, size_t n, int64_t utc)
{
	return window_inside(w, 1, utc + tz_offset(rows, n, utc));
}

static void an_hour_that_happens_twice_is_inside_both_times(void **state)
{
	struct tz_change rows[ROWS];
	size_t n = zone("Europe/Berlin", rows);
	struct img_window two = {0x7f, 120, 180}; /* 02:00-03:00 */
	assert_false(at(&two, rows, n, AUTUMN - 3601));
	assert_true(at(&two, rows, n, AUTUMN - 3600)); /* 02:00 summer */
	assert_true(at(&two, rows, n, AUTUMN - 1));
	assert_true(at(&two, rows, n, AUTUMN)); /* 02:00 winter */
	assert_true(at(&two, rows, n, AUTUMN + 3599));
	assert_false(at(&two, rows, n, AUTUMN + 3600));
	assert_int_equal(window_until(&two, 1, rows, n, AUTUMN - 1800), AUTUMN + 3600);
}

static void an_hour_that_never_happens_never_is(void **state)
{
	struct tz_change rows[ROWS];
	size_t n = zone("Europe/Berlin", rows);
	struct img_window two = {0x7f, 120, 180}, night = {0x7f, 1230, 1440 + 150};
	for (int64_t t = SPRING - 7200; t < SPRING + 7200; t += 60)
		assert_false(at(&two, rows, n, t));
	/* 20:30-02:30: the clock jumps from 02:00 to 03:00 */
	assert_true(at(&night, rows, n, SPRING - 1));
	assert_false(at(&night, rows, n, SPRING));
	assert_int_equal(window_until(&night, 1, rows, n, SPRING - 3600), SPRING);
}

static void windows_of_a_week(void **state)
{
	enum { MONDAY = 1795392000, H = 3600, D = 86400 }; /* 2026-11-23 00:00 UTC */
	struct img_window bedtime[] = {{0x4f, 1230, 1440 + 420}, {0x30, 1320, 1440 + 480}};
	struct img_window all_day = {0x01, 0, 1440}, always = {0x7f, 0, 1440};
	/* Sunday 20:30 to Monday 07:00, over the end of the week */
	assert_false(window_inside(bedtime, 2, MONDAY - 3 * H - 31 * 60));
	assert_true(window_inside(bedtime, 2, MONDAY - 3 * H - 30 * 60));
	assert_true(window_inside(bedtime, 2, MONDAY + 7 * H - 1));
	assert_false(window_inside(bedtime, 2, MONDAY + 7 * H));
	assert_int_equal(window_until(bedtime, 2, NULL, 0, MONDAY - H + 17), MONDAY + 7 * H);
	/* Friday belongs to the late clause; Thursday's window ends on Friday 07:00 */
	assert_false(window_inside(bedtime, 2, MONDAY + 4 * D + 21 * H));
	assert_true(window_inside(bedtime, 2, MONDAY + 4 * D + 22 * H));
	assert_true(window_inside(bedtime, 2, MONDAY + 6 * D + 7 * H + 59 * 60));
	assert_true(window_inside(&all_day, 1, MONDAY));
	assert_true(window_inside(&all_day, 1, MONDAY + D - 1));
	assert_false(window_inside(&all_day, 1, MONDAY + D));
	assert_int_equal(window_until(&always, 1, NULL, 0, MONDAY), 0);
	assert_int_equal(window_until(&all_day, 1, NULL, 0, MONDAY + D), MONDAY + D);
	/* before 1970 as well */
	assert_true(window_inside(&all_day, 1, -3 * D));
	assert_false(window_inside(&all_day, 1, -3 * D - 1));
	/* neighbours and overlaps are one union */
	struct img_window parts[] = {{0x01, 480, 720}, {0x01, 720, 780}, {0x01, 700, 1020}};
	assert_int_equal(window_until(parts, 3, NULL, 0, MONDAY + 9 * H), MONDAY + 17 * H);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_agree_with_libc),
		cmocka_unit_test(too_many_rows_is_said),
		cmocka_unit_test(an_hour_that_happens_twice_is_inside_both_times),
		cmocka_unit_test(an_hour_that_never_happens_never_is),
		cmocka_unit_test(windows_of_a_week),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
