/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_segments.c - the client's bytes in any order: the first copy wins, a different one is told.
 */
#include "identify/wire.h"

#include "identify/segments.h"

enum { ISN = 0xfffffff0 }; /* every test crosses the wrap of sequence numbers */

static enum segments_result add(struct segments *s, uint32_t at, const char *text, bool psh)
{
	return segments_add(s, ISN + at, guarded(slice_str(text)), psh);
}

static void expect(const struct segments *s, const char *text)
{
	struct slice c = segments_contiguous(s);

	if (!slice_eq(c, slice_str(text)))
		fail_msg("\"%.*s\", not \"%s\"", (int)c.n, (const char *)c.p, text);
	assert_int_equal(segments_next_seq(s), (uint32_t)(s->start + strlen(text)));
}

static void T02_H21_any_order_and_any_cut_gives_the_bytes(void **state)
{
	static const char text[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	(void)state;
	for (size_t size = 1; size < 12; size++)
		for (size_t stride = 1; stride < 8; stride += 2) {
			size_t n = sizeof(text) - 1, pieces = (n + size - 1) / size;
			struct segments s;

			if (pieces % stride == 0 && stride > 1)
				continue;
			segments_init(&s, ISN, SEGMENTS_LIMIT);
			for (size_t i = 0; i < pieces; i++) {
				size_t at = (pieces - 1 - i * stride % pieces) * size;
				size_t len = n - at < size ? n - at : size;

				assert_int_equal(segments_add(&s, ISN + (uint32_t)at,
							 slice_of(text + at, len), true),
					SEGMENTS_NEW);
			}
			expect(&s, text);
			segments_fini(&s);
		}
}

static void T03_T04_copies_are_compared(void **state)
{
	struct segments s;

	(void)state;
	segments_init(&s, ISN, SEGMENTS_LIMIT);
	assert_int_equal(add(&s, 0, "host: al", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 0, "host", true), SEGMENTS_SAME);
	assert_int_equal(add(&s, 0, "", true), SEGMENTS_SAME);
	assert_int_equal(add(&s, 6, "bl", true), SEGMENTS_CONTRADICTION);
	assert_int_equal(add(&s, 6, "allowed", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 20, "later", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 22, "tom", true), SEGMENTS_CONTRADICTION);
	assert_int_equal(add(&s, 18, "xxla", true), SEGMENTS_NEW);
	expect(&s, "host: allowed");
	assert_int_equal(add(&s, 0, "Host: allowed.....xxlater", true), SEGMENTS_CONTRADICTION);
	assert_int_equal(add(&s, 0, "host: allowed.....xxlater", true), SEGMENTS_NEW);
	expect(&s, "host: allowed.....xxlater");
	segments_fini(&s);
	segments_fini(&s);
}

static void P21_what_lies_before_the_start_is_cut_off(void **state)
{
	struct segments s;

	(void)state;
	segments_init(&s, ISN, SEGMENTS_LIMIT);
	assert_int_equal(add(&s, (uint32_t)-4, "junk", true), SEGMENTS_OLD);
	assert_int_equal(add(&s, (uint32_t)-4, "junkreal", true), SEGMENTS_NEW);
	expect(&s, "real");
	segments_fini(&s);
}

static void P20_the_window_has_an_end(void **state)
{
	struct segments s;

	(void)state;
	segments_init(&s, ISN, 8);
	assert_int_equal(add(&s, 8, "x", true), SEGMENTS_OUTSIDE);
	assert_int_equal(add(&s, 7, "xy", true), SEGMENTS_FULL);
	assert_int_equal(add(&s, 1, "bcdefgh", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 0x7fffffff, "x", true), SEGMENTS_OUTSIDE);
	expect(&s, "");
	assert_int_equal(add(&s, 0, "a", true), SEGMENTS_NEW);
	expect(&s, "abcdefgh");
	segments_fini(&s);
}

/* Two that hear the same, one of them trimmed now and then and with a pool: they say the same. */
static void trimmed_is_the_same(void **state)
{
	struct pool *pool = pool_new();
	uint32_t chance = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct segments a, b;

		segments_init(&a, ISN, 6000);
		segments_init(&b, ISN, 6000);
		b.pool = pool;
		for (int i = 0; i < 60; i++) {
			uint8_t bytes[300];
			struct slice in = {bytes, 0};
			uint32_t at;

			chance = chance * 1664525 + 1013904223;
			at = (chance >> 8) % (round % 2 ? 6100 : 900);
			in.n = 1 + (chance >> 4) % 250;
			for (size_t k = 0; k < in.n; k++)
				bytes[k] = (uint8_t)((at + k) * 7 + (chance >> 24 == 3));
			assert_int_equal(segments_add(&a, ISN + at, in, true),
				segments_add(&b, ISN + at, in, true));
			if (chance >> 29 == 1) {
				segments_release(&a, a.released + 100);
				segments_release(&b, b.released + 100);
			}
			if (chance >> 28 == 1) {
				segments_trim(&b);
				assert_true(segments_memory(&b) <= segments_memory(&a));
				assert_true(segments_memory(&b) <= 126 ||
					    segments_memory(&b) < 2 * b.end);
			}
			assert_int_equal(segments_contiguous(&a).n, segments_contiguous(&b).n);
			assert_memory_equal(
				segments_contiguous(&a).p ? segments_contiguous(&a).p : bytes,
				segments_contiguous(&b).p ? segments_contiguous(&b).p : bytes,
				segments_contiguous(&a).n);
		}
		segments_fini(&a);
		segments_fini(&b);
	}
	pool_free(pool);
}

