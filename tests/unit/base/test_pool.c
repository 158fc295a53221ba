/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_pool.c - blocks that come and go.
 */
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sizes_waste_a_fifth_at_most(void **state)
{
	(void)state;
	assert_int_equal(pool_room(1), 64);
	assert_int_equal(pool_room(64), 64);
	assert_int_equal(pool_room(65), 80);
	assert_int_equal(pool_room(128), 128);
	assert_int_equal(pool_room(129), 160);
	assert_int_equal(pool_room(8192), 8192);
	assert_int_equal(pool_room(8193), 8193);
	for (size_t n = 64; n <= 8192; n++) {
		assert_true(pool_room(n) >= n && pool_room(n) % 16 == 0);
		assert_true((pool_room(n) - n) * 5 <= pool_room(n));
		assert_int_equal(pool_room(pool_room(n)), pool_room(n));
	}
}

struct held {
	uint8_t *p;
	size_t n;
	uint8_t fill;
};

static void check(const struct held *h)
{
	for (size_t i = 0; i < h->n; i++)
		assert_int_equal(h->p[i], h->fill);
}

/* Each block keeps what was written into it, whatever else comes and goes. */
static void no_block_touches_another(void **state)
{
	static struct held held[3000];
	struct pool *p = pool_new();
	struct pool_stats s;
	uint32_t chance = 7;

	(void)state;
	assert_non_null(p);
	for (int i = 0; i < 200000; i++) {
		struct held *h = &held[(chance = chance * 1664525 + 1013904223) >> 8 & 2047];

		if (h->p) {
			check(h);
			pool_put(p, h->p, h->n);
			h->p = NULL;
			continue;
		}
		chance = chance * 1664525 + 1013904223;
		h->n = 1 + (chance >> 8) % (chance >> 30 ? 700 : 10000);
		h->fill = (uint8_t)i;
		h->p = pool_get(p, h->n);
		assert_non_null(h->p);
		assert_int_equal((uintptr_t)h->p % 16, 0);
		memset(h->p, h->fill, h->n);
	}
	for (size_t i = 0; i < 3000; i++) {
		if (!held[i].p)
			continue;
		check(&held[i]);
		pool_put(p, held[i].p, held[i].n);
		held[i].p = NULL;
	}
	pool_stats(p, &s);
	assert_int_equal(s.used, 0);
	assert_int_equal((uint64_t)s.chunks_free * 32768, s.mapped);
	pool_free(p);
}

/* Ten megabytes of each size, one size after the other: the memory of one time is that of the next. */
static void what_is_free_serves_any_size(void **state)
{
	enum { TOTAL = 10 << 20 };
	static void *blocks[TOTAL / 64];
	struct pool *p = pool_new();
	struct pool_stats s;
	uint64_t most = 0;

	(void)state;
	for (size_t size = 64; size <= 8192; size += 64) {
		size_t n = TOTAL / pool_room(size);

		for (size_t i = 0; i < n; i++)
			assert_non_null(blocks[i] = pool_get_zeroed(p, size));
		for (size_t i = 0; i < n; i++)
			pool_put(p, blocks[i], size);
		pool_stats(p, &s);
		most = s.mapped > most ? s.mapped : most;
	}
	/* three of the largest stand in a chunk */
	assert_true(most <= TOTAL + TOTAL / 3 + (1 << 20));
	pool_free(p);
}

static void the_last_one_freed_comes_first(void **state)
{
	struct pool *p = pool_new();
	struct pool_stats s;
	uint8_t *a, *b;

	(void)state;
	a = pool_get(p, 500);
	b = pool_get(p, 500);
	pool_stats(p, &s);
	if (s.used == 0)
		skip(); /* an address sanitizer: blocks of the heap */
	assert_int_equal(s.used, 1024);
	memset(a, 0xff, 500);
	pool_put(p, a, 500);
	assert_ptr_equal(pool_get_zeroed(p, 490), a);
	for (int i = 0; i < 490; i++)
		assert_int_equal(a[i], 0);
	pool_put(p, b, 500);
	pool_put(p, NULL, 500);
	pool_free(p);
}

static void without_a_pool_it_is_the_heap(void **state)
{
	void *a = pool_get(NULL, 100);

	(void)state;
	assert_non_null(a);
	pool_put(NULL, a, 100);
	pool_put(NULL, NULL, 100);
	pool_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_waste_a_fifth_at_most),
		cmocka_unit_test(no_block_touches_another),
		cmocka_unit_test(what_is_free_serves_any_size),
		cmocka_unit_test(the_last_one_freed_comes_first),
		cmocka_unit_test(without_a_pool_it_is_the_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
