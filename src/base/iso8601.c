/* SPDX-License-Identifier: GPL-3.0-or-later
 * iso8601.c - reads and writes moments as text, without the C library's time zone state.
 *
 * Owns: nothing. Thread: any; pure. Fails: false for anything that is no moment.
 */
#include "base/iso8601.h"

#include <stdio.h>

struct text {
	const uint8_t *p, *end;
	bool ok;
};

static int digits(struct text *t, int n, int max)
{
	int v = 0;
	for (int k = 0; k < n; k++) {
		if (t->p == t->end || *t->p < '0' || *t->p > '9') {
			t->ok = false;
			return 0;
		}
		v = v * 10 + (*t->p++ - '0');
	}
	t->ok &= v <= max;
	return v;
}

static bool take(struct text *t, const char *any)
{
	if (t->p == t->end || *t->p == '\0' || !strchr(any, *t->p))
		return false;
	t->p++;
	return true;
}

/* Days since 1970-01-01 in the Gregorian calendar; the year begins in March so that 29 February comes last. */
static int64_t days_from(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int month_days(int y, int m)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	return m < 1 || m > 12 ? 0 : days[m - 1] + (m == 2 && leap);
}

static int64_t read_date(struct text *t)
{
	int y = digits(t, 4, 9999);
	t->ok &= take(t, "-");
	int m = digits(t, 2, 12);
	t->ok &= take(t, "-");
	int d = digits(t, 2, 31);
	t->ok &= d >= 1 && d <= month_days(y, m);
	return t->ok ? days_from(y, m, d) * 86400 : 0;
}

static int64_t read_time(struct text *t)
{
	int s = digits(t, 2, 23) * 3600;
	t->ok &= take(t, ":");
	s += digits(t, 2, 59) * 60;
	if (take(t, ":"))
		s += digits(t, 2, 60);
	if (take(t, ".,")) {
		digits(t, 1, 9);
		while (t->p < t->end && *t->p >= '0' && *t->p <= '9')
			t->p++;
	}
	return s;
}

static int64_t read_offset(struct text *t)
{
	if (take(t, "Zz"))
		return 0;
	int sign = take(t, "-") ? -1 : 1;
	if (sign > 0)
		t->ok &= take(t, "+");
	int s = digits(t, 2, 23) * 3600;
	if (t->p < t->end) {
		take(t, ":");
		s += digits(t, 2, 59) * 60;
	}
	return sign * s;
}

bool iso8601_parse(struct slice text, int64_t *out_utc_s)
{
	struct text t = {text.p, text.p + text.n, true};
	int64_t s = read_date(&t);
	t.ok &= take(&t, "Tt ");
	s += read_time(&t);
	s -= read_offset(&t);
	if (!t.ok || t.p != t.end)
		return false;
	*out_utc_s = s;
	return true;
}

const char *iso8601_format(int64_t utc_s, int32_t offset_s, char out[static ISO8601_TEXT])
{
	const int64_t first = -62167219200, last = 253402300799; /* years 0 to 9999 */
	int64_t wall = utc_s < first ? first : utc_s > last ? last : utc_s;
	wall += offset_s;
	wall = wall < first ? first : wall > last ? last : wall;
	int64_t days = (wall - (wall < 0 ? 86399 : 0)) / 86400, rest = wall - days * 86400;
	int y = (int)((wall - first) / 31556952);
	y = y > 9999 ? 9999 : y;
	while (y > 0 && days_from(y, 1, 1) > days)
		y--;
	while (y < 9999 && days_from(y + 1, 1, 1) <= days)
		y++;
	int m = 12;
	while (m > 1 && days_from(y, m, 1) > days)
		m--;
	int d = (int)(days - days_from(y, m, 1)) + 1;
	int n = snprintf(out, ISO8601_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d", y & 0x3fff, m, d & 63,
		(int)(rest / 3600) & 31, (int)(rest / 60 % 60), (int)(rest % 60));
	int minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;
	if (offset_s == 0)
		snprintf(out + n, (size_t)(ISO8601_TEXT - n), "Z");
	else
		snprintf(out + n, (size_t)(ISO8601_TEXT - n), "%c%02d:%02d",
			offset_s < 0 ? '-' : '+', minutes / 60 % 100, minutes % 60);
	return out;
}
