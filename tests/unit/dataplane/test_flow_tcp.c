/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_flow_tcp.c - the client's bytes of an inspected TCP flow: hellos, requests, contradictions, refusals.
 */
#include "dataplane/flow_help.h"

static void an_allowed_hello_is_tentative_until_the_server_answers(void **state)
{
	static const uint8_t server_hello[] = {22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3, 1, 2, 3, 4};
	struct wire *w = hello_for("fine.test");
	struct home h;
	struct event e;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, 50)), UNDECIDED);
	assert_int_equal(tcp(&h, UNDECIDED, 50, part(w, 50, w->n)), MARK_TENTATIVE);
	e = last_event(&h);
	assert_string_equal(e.ident.name, "fine.test");
	assert_int_equal(e.verdict.action, ACTION_ALLOW);
	assert_int_equal(e.ident.packet, 2);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 10, part(w, 10, 30)), MARK_TENTATIVE);
	/* not an answer to the hello: it does not acknowledge it */
	assert_int_equal(
		answer(&h, MARK_TENTATIVE, 0, 0, slice_of(server_hello, 15)), MARK_TENTATIVE);
	assert_int_equal(answer(&h, MARK_TENTATIVE, 0, (uint32_t)w->n, slice_of(server_hello, 15)),
		MARK_ALLOWED);
	assert_int_equal(tcp(&h, MARK_ALLOWED, 9000, slice_str("anything")), MARK_ALLOWED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT] + seen.injected[INJECT_TO_SERVER], 0);
	close_home(&h);
	free(w);
}

static void P37_a_refused_hello_is_answered_on_both_sides_by_their_numbers(void **state)
{
	struct wire *w = hello_for("x.blocked.example");
	struct home h;
	struct packet *c = &seen.packet[INJECT_TO_CLIENT], *s = &seen.packet[INJECT_TO_SERVER];

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, 50)), UNDECIDED);
	assert_int_equal(tcp(&h, UNDECIDED, 50, part(w, 50, w->n)), DROPPED);
	assert_int_equal(last_event(&h).verdict.rule_line, 3);
	assert_int_equal(c->payload.n, 7);
	assert_int_equal(c->payload.p[0], 21);
	assert_int_equal(c->seq, SERVER + 1);
	assert_int_equal(c->ack, ISN + 1 + w->n);
	assert_int_equal(c->flags & (PACKET_FIN | PACKET_RST), PACKET_FIN);
	assert_int_equal(s->flags & PACKET_RST, PACKET_RST);
	assert_int_equal(s->seq, ISN + 1 + 50); /* the first byte not passed on */
	/* it comes again at once: dropped, not answered, not recorded; later: answered with RST */
	assert_int_equal(tcp(&h, UNDECIDED, 50, part(w, 50, w->n)), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	h.w.now_ms += 300;
	assert_int_equal(tcp(&h, UNDECIDED, 50, part(w, 50, w->n)), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 2);
	assert_int_equal(c->flags & PACKET_RST, PACKET_RST);
	assert_int_equal(answer(&h, UNDECIDED, 0, 50, slice_str("late words")), DROPPED);
	assert_int_equal(h.w.counters.refused, 1);
	close_home(&h);
	free(w);
}

/* It got less than was passed on (a fake died on its way): its challenge ACK says which RST it takes for one. */
static void a_server_that_is_still_there_is_told_by_its_own_number(void **state)
{
	struct wire *fine = hello_for("fine.test"), *bad = hello_for("blocked.example");
	struct packet *s = &seen.packet[INJECT_TO_SERVER];
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(fine, 0, fine->n)), MARK_TENTATIVE);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 0, part(bad, 0, bad->n)), DROPPED);
	assert_int_equal(s->seq, ISN + 1 + fine->n);
	assert_int_equal(answer(&h, MARK_REFUSED, 0, 0, slice_of(NULL, 0)), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_SERVER], 2); /* at once */
	assert_int_equal(s->flags & PACKET_RST, PACKET_RST);
	assert_int_equal(s->seq, ISN + 1);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(answer(&h, MARK_REFUSED, 0, 0, slice_of(NULL, 0)), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_SERVER], 5); /* not for ever */
	close_home(&h);
	free(fine);
	free(bad);
}

