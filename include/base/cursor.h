/* SPDX-License-Identifier: GPL-3.0-or-later
 * cursor.h - a sticky-error reader over bytes from the wire.
 *
 * A cursor knows whether running short means "more may come" (the outermost bytes of a stream) or "the message
 * lies" (inside a block whose length was declared and whose bytes are all present). Reading past the end sets the
 * error once; every later read returns 0 and moves nothing, so a parser checks once, at its end.
 *
 * Law for every parser built on it: each proper prefix of a valid input is PARSE_NEED_MORE, never OK, never INVALID.
 *
 * Owns: nothing; slices point into the caller's bytes. Thread: any; pure. Fails: by status.
 */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include "base/slice.h"

enum parse {
	PARSE_OK = 0,
	PARSE_NEED_MORE, /* a proper prefix of something valid, as far as can be seen */
	PARSE_INVALID,	 /* no continuation can make it valid */
};

struct cursor {
	const uint8_t *p, *end;
	enum parse status; /* PARSE_OK until the first read that does not fit */
	enum parse short_; /* what running short means here */
};

struct cursor cursor_outer(struct slice in); /* running short = NEED_MORE */
struct cursor cursor_inner(struct slice in); /* running short = INVALID */

size_t cursor_left(const struct cursor *c); /* 0 once in error */
bool cursor_ok(const struct cursor *c);
void cursor_fail(struct cursor *c); /* INVALID, sticky; keeps an earlier error */

/* big-endian; 0 when short */
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u24(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_varint(struct cursor *c); /* QUIC variable-length integer, RFC 9000 section 16 */
struct slice cursor_bytes(struct cursor *c, size_t n);
void cursor_skip(struct cursor *c, size_t n);

/* A block of `n` declared bytes. If all of them are present: an inner cursor over them (short = INVALID).
 * If not: an inner cursor in this cursor's error state (NEED_MORE at the outermost level). */
struct cursor cursor_block(struct cursor *c, size_t n);

/* Status for the end of a parser: the error, or INVALID when bytes are left over, or OK. */
enum parse cursor_done(const struct cursor *c);

#endif
