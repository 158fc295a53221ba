/* SPDX-License-Identifier: GPL-3.0-or-later
 * pool.h - blocks of a few hundred bytes that come and go by the thousand, for one thread.
 *
 *     region (1 MiB, mmap) = 32 chunks     a chunk holds blocks of one size, or is free for any
 *     sizes: four steps a doubling, 64..8192 bytes; what is larger comes from the heap
 *
 * No lock, no system call but for a new region, and nothing goes back to the system before pool_free(): the memory of the busiest
 * moment is kept. A chunk whose blocks are all free serves another size, so that what was needed in one size once does not add up
 * to what is needed in another.
 *
 * With an address sanitizer every block is one of the heap, so that it sees what is used after its end.
 *
 * Owns: its regions; the blocks are the callers', until pool_put(). Thread: one. Fails: NULL when memory is exhausted.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool;
struct pool *pool_new(void); /* NULL: out of memory */
void pool_free(
	struct pool *p); /* NULL is fine; the blocks go with it, but for those above 8192 bytes */

/* p NULL: a block of the heap, for callers who have no pool. Aligned to 16 bytes, its contents are anything. n: 1.. */
void *pool_get(struct pool *p, size_t n);
void *pool_get_zeroed(struct pool *p, size_t n);
/* n as it was asked for; block NULL is fine. */
void pool_put(struct pool *p, void *block, size_t n);
/* Bytes that a block of n takes. */
size_t pool_room(size_t n);

struct pool_stats {
	uint64_t mapped; /* bytes of regions */
	uint64_t used;	 /* bytes of blocks in use, as taken, without those of the heap */
	uint32_t chunks_free;
};
void pool_stats(const struct pool *p, struct pool_stats *out);

#endif