static void refuse_drop_says_nothing(void **state)
{
	struct wire *w = hello_for("no.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, w->n)), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT] + seen.injected[INJECT_TO_SERVER], 0);
	close_home(&h);
	free(w);
}

static void T04_what_contradicts_the_judged_bytes_is_refused(void **state)
{
	struct wire *fine = hello_for("fine.test"), *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(fine, 0, fine->n)), MARK_TENTATIVE);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 0, part(bad, 0, bad->n)), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_CONTRADICTION);
	assert_int_equal(seen.injected[INJECT_TO_SERVER], 1);
	close_home(&h);
	free(fine);
	free(bad);
}

static void P21_bytes_before_the_start_are_nothing(void **state)
{
	struct wire *fine = hello_for("fine.test"), *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0u - 600, part(fine, 0, fine->n)), DROPPED);
	assert_int_equal(tcp(&h, MARK_HELD, 0u - 1, slice_str("x")), DROPPED);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(bad, 0, bad->n)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "blocked.example");
	close_home(&h);
	free(fine);
	free(bad);
}

/* A stranger's bytes may all have died on the way to the server: others in their place are a contradiction for ever. */
static void more_than_is_kept_is_not_final(void **state)
{
	struct wire *bad = hello_for("blocked.example");
	static uint8_t junk[1000];
	struct home h;

	memset(junk, 1, sizeof(junk));
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	for (uint32_t at = 0; at < 80000; at += sizeof(junk))
		assert_int_equal(
			tcp(&h, at ? MARK_TENTATIVE : MARK_HELD, at, slice_of(junk, sizeof(junk))),
			MARK_TENTATIVE);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 0, part(bad, 0, bad->n)), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_CONTRADICTION);
	close_home(&h);
	free(bad);
}

static void T28_a_retry_waits_for_the_second_hello(void **state)
{
	static const uint8_t retry[] = {22, 3, 3, 0, 56, 2, 0, 0, 52, 3, 3, 0xcf, 0x21, 0xad, 0x74,
		0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2,
		0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
		0, 0x13, 1, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 24};
	static const uint8_t ccs[] = {20, 3, 3, 0, 1, 1};
	static const uint8_t server_hello[] = {22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3, 1, 2, 3, 4};
	struct wire *first = hello_for("fine.test"), *other = hello_for("blocked.example");
	uint32_t n = (uint32_t)first->n;
	struct home h;

	for (int changed = 0; changed < 2; changed++) {
		struct wire *second = changed ? other : first;

		open_home(&h, POLICY);
		syn_at(&h, ISN, false);
		assert_int_equal(tcp(&h, MARK_HELD, 0, part(first, 0, n)), MARK_TENTATIVE);
		assert_int_equal(answer(&h, MARK_TENTATIVE, 0, n, slice_of(retry, sizeof(retry))),
			MARK_TENTATIVE);
		/* sent again, and followed by a change of cipher that acknowledges the client's: still no answer */
		assert_int_equal(tcp(&h, MARK_TENTATIVE, n, slice_of(ccs, 6)), MARK_TENTATIVE);
		assert_int_equal(
			answer(&h, MARK_TENTATIVE, 0, n + 6, slice_of(retry, sizeof(retry))),
			MARK_TENTATIVE);
		assert_int_equal(answer(&h, MARK_TENTATIVE, sizeof(retry), n + 6, slice_of(ccs, 6)),
			MARK_TENTATIVE);
		assert_int_equal(tcp(&h, MARK_TENTATIVE, n + 6, part(second, 0, second->n)),
			changed ? DROPPED : MARK_TENTATIVE);
		if (!changed)
			assert_int_equal(
				answer(&h, MARK_TENTATIVE, sizeof(retry) + 6,
					n + 6 + (uint32_t)second->n, slice_of(server_hello, 15)),
				MARK_ALLOWED);
		else
			assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_NAME_CHANGED);
		close_home(&h);
	}
	free(first);
	free(other);
}

static void H01_H25_each_request_is_judged_and_the_refusal_is_a_page(void **state)
{
	static const char good[] = "GET / HTTP/1.1\r\nHost: fine.test\r\n\r\n",
			  bad[] = "GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n";
	enum { GOOD = sizeof(good) - 1 };
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, slice_str(good)), REQUESTS);
	assert_int_equal(
		answer(&h, REQUESTS, 0, GOOD, slice_str("HTTP/1.1 200 OK\r\n\r\n")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, GOOD, slice_str(good)), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, GOOD, slice_str(good)), REQUESTS); /* a copy */
	assert_int_equal(h.w.counters.requests, 2);
	assert_int_equal(tcp(&h, REQUESTS, 2 * GOOD, slice_str(bad)), DROPPED);
	assert_true(seen.injected[INJECT_TO_CLIENT] >= 1);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].flags & PACKET_FIN, PACKET_FIN);
	close_home(&h);
}

