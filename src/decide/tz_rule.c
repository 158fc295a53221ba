/* SPDX-License-Identifier: GPL-3.0-or-later
 * tz_rule.c - reads the POSIX TZ rule in the footer of a time zone file.
 *
 * Owns: nothing. Thread: any; pure. Fails: false for a text that is no rule. See: RFC 8536 3.3.1.
 */
#include "tz_int.h"

struct text {
	const uint8_t *p, *end;
	bool ok;
};

static int peek(const struct text *t)
{
	return t->p < t->end ? *t->p : -1;
}

static bool take(struct text *t, char c)
{
	if (peek(t) != c)
		return false;
	t->p++;
	return true;
}

static int number(struct text *t, int max)
{
	int n = 0, digits = 0;
	while (peek(t) >= '0' && peek(t) <= '9' && digits < 6) {
		n = n * 10 + (*t->p++ - '0');
		digits++;
	}
	if (digits == 0 || n > max)
		t->ok = false;
	return n;
}

/* "<+1030>" or letters, at least three */
static void skip_name(struct text *t)
{
	const uint8_t *start = t->p;
	bool quoted = take(t, '<');
	while (quoted ? peek(t) > 0 && peek(t) != '>'
		      : (peek(t) | 32) >= 'a' && (peek(t) | 32) <= 'z')
		t->p++;
	if (quoted ? !take(t, '>') : t->p - start < 3)
		t->ok = false;
}

/* [+-]hh[:mm[:ss]] in seconds */
static int32_t clock_time(struct text *t)
{
	int sign = take(t, '-') ? -1 : (take(t, '+'), 1);
	int32_t s = number(t, 167) * 3600;
	if (take(t, ':'))
		s += number(t, 59) * 60;
	if (take(t, ':'))
		s += number(t, 59);
	return sign * s;
}

static struct tz_day change_day(struct text *t)
{
	struct tz_day d = {.kind = DAY_ZERO, .time_s = 2 * 3600};
	if (!take(t, ','))
		t->ok = false;
	if (take(t, 'M')) {
		d.kind = DAY_MONTH_WEEK;
		d.month = number(t, 12);
		t->ok &= take(t, '.');
		d.week = number(t, 5);
		t->ok &= take(t, '.');
		d.day = number(t, 6);
		t->ok &= d.month >= 1 && d.week >= 1;
	} else if (take(t, 'J')) {
		d.kind = DAY_JULIAN;
		d.day = number(t, 365);
		t->ok &= d.day >= 1;
	} else {
		d.day = number(t, 365);
	}
	if (take(t, '/'))
		d.time_s = clock_time(t);
	return d;
}

bool tz_rule_parse(struct slice text, struct tz_rule *out)
{
	struct text t = {text.p, text.p + text.n, true};
	struct tz_rule r = {0};
	skip_name(&t);
	r.std_offset = -clock_time(&t); /* POSIX counts west of Greenwich */
	if (t.ok && t.p < t.end) {
		r.has_dst = true;
		skip_name(&t);
		bool stated = peek(&t) != ',';
		r.dst_offset = stated ? -clock_time(&t) : r.std_offset + 3600;
		r.to_dst = change_day(&t);
		r.to_std = change_day(&t);
	}
	if (!t.ok || t.p != t.end)
		return false;
	*out = r;
	return true;
}

static bool is_leap(int y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days from 1970-01-01 to 1 January of a year from 1 on. */
static int64_t days_to_year(int y)
{
	int64_t n = y - 1;
	return n * 365 + n / 4 - n / 100 + n / 400 - 719162;
}

int tz_year_of(int64_t utc)
{
	if (utc < -62135596800)
		return 1;
	if (utc > 253402300799)
		return 9999;
	int64_t days = (utc - (utc < 0 ? 86399 : 0)) / 86400;
	int y = (int)(days / 366 + 1970);
	y = y < 1 ? 1 : y;
	while (y < 9999 && days_to_year(y + 1) <= days)
		y++;
	while (y > 1 && days_to_year(y) > days)
		y--;
	return y;
}

static int days_to_month(int y, int month)
{
	static const uint16_t before[] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
	return before[month - 1] + (month > 2 && is_leap(y));
}

/* Day of the year, from 0 */
static int day_of_year(const struct tz_day *d, int y)
{
	if (d->kind == DAY_ZERO)
		return d->day;
	if (d->kind == DAY_JULIAN)
		return d->day - 1 + (is_leap(y) && d->day >= 60);
	int first = days_to_month(y, d->month);
	int after = d->month == 12 ? 365 + is_leap(y) : days_to_month(y, d->month + 1);
	int weekday = (int)(((days_to_year(y) + first + 4) % 7 + 7) % 7); /* 1970-01-01: 4 */
	int day = first + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
	return day >= after ? day - 7 : day;
}

void tz_rule_year(const struct tz_rule *r, int year, struct tz_change out[static 2])
{
	int64_t start = days_to_year(year) * 86400;
	struct tz_change dst = {.offset_s = r->dst_offset}, std = {.offset_s = r->std_offset};
	dst.from_utc = start + (int64_t)day_of_year(&r->to_dst, year) * 86400 + r->to_dst.time_s -
		       r->std_offset;
	std.from_utc = start + (int64_t)day_of_year(&r->to_std, year) * 86400 + r->to_std.time_s -
		       r->dst_offset;
	bool dst_first = dst.from_utc <= std.from_utc;
	out[0] = dst_first ? dst : std;
	out[1] = dst_first ? std : dst;
}