static void P24_P25_probes_and_padding_are_not_data(void **state)
{
	static const uint8_t zeros[8];
	struct segments s;

	(void)state;
	segments_init(&s, ISN, SEGMENTS_LIMIT);
	assert_int_equal(add(&s, 0, "abcdef", true), SEGMENTS_NEW);
	assert_int_equal(
		segments_add(&s, ISN + 5, slice_of(zeros, 1), true), SEGMENTS_PAD); /* keep-alive */
	assert_int_equal(add(&s, 5, "f", false), SEGMENTS_SAME);
	assert_int_equal(segments_add(&s, ISN + 2, slice_of(zeros, 4), false), SEGMENTS_PAD);
	assert_int_equal(
		segments_add(&s, ISN + 2, slice_of(zeros, 4), true), SEGMENTS_CONTRADICTION);
	assert_int_equal(segments_add(&s, ISN + 6, slice_of(zeros, 6), false), SEGMENTS_PAD);
	assert_int_equal(add(&s, 6, "ghi", true), SEGMENTS_NEW); /* the real bytes of that place */
	expect(&s, "abcdefghi");
	assert_int_equal(segments_add(&s, ISN + 9, slice_of(zeros, 7), false), SEGMENTS_NEW);
	assert_int_equal(segments_contiguous(&s).n, 16);
	segments_fini(&s);
}

static void P24_P25_a_pad_that_was_data_after_all_is_kept(void **state)
{
	static const uint8_t zeros[2];
	struct segments s;

	(void)state;
	segments_init(&s, ISN, SEGMENTS_LIMIT);
	assert_int_equal(add(&s, 0, "a", true), SEGMENTS_NEW);
	assert_int_equal(segments_add(&s, ISN + 1, slice_of(zeros, 2), false), SEGMENTS_PAD);
	assert_int_equal(add(&s, 3, "b", true), SEGMENTS_NEW); /* the sender went on behind it */
	assert_true(slice_eq(segments_contiguous(&s), slice_of("a\0\0b", 4)));
	assert_int_equal(segments_add(&s, ISN + 1, slice_of(zeros, 2), false), SEGMENTS_SAME);
	assert_int_equal(segments_add(&s, ISN + 4, slice_of(zeros, 1), false), SEGMENTS_PAD);
	assert_int_equal(segments_add(&s, ISN + 4, slice_of(zeros, 1), false), SEGMENTS_PAD);
	assert_int_equal(segments_add(&s, ISN + 4, slice_of(zeros, 1), true), SEGMENTS_NEW);
	assert_int_equal(segments_contiguous(&s).n, 5);
	assert_int_equal(add(&s, 4, "x", true),
		SEGMENTS_PAD); /* one byte below the next: a probe, never data */
	assert_int_equal(add(&s, 3, "xy", true), SEGMENTS_CONTRADICTION);
	segments_fini(&s);
}

