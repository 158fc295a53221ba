/* SPDX-License-Identifier: GPL-3.0-or-later
 * arena.c - many small allocations, freed together.
 *
 * Owns: a chain of blocks; the newest is at the head and the only one with room. An allocation too large for it
 * gets a block of its own, put behind the head so that the head's room is not lost.
 * Thread: one at a time. Fails: NULL when memory is exhausted or the limit is met.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/invariant.h"

enum { BLOCK = 16 * 1024, BLOCK_MAX = 1024 * 1024, ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	alignas(ALIGN) uint8_t bytes[];
};

void arena_fini(struct arena *a)
{
	struct arena_block *b = a->head, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	a->head = NULL;
	a->total = 0;
}

static struct arena_block *block_new(size_t cap)
{
	size_t size = (sizeof(struct arena_block) + cap + ALIGN - 1) / ALIGN * ALIGN;
	struct arena_block *b = calloc(1, size);

	if (b)
		b->cap = cap;
	return b;
}

static void *carve(struct arena *a, struct arena_block *b, size_t n)
{
	void *p = b->bytes + b->used;

	invariant(n <= b->cap - b->used && (uintptr_t)p % ALIGN == 0);
	b->used += n;
	a->total += n;
	return p;
}

static size_t next_size(const struct arena *a)
{
	size_t cap = a->head ? a->head->cap * 2 : BLOCK;

	return cap > BLOCK_MAX ? BLOCK_MAX : cap;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (n == 0)
		n = ALIGN;
	if (a->limit && (a->total > a->limit || n > a->limit - a->total))
		return NULL;
	if (a->head && a->head->cap - a->head->used >= n)
		return carve(a, a->head, n);
	if (a->head && n > next_size(a) / 4) {
		b = block_new(n);
		if (!b)
			return NULL;
		b->next = a->head->next;
		a->head->next = b;
		return carve(a, b, n);
	}
	b = block_new(n > next_size(a) ? n : next_size(a));
	if (!b)
		return NULL;
	b->next = a->head;
	a->head = b;
	return carve(a, b, n);
}

char *arena_str(struct arena *a, struct slice s)
{
	char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;

	if (p && s.n)
		memcpy(p, s.p, s.n);
	return p;
}

void *arena_grow(struct arena *a, void *array, size_t n, size_t *cap, size_t elem)
{
	size_t more;
	void *p;

	invariant(n <= *cap);
	if (n < *cap)
		return array;
	more = *cap ? *cap * 2 : 8;
	if (more <= n)
		more = n + 1;
	if (elem && more > SIZE_MAX / 2 / elem)
		return NULL;
	p = arena_alloc(a, more * elem);
	if (!p)
		return NULL;
	if (n)
		memcpy(p, array, n * elem);
	*cap = more;
	return p;
}