static void T27_a_server_that_speaks_first_makes_a_flow_without_a_name(void **state)
{
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(answer(&h, MARK_HELD, 0, 0, slice_str("SSH-2.0-x\r\n")), MARK_ALLOWED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_SERVER_FIRST);
	close_home(&h);
	open_home(&h, "fail closed\nfor everyone\nno-name block\notherwise allow\n");
	syn_at(&h, ISN, false);
	assert_int_equal(answer(&h, MARK_HELD, 0, 0, slice_str("SSH-2.0-x\r\n")), DROPPED);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].flags & PACKET_RST, PACKET_RST);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].seq, SERVER + 1);
	assert_int_equal(seen.packet[INJECT_TO_SERVER].seq, ISN + 1);
	close_home(&h);
}

/* "EHLO a", its answer, and `n` bytes of a hello. */
static int begin_preamble(struct home *h, struct wire *w, size_t n)
{
	open_home(h, POLICY);
	h->settings.starttls_tcp = h->settings.inspect_tcp;
	syn_at(h, ISN, false);
	assert_int_equal(tcp(h, MARK_HELD, 0, slice_str("EHLO a\r\n")), UNDECIDED);
	assert_int_equal(answer(h, UNDECIDED, 0, 8, slice_str("250 ok\r\n")), UNDECIDED);
	return tcp(h, UNDECIDED, 8, part(w, 0, n));
}

static void expect_evasive(struct home *h)
{
	struct event e = last_event(h);

	assert_int_equal(e.ident.kind, IDENT_EVASIVE);
	assert_int_equal(e.ident.anomaly, ANOMALY_SERVER_FIRST);
	close_home(h);
}

/* Behind a cleartext preamble a hello is one only if the server takes it for one. */
static void T26_a_server_that_answers_a_hello_with_words_saw_none(void **state)
{
	static const uint8_t server_hello[] = {22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3, 1, 2, 3, 4};
	struct wire *w = hello_for("fine.test");
	uint32_t end = 8 + (uint32_t)w->n;
	struct slice words = slice_str("500 what?\r\n");
	struct home h;

	assert_int_equal(begin_preamble(&h, w, w->n), MARK_TENTATIVE);
	assert_int_equal(
		answer(&h, MARK_TENTATIVE, 0, end, slice_str("250 ok\r\n")), MARK_TENTATIVE);
	assert_int_equal(
		answer(&h, MARK_TENTATIVE, 8, end, slice_of(server_hello, 15)), MARK_ALLOWED);
	close_home(&h);
	assert_int_equal(begin_preamble(&h, w, w->n), MARK_TENTATIVE);
	assert_int_equal(answer(&h, MARK_TENTATIVE, 8, end, words), DROPPED);
	expect_evasive(&h);
	/* what comes far behind its first words says nothing yet */
	assert_int_equal(begin_preamble(&h, w, w->n), MARK_TENTATIVE);
	assert_int_equal(answer(&h, MARK_TENTATIVE, 6000, end, words), MARK_TENTATIVE);
	assert_int_equal(answer(&h, MARK_TENTATIVE, 8, end, words), DROPPED);
	expect_evasive(&h);
	/* half a hello, the server's last words again, and new ones */
	assert_int_equal(begin_preamble(&h, w, w->n - 20), UNDECIDED);
	assert_int_equal(answer(&h, UNDECIDED, 0, 20, slice_str("250 ok\r\n")), UNDECIDED);
	assert_int_equal(answer(&h, UNDECIDED, 8, 20, words), DROPPED);
	expect_evasive(&h);
	free(w);
}

static void P14_bytes_that_only_the_server_saw_are_a_contradiction(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	/* it answers a hello that lay in the SYN */
	assert_int_equal(answer(&h, MARK_HELD, 0, 100, slice_str("\x16\x03\x03")), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_CONTRADICTION);
	close_home(&h);
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, w->n)), MARK_TENTATIVE);
	assert_int_equal(
		answer(&h, MARK_TENTATIVE, 0, (uint32_t)w->n + 50, slice_str("\x15\x03\x03")),
		DROPPED);
	close_home(&h);
	free(w);
}

