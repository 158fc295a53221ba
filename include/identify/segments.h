/* SPDX-License-Identifier: GPL-3.0-or-later
 * segments.h - the client's bytes of one TCP connection, put in order: first copy wins, later copies are compared.
 *
 * Offsets count from byte 0 = the first byte after the SYN (or the first byte seen of a connection found mid-stream).
 * Only segments_release() forgets bytes, so a retransmission that differs from the first copy is always noticed.
 *
 *	 0            released          contiguous            end              limit
 *	 |--gone--------|-----kept-----------|..holes and data.|................|
 *
 * Owns: one growing block of the pool or heap (doubling, to twice `limit` + 1/8 at most). Thread: one at a time.
 * Fails: by result; SEGMENTS_NO_MEMORY changes nothing. See: RFC 9293 3.10.7.4; rows P17-P25;
 * docs/design/identification.md "TCP bytes".
 */
#ifndef IDENTIFY_SEGMENTS_H
#define IDENTIFY_SEGMENTS_H

#include "base/pool.h"
#include "base/slice.h"

enum segments_result {
	SEGMENTS_NEW,  /* holds bytes not seen before (perhaps out of order): pass it on */
	SEGMENTS_SAME, /* nothing new, equal to what was seen; also an empty segment: pass it on */
	SEGMENTS_OLD, /* lies wholly before what is kept (released, or before the start): cannot be compared */
	SEGMENTS_PAD, /* a keep-alive probe or zero padding that is no data: not stored; do not pass it on */
	SEGMENTS_CONTRADICTION, /* differs from the first copy: drop; the flow is EVASIVE, anomaly CONTRADICTION */
	SEGMENTS_OUTSIDE, /* more than `limit` ahead of the kept bytes' start: drop, judge nothing by it */
	SEGMENTS_FULL, /* begins inside the limit and runs past it: the flow is EVASIVE, anomaly TOO_LARGE */
	SEGMENTS_NO_MEMORY,
};

struct segments {
	uint8_t *bytes; /* kept bytes from `released`, then a bitmap of those past `contiguous` */
	uint32_t cap;	/* bytes of room, without the bitmap */
	uint32_t limit; /* most bytes kept */
	uint32_t start; /* TCP sequence number of offset 0 plus `released` */
	uint32_t contiguous; /* kept bytes without a gap, counted from `released` */
	uint32_t end;	     /* one past the highest byte seen, counted from `released` */
	uint64_t released;   /* bytes gone: the stream offset of the first kept byte */
	uint32_t
		pad_at; /* a pad not yet known to be data, counted from `released`; pad_n 0 = none */
	uint8_t pad_n;
	struct pool
		*pool; /* of `bytes`; set by the caller behind segments_init(), NULL: the heap */
};

/* first_seq: sequence number of the first data byte (SYN's + 1). limit: 1..16 MiB, usually SEGMENTS_LIMIT. */
enum { SEGMENTS_LIMIT = 64 * 1024 };
void segments_init(struct segments *s, uint32_t first_seq, uint32_t limit);
void segments_fini(struct segments *s); /* tolerates {0} */
/* No more bytes are likely to come: what is kept takes as little room as it can. Without memory it stays as it is. */
void segments_trim(struct segments *s);
size_t segments_memory(const struct segments *s); /* bytes of its block */

/* psh: the segment's PSH flag. seq is the sequence number of payload.p[0] (a SYN's own number + 1 for data in a SYN). */
enum segments_result segments_add(struct segments *s, uint32_t seq, struct slice payload, bool psh);

/* A few zero bytes that a driver may have counted as payload, or that a sender's next segment shows to be data. */
bool segments_is_padding(struct slice in, bool psh);

/* The kept bytes without a gap; stream offset of the first is s->released. Valid until the next add or release. */
struct slice segments_contiguous(const struct segments *s);
/* Sequence number of the first byte not yet seen without a gap. */
uint32_t segments_next_seq(const struct segments *s);
/* The stream begins earlier than thought: offset 0 moves to first_seq. False, and nothing changed, when first_seq is not
 * before the start, bytes were released already, the kept bytes would not fit the limit, or memory is out. */
bool segments_rebase(struct segments *s, uint32_t first_seq);
/* Forget bytes before stream offset `upto` (at most the contiguous ones): the window moves on. */
void segments_release(struct segments *s, uint64_t upto);
/* The same, whether they were seen or not: nobody needs them. upto - released < 2 GiB, or sequence numbers would wrap. */
void segments_jump(struct segments *s, uint64_t upto);

#endif
