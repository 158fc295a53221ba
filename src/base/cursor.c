/* SPDX-License-Identifier: GPL-3.0-or-later
 * cursor.c - the sticky-error reader.
 *
 * Owns: nothing. Thread: any; pure. Fails: by status. See: RFC 9000 16 (variable-length integers).
 */
#include "base/cursor.h"

static struct cursor make(struct slice in, enum parse short_)
{
	static const uint8_t nothing;
	const uint8_t *p = in.n ? in.p : &nothing;

	return (struct cursor){.p = p, .end = p + in.n, .status = PARSE_OK, .short_ = short_};
}

struct cursor cursor_outer(struct slice in)
{
	return make(in, PARSE_NEED_MORE);
}

struct cursor cursor_inner(struct slice in)
{
	return make(in, PARSE_INVALID);
}

size_t cursor_left(const struct cursor *c)
{
	return c->status == PARSE_OK ? (size_t)(c->end - c->p) : 0;
}

bool cursor_ok(const struct cursor *c)
{
	return c->status == PARSE_OK;
}

void cursor_fail(struct cursor *c)
{
	if (c->status == PARSE_OK)
		c->status = PARSE_INVALID;
}

/* n bytes, or NULL with the error set */
static const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->status != PARSE_OK)
		return NULL;
	if ((size_t)(c->end - c->p) < n) {
		c->status = c->short_;
		return NULL;
	}
	c->p += n;
	return p;
}

static uint64_t number(struct cursor *c, size_t n)
{
	const uint8_t *p = take(c, n);
	uint64_t v = 0;

	if (!p)
		return 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)number(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)number(c, 2);
}

uint32_t cursor_u24(struct cursor *c)
{
	return (uint32_t)number(c, 3);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)number(c, 4);
}

uint64_t cursor_varint(struct cursor *c)
{
	const uint8_t *start = c->p;
	size_t n;
	uint64_t v;

	if (!take(c, 1))
		return 0;
	n = (size_t)1 << (start[0] >> 6);
	c->p = start; /* all of it or nothing moves */
	v = number(c, n);
	return v & (UINT64_MAX >> (64 - 8 * n + 2));
}

struct slice cursor_bytes(struct cursor *c, size_t n)
{
	const uint8_t *p = take(c, n);

	return p ? slice_of(p, n) : slice_of(NULL, 0);
}

void cursor_skip(struct cursor *c, size_t n)
{
	take(c, n);
}

struct cursor cursor_block(struct cursor *c, size_t n)
{
	struct slice s = cursor_bytes(c, n);
	struct cursor inner = cursor_inner(s);

	inner.status = c->status;
	return inner;
}

enum parse cursor_done(const struct cursor *c)
{
	if (c->status != PARSE_OK)
		return c->status;
	return c->p == c->end ? PARSE_OK : PARSE_INVALID;
}