static void T46_P14_data_in_a_syn_stays_behind(void **state)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_TCP,
		.flags = PACKET_SYN,
		.dport = 443,
		.seq = ISN,
		.payload = slice_str("GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n")};
	struct packet k;
	struct home h;

	(void)state;
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(give(&h, packet_of(&s, out), MARK_HELD, false), MARK_HELD);
	assert_int_equal(packet_parse(slice_of(seen.edited_bytes, seen.edited), &k), PARSE_OK);
	assert_int_equal(k.payload.n, 0);
	assert_int_equal(k.seq, ISN);
	assert_int_equal(h.w.counters.edited, 1);
	s.payload.n = 0;
	assert_int_equal(give(&h, packet_of(&s, out), MARK_HELD, false), MARK_HELD);
	assert_int_equal(seen.edited, 0);
	close_home(&h);
}

/* Half a hello, a SYN with data that would have us forget it, the other half. */
static void P14_a_syn_amid_a_connection_changes_nothing(void **state)
{
	static const uint8_t marks[] = {MARK_HELD, UNDECIDED, MARK_TENTATIVE, 0};
	struct wire *w = hello_for("blocked.example");
	uint8_t out[2048];
	struct home h;

	(void)state;
	for (uint32_t isn = ISN; isn <= ISN + 1; isn++)
		for (size_t i = 0; i < sizeof marks; i++) {
			struct shape s = {.proto = IPPROTO_TCP,
				.flags = PACKET_SYN,
				.dport = 443,
				.seq = isn,
				.payload = slice_str("x")};

			open_home(&h, POLICY);
			syn_at(&h, ISN, false);
			assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, 60)), UNDECIDED);
			assert_int_equal(give(&h, packet_of(&s, out), marks[i], false),
				isn == ISN ? UNDECIDED : DROPPED);
			assert_int_equal(tcp(&h, UNDECIDED, 60, part(w, 60, w->n)), DROPPED);
			assert_string_equal(last_event(&h).ident.name, "blocked.example");
			/* nor does one behind the refusal */
			assert_int_equal(give(&h, packet_of(&s, out), marks[i], false), DROPPED);
			close_home(&h);
		}
	free(w);
}

static void a_syn_that_only_a_name_could_save_is_told_of_once(void **state)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_TCP, .flags = PACKET_SYN, .dport = 443, .seq = ISN};
	struct event e;
	struct home h;

	(void)state;
	for (int speaks = 0; speaks < 2; speaks++) {
		open_home(&h, "fail closed\nfor everyone\nallow fine.test\nblock "
			      "everything\notherwise allow\n");
		h.settings.starttls_tcp = h.settings.inspect_tcp;
		syn_at(&h, ISN, false);
		for (int again = 0; again < 3; again++)
			assert_int_equal(give(&h, packet_of(&s, out), MARK_HELD, false), MARK_HELD);
		if (speaks)
			assert_int_equal(
				answer(&h, MARK_HELD, 0, 0, slice_str("220 mail\r\n")), UNDECIDED);
		h.w.now_ms += 31000;
		dataplane_sweep(&h.w);
		e = last_event(&h);
		assert_int_equal(e.ident.anomaly, speaks ? ANOMALY_NOTHING : ANOMALY_SILENT);
		assert_int_equal(e.verdict.action, speaks ? ACTION_ALLOW : ACTION_BLOCK);
		assert_int_equal(h.w.counters.refused, !speaks);
		close_home(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allowed_hello_is_tentative_until_the_server_answers),
		cmocka_unit_test(P37_a_refused_hello_is_answered_on_both_sides_by_their_numbers),
		cmocka_unit_test(a_server_that_is_still_there_is_told_by_its_own_number),
		cmocka_unit_test(refuse_drop_says_nothing),
		cmocka_unit_test(T04_what_contradicts_the_judged_bytes_is_refused),
		cmocka_unit_test(P21_bytes_before_the_start_are_nothing),
		cmocka_unit_test(more_than_is_kept_is_not_final),
		cmocka_unit_test(T28_a_retry_waits_for_the_second_hello),
		cmocka_unit_test(H01_H25_each_request_is_judged_and_the_refusal_is_a_page),
		cmocka_unit_test(T27_a_server_that_speaks_first_makes_a_flow_without_a_name),
		cmocka_unit_test(T26_a_server_that_answers_a_hello_with_words_saw_none),
		cmocka_unit_test(T46_P14_data_in_a_syn_stays_behind),
		cmocka_unit_test(P14_a_syn_amid_a_connection_changes_nothing),
		cmocka_unit_test(a_syn_that_only_a_name_could_save_is_told_of_once),
		cmocka_unit_test(P14_bytes_that_only_the_server_saw_are_a_contradiction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
