/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_text.c - strbuf, arena, diag, hash: what the rest leans on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/hash.h"

#include <cmocka.h>

static void text_grows(void **state)
{
	struct strbuf b = {0};
	char *taken;

	(void)state;
	assert_string_equal(strbuf_text(&b), "");
	for (int i = 0; i < 1000; i++)
		strbuf_fmt(&b, "%d,", i);
	assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4);
	assert_int_equal(strlen(b.s), b.n);
	strbuf_reset(&b);
	assert_string_equal(strbuf_text(&b), "");
	strbuf_str(&b, "one");
	taken = strbuf_take(&b);
	assert_string_equal(taken, "one");
	assert_int_equal(b.n, 0);
	free(taken);
	taken = strbuf_take(&b);
	assert_string_equal(taken, "");
	free(taken);
}

static void hostile_bytes_are_escaped(void **state)
{
	const struct slice in = slice_of("a\"\\\n\x00\x7f\xff<b>&'", 12);
	struct strbuf b = {0};

	(void)state;
	strbuf_escaped(&b, in);
	assert_string_equal(strbuf_text(&b), "a\\x22\\x5c\\x0a\\x00\\x7f\\xff<b>&'");
	strbuf_reset(&b);
	strbuf_html(&b, in);
	assert_string_equal(strbuf_text(&b), "a&quot;\\&#65533;&#65533;&#65533;&#65533;"
					     "&lt;b&gt;&amp;&#39;");
	strbuf_fini(&b);
}

static void arenas_give_zeroed_aligned_memory(void **state)
{
	struct arena a = {0};
	size_t sizes[] = {1, 15, 16, 17, 4000, 20000, 3, 70000, 0, 5};

	(void)state;
	for (int round = 0; round < 20; round++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			uint8_t *p = arena_alloc(&a, sizes[i]);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			for (size_t k = 0; k < sizes[i]; k++)
				assert_int_equal(p[k], 0);
			memset(p, 0xee, sizes[i]);
		}
	assert_string_equal(arena_str(&a, slice_of("hello", 4)), "hell");
	arena_fini(&a);
	arena_fini(&a);
}

static void arenas_obey_their_limit(void **state)
{
	struct arena a = {.limit = 64};

	(void)state;
	assert_non_null(arena_alloc(&a, 48));
	assert_null(arena_alloc(&a, 17));
	assert_non_null(arena_alloc(&a, 16));
	assert_null(arena_alloc(&a, 1));
	assert_null(arena_alloc(&a, SIZE_MAX));
	arena_fini(&a);
}

static void arrays_grow_in_an_arena(void **state)
{
	struct arena a = {0};
	uint32_t *v = NULL;
	size_t cap = 0;

	(void)state;
	for (uint32_t n = 0; n < 1000; n++) {
		v = arena_grow(&a, v, n, &cap, sizeof *v);
		assert_non_null(v);
		v[n] = n;
	}
	for (uint32_t n = 0; n < 1000; n++)
		assert_int_equal(v[n], n);
	arena_fini(&a);
}

static void errors_are_sorted_and_bounded(void **state)
{
	struct diag d = {0};
	struct strbuf out = {0};

	(void)state;
	diag_add(&d, DIAG_ERROR, 3, 2, 1, "third");
	diag_add(&d, DIAG_WARNING, 1, 9, 1, "%s", "second");
	diag_add(&d, DIAG_ERROR, 1, 2, 1, "first a");
	diag_add(&d, DIAG_ERROR, 1, 2, 1, "first b");
	diag_sort(&d);
	diag_print(&d, "policy", &out);
	assert_string_equal(strbuf_text(&out), "policy:1:2: first a\npolicy:1:2: first b\n"
					       "policy:1:9: warning: second\npolicy:3:2: third\n");
	for (int i = 0; i < 2000; i++)
		diag_add(&d, DIAG_ERROR, 4, 1, 0, "more");
	assert_int_equal(d.n, DIAG_MAX);
	assert_int_equal(d.errors, 2003);
	assert_int_equal(d.warnings, 1);
	strbuf_fini(&out);
	diag_fini(&d);
}

static void warnings_keep_no_error_out(void **state)
{
	struct diag d = {0};
	size_t errors = 0;

	for (int i = 0; i < DIAG_MAX; i++)
		diag_add(&d, DIAG_WARNING, 1, 1, 0, "hm");
	diag_add(&d, DIAG_ERROR, 2, 1, 0, "no");
	diag_add(&d, DIAG_WARNING, 3, 1, 0, "hm");
	diag_add(&d, DIAG_ERROR, 4, 1, 0, "no");
	assert_int_equal(d.n, DIAG_MAX);
	for (size_t i = 0; i < d.n; i++)
		errors += d.entries[i].level == DIAG_ERROR;
	assert_int_equal(errors, 2);
	for (int i = 0; i < 2 * DIAG_MAX; i++)
		diag_add(&d, DIAG_ERROR, 5, 1, 0, "no");
	assert_int_equal(d.n, DIAG_MAX);
	assert_int_equal(d.errors, 2 * DIAG_MAX + 2);
	diag_fini(&d);
}

static void siphash_matches_its_paper(void **state)
{
	/* the reference vectors: key 00..0f, message 00..n-1 */
	static const struct {
		size_t n;
		uint64_t want;
	} cases[] = {{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd}, {8, 0x93f5f5799a932462},
		{15, 0xa129ca6149be45e5}};
	uint8_t bytes[16];
	struct hash_key k;

	(void)state;
	for (uint8_t i = 0; i < 16; i++)
		bytes[i] = i;
	hash_key_set(&k, bytes);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(hash_sip(&k, bytes, cases[i].n), cases[i].want);
}

static void fnv_can_be_fed_in_parts(void **state)
{
	uint64_t whole = hash_fnv("foobar", 6, HASH_FNV_START);

	(void)state;
	assert_int_equal(whole, 0x85944171f73967e8);
	assert_int_equal(hash_fnv("bar", 3, hash_fnv("foo", 3, HASH_FNV_START)), whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_grows),
		cmocka_unit_test(hostile_bytes_are_escaped),
		cmocka_unit_test(arenas_give_zeroed_aligned_memory),
		cmocka_unit_test(arenas_obey_their_limit),
		cmocka_unit_test(arrays_grow_in_an_arena),
		cmocka_unit_test(errors_are_sorted_and_bounded),
		cmocka_unit_test(warnings_keep_no_error_out),
		cmocka_unit_test(siphash_matches_its_paper),
		cmocka_unit_test(fnv_can_be_fed_in_parts),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
