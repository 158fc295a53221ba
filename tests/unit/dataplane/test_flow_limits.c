/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_flow_limits.c - deadlines, shares and whatever bytes: nothing is kept for ever, nothing passes by a limit.
 */
#include "dataplane/flow_help.h"

#include <errno.h>

static void T05_half_a_hello_is_evasive_in_time(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, 20)), UNDECIDED);
	h.w.now_ms += 9999;
	dataplane_sweep(&h.w);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 0);
	h.w.now_ms += 1;
	dataplane_sweep(&h.w);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_TIMEOUT);
	assert_int_equal(tcp(&h, UNDECIDED, 20, part(w, 20, w->n)), DROPPED);
	h.w.now_ms += 600000;
	dataplane_sweep(&h.w);
	assert_int_equal(flowtab_count(h.w.flows), 0);
	close_home(&h);
	free(w);
}

/* A person types, a server waits for another: minutes are nothing odd, an hour is. */
static void T26_a_slow_preamble_is_not_cut(void **state)
{
	struct home h;

	open_home(&h, POLICY);
	h.settings.starttls_tcp = h.settings.inspect_tcp;
	syn_at(&h, ISN, false);
	assert_int_equal(answer(&h, MARK_HELD, 0, 0, slice_str("220 x ESMTP\r\n")), UNDECIDED);
	for (int i = 0; i < 300; i++, h.w.now_ms += 1000)
		dataplane_sweep(&h.w);
	assert_int_equal(tcp(&h, UNDECIDED, 0, slice_str("EHLO me\r\n")), UNDECIDED);
	for (int i = 0; i < 300; i++, h.w.now_ms += 1000)
		dataplane_sweep(&h.w);
	assert_int_equal(answer(&h, UNDECIDED, 13, 9, slice_str("250 ok\r\n")), UNDECIDED);
	assert_int_equal(tcp(&h, UNDECIDED, 9, slice_str("NOOP\r\n")), UNDECIDED);
	for (int i = 0; i < 3600; i++, h.w.now_ms += 1000)
		dataplane_sweep(&h.w);
	assert_int_equal(flowtab_count(h.w.flows), 0);
	close_home(&h);
}

static void without_a_policy_fail_answers_for_the_moment(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;

	open_home(&h, POLICY);
	h.w.image = NULL;
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, w->n)), DROPPED);
	h.settings.fail_open = true;
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, w->n)), 0); /* passes, undecided */
	assert_int_equal(flowtab_count(h.w.flows), 0);
	close_home(&h);
	free(w);
}

static void other_ports_are_judged_at_their_first_packet(void **state)
{
	struct home h;

	open_home(&h, POLICY);
	assert_int_equal(syn_to(&h, 26), MARK_ALLOWED);
	assert_int_equal(syn_to(&h, 25), DROPPED);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].flags & PACKET_RST, PACKET_RST);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].ack, ISN + 1);
	assert_int_equal(seen.injected[INJECT_TO_SERVER], 0);
	assert_int_equal(h.w.counters.refused, 1);
	assert_int_equal(syn_to(&h, 25), DROPPED);
	assert_int_equal(h.w.counters.refused, 1); /* the same flow: one decision */
	close_home(&h);
}

/* Without room for it: again, when there is. Without a way: counted, once. */
static void an_answer_that_the_kernel_does_not_take_is_counted(void **state)
{
	struct home h;

	open_home(&h, POLICY);
	seen.inject_rc = -EAGAIN;
	assert_int_equal(syn_to(&h, 25), DROPPED);
	seen.flushed = true; /* the reading has ended */
	dataplane_sweep(&h.w);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 0);
	assert_int_equal(h.w.counters.answers_failed, 0);
	seen.inject_rc = 0;
	dataplane_sweep(&h.w);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	dataplane_sweep(&h.w);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	h.w.now_ms += 10000;
	seen.inject_rc = -EHOSTUNREACH;
	assert_int_equal(syn_to(&h, 25), DROPPED);
	assert_int_equal(h.w.counters.answers_failed, 1);
	h.w.now_ms += 10000;
	seen.inject_rc = -ENOBUFS;
	assert_int_equal(syn_to(&h, 25), DROPPED);
	seen.flushed = true;
	for (int i = 0; i < 20; i++)
		dataplane_sweep(&h.w);
	assert_int_equal(h.w.counters.answers_failed, 2);
	close_home(&h);
}

