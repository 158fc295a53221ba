/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_past.c - what was said before: copies are compared where it matters, however long ago that was.
 */
#include "identify/wire.h"

#include "identify/past.h"

enum { STREAM = 200000 };

static uint8_t stream[STREAM];
static bool any[STREAM];

static void keep(struct past *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		stream[p->end + i] = (uint8_t)rand();
	past_keep(p, guarded(slice_of(stream + p->end, n)));
}

static void leave(struct past *p, size_t n)
{
	memset(any + p->end, 1, n);
	past_skip(p, n);
}

static enum past_says says(const struct past *p, uint64_t at, size_t n)
{
	return past_compare(p, at, guarded(slice_of(stream + at, n)));
}

static void a_changed_byte_is_seen_where_it_matters(void **state)
{
	struct past p = {.limit = 100};

	(void)state;
	assert_int_equal(past_compare(&p, 0, slice_of(NULL, 0)), PAST_SAME);
	keep(&p, 10);
	leave(&p, 1000);
	keep(&p, 5);
	keep(&p, 5);
	leave(&p, 7);
	for (size_t from = 0; from < p.end; from++)
		for (size_t n = 1; from + n <= p.end; n += 13) {
			assert_int_equal(says(&p, from, n), PAST_SAME);
			stream[from + n - 1] ^= 1;
			assert_int_equal(
				says(&p, from, n), any[from + n - 1] ? PAST_SAME : PAST_OTHER);
			stream[from + n - 1] ^= 1;
		}
	past_fini(&p);
	memset(any, 0, sizeof(any));
}

static void the_newest_bytes_are_kept_and_the_oldest_are_unknown(void **state)
{
	struct past p = {.limit = 1000};
	uint64_t kept;

	(void)state;
	srand(7);
	while (p.end < STREAM - 4000) {
		if (rand() % 3)
			keep(&p, (size_t)(rand() % 700));
		else
			leave(&p, (size_t)(rand() % 2000));
		kept = 0;
		for (uint64_t i = p.from; i < p.end; i++)
			kept += !any[i];
		assert_true(kept <= 1000 && (kept >= 500 || p.from == 0));
		assert_true(past_memory(&p) < 64 * 1024);
		for (int i = 0; i < 20 && p.end > 300; i++) {
			uint64_t at = p.end - 300 + (uint64_t)(rand() % 200);

			stream[at] ^= 1;
			assert_int_equal(says(&p, at, 100), at < p.from ? PAST_UNKNOWN
							    : any[at]	? PAST_SAME
									: PAST_OTHER);
			stream[at] ^= 1;
		}
		if (p.from)
			assert_int_equal(says(&p, p.from - 1, 2), PAST_UNKNOWN);
	}
	past_fini(&p);
	memset(any, 0, sizeof(any));
}

/* A chunk a byte: the spans have an end, too. */
static void spans_are_bounded(void **state)
{
	struct past p = {.limit = 1 << 20};

	(void)state;
	for (int i = 0; i < 60000; i++) {
		past_keep(&p, slice_str("1\r\n"));
		past_skip(&p, 1);
	}
	assert_true(past_memory(&p) < 1 << 20);
	assert_true(p.end - p.from >= 4000 * 4);
	assert_int_equal(past_compare(&p, p.end - 4, slice_str("1\r\nX")), PAST_SAME);
	assert_int_equal(past_compare(&p, p.end - 4, slice_str("2\r\nX")), PAST_OTHER);
	past_fini(&p);
}

static void a_body_may_be_longer_than_any_sequence_number(void **state)
{
	struct past p = {.limit = 100};

	(void)state;
	past_keep(&p, slice_str("head"));
	past_skip(&p, 1ull << 40);
	past_keep(&p, slice_str("next"));
	assert_int_equal(past_compare(&p, 0, slice_str("heads")), PAST_SAME);
	assert_int_equal(past_compare(&p, (1ull << 40) + 2, slice_str("dynext")), PAST_SAME);
	assert_int_equal(past_compare(&p, (1ull << 40) + 2, slice_str("dyNext")), PAST_OTHER);
	past_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_byte_is_seen_where_it_matters),
		cmocka_unit_test(the_newest_bytes_are_kept_and_the_oldest_are_unknown),
		cmocka_unit_test(spans_are_bounded),
		cmocka_unit_test(a_body_may_be_longer_than_any_sequence_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
