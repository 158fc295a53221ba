/* SPDX-License-Identifier: GPL-3.0-or-later
 * pool.c - chunks of equal blocks in regions of pages.
 *
 * A chunk begins at a multiple of its size, so that a block's address tells its chunk. In a chunk the block that was freed last is
 * given first: it is likely to be in the processor's cache. Blocks never used stand behind `fresh`, their pages untouched.
 *
 * Owns: regions. Thread: one. Fails: see the header.
 */
#include "base/pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	REGION = 1 << 20,
	CHUNK = 32 * 1024,
	STEPS = 4, /* sizes a doubling */
	SMALLEST = 64,
	LARGEST = 8192,
	SIZES = 7 * STEPS + 1,
};

#if defined(__SANITIZE_ADDRESS__)
#define POOL_IS_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_IS_HEAP 1
#endif
#endif
#ifndef POOL_IS_HEAP
#define POOL_IS_HEAP 0
#endif

struct block {
	struct block *next;
};

struct chunk {
	struct chunk *prev, *next; /* of those with room of its size, or of the free ones */
	struct block *free;
	uint32_t size, used;
	uint32_t fresh; /* offset of the first block never used */
	uint8_t which;	/* of sizes[] */
	_Alignas(16) uint8_t blocks[];
};

struct region {
	struct region *next;
	void *map;
};

struct pool {
	struct chunk *room[SIZES]; /* chunks with a free block */
	struct chunk *free;
	struct region *regions;
	struct pool_stats stats;
};

struct pool *pool_new(void)
{
	return calloc(1, sizeof(struct pool));
}

void pool_free(struct pool *p)
{
	struct region *r, *next;

	for (r = p ? p->regions : NULL; r; r = next) {
		next = r->next;
		munmap(r->map, REGION);
		free(r);
	}
	free(p);
}

/* The number of the smallest size that holds n, and the size; n <= LARGEST. */
static uint8_t size_of(size_t n, uint32_t *size)
{
	uint32_t base = SMALLEST, which = 0, step;

	if (n <= SMALLEST) {
		*size = SMALLEST;
		return 0;
	}
	while (n > base * 2) {
		base *= 2;
		which += STEPS;
	}
	step = ((uint32_t)n - base + base / STEPS - 1) / (base / STEPS);
	*size = base + step * (base / STEPS);
	return (uint8_t)(which + step);
}

size_t pool_room(size_t n)
{
	uint32_t size;

	if (n > LARGEST)
		return n;
	size_of(n, &size);
	return size;
}

static void list_add(struct chunk **list, struct chunk *c)
{
	c->prev = NULL;
	c->next = *list;
	if (*list)
		(*list)->prev = c;
	*list = c;
}

static void list_take(struct chunk **list, struct chunk *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		*list = c->next;
	if (c->next)
		c->next->prev = c->prev;
}

/* A region at a multiple of CHUNK: mapped with one chunk more, which is given back. */
static void *map_region(void)
{
	uint8_t *map = mmap(NULL, REGION + CHUNK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (map == MAP_FAILED)
		return NULL;
	before = (CHUNK - (uintptr_t)map % CHUNK) % CHUNK;
	if (before)
		munmap(map, before);
	munmap(map + before + REGION, CHUNK - before);
	return map + before;
}

static bool add_region(struct pool *p)
{
	struct region *r = malloc(sizeof(*r));
	uint8_t *map = r ? map_region() : NULL;

	if (!map) {
		free(r);
		return false;
	}
	*r = (struct region){.next = p->regions, .map = map};
	p->regions = r;
	p->stats.mapped += REGION;
	/* from the end on, so that they are used from the start on */
	for (size_t at = REGION; at > 0; at -= CHUNK) {
		list_add(&p->free, (struct chunk *)(map + at - CHUNK));
		p->stats.chunks_free++;
	}
	return true;
}

static struct chunk *take_chunk(struct pool *p, uint8_t which, uint32_t size)
{
	struct chunk *c;

	if (!p->free && !add_region(p))
		return NULL;
	c = p->free;
	list_take(&p->free, c);
	p->stats.chunks_free--;
	*c = (struct chunk){.size = size, .which = which, .fresh = offsetof(struct chunk, blocks)};
	list_add(&p->room[which], c);
	return c;
}

static bool is_full(const struct chunk *c)
{
	return !c->free && c->fresh + c->size > CHUNK;
}

void *pool_get(struct pool *p, size_t n)
{
	struct block *b;
	struct chunk *c;
	uint32_t size;
	uint8_t which;

	if (!p || n > LARGEST || POOL_IS_HEAP)
		return malloc(n);
	which = size_of(n, &size);
	c = p->room[which] ? p->room[which] : take_chunk(p, which, size);
	if (!c)
		return NULL;
	b = c->free;
	if (b) {
		c->free = b->next;
	} else {
		b = (struct block *)((uint8_t *)c + c->fresh);
		c->fresh += size;
	}
	c->used++;
	p->stats.used += size;
	if (is_full(c))
		list_take(&p->room[which], c);
	return b;
}

void *pool_get_zeroed(struct pool *p, size_t n)
{
	void *block = pool_get(p, n);

	if (block)
		memset(block, 0, n);
	return block;
}

void pool_put(struct pool *p, void *block, size_t n)
{
	struct chunk *c;
	struct block *b = block;

	if (!p || n > LARGEST || POOL_IS_HEAP) {
		free(block);
		return;
	}
	if (!block)
		return;
	c = (struct chunk *)((uintptr_t)block & ~(uintptr_t)(CHUNK - 1));
	if (is_full(c))
		list_add(&p->room[c->which], c);
	b->next = c->free;
	c->free = b;
	p->stats.used -= c->size;
	if (--c->used > 0)
		return;
	list_take(&p->room[c->which], c);
	list_add(&p->free, c);
	p->stats.chunks_free++;
}

void pool_stats(const struct pool *p, struct pool_stats *out)
{
	*out = p->stats;
}
