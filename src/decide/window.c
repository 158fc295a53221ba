/* SPDX-License-Identifier: GPL-3.0-or-later
 * window.c - tells whether a moment is inside the hours of a rule, and until when.
 *
 * Windows are [start, end) on the wall clock, so an hour that the clock shows twice is inside both times and one that
 * it skips never is. A week is a ring of 10,080 minutes; a window past midnight belongs to the day it starts on.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: durward-policy(5) "HOURS".
 */
#include "image_int.h"

#include "decide/tz.h"

enum { DAY_MIN = 1440, WEEK_MIN = 7 * DAY_MIN };

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* 1970-01-01 was a Thursday; minute 0 is Monday 00:00. */
static uint32_t week_minute(int64_t wall_s)
{
	int64_t minute = floor_div(wall_s, 60) + 3 * DAY_MIN;
	return (uint32_t)(minute - floor_div(minute, WEEK_MIN) * WEEK_MIN);
}

/* Minutes from `at` to the end of the longest window that covers it; 0 = none does. */
static uint32_t minutes_left(const struct img_window *w, size_t n, uint32_t at)
{
	uint32_t left = 0;
	for (size_t i = 0; i < n; i++) {
		for (uint32_t day = 0; day < 7; day++) {
			uint32_t length = w[i].end_min - w[i].start_min;
			uint32_t into = (at + WEEK_MIN - day * DAY_MIN - w[i].start_min) % WEEK_MIN;
			if ((w[i].days >> day & 1) && into < length && length - into > left)
				left = length - into;
		}
	}
	return left;
}

bool window_inside(const struct img_window *w, size_t n, int64_t wall_s)
{
	return minutes_left(w, n, week_minute(wall_s)) > 0;
}

/* Wall seconds from wall_s until the union ends; at most a week. */
static int64_t union_left(const struct img_window *w, size_t n, int64_t wall_s)
{
	uint32_t at = week_minute(wall_s), total = 0, more;
	while (total < WEEK_MIN && (more = minutes_left(w, n, (at + total) % WEEK_MIN)) > 0)
		total += more;
	int64_t into_minute = wall_s - floor_div(wall_s, 60) * 60;
	return total == 0 ? 0 : (int64_t)total * 60 - into_minute;
}

static int64_t next_change(const struct tz_change *tz, size_t n_tz, int64_t utc)
{
	for (size_t i = 0; i < n_tz; i++) {
		if (tz[i].from_utc > utc)
			return tz[i].from_utc;
	}
	return INT64_MAX;
}

int64_t window_until(const struct img_window *w, size_t n, const struct tz_change *tz, size_t n_tz,
	int64_t now_s)
{
	const int64_t week_s = (int64_t)WEEK_MIN * 60;
	int64_t t = now_s;
	while (t - now_s < week_s) {
		int64_t left = union_left(w, n, t + tz_offset(tz, n_tz, t));
		int64_t change = next_change(tz, n_tz, t);
		if (left == 0)
			return t;
		if (t + left < change)
			return t + left - now_s < week_s ? t + left : 0;
		t = change; /* the clock jumps: what it shows then is what counts */
	}
	return 0;
}

bool image_hours_changed(const struct image *i, int64_t then_utc_s, int64_t now_utc_s)
{
	const struct img_window *w = image_at(i, SEC_WINDOWS);
	const struct img_rule *rule = image_at(i, SEC_RULES);
	int64_t then = then_utc_s + image_utc_offset(i, then_utc_s),
		now = now_utc_s + image_utc_offset(i, now_utc_s);

	for (uint32_t k = 0; k < image_count(i, SEC_RULES); k++) {
		struct img_slice s = rule[k].windows;

		if ((rule[k].flags & RULE_HOURS) && window_inside(w + s.first, s.n, then) !=
							    window_inside(w + s.first, s.n, now))
			return true;
	}
	return false;
}
