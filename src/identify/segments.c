/* SPDX-License-Identifier: GPL-3.0-or-later
 * segments.c - the client's bytes in order; first copy wins, later copies are compared.
 *
 * Bytes that arrive in order need no bookkeeping but `contiguous`. Bytes beyond a gap have one bit each in a bitmap that lies
 * behind the bytes, so every pattern of holes costs the same.
 *
 * Owns: s->bytes. Thread: one at a time. Fails: by result. See: identify/segments.h.
 */
#include "identify/segments.h"

/* FIRST_CAP and its bitmap, and so twice as much and half of it, fill a block of the pool */
enum { FIRST_CAP = 1792, LEAST_CAP = 112, PAD_MAX = 6 };

void segments_init(struct segments *s, uint32_t first_seq, uint32_t limit)
{
	*s = (struct segments){.start = first_seq, .limit = limit};
}

static size_t block_bytes(uint32_t cap)
{
	return cap + cap / 8;
}

size_t segments_memory(const struct segments *s)
{
	return block_bytes(s->cap);
}

void segments_fini(struct segments *s)
{
	pool_put(s->pool, s->bytes, block_bytes(s->cap));
	*s = (struct segments){0};
}

struct slice segments_contiguous(const struct segments *s)
{
	return slice_of(s->bytes, s->contiguous);
}

uint32_t segments_next_seq(const struct segments *s)
{
	return s->start + s->contiguous;
}

static bool bit(const struct segments *s, uint32_t i)
{
	return s->bytes[s->cap + i / 8] >> (i % 8) & 1;
}

static void bit_put(struct segments *s, uint32_t i, bool on)
{
	uint8_t *at = &s->bytes[s->cap + i / 8];
	uint8_t mask = (uint8_t)(1u << (i % 8));

	*at = (uint8_t)(on ? *at | mask : *at & ~mask);
}

static bool has(const struct segments *s, uint32_t i)
{
	return i < s->contiguous || (i < s->end && bit(s, i));
}

/* Another block, with room for `cap` bytes, a multiple of 8 and at least s->end. */
static bool resize(struct segments *s, uint32_t cap)
{
	uint8_t *fresh = pool_get(s->pool, block_bytes(cap));
	uint32_t bits = s->cap < cap ? s->cap : cap;

	if (!fresh)
		return false;
	memset(fresh + cap, 0, cap / 8);
	if (s->bytes) {
		memcpy(fresh, s->bytes, s->end);
		memcpy(fresh + cap, s->bytes + s->cap, bits / 8);
	}
	pool_put(s->pool, s->bytes, block_bytes(s->cap));
	s->bytes = fresh;
	s->cap = cap;
	return true;
}

static bool grow(struct segments *s, uint32_t want)
{
	uint32_t cap = s->cap ? s->cap : FIRST_CAP;

	if (want <= s->cap)
		return true;
	while (cap < want)
		cap *= 2;
	return resize(s, cap);
}

/* By steps of a half and a third in turn, as the pool has them; all are multiples of 8. */
void segments_trim(struct segments *s)
{
	uint32_t half = LEAST_CAP, cap = LEAST_CAP;

	while (cap < s->end)
		cap = cap == half ? half + half / 2 : (half *= 2);
	if (cap < s->cap)
		resize(s, cap);
}

/* Are the bytes of [at, at + n) that were seen before the same as these? *fresh: some were not seen. */
static bool agrees(const struct segments *s, uint32_t at, struct slice in, bool *fresh)
{
	size_t i, old = 0;

	if (at < s->contiguous) {
		old = s->contiguous - at < in.n ? s->contiguous - at : in.n;
		if (memcmp(s->bytes + at, in.p, old) != 0)
			return false;
	}
	*fresh = at + in.n > s->end; /* behind all that was seen */
	for (i = old; i < in.n && at + i < s->end; i++) {
		if (!has(s, at + (uint32_t)i))
			*fresh = true;
		else if (s->bytes[at + i] != in.p[i])
			return false;
	}
	return true;
}

static void advance(struct segments *s)
{
	while (s->contiguous < s->end && bit(s, s->contiguous))
		s->contiguous++;
}

/* Room is there, and what was seen before agrees. */
static void store(struct segments *s, uint32_t at, struct slice in)
{
	uint32_t to = at + (uint32_t)in.n, i;

	memcpy(s->bytes + at, in.p, in.n);
	if (at <= s->contiguous) {
		if (to > s->contiguous)
			s->contiguous = to;
	} else {
		for (i = at; i < to; i++)
			bit_put(s, i, true);
	}
	if (to > s->end)
		s->end = to;
	advance(s);
}

