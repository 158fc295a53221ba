/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_flow_tuple.c - which connection a packet belongs to: SYNs, tuples used again, flows found in mid-stream or forgotten.
 */
#include "dataplane/flow_help.h"

static void two_syns_with_different_numbers_are_evasive(void **state)
{
	struct wire *fine = hello_for("fine.test");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	syn_at(&h, ISN, true);
	syn_at(&h, ISN + 700, true);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(fine, 0, fine->n)), DROPPED);
	assert_int_equal(last_event(&h).ident.kind, IDENT_EVASIVE);
	close_home(&h);
	free(fine);
}

static void P30_a_new_syn_makes_the_tuple_a_new_flow(void **state)
{
	struct wire *fine = hello_for("fine.test"), *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(bad, 0, bad->n)), DROPPED);
	syn_at(&h, ISN + 300, false);
	assert_int_equal(tcp(&h, MARK_HELD, 300, part(fine, 0, fine->n)), MARK_TENTATIVE);
	close_home(&h);
	free(fine);
	free(bad);
}

/* What the first connection won is not the second's, though it has the same tuple and the same numbers. */
static void the_same_number_again_is_a_new_flow(void **state)
{
	struct wire *fine = hello_for("fine.test"), *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(fine, 0, fine->n)), MARK_TENTATIVE);
	assert_int_equal(answer(&h, MARK_TENTATIVE, 0, (uint32_t)fine->n,
				 slice_str("\x15\x03\x03\x01\x02\x02\x28")),
		MARK_ALLOWED);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(bad, 0, bad->n)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "blocked.example");
	close_home(&h);
	free(fine);
	free(bad);
}

/* Where its requests begin is known to the table only: old bytes that the server ignores would move it. */
static void forgotten_requests_do_not_begin_anywhere(void **state)
{
	static const char good[] = "GET / HTTP/1.1\r\nHost: fine.test\r\n\r\n";
	enum { GOOD = sizeof(good) - 1 };
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, slice_str(good)), REQUESTS);
	for (int i = 0; i < 10; i++) {
		h.w.now_ms += 61000;
		dataplane_sweep(&h.w);
	}
	assert_int_equal(tcp(&h, REQUESTS, GOOD, slice_str(good)), REQUESTS);
	for (int i = 0; i < 16; i++) {
		h.w.now_ms += 61000;
		dataplane_sweep(&h.w);
	}
	assert_int_equal(flowtab_count(h.w.flows), 0);
	assert_int_equal(tcp(&h, REQUESTS, GOOD, slice_str(good)), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_MID_STREAM);
	close_home(&h);
}

/* The dataplane is new, and knows of no body under way: whatever the bytes look like, they may be anything. What carries no byte
 * passes: an answer may be under way. */
static void P29_requests_do_not_begin_anywhere_in_a_new_dataplane(void **state)
{
	static const char *const bytes[] = {"GET / HTTP/1.1\r\nHost: fine.test\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: fine.test\r\nContent-Length: 99999\r\n\r\n", "\1\2\3"};
	struct home h;

	for (int i = 0; i < 3; i++) {
		open_home(&h, "fail closed\notherwise allow\n");
		assert_int_equal(tcp(&h, REQUESTS, 5000, slice_of(NULL, 0)), REQUESTS);
		assert_int_equal(answer(&h, REQUESTS, 100, 5000, slice_str("data")), REQUESTS);
		assert_int_equal(tcp(&h, REQUESTS, 5000, slice_str(bytes[i])), DROPPED);
		assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_MID_STREAM);
		assert_int_equal(seen.injected[INJECT_TO_SERVER], 1);
		close_home(&h);
	}
}

