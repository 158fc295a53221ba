/* SPDX-License-Identifier: GPL-3.0-or-later
 * tz.h - turns a compiled time zone file (TZif, RFC 8536) into rows of UTC transitions, the rule of its footer included.
 *
 * Owns: nothing; rows go to the caller's array. Thread: any; pure.
 * Fails: -EINVAL not a TZif file; -E2BIG more than max rows are needed.
 */
#ifndef DECIDE_TZ_H
#define DECIDE_TZ_H

#include "base/slice.h"
#include "model/conf.h"

/* Rows that matter between from_utc and until_utc (at most max; 200 is plenty for 60 years). */
int tz_read(struct slice tzif, int64_t from_utc, int64_t until_utc, struct tz_change *out,
	size_t max, size_t *n);
int32_t tz_offset(const struct tz_change *rows, size_t n, int64_t utc);

#endif
