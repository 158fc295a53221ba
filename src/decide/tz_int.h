/* SPDX-License-Identifier: GPL-3.0-or-later
 * tz_int.h - a POSIX TZ rule, "CET-1CEST,M3.5.0,M10.5.0/3", as the footer of a TZif file holds it.
 *
 * Owns: nothing. Thread: any; pure. Fails: false for a text that is no rule. See: RFC 8536 3.3; tzset(3).
 */
#ifndef DECIDE_TZ_INT_H
#define DECIDE_TZ_INT_H

#include "base/slice.h"
#include "model/conf.h"

enum tz_day_kind {
	DAY_MONTH_WEEK /* Mm.w.d */,
	DAY_JULIAN /* Jn: 29 February never counts */,
	DAY_ZERO /* n */
};
struct tz_day {
	enum tz_day_kind kind;
	int month, week, day; /* day: of the week, or of the year */
	int32_t time_s;	      /* on the clock before the change; -167 h to 167 h */
};
struct tz_rule {
	int32_t std_offset, dst_offset; /* local - UTC */
	bool has_dst;
	struct tz_day to_dst, to_std;
};

bool tz_rule_parse(struct slice text, struct tz_rule *out);
/* Both changes of a year, the earlier first. */
void tz_rule_year(const struct tz_rule *r, int year, struct tz_change out[static 2]);
int tz_year_of(int64_t utc); /* kept within 1..9999 */

#endif