static void P36_one_client_has_a_quarter_of_the_table(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;
	uint8_t out[2048];

	open_home(&h, POLICY);
	for (uint16_t i = 0; i < 300; i++) {
		struct shape s = {
			.proto = IPPROTO_TCP, .flags = PACKET_SYN, .dport = 443, .seq = ISN};
		struct slice ip = packet_of(&s, out);

		out[21] = (uint8_t)i; /* another source port */
		out[20] = (uint8_t)(i >> 8);
		synlog_note(h.w.syns, ip, false);
		s = (struct shape){.proto = IPPROTO_TCP,
			.flags = PACKET_ACK,
			.dport = 443,
			.seq = ISN + 1,
			.ack = 1,
			.payload = part(w, 0, 30)};
		ip = packet_of(&s, out);
		out[21] = (uint8_t)i;
		out[20] = (uint8_t)(i >> 8);
		assert_int_equal(give(&h, ip, MARK_HELD, false), i < 64 ? UNDECIDED : DROPPED);
	}
	assert_int_equal(flowtab_count(h.w.flows), 64);
	assert_int_equal(h.w.counters.overload, 300 - 64);
	close_home(&h);
	free(w);
}

/* The supervisor's probe of the queue comes from OUTPUT; what a client sends never does, whatever it looks like. */
static void a_probe_is_answered_and_leaves_no_trace(void **state)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_UDP, .dport = 443};
	struct nfq_packet p = {.id = 1, .hook = NFQ_OUTPUT, .mark = 6u << MASK_SHIFT | 0x123456};
	struct home h;
	struct event e;

	open_home(&h, POLICY);
	p.payload = packet_of(&s, out);
	dataplane_packet(&h.w, &p);
	assert_int_equal(seen.verdicts, 1);
	assert_int_equal(seen.last, DROPPED);
	assert_int_equal(h.w.counters.queued + h.w.counters.dropped, 0);
	assert_int_equal(flowtab_count(h.w.flows), 0);
	assert_false(ring_pop(h.reader, &e));
	p.hook = NFQ_FORWARD;
	p.id++;
	dataplane_packet(&h.w, &p);
	assert_int_equal(seen.verdicts, 2);
	assert_int_equal(h.w.counters.queued, 1);
	close_home(&h);
}

/* Any bytes at all: one verdict each, no crash (run with the sanitizers), and the table stays in its bounds. */
static void whatever_comes_gets_one_verdict(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;
	uint32_t r = 1;
	uint8_t out[2048];

	open_home(&h, POLICY);
	for (int i = 0; i < 40000; i++) {
		struct shape s = {.dport = 443};
		struct slice ip;
		size_t from;

		r = r * 1664525 + 1013904223;
		from = (r >> 8) % w->n;
		s.proto = r & 1 << 30 ? IPPROTO_TCP : IPPROTO_UDP;
		s.flags = (uint8_t)(r >> 3 & 63);
		s.reply = (r >> 20 & 7) == 0;
		s.seq = ISN + 1 + (r >> 10 & 1 ? (uint32_t)from : r >> 5);
		s.ack = SERVER + (r >> 12 & 3);
		s.payload = part(w, from, from + (r >> 15) % 300);
		ip = packet_of(&s, out);
		for (int k = 0; k < (int)(r >> 28 & 3); k++) /* spoil some bytes */
			out[(r >> (5 + k)) % ip.n] ^= (uint8_t)(r >> (9 + k));
		if ((r >> 25 & 15) == 0)
			ip.n = (r >> 7) % (ip.n + 1);
		if ((r >> 22 & 31) == 0)
			syn_at(&h, ISN, r & 4);
		give(&h, ip, (uint8_t)(r >> 4 & 0xf0), s.reply);
		h.w.now_ms += r >> 27 & 7;
		if ((i & 15) == 0)
			dataplane_sweep(&h.w);
		assert_true(flowtab_count(h.w.flows) <= 256);
	}
	assert_int_equal(h.w.counters.queued, h.w.counters.passed + h.w.counters.dropped);
	close_home(&h);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(T05_half_a_hello_is_evasive_in_time),
		cmocka_unit_test(T26_a_slow_preamble_is_not_cut),
		cmocka_unit_test(without_a_policy_fail_answers_for_the_moment),
		cmocka_unit_test(other_ports_are_judged_at_their_first_packet),
		cmocka_unit_test(an_answer_that_the_kernel_does_not_take_is_counted),
		cmocka_unit_test(P36_one_client_has_a_quarter_of_the_table),
		cmocka_unit_test(a_probe_is_answered_and_leaves_no_trace),
		cmocka_unit_test(whatever_comes_gets_one_verdict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
