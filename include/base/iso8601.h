/* SPDX-License-Identifier: GPL-3.0-or-later
 * iso8601.h - reads and writes moments as 2026-11-23T21:00:00+01:00.
 *
 * Owns: nothing. Thread: any; pure. Fails: parse returns false and leaves *out alone. See: RFC 3339.
 */
#ifndef BASE_ISO8601_H
#define BASE_ISO8601_H

#include "base/slice.h"

enum { ISO8601_TEXT = 32 };

/* Date, 'T' or a space, time with or without seconds (a fraction is cut off), and an offset: Z, +01:00, +0100 or +01. */
bool iso8601_parse(struct slice text, int64_t *out_utc_s);
/* Local time at an offset from UTC, with that offset; UTC is written as "Z". Years 0 to 9999, others are cut to them. */
const char *iso8601_format(int64_t utc_s, int32_t offset_s, char out[static ISO8601_TEXT]);

#endif
