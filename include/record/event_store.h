/* SPDX-License-Identifier: GPL-3.0-or-later
 * event_store.h - the events' database: one writer, bounded by rows and days.
 *
 * SQLite, WAL, synchronous=NORMAL: a power cut may lose the last seconds, never the file. A file of an earlier version is
 * brought up to date; one that fails quick_check or is not ours is renamed (events.db.broken-TIME), never deleted, and a
 * new one begun; one of a newer version is refused (-EPROTONOSUPPORT). When the disk is full or not writable, rows are
 * dropped and counted, and the next batch tries again.
 *
 * Above its limit the file loses the oldest rows of whoever holds the most of them: a named device, or, while devices
 * without a name hold more than a quarter of the limit, one of 64 classes of these (by MAC, else address, IPv6 by /64).
 * So no device pushes out another one's rows, and strangers, however many addresses they use, none of a named device.
 *
 * Owns: its connection. Thread: one (the recorder); query.c has connections of its own. Fails: 0 or -errno.
 */
#ifndef RECORD_EVENT_STORE_H
#define RECORD_EVENT_STORE_H

#include "model/row.h"

struct event_store;
struct event_store_limits {
	uint32_t rows, days;
};
struct event_store_end {
	uint64_t row_id, bytes_up, bytes_down;
	uint32_t duration_ms;
};

int event_store_open(const char *path, struct event_store_limits limits, struct event_store **out);
void event_store_close(struct event_store *s);		   /* NULL is fine */
uint64_t event_store_last_id(const struct event_store *s); /* at opening; 0 = empty */
/* One transaction. Ends name rows of this batch or of earlier ones. */
int event_store_write(struct event_store *s, const struct row *rows, size_t n_rows,
	const struct event_store_end *ends, size_t n_ends);
int event_store_prune(
	struct event_store *s, uint64_t now_wall_ms); /* a bounded bite; call now and then */
/* The name of a file that was set aside and still lies beside `path`; "" = none. */
void event_store_aside(const char *path, char *out, size_t size);
const char *event_store_words(int err); /* for people, of event_store_open() */
const char *event_store_failure(
	const struct event_store *s); /* "" when all is well, else words for `status` */

#endif
