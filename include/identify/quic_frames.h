/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_frames.h - the frames that an Initial packet may hold, and the bytes of its CRYPTO stream put together.
 *
 * Owns: struct quic_stream owns its heap bytes. Thread: one at a time. Fails: by status.
 * See: RFC 9000 12.4 (which frames), 19.1, 19.2, 19.3, 19.6, 19.19.
 */
#ifndef IDENTIFY_QUIC_FRAMES_H
#define IDENTIFY_QUIC_FRAMES_H

#include "base/slice.h"

enum quic_frame_type { /* PADDING and PING are skipped */
	QUIC_FRAME_ACK,
	QUIC_FRAME_CRYPTO,
	QUIC_FRAME_CLOSE, /* 0x1c */
};
struct quic_frame {
	enum quic_frame_type type;
	uint64_t offset;   /* CRYPTO */
	struct slice data; /* CRYPTO; CLOSE: the reason phrase */
	uint64_t error;	   /* CLOSE */
};

/* Takes the next frame off *rest. 1: *out is set; 0: no frame is left; -1: a frame that no Initial may hold, or a
 * length that lies. */
int quic_frame_next(struct slice *rest, struct quic_frame *out);

enum {
	QUIC_STREAM_MAX = 16 * 1024, /* bytes of CRYPTO data kept */
	QUIC_STREAM_GAPS = 32,	     /* ranges kept apart at once */
};
enum quic_stream_status {
	QUIC_STREAM_OK,
	QUIC_STREAM_CONTRADICTION, /* bytes seen before, now different; the first copy stays */
	QUIC_STREAM_FULL,	   /* beyond QUIC_STREAM_MAX or QUIC_STREAM_GAPS */
	QUIC_STREAM_MEMORY,
};
struct quic_range {
	uint16_t from, to; /* [from, to) */
};
struct quic_stream {
	uint8_t *bytes; /* grows by doubling to QUIC_STREAM_MAX */
	uint16_t cap, n_ranges;
	struct quic_range ranges[QUIC_STREAM_GAPS]; /* in order, never touching */
};
void quic_stream_fini(struct quic_stream *s); /* tolerates {0} */
enum quic_stream_status quic_stream_add(struct quic_stream *s, uint64_t offset, struct slice data);
uint32_t quic_stream_end(const struct quic_stream *s);	     /* one past the highest byte held */
struct slice quic_stream_start(const struct quic_stream *s); /* the bytes from 0 without a gap */

#endif
