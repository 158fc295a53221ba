/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_flow_bytes.c - an inspected TCP flow with much on its way: what comes again late is let through, or seen to differ.
 */
#include "dataplane/flow_help.h"

static const char head[] = "POST / HTTP/1.1\r\nHost: fine.test\r\nContent-Length: 1000000\r\n\r\n",
		  other[] = "POST / HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 1000000\r\n\r\n",
		  bad[] = "GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n";
enum { HEAD = sizeof(head) - 1, BODY = 1000000 };

static void begin(struct home *h)
{
	open_home(h, POLICY);
	syn_at(h, ISN, false);
	assert_int_equal(tcp(h, MARK_HELD, 0, slice_str(head)), REQUESTS);
}

static void a_body_comes_in_any_order_and_again(void **state)
{
	struct home h;

	(void)state;
	begin(&h);
	assert_int_equal(tcp(&h, REQUESTS, HEAD, slice_str("{")), REQUESTS);
	for (uint32_t at = HEAD + 1000; at < HEAD + BODY; at += 1000)
		assert_int_equal(tcp(&h, REQUESTS, at, slice_str("body")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, HEAD, slice_str("{what was lost")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, 0, slice_str(head)), REQUESTS);
	assert_true(flowtab_memory(h.w.flows) < 16 * 1024);
	assert_int_equal(tcp(&h, REQUESTS, HEAD + BODY - 4, slice_str("BODYGET /")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, HEAD + BODY, slice_str("get /")), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_CONTRADICTION);
	close_home(&h);
}

static void T04_a_head_that_comes_again_is_compared(void **state)
{
	struct home h;

	(void)state;
	begin(&h);
	assert_int_equal(tcp(&h, REQUESTS, HEAD, slice_str("{")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, HEAD + 900000, slice_str("body")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, 0, slice_str(other)), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_CONTRADICTION);
	close_home(&h);
}

/* To a server that does not read it. Its first byte decides, and stays. */
static void H15_a_body_that_is_a_request_is_judged(void **state)
{
	struct home h;

	(void)state;
	for (uint32_t n = 1; n < 20; n++) {
		uint32_t at = 0;

		begin(&h);
		for (; at + n < sizeof(bad) - 1; at += n)
			assert_int_equal(
				tcp(&h, REQUESTS, HEAD + at, slice_of(bad + at, n)), REQUESTS);
		assert_int_equal(
			tcp(&h, REQUESTS, HEAD + at, slice_of(bad + at, sizeof(bad) - 1 - at)),
			DROPPED);
		assert_string_equal(last_event(&h).ident.name, "blocked.example");
		close_home(&h);
	}
	begin(&h);
	assert_int_equal(tcp(&h, REQUESTS, HEAD + 3, slice_str(bad + 3)), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, HEAD, slice_of(bad, 3)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "blocked.example");
	close_home(&h);
	begin(&h);
	assert_int_equal(tcp(&h, REQUESTS, HEAD, slice_str("{}")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, HEAD, slice_str(bad)), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_CONTRADICTION);
	close_home(&h);
}

static void H15_a_body_is_not_edited(void **state)
{
	static const char offer[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n";
	struct home h;

	(void)state;
	begin(&h);
	for (uint32_t at = 0; at < sizeof(offer) - 1; at += 11)
		assert_int_equal(
			tcp(&h, REQUESTS, HEAD + at,
				slice_of(offer + at,
					sizeof(offer) - 1 - at < 11 ? sizeof(offer) - 1 - at : 11)),
			REQUESTS);
	assert_int_equal(seen.edited, 0);
	close_home(&h);
}

static void H25_what_stands_behind_the_body_is_judged(void **state)
{
	struct home h;

	(void)state;
	begin(&h);
	assert_int_equal(tcp(&h, REQUESTS, HEAD, slice_str("{")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, HEAD + BODY, slice_str(bad)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "blocked.example");
	close_home(&h);
}

/* Longer than sequence numbers are: the window goes with what has come. */
static void a_body_of_five_gigabytes(void **state)
{
	static const char large[] =
		"POST / HTTP/1.1\r\nHost: fine.test\r\nContent-Length: 5000000000\r\n\r\n";
	uint64_t at = sizeof(large) - 1, end = at + 5000000000;
	struct home h;

	(void)state;
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, slice_str(large)), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, (uint32_t)at, slice_str("{")), REQUESTS);
	for (at += 1000; at + 4 < end; at += 100000000) {
		assert_int_equal(tcp(&h, REQUESTS, (uint32_t)at, slice_str("body")), REQUESTS);
		assert_int_equal(tcp(&h, REQUESTS, (uint32_t)at - 50, slice_str("bo")), REQUESTS);
	}
	assert_int_equal(tcp(&h, REQUESTS, (uint32_t)end - 4, slice_str("body")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, (uint32_t)end, slice_str(bad)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "blocked.example");
	close_home(&h);
}

static void chunks_are_jumped_over_one_by_one(void **state)
{
	static const char first[] = "POST / HTTP/1.1\r\nHost: fine.test\r\n"
				    "Transfer-Encoding: chunked\r\n\r\n40000\r\n";
	uint32_t at = sizeof(first) - 1;
	struct home h;

	(void)state;
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, slice_str(first)), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, at + 0x40000, slice_str("\r\n40000\r\n")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, at + 5, slice_str("any")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, at + 0x80009, slice_str("\r\n0\r\n\r\n")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, at + 0x40000, slice_str("\r\n40000\r\n")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, at + 0x80009 + 7, slice_str(bad)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "blocked.example");
	close_home(&h);
}