static void P29_midstream_follows_fail(void **state)
{
	static const char *const policies[] = {
		"fail closed\notherwise allow\n", "fail open\notherwise allow\n"};
	struct home h;

	for (int open = 0; open < 2; open++) {
		int want = open ? MARK_ALLOWED : DROPPED;

		open_home(&h, policies[open]);
		assert_int_equal(tcp(&h, 0, 5000, slice_str("data")), want);
		assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_MID_STREAM);
		assert_int_equal(seen.injected[INJECT_TO_SERVER], !open);
		assert_int_equal(answer(&h, UNDECIDED, 5000, 1, slice_str("data")), want);
		assert_int_equal(
			tcp(&h, MARK_HELD, 5000, slice_str("data")), want); /* its SYN was lost */
		close_home(&h);
	}
}

static void who_waits_until_the_dataplane_forgets_is_not_let_through(void **state)
{
	struct wire *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, "fail open\nfor everyone\nblock blocked.example\notherwise allow\n");
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(bad, 0, 30)), UNDECIDED);
	assert_int_equal(tcp(&h, UNDECIDED, 30, part(bad, 30, bad->n)), DROPPED);
	h.w.now_ms += 100000;
	dataplane_sweep(&h.w);
	assert_int_equal(flowtab_count(h.w.flows), 0);
	assert_int_equal(tcp(&h, UNDECIDED, 30, part(bad, 30, bad->n)), DROPPED);
	close_home(&h);
	free(bad);
}

/* A RST that died behind us, and a while: no mark is left, but its SYN came by this dataplane. */
static void who_makes_conntrack_forget_is_not_older_than_the_dataplane(void **state)
{
	struct wire *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, "fail open\nfor everyone\nblock blocked.example\notherwise allow\n");
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, 0, 0, part(bad, 0, bad->n)), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_MARK_LOST);
	close_home(&h);
	open_home(&h, "fail open\nfor everyone\nblock blocked.example\notherwise allow\n");
	syn_at(&h, ISN, false);
	assert_int_equal(answer(&h, 0, 0, 0, slice_str("220 late words")), DROPPED);
	close_home(&h);
	free(bad);
}

/* conntrack takes the server for the client of a new connection. */
static void a_server_waits_for_its_client_when_conntrack_has_forgotten(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;

	open_home(&h, "fail open\notherwise allow\n");
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, 50)), UNDECIDED);
	assert_int_equal(answer(&h, 0, 0, 50, slice_str("220 words")), DROPPED);
	assert_int_equal(tcp(&h, UNDECIDED, 50, part(w, 50, w->n)), MARK_TENTATIVE);
	close_home(&h);
	free(w);
}

/* Of what was judged a part may be with the server: another beginning in its place would make a third name of it. */
static void a_tentative_flow_that_was_forgotten_is_refused(void **state)
{
	struct wire *judged = hello_for("blocked.exzmple"), *other = hello_for("fineeed.example");
	struct home h;
	size_t cut = 0;

	while (memcmp(judged->b + cut, "zmple", 5) != 0)
		cut++;
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(judged, 0, cut)), UNDECIDED);
	assert_int_equal(tcp(&h, UNDECIDED, cut, part(judged, cut, judged->n)), MARK_TENTATIVE);
	for (int i = 0; i < 70; i++, h.w.now_ms += 1000)
		dataplane_sweep(&h.w);
	assert_int_equal(flowtab_count(h.w.flows), 0);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 0, part(other, 0, cut)), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_MID_STREAM);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, cut, part(other, cut, other->n)), DROPPED);
	close_home(&h);
	free(judged);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_syns_with_different_numbers_are_evasive),
		cmocka_unit_test(P30_a_new_syn_makes_the_tuple_a_new_flow),
		cmocka_unit_test(the_same_number_again_is_a_new_flow),
		cmocka_unit_test(forgotten_requests_do_not_begin_anywhere),
		cmocka_unit_test(P29_requests_do_not_begin_anywhere_in_a_new_dataplane),
		cmocka_unit_test(P29_midstream_follows_fail),
		cmocka_unit_test(who_waits_until_the_dataplane_forgets_is_not_let_through),
		cmocka_unit_test(who_makes_conntrack_forget_is_not_older_than_the_dataplane),
		cmocka_unit_test(a_server_waits_for_its_client_when_conntrack_has_forgotten),
		cmocka_unit_test(a_tentative_flow_that_was_forgotten_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
