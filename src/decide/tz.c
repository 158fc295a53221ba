/* SPDX-License-Identifier: GPL-3.0-or-later
 * tz.c - reads a compiled time zone file into rows of UTC transitions.
 *
 * A TZif file has a block of recorded transitions and, from version 2 on, a footer: a POSIX TZ rule for all later
 * years. The rows of the footer are computed year by year up to the wanted end (tz_rule.c).
 *
 * Owns: nothing. Thread: any; pure. Fails: -EINVAL, -E2BIG. See: RFC 8536.
 */
#include "decide/tz.h"

#include <errno.h>

#include "base/cursor.h"
#include "tz_int.h"

/* One data block: counts, then the arrays they announce. */
struct block {
	uint32_t n_utc, n_std, n_leap, n_time, n_type, n_char;
	struct slice times, indexes, types;
};

static int64_t big_endian(const uint8_t *p, size_t n)
{
	uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;
	for (size_t k = 0; k < n; k++)
		v = v << 8 | p[k];
	return (int64_t)v;
}

static uint8_t read_header(struct cursor *c, struct block *b)
{
	struct slice magic = cursor_bytes(c, 4);
	uint8_t version = cursor_u8(c);
	cursor_skip(c, 15);
	b->n_utc = cursor_u32(c);
	b->n_std = cursor_u32(c);
	b->n_leap = cursor_u32(c);
	b->n_time = cursor_u32(c);
	b->n_type = cursor_u32(c);
	b->n_char = cursor_u32(c);
	if (cursor_ok(c) && memcmp(magic.p, "TZif", 4) != 0)
		cursor_fail(c);
	return version;
}

static void read_arrays(struct cursor *c, struct block *b, size_t time_size)
{
	b->times = cursor_bytes(c, (size_t)b->n_time * time_size);
	b->indexes = cursor_bytes(c, b->n_time);
	b->types = cursor_bytes(c, (size_t)b->n_type * 6);
	cursor_skip(c, b->n_char);
	cursor_skip(c, (size_t)b->n_leap * (time_size + 4));
	cursor_skip(c, b->n_std);
	cursor_skip(c, b->n_utc);
}

static bool type_offset(const struct block *b, uint32_t type, int32_t *offset)
{
	if (type >= b->n_type)
		return false;
	*offset = (int32_t)big_endian(b->types.p + 6 * (size_t)type, 4);
	return *offset >= -7 * 86400 && *offset <= 7 * 86400;
}

/* Rows are wanted from one moment to another; what held before the first is its row's business. */
struct rows {
	struct tz_change *out;
	size_t n, max;
	int64_t from, until;
};

static int add_row(struct rows *r, int64_t from_utc, int32_t offset)
{
	if (from_utc <= r->from || r->n == 0) {
		r->out[0] = (struct tz_change){INT64_MIN, offset};
		r->n = 1;
		return 0;
	}
	if (r->n > 1 && from_utc <= r->out[r->n - 1].from_utc)
		r->n--; /* the later word for one moment (a rule of all-year summer time) */
	if (from_utc > r->until || r->out[r->n - 1].offset_s == offset)
		return 0;
	if (r->n == r->max)
		return -E2BIG;
	r->out[r->n++] = (struct tz_change){from_utc, offset};
	return 0;
}

static int add_recorded(struct rows *r, const struct block *b, size_t time_size)
{
	int32_t offset;
	if (!type_offset(b, 0, &offset))
		return -EINVAL;
	int rc = add_row(r, INT64_MIN, offset);
	int64_t before = INT64_MIN;
	for (uint32_t k = 0; rc == 0 && k < b->n_time; k++) {
		int64_t at = big_endian(b->times.p + k * time_size, time_size);
		if (!type_offset(b, b->indexes.p[k], &offset) || (k > 0 && at <= before))
			return -EINVAL;
		before = at;
		rc = add_row(r, at, offset);
	}
	return rc;
}

static int64_t last_recorded(const struct block *b, size_t time_size)
{
	return b->n_time ? big_endian(b->times.p + (b->n_time - 1) * time_size, time_size)
			 : INT64_MIN;
}

/* The rule speaks for the years after the last recorded transition. */
static int add_ruled(struct rows *r, const struct tz_rule *rule, int64_t last)
{
	struct tz_change year[2];
	int64_t start = last > r->from ? last : r->from;
	if (!rule->has_dst)
		return add_row(r, start, rule->std_offset);
	int first = tz_year_of(start) - 1, end = tz_year_of(r->until) + 1;
	int rc = 0;
	for (int y = first; rc == 0 && y <= end; y++) {
		tz_rule_year(rule, y, year);
		for (int k = 0; rc == 0 && k < 2; k++) {
			if (year[k].from_utc > last)
				rc = add_row(r, year[k].from_utc, year[k].offset_s);
		}
	}
	return rc;
}

static struct slice read_footer(struct cursor *c)
{
	struct slice s = {0};
	if (cursor_u8(c) != '\n')
		return s;
	s.p = c->p;
	while (cursor_left(c) > 0 && *c->p != '\n') {
		cursor_skip(c, 1);
		s.n++;
	}
	return s;
}

int tz_read(struct slice tzif, int64_t from_utc, int64_t until_utc, struct tz_change *out,
	size_t max, size_t *n)
{
	struct cursor c = cursor_outer(tzif);
	struct rows rows = {.out = out, .max = max, .from = from_utc, .until = until_utc};
	struct block b = {0};
	struct tz_rule rule;
	size_t time_size = 4;
	uint8_t version = read_header(&c, &b);
	read_arrays(&c, &b, time_size);
	if (version >= '2') {
		time_size = 8;
		read_header(&c, &b);
		read_arrays(&c, &b, time_size);
	}
	if (!cursor_ok(&c) || max == 0)
		return -EINVAL;
	int rc = add_recorded(&rows, &b, time_size);
	struct slice footer = version >= '2' ? read_footer(&c) : (struct slice){0};
	if (rc == 0 && footer.n > 0)
		rc = tz_rule_parse(footer, &rule)
			     ? add_ruled(&rows, &rule, last_recorded(&b, time_size))
			     : -EINVAL;
	*n = rc == 0 ? rows.n : 0;
	return rc;
}

int32_t tz_offset(const struct tz_change *rows, size_t n, int64_t utc)
{
	size_t lo = 0, hi = n;
	while (lo < hi) { /* the first row after utc */
		size_t mid = lo + (hi - lo) / 2;
		if (rows[mid].from_utc <= utc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 ? rows[lo - 1].offset_s : n > 0 ? rows[0].offset_s : 0;
}
