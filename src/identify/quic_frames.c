/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_frames.c - the frames of an Initial packet and the CRYPTO stream behind them.
 *
 * Owns: the stream's heap bytes. Thread: one at a time. Fails: by status.
 * See: RFC 9000 12.4, 19; rows Q07-Q10 (browsers cut and shuffle their hellos on purpose).
 */
#include "identify/quic_frames.h"

#include <stdlib.h>

#include "base/cursor.h"

enum { PADDING = 0x00, PING = 0x01, ACK = 0x02, ACK_ECN = 0x03, CRYPTO = 0x06, CLOSE = 0x1c };

static void skip_ack(struct cursor *c, bool ecn)
{
	cursor_varint(c); /* largest */
	cursor_varint(c); /* delay */
	uint64_t ranges = cursor_varint(c);
	cursor_varint(c); /* first range */
	for (; ranges > 0 && cursor_ok(c); ranges--) {
		cursor_varint(c); /* gap */
		cursor_varint(c); /* length */
	}
	for (int i = 0; ecn && i < 3; i++)
		cursor_varint(c);
}

static struct slice take_bytes(struct cursor *c)
{
	uint64_t n = cursor_varint(c);
	if (n > cursor_left(c)) {
		cursor_fail(c);
		n = 0;
	}
	return cursor_bytes(c, (size_t)n);
}

int quic_frame_next(struct slice *rest, struct quic_frame *out)
{
	struct slice s = *rest;
	while (s.n && (*s.p == PADDING || *s.p == PING)) /* most of an Initial: worth no cursor */
		s = slice_of(s.p + 1, s.n - 1);
	struct cursor c = cursor_inner(s);
	uint64_t type = PADDING;
	while (cursor_left(&c) && (type == PADDING || type == PING)) /* in longer varints, too */
		type = cursor_varint(&c);
	if (!cursor_ok(&c))
		return -1;
	if (type == PADDING || type == PING)
		return 0;
	*out = (struct quic_frame){0};
	if (type == ACK || type == ACK_ECN) {
		out->type = QUIC_FRAME_ACK;
		skip_ack(&c, type == ACK_ECN);
	} else if (type == CRYPTO) {
		out->type = QUIC_FRAME_CRYPTO;
		out->offset = cursor_varint(&c);
		out->data = take_bytes(&c);
	} else if (type == CLOSE) {
		out->type = QUIC_FRAME_CLOSE;
		out->error = cursor_varint(&c);
		cursor_varint(&c); /* type of the offending frame */
		out->data = take_bytes(&c);
	} else {
		return -1;
	}
	if (!cursor_ok(&c))
		return -1;
	*rest = slice_of(c.p, cursor_left(&c));
	return 1;
}

void quic_stream_fini(struct quic_stream *s)
{
	free(s->bytes);
	*s = (struct quic_stream){0};
}

static bool grow(struct quic_stream *s, size_t need)
{
	size_t cap = s->cap ? s->cap : 1024;
	while (cap < need)
		cap *= 2;
	if (cap == s->cap)
		return true;
	uint8_t *b = realloc(s->bytes, cap);
	if (!b)
		return false;
	s->bytes = b;
	s->cap = (uint16_t)cap;
	return true;
}

/* Bytes that lie in both must be equal. */
static bool agrees(const struct quic_stream *s, size_t from, struct slice data)
{
	size_t to = from + data.n;
	for (unsigned i = 0; i < s->n_ranges; i++) {
		size_t a = s->ranges[i].from > from ? s->ranges[i].from : from;
		size_t b = s->ranges[i].to < to ? s->ranges[i].to : to;
		if (a < b && memcmp(s->bytes + a, data.p + (a - from), b - a) != 0)
			return false;
	}
	return true;
}

/* Merges [from, to) into the ranges; those it touches become one. False when there would be too many. */
static bool merge(struct quic_stream *s, size_t from, size_t to)
{
	unsigned first = 0, last;
	while (first < s->n_ranges && s->ranges[first].to < from)
		first++;
	for (last = first; last < s->n_ranges && s->ranges[last].from <= to; last++) {
		if (s->ranges[last].from < from)
			from = s->ranges[last].from;
		if (s->ranges[last].to > to)
			to = s->ranges[last].to;
	}
	if (first == last && s->n_ranges == QUIC_STREAM_GAPS)
		return false;
	memmove(&s->ranges[first + 1], &s->ranges[last],
		(s->n_ranges - last) * sizeof(s->ranges[0]));
	s->ranges[first] = (struct quic_range){(uint16_t)from, (uint16_t)to};
	s->n_ranges = (uint16_t)(s->n_ranges - (last - first) + 1);
	return true;
}

enum quic_stream_status quic_stream_add(struct quic_stream *s, uint64_t offset, struct slice data)
{
	if (data.n == 0)
		return QUIC_STREAM_OK;
	if (offset > QUIC_STREAM_MAX || data.n > QUIC_STREAM_MAX - offset)
		return QUIC_STREAM_FULL;
	size_t from = (size_t)offset;
	if (!agrees(s, from, data))
		return QUIC_STREAM_CONTRADICTION;
	if (!grow(s, from + data.n))
		return QUIC_STREAM_MEMORY;
	if (!merge(s, from, from + data.n))
		return QUIC_STREAM_FULL;
	memcpy(s->bytes + from, data.p, data.n);
	return QUIC_STREAM_OK;
}

uint32_t quic_stream_end(const struct quic_stream *s)
{
	return s->n_ranges ? s->ranges[s->n_ranges - 1].to : 0;
}

struct slice quic_stream_start(const struct quic_stream *s)
{
	if (s->n_ranges == 0 || s->ranges[0].from != 0)
		return slice_of(NULL, 0);
	return slice_of(s->bytes, s->ranges[0].to);
}
