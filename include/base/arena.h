/* SPDX-License-Identifier: GPL-3.0-or-later
 * arena.h - many small allocations, freed together.
 *
 * Owns: its blocks. Thread: one at a time. Fails: arena_alloc returns NULL when memory is exhausted or the limit is met.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_block;
struct arena {
	struct arena_block *head;
	size_t total; /* bytes handed out */
	size_t limit; /* 0 = none */
};

void arena_fini(struct arena *a);		/* tolerates {0} */
void *arena_alloc(struct arena *a, size_t n);	/* zeroed, aligned to 16 */
char *arena_str(struct arena *a, struct slice); /* NUL-terminated copy */
/* Grows an array of `elem`-byte members kept in the arena: returns the (moved) array with room for n+1, *cap updated. */
void *arena_grow(struct arena *a, void *array, size_t n, size_t *cap, size_t elem);

#endif