static void released_bytes_make_room(void **state)
{
	struct segments s;

	(void)state;
	segments_init(&s, ISN, 10);
	segments_release(&s, 5);
	assert_int_equal(add(&s, 0, "abcde", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 7, "hi", true), SEGMENTS_NEW);
	segments_release(&s, 3);
	segments_release(&s, 2);
	expect(&s, "de");
	assert_int_equal(s.released, 3);
	assert_int_equal(add(&s, 0, "abx", true), SEGMENTS_OLD);
	assert_int_equal(add(&s, 2, "cde", true), SEGMENTS_SAME);
	assert_int_equal(add(&s, 2, "cDe", true), SEGMENTS_CONTRADICTION);
	assert_int_equal(add(&s, 7, "hI", true), SEGMENTS_CONTRADICTION);
	assert_int_equal(add(&s, 9, "jklm", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 5, "fg", true), SEGMENTS_NEW);
	expect(&s, "defghijklm");
	segments_release(&s, 1000); /* no more than there is */
	assert_int_equal(s.released, 13);
	expect(&s, "");
	assert_int_equal(add(&s, 13, "nopqrstuvw", true), SEGMENTS_NEW);
	expect(&s, "nopqrstuvw");
	segments_fini(&s);
}

static void a_body_is_jumped_over(void **state)
{
	struct segments s;

	(void)state;
	segments_init(&s, ISN, 1000);
	assert_int_equal(add(&s, 0, "head", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 10, "dy", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 14, "next", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 20, "last", true), SEGMENTS_NEW);
	segments_jump(&s, 12); /* ends in a gap */
	expect(&s, "");
	assert_int_equal(s.released, 12);
	segments_jump(&s, 15); /* ends in what was seen */
	expect(&s, "ext");
	assert_int_equal(add(&s, 18, "xx", true), SEGMENTS_NEW);
	expect(&s, "extxxlast");
	segments_jump(&s, 1u << 30); /* far behind all that was seen */
	expect(&s, "");
	assert_int_equal(s.released, 1u << 30);
	assert_int_equal(add(&s, 20, "LAST", true), SEGMENTS_OLD);
	assert_int_equal(add(&s, (1u << 30) + 2, "c", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, (1u << 30), "ab", true), SEGMENTS_NEW);
	expect(&s, "abc");
	segments_fini(&s);
}

static void a_stream_may_turn_out_to_begin_earlier(void **state)
{
	struct segments s;

	(void)state;
	segments_init(&s, ISN + 5, 64);
	assert_int_equal(add(&s, 5, "world", true), SEGMENTS_NEW);
	assert_int_equal(add(&s, 12, "!!", true), SEGMENTS_NEW);
	assert_false(segments_rebase(&s, ISN + 5));
	assert_false(segments_rebase(&s, ISN + 6));
	assert_false(segments_rebase(&s, ISN - 60));
	assert_true(segments_rebase(&s, ISN));
	expect(&s, "");
	assert_int_equal(add(&s, 0, "helloworld", true), SEGMENTS_NEW);
	expect(&s, "helloworld");
	assert_int_equal(add(&s, 12, "!?", true), SEGMENTS_CONTRADICTION);
	assert_int_equal(add(&s, 10, ", ", true), SEGMENTS_NEW);
	expect(&s, "helloworld, !!");
	segments_release(&s, 3);
	assert_false(segments_rebase(&s, ISN - 1));
	segments_fini(&s);
}

static void T12_sixty_four_kilobytes_arrive_in_any_order(void **state)
{
	static uint8_t big[SEGMENTS_LIMIT];
	struct segments s;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 31 >> 3) | 1;
	segments_init(&s, ISN, SEGMENTS_LIMIT);
	for (size_t i = 0; i < sizeof(big); i += 1024) {
		size_t at = i ^ 1024; /* neighbours change places */

		assert_int_equal(
			segments_add(&s, ISN + (uint32_t)at, slice_of(big + at, 1024), false),
			SEGMENTS_NEW);
	}
	assert_true(slice_eq(segments_contiguous(&s), slice_of(big, sizeof(big))));
	segments_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(T02_H21_any_order_and_any_cut_gives_the_bytes),
		cmocka_unit_test(T03_T04_copies_are_compared),
		cmocka_unit_test(P21_what_lies_before_the_start_is_cut_off),
		cmocka_unit_test(P20_the_window_has_an_end),
		cmocka_unit_test(trimmed_is_the_same),
		cmocka_unit_test(P24_P25_probes_and_padding_are_not_data),
		cmocka_unit_test(P24_P25_a_pad_that_was_data_after_all_is_kept),
		cmocka_unit_test(released_bytes_make_room),
		cmocka_unit_test(a_body_is_jumped_over),
		cmocka_unit_test(a_stream_may_turn_out_to_begin_earlier),
		cmocka_unit_test(T12_sixty_four_kilobytes_arrive_in_any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