static void say(struct home *h, uint32_t *at, struct slice words)
{
	int mark = tcp(h, *at ? UNDECIDED : MARK_HELD, *at, words);

	assert_true(mark == UNDECIDED || mark == REQUESTS);
	*at += (uint32_t)words.n;
}

static void expect_edited(const char *text)
{
	struct packet k;

	assert_int_equal(packet_parse(slice_of(seen.edited_bytes, seen.edited), &k), PARSE_OK);
	if (!slice_eq(k.payload, slice_str(text)))
		fail_msg("\"%.*s\", not \"%s\"", (int)k.payload.n, (const char *)k.payload.p, text);
}

static void H12_an_offer_of_http2_is_taken_out_each_time(void **state)
{
	static const char a[] = "GET / HTTP/1.1\r\nHost: fine.test\r\nUpgrade: h2",
			  b[] = "c\r\n\r\n";
	enum { A = sizeof(a) - 1, B = sizeof(b) - 1 };
	struct home h;

	(void)state;
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, slice_str(a)), UNDECIDED);
	assert_int_equal(seen.edited, 0);
	assert_int_equal(tcp(&h, UNDECIDED, A, slice_str(b)), REQUESTS);
	expect_edited("x\r\n\r\n");
	assert_int_equal(tcp(&h, REQUESTS, A + B, slice_str(head)), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, A + B + HEAD, slice_str("{")), REQUESTS);
	assert_int_equal(seen.edited, 0);
	assert_int_equal(tcp(&h, REQUESTS, A + B + HEAD + 500000, slice_str("h2c")), REQUESTS);
	assert_int_equal(seen.edited, 0);
	/* again, in other pieces */
	assert_int_equal(tcp(&h, REQUESTS, A - 2, slice_str("h2c\r\n")), REQUESTS);
	expect_edited("h2x\r\n");
	/* the client said no x */
	assert_int_equal(tcp(&h, REQUESTS, A - 2, slice_str("h2x\r\n")), DROPPED);
	close_home(&h);
}

static void H12_an_offer_that_comes_too_early_waits(void **state)
{
	static const char all[] = "GET / HTTP/1.1\r\nHost: fine.test\r\nUpgrade: h2c\r\n\r\n";
	struct home h;

	(void)state;
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 20, slice_str(all + 20)), DROPPED);
	assert_int_equal(tcp(&h, MARK_HELD, 0, slice_of(all, 20)), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, 20, slice_str(all + 20)), REQUESTS);
	assert_int_equal(seen.edited, 40 + strlen(all + 20));
	close_home(&h);
}

/* EHLO, and a letter of so many kilobytes. Returns where it ends. */
static uint32_t mail(struct home *h, int kilobytes)
{
	char line[1025];
	uint32_t at = 0;

	memset(line, 'x', 1024);
	memcpy(line + 1022, "\r\n", 3);
	open_home(h, POLICY);
	h->settings.starttls_tcp = h->settings.inspect_tcp;
	syn_at(h, ISN, false);
	say(h, &at, slice_str("EHLO a\r\n"));
	say(h, &at, slice_str("MAIL FROM:<a>\r\n"));
	while (kilobytes--)
		say(h, &at, slice_str(line));
	return at;
}

static void T26_a_long_letter_comes_again(void **state)
{
	uint32_t at;
	struct home h;

	(void)state;
	at = mail(&h, 1000);
	assert_true(flowtab_memory(h.w.flows) < 2 * 512 * 1024);
	assert_int_equal(tcp(&h, REQUESTS, at - 100000, slice_str("xxx")), REQUESTS);
	/* too old to be compared: text that can begin nothing may pass, wherever TLS would have been looked for */
	assert_int_equal(tcp(&h, REQUESTS, 500000, slice_str("yyy")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, 500000, slice_str("y\x16y")), DROPPED);
	assert_int_equal(tcp(&h, REQUESTS, 500000, slice_str("\x03")), DROPPED);
	assert_int_equal(tcp(&h, REQUESTS, 1000, slice_str("STARTTLS")), DROPPED);
	assert_int_equal(tcp(&h, REQUESTS, at, slice_str("go on\r\n")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, at - 100000, slice_str("yyy")), DROPPED);
	assert_int_equal(last_event(&h).ident.anomaly, ANOMALY_CONTRADICTION);
	close_home(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_comes_in_any_order_and_again),
		cmocka_unit_test(T04_a_head_that_comes_again_is_compared),
		cmocka_unit_test(H15_a_body_that_is_a_request_is_judged),
		cmocka_unit_test(H15_a_body_is_not_edited),
		cmocka_unit_test(H25_what_stands_behind_the_body_is_judged),
		cmocka_unit_test(a_body_of_five_gigabytes),
		cmocka_unit_test(chunks_are_jumped_over_one_by_one),
		cmocka_unit_test(T26_a_long_letter_comes_again),
		cmocka_unit_test(H12_an_offer_of_http2_is_taken_out_each_time),
		cmocka_unit_test(H12_an_offer_that_comes_too_early_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
