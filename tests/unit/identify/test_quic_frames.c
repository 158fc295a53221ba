/* SPDX-License-Identifier: GPL-3.0-or-later
 * Frames of an Initial, and CRYPTO bytes put together from any cuts in any order.
 */
#include "identify/quic_frames.h"
#include "quic_help.h"

static void Q07_frames_are_read_one_by_one(void **state)
{
	struct bytes v = unhex("00000100" /* padding, ping, padding */
			       "0205000100"
			       "0101" /* ack, one more range */
			       "0305000000"
			       "010203"		      /* ack with ecn */
			       "06004003616263"	      /* crypto 0 "abc" */
			       "1c4170060568656c6c6f" /* close 0x170, "hello" */
			       "000001");
	struct slice rest = of(&v);
	struct quic_frame f;
	assert_int_equal(quic_frame_next(&rest, &f), 1);
	assert_int_equal(f.type, QUIC_FRAME_ACK);
	assert_int_equal(quic_frame_next(&rest, &f), 1);
	assert_int_equal(f.type, QUIC_FRAME_ACK);
	assert_int_equal(quic_frame_next(&rest, &f), 1);
	assert_int_equal(f.type, QUIC_FRAME_CRYPTO);
	assert_int_equal(f.offset, 0);
	assert_true(slice_eq(f.data, slice_str("abc")));
	assert_int_equal(quic_frame_next(&rest, &f), 1);
	assert_int_equal(f.type, QUIC_FRAME_CLOSE);
	assert_int_equal(f.error, 0x170);
	assert_true(slice_eq(f.data, slice_str("hello")));
	assert_int_equal(quic_frame_next(&rest, &f), 0);
}

static void Q22_what_no_initial_may_hold_is_refused(void **state)
{
	static const char *BAD[] = {"0800", "1d0000", "04000000", "1e", "30", "4fff", "0600",
		"060005616263", "0205", "02050040ff00", "0600ffffffffffffffff61", "1c0000ff"};
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct bytes v = unhex(BAD[i]);
		struct guard g = boot_guard_copy(of(&v));
		struct slice rest = g.s;
		struct quic_frame f;
		assert_int_equal(quic_frame_next(&rest, &f), -1);
		boot_guard_free(&g);
	}
}

enum { LEN = 24 };
static uint8_t text[LEN];

static enum quic_stream_status add(struct quic_stream *s, size_t from, size_t to)
{
	return quic_stream_add(s, from, slice_of(text + from, to - from));
}

static void check_whole(struct quic_stream *s)
{
	struct slice got = quic_stream_start(s);
	assert_int_equal(got.n, LEN);
	assert_memory_equal(got.p, text, LEN);
	assert_int_equal(s->n_ranges, 1);
	quic_stream_fini(s);
}

/* Every pair of cuts, every order of the three parts; and with each part one byte longer at both ends. */
static void Q08_Q09_any_cuts_in_any_order_give_the_same_bytes(void **state)
{
	static const int ORDER[6][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	for (int i = 0; i < LEN; i++)
		text[i] = (uint8_t)(i * 7);
	for (size_t a = 0; a <= LEN; a++)
		for (size_t b = a; b <= LEN; b++)
			for (int o = 0; o < 6; o++)
				for (size_t over = 0; over < 2; over++) {
					struct quic_stream s = {0};
					size_t from[3] = {0, a, b}, to[3] = {a, b, LEN};
					for (int k = 0; k < 3; k++) {
						int i = ORDER[o][k];
						size_t f = from[i] > over ? from[i] - over : 0,
						       t = to[i] + over;
						assert_int_equal(add(&s, f, t < LEN ? t : LEN),
							QUIC_STREAM_OK);
					}
					check_whole(&s);
				}
}

static void Q08_the_start_waits_for_the_gap(void **state)
{
	struct quic_stream s = {0};
	assert_int_equal(quic_stream_start(&s).n, 0);
	assert_int_equal(add(&s, 10, 20), QUIC_STREAM_OK);
	assert_int_equal(quic_stream_start(&s).n, 0);
	assert_int_equal(add(&s, 0, 5), QUIC_STREAM_OK);
	assert_int_equal(quic_stream_start(&s).n, 5);
	assert_int_equal(add(&s, 5, 10), QUIC_STREAM_OK);
	assert_int_equal(quic_stream_start(&s).n, 20);
	quic_stream_fini(&s);
}

static void Q10_other_bytes_in_the_same_place_contradict(void **state)
{
	for (size_t at = 0; at < LEN; at++) {
		struct quic_stream s = {0};
		uint8_t other[LEN];
		memcpy(other, text, LEN);
		other[at] ^= 1;
		assert_int_equal(add(&s, 0, LEN / 2), QUIC_STREAM_OK);
		assert_int_equal(add(&s, LEN / 2 + 2, LEN), QUIC_STREAM_OK);
		bool seen = at < LEN / 2 || at >= LEN / 2 + 2;
		assert_int_equal(quic_stream_add(&s, 0, slice_of(other, LEN)),
			seen ? QUIC_STREAM_CONTRADICTION : QUIC_STREAM_OK);
		assert_int_equal(s.bytes[0], text[0]); /* the first copy stays */
		quic_stream_fini(&s);
	}
}

static void it_is_bounded(void **state)
{
	struct quic_stream s = {0};
	static uint8_t big[QUIC_STREAM_MAX + 1];
	assert_int_equal(quic_stream_add(&s, 0, slice_of(big, sizeof(big))), QUIC_STREAM_FULL);
	assert_int_equal(quic_stream_add(&s, UINT64_MAX >> 2, slice_of(big, 1)), QUIC_STREAM_FULL);
	assert_int_equal(quic_stream_add(&s, QUIC_STREAM_MAX, slice_of(big, 1)), QUIC_STREAM_FULL);
	assert_int_equal(quic_stream_add(&s, 0, slice_of(big, QUIC_STREAM_MAX)), QUIC_STREAM_OK);
	assert_int_equal(quic_stream_start(&s).n, QUIC_STREAM_MAX);
	quic_stream_fini(&s);
	for (size_t i = 0; i < QUIC_STREAM_GAPS; i++)
		assert_int_equal(quic_stream_add(&s, 2 * i, slice_of(big, 1)), QUIC_STREAM_OK);
	assert_int_equal(
		quic_stream_add(&s, 2 * QUIC_STREAM_GAPS, slice_of(big, 1)), QUIC_STREAM_FULL);
	assert_int_equal(quic_stream_add(&s, 1, slice_of(big, 1)),
		QUIC_STREAM_OK); /* closing a gap always fits */
	assert_int_equal(s.n_ranges, QUIC_STREAM_GAPS - 1);
	quic_stream_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(Q07_frames_are_read_one_by_one),
		cmocka_unit_test(Q22_what_no_initial_may_hold_is_refused),
		cmocka_unit_test(Q08_Q09_any_cuts_in_any_order_give_the_same_bytes),
		cmocka_unit_test(Q08_the_start_waits_for_the_gap),
		cmocka_unit_test(Q10_other_bytes_in_the_same_place_contradict),
		cmocka_unit_test(it_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
