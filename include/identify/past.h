/* SPDX-License-Identifier: GPL-3.0-or-later
 * past.h - the bytes of a client that segments.h has released already, kept for comparison with late copies.
 *
 * A sender may have megabytes in flight and send lost parts of them again. A copy may pass when it equals the first one, or when
 * its content does not matter: inside a body, whose end is known from the head. So bodies take no room here, however long they
 * are. Heads, sizes of chunks and the lines of a cleartext preamble are kept, at least the newest `limit` bytes of them.
 *
 *	 0        from                                                  end = what segments.h has released
 *	 |--gone---|--head--|.......body.......|--head--|....body........|
 *
 * Owns: two growing heap blocks. Thread: one at a time. Fails: without memory it forgets, and answers PAST_UNKNOWN.
 * See: RFC 9293 3.10.7.4; rows P17-P25.
 */
#ifndef IDENTIFY_PAST_H
#define IDENTIFY_PAST_H

#include "base/slice.h"

enum past_says {
	PAST_SAME,    /* equal to the first copy, or none of its bytes matters */
	PAST_OTHER,   /* differs where it matters */
	PAST_UNKNOWN, /* older than what is kept */
};

struct past_span; /* private */

struct past { /* = {.limit = ...}; `limit`: bytes, 2..1 << 28 */
	uint64_t from,
		end; /* stream offsets: of the first byte that is known, of the first one behind it */
	uint32_t limit;
	uint32_t n, cap; /* private */
	uint8_t *bytes;
	struct past_span *spans;
	uint32_t spans_n, spans_cap;
};

void past_fini(struct past *p); /* tolerates {0} */
/* The stream goes on with these bytes; with n bytes that may be any. */
void past_keep(struct past *p, struct slice bytes);
void past_skip(struct past *p, uint64_t n);
/* bytes: those that came again for the stream offsets from `at` on. at + bytes.n <= end. */
enum past_says past_compare(const struct past *p, uint64_t at, struct slice bytes);
size_t past_memory(const struct past *p); /* bytes of heap */

#endif
