/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_bytes.c - the kept bytes of an inspected TCP flow: the ones in order, and the judged ones before them.
 *
 * Judged bytes move from the segments to the past (identify/past.h) at once. The bytes of a body are not kept there: once its
 * head is allowed, they may be any bytes, in any order, and the window begins behind the end of the body.
 *
 * Sequence numbers have 32 bits, so the window runs at most SKIP_AHEAD ahead of what has arrived. (Conntrack keeps a client from
 * running ahead of the server without end: it calls INVALID what lies outside the server's window.)
 *
 * Owns: nothing. Thread: its worker's. Fails: by result. See: identify/segments.h, identify/past.h.
 */
#include "flow_int.h"

enum { SKIP_AHEAD = 256 << 20 };

size_t flow_tcp_kept(const struct flow_tcp *t)
{
	return t->closed ? 0 : segments_memory(&t->seg) + past_memory(&t->past);
}

/* Stream offset of a sequence number near the window; below 0: before the stream's start. */
static int64_t offset_of(const struct flow_tcp *t, uint32_t seq)
{
	return (int64_t)t->seg.released + (int32_t)(seq - t->seg.start);
}

bool flow_tcp_before_start(const struct flow_tcp *t, uint32_t seq)
{
	return offset_of(t, seq) < 0;
}

void flow_tcp_settle(struct flow_tcp *t)
{
	uint64_t n = t->id.pos > t->seg.released ? t->id.pos - t->seg.released : 0;
	struct slice in_order = segments_contiguous(&t->seg);

	if (n > in_order.n)
		n = in_order.n;
	past_keep(&t->past, slice_of(in_order.p, (size_t)n));
	segments_release(&t->seg, t->seg.released + n);
}

bool flow_tcp_in_body(const struct flow_tcp *t)
{
	return stream_ident_in_body(&t->id) ||
	       (int32_t)(segments_next_seq(&t->seg) - t->client_end) >
		       0; /* skipped before it came */
}

bool flow_tcp_skip_body(struct flow_tcp *t, uint32_t newest)
{
	uint64_t rest = stream_ident_rest(&t->id), pos = t->id.pos, most;
	int64_t end = offset_of(t, newest);

	if (rest == 0)
		return false;
	flow_tcp_settle(t);
	/* by large steps, not by a packet each */
	if (t->seg.released != pos || end < 0 || pos >= (uint64_t)end + SKIP_AHEAD / 2)
		return false;
	most = (uint64_t)end + SKIP_AHEAD - pos;
	if (rest > most)
		rest = most;
	stream_ident_skip(&t->id, rest);
	past_skip(&t->past, rest);
	segments_jump(&t->seg, pos + rest);
	return true;
}

/* A copy that cannot be compared: it differs where it matters, or may. A probe for a sign of life says nothing (its one
 * byte stands before the next one), nor does padding. */
static enum segments_result of_the_past(
	const struct flow_tcp *t, uint64_t at, struct slice old, bool psh)
{
	bool probe = old.n == 1 && t->seg.end == 0 && at + 1 == t->seg.released;

	switch (past_compare(&t->past, at, old)) {
	case PAST_SAME:
		return SEGMENTS_SAME;
	case PAST_OTHER:
		return probe || segments_is_padding(old, psh) ? SEGMENTS_PAD
							      : SEGMENTS_CONTRADICTION;
	case PAST_UNKNOWN:
		break;
	}
	return stream_ident_may_differ(&t->id, at, old) ? SEGMENTS_SAME : SEGMENTS_OLD;
}

enum segments_result flow_tcp_add(struct flow_tcp *t, const struct packet *k)
{
	int64_t before = (int64_t)t->seg.released - offset_of(t, k->seq);
	bool psh = k->flags & PACKET_PSH;
	enum segments_result how = SEGMENTS_SAME;
	size_t old;

	if (before > 0) {
		old = (uint64_t)before < k->payload.n ? (size_t)before : k->payload.n;
		how = of_the_past(
			t, t->seg.released - (uint64_t)before, slice_of(k->payload.p, old), psh);
		if (how != SEGMENTS_SAME || old == k->payload.n)
			return how;
	}
	return segments_add(&t->seg, k->seq, k->payload, psh);
}
