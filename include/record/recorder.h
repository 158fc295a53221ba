/* SPDX-License-Identifier: GPL-3.0-or-later
 * recorder.h - the thread that drains the dataplane's rings, fills in texts, keeps the tail and feeds the store.
 *
 * A client's first 1000 decisions are rows of their own, then 120 a minute (clients without a name: 4000 and 600 a minute
 * together, too); what is above is counted in rows that say how many (row.count), at most eight a client every 30
 * seconds. A kill loses the sums of these seconds.
 *
 * Owns: a thread, the store, the tail of the last RECORDER_TAIL rows. Texts come from the caller (`fill`). Thread: start and
 * stop one; the others any. Fails: 0 or -errno. A store that cannot be opened does not stop it: rows still reach the tail,
 * and `failure` says why.
 */
#ifndef RECORD_RECORDER_H
#define RECORD_RECORDER_H

#include "decide/image.h"
#include "model/row.h"
#include "record/event_store.h"

enum { RECORDER_TAIL = 4096 };

struct recorder;
struct recorder_in {
	const int *rings; /* stay the caller's; mapped here */
	size_t n_rings;
	int ring_signal; /* -1 = none */
	int conntrack;	 /* -1 = none */
	const char *db_path;
	struct event_store_limits limits;
	/* Texts for a row, from the image of row->event.verdict.revision; on the recorder's thread. NULL = none. */
	void (*fill)(void *user, struct row *row);
	void (*news)(void *user); /* the tail grew; at most 10 a second; on the recorder's thread */
	void *user;
};
struct recorder_counters {
	uint64_t recorded;   /* rows in the database since the start */
	uint64_t summed;     /* decisions beyond a client's rows: counted */
	uint64_t lost_ring;  /* the dataplane found a ring full */
	uint64_t lost_store; /* the database would not take them */
	uint64_t
		lost_ends; /* the kernel had no room for a flow's end: its bytes and duration are missing */
	uint64_t allowed, blocked, watched, unnamed; /* decisions since the start */
	uint64_t conntrack_matched;
	uint64_t last_id;
	uint64_t alive_ms; /* monotonic time of its last turn */
	char failure[128]; /* "" when all is well */
};

int recorder_start(const struct recorder_in *in, struct recorder **out);
void recorder_stop(struct recorder *r); /* drains, writes, joins; NULL is fine */
void recorder_counters(struct recorder *r, struct recorder_counters *out);

/* Rows of the tail with id > after that match, oldest first, at most max. *next: the id to go on from. When rows after
 * `after` have already left the tail, *lost_to is the newest id that left (else 0). */
size_t recorder_tail(struct recorder *r, const struct row_filter *f, uint64_t after,
	struct row *out, size_t max, uint64_t *next, uint64_t *lost_to);

#endif
