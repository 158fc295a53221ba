/* SPDX-License-Identifier: GPL-3.0-or-later
 * store.h - the events' database: one writer, bounded by rows and days.
 *
 * SQLite, WAL, synchronous=NORMAL: a power cut may lose the last seconds, never the file. A file that fails quick_check
 * or holds another schema is renamed aside (events.db.broken-TIME) and a new one begun. When the disk is full or not
 * writable, rows are dropped and counted, and the next batch tries again.
 *
 * Owns: its connection. Thread: one (the recorder); query.c has connections of its own. Fails: 0 or -errno.
 */
#ifndef RECORD_STORE_H
#define RECORD_STORE_H

#include "model/row.h"

struct store;
struct store_limits {
	uint32_t rows, days;
};
struct store_end {
	uint64_t row_id, bytes_up, bytes_down;
	uint32_t duration_ms;
};

int store_open(const char *path, struct store_limits limits, struct store **out);
void store_close(struct store *s);	       /* NULL is fine */
uint64_t store_last_id(const struct store *s); /* at opening; 0 = empty */
/* One transaction. Ends name rows of this batch or of earlier ones. */
int store_write(struct store *s, const struct row *rows, size_t n_rows,
	const struct store_end *ends, size_t n_ends);
int store_prune(struct store *s, uint64_t now_wall_ms); /* a bounded bite; call now and then */
const char *store_trouble(const struct store *s); /* "" when all is well, else words for `status` */

#endif
