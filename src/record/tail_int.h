/* SPDX-License-Identifier: GPL-3.0-or-later
 * tail_int.h - the newest rows, in memory. Private to record/.
 *
 * A row is mostly room for texts (model/row.h: 1.3 kB). Here it takes about 200 bytes and its share of the texts: rows that say the
 * same by the same rule about the same name have theirs together.
 *
 * Ids are those of the rows, each one more than the one before.
 * Owns: rows, texts. Thread: one at a time. Fails: at making, and without memory for a row's texts: then it has none.
 */
#ifndef RECORD_TAIL_INT_H
#define RECORD_TAIL_INT_H

#include "record/event_store.h"

struct tail;
struct tail *tail_new(uint32_t rows); /* how many are kept; NULL: out of memory */
void tail_free(struct tail *t);	      /* NULL is fine */

/* The next row. Where its id is not the last one's + 1, the earlier ones are forgotten. */
void tail_put(struct tail *t, const struct row *row);
/* The row of this id. False: it is not there. */
bool tail_get(const struct tail *t, uint64_t id, struct row *out);
/* The row's bytes and duration are known now. Nothing happens when it is not there. */
void tail_end(struct tail *t, const struct event_store_end *end);
/* Forgets all; the next row will be `next`. */
void tail_clear(struct tail *t, uint64_t next);
/* The oldest id that is kept; where none is, that of the next row (1 at first). */
uint64_t tail_first(const struct tail *t);

#endif
