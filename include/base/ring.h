/* SPDX-License-Identifier: GPL-3.0-or-later
 * ring.h - a single-producer single-consumer ring of fixed-size items in shared memory (a memfd).
 *
 * Layout: one header page (item size, capacity, head, tail, dropped), then the items. Each side maps the same memfd;
 * either may die and be replaced: the positions live in the shared page. A reader trusts nothing in the page: it
 * bounds what it reads by the size it knows.
 *
 * Owns: the mapping, not the descriptor. Thread: one producer, one consumer. Fails: 0 or -errno; a push on
 * a full ring counts and drops, so that no packet waits for a record.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

int ring_create(size_t item_size, uint32_t capacity,
	int *out_fd); /* a new memfd, CLOEXEC; capacity: power of two */
int ring_map(int fd, size_t item_size, uint32_t capacity, struct ring **out);
void ring_unmap(struct ring *r);		  /* NULL is fine */
bool ring_push(struct ring *r, const void *item); /* false: full, dropped and counted */
bool ring_pop(struct ring *r, void *item);	  /* false: empty */
uint64_t ring_dropped(const struct ring *r);	  /* since creation */

/* The consumer is about to sleep until it is signalled (by what, is theirs). False: there is an item, it must not. */
bool ring_await(struct ring *r);
/* The producer, when it has pushed: whether the consumer is to be signalled. Said once for each ring_await(). */
bool ring_is_awaited(struct ring *r);

#endif