static bool all_zero(struct slice in)
{
	size_t i;

	for (i = 0; i < in.n; i++)
		if (in.p[i] != 0)
			return false;
	return true;
}

bool segments_is_padding(struct slice in, bool psh)
{
	return !psh && in.n <= PAD_MAX && all_zero(in);
}

/* Ethernet padding that a driver counted as payload, or data? Data, once the sender goes on behind it: a segment
 * without PSH has a successor. */
static bool is_pad(struct segments *s, uint32_t at, struct slice in, bool psh)
{
	if (!segments_is_padding(in, psh))
		return false;
	s->pad_at = at;
	s->pad_n = (uint8_t)in.n;
	return true;
}

/* The sender went on behind a pad: it was data. (A copy of it that differs will contradict.) */
static void confirm_pad(struct segments *s, uint32_t at)
{
	static const uint8_t zeros[PAD_MAX];
	bool fresh;

	if (s->pad_n == 0 || at != s->pad_at + s->pad_n)
		return;
	if (agrees(s, s->pad_at, slice_of(zeros, s->pad_n), &fresh))
		store(s, s->pad_at, slice_of(zeros, s->pad_n));
	s->pad_n = 0;
}

static enum segments_result add_at(struct segments *s, uint32_t at, struct slice in, bool psh)
{
	bool fresh;

	if (!grow(s, at + (uint32_t)in.n))
		return SEGMENTS_NO_MEMORY;
	confirm_pad(s, at);
	if (!agrees(s, at, in, &fresh)) {
		bool probe = in.n == 1 && at + 1 == s->contiguous;

		return probe || segments_is_padding(in, psh) ? SEGMENTS_PAD
							     : SEGMENTS_CONTRADICTION;
	}
	if (!fresh)
		return SEGMENTS_SAME;
	if (is_pad(s, at, in, psh))
		return SEGMENTS_PAD;
	store(s, at, in);
	return SEGMENTS_NEW;
}

enum segments_result segments_add(struct segments *s, uint32_t seq, struct slice payload, bool psh)
{
	int64_t at = (int32_t)(seq - s->start);

	if (payload.n == 0)
		return SEGMENTS_SAME;
	if (at + (int64_t)payload.n <= 0)
		return SEGMENTS_OLD;
	if (at < 0) {
		payload.p -= at;
		payload.n = (size_t)((int64_t)payload.n + at);
		at = 0;
	}
	if (at >= s->limit)
		return SEGMENTS_OUTSIDE;
	if ((uint64_t)at + payload.n > s->limit)
		return SEGMENTS_FULL;
	return add_at(s, (uint32_t)at, payload, psh);
}

bool segments_rebase(struct segments *s, uint32_t first_seq)
{
	uint32_t by = s->start - first_seq, i;
	struct segments moved;

	if (by == 0 || by > s->limit || s->released != 0 || by + s->end > s->limit)
		return false;
	segments_init(&moved, first_seq, s->limit);
	moved.pool = s->pool;
	if (!grow(&moved, by + s->end))
		return false;
	memcpy(moved.bytes + by, s->bytes, s->end);
	for (i = 0; i < s->end; i++)
		if (has(s, i))
			bit_put(&moved, by + i, true);
	moved.end = by + s->end;
	segments_fini(s);
	*s = moved;
	return true;
}

static void move_on(struct segments *s, uint32_t n)
{
	s->start += n;
	s->released += n;
	s->pad_n = 0;
}

void segments_release(struct segments *s, uint64_t upto)
{
	uint32_t n, i;

	if (upto <= s->released)
		return;
	n = upto - s->released < s->contiguous ? (uint32_t)(upto - s->released) : s->contiguous;
	if (n == 0)
		return;
	memmove(s->bytes, s->bytes + n, s->end - n);
	for (i = s->contiguous; i < s->end; i++)
		bit_put(s, i - n, bit(s, i));
	for (i = s->end - n; i < s->end; i++)
		bit_put(s, i, false);
	s->contiguous -= n;
	s->end -= n;
	move_on(s, n);
}

void segments_jump(struct segments *s, uint64_t upto)
{
	uint32_t n;

	segments_release(s, upto);
	if (upto <= s->released)
		return;
	/* behind a gap, or behind all: what is left of the kept bytes is no longer counted from the gap's start */
	n = (uint32_t)(upto - s->released);
	if (n >= s->end) {
		if (s->end > s->contiguous)
			memset(s->bytes + s->cap, 0, s->cap / 8);
		s->end = s->contiguous = 0;
		move_on(s, n);
	} else {
		s->contiguous = n;
		segments_release(s, upto);
		advance(s);
	}
}
