/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_identify.c - the facade: any stream, in any pieces, gives the same results in the same order.
 */
#include <stdio.h>

#include "identify/wire.h"

#include "identify/identify.h"

static struct ident first;
static uint8_t scratch[TLS_SCRATCH];
static uint32_t limit = IDENTIFY_LIMIT;

static void text_of(const struct identify_result *r, char *out, size_t room)
{
	static const char *const kinds[] = {"pending", "name", "none", "opaque", "evasive", "not"};
	size_t n = strlen(out);

	snprintf(out + n, room - n, "%s:%s", kinds[r->ident.kind],
		r->ident.kind == IDENT_EVASIVE || r->ident.kind == IDENT_NONE
			? anomaly_key(r->ident.anomaly)
			: r->ident.name);
	n = strlen(out);
	snprintf(out + n, room - n, "%s ",
		r->ident.app == APP_TLS	   ? "/tls"
		: r->ident.app == APP_HTTP ? "/http"
					   : "");
}

/* Results of a stream fed in pieces of `size`, forgetting what need not be kept when `forget`; '.' at DONE. Nothing
 * beyond safe_to of an allowed result may be needed again, and nothing before pos may be looked at. */
static void feed(struct slice in, size_t size, bool forget, char *out, size_t room)
{
	struct stream_ident s;
	struct identify_result r;
	enum identify_step step = IDENTIFY_WAIT;

	out[0] = '\0';
	stream_ident_init(&s, limit, &first);
	for (size_t have = 0; have < in.n && step != IDENTIFY_DONE;) {
		have = have + size < in.n ? have + size : in.n;
		do {
			uint64_t from = forget ? (s.pos < have ? s.pos : have) : 0;
			struct slice bytes = guarded(slice_of(in.p + from, have - (size_t)from));

			step = stream_ident_next(&s, from, bytes, scratch, &r);
			if (step == IDENTIFY_RESULT) {
				text_of(&r, out, room);
				assert_true(r.safe_to == UINT64_MAX || r.safe_to <= have);
				assert_true(r.safe_to == UINT64_MAX || r.safe_to == s.pos);
			}
		} while (step == IDENTIFY_RESULT);
	}
	if (step == IDENTIFY_DONE)
		snprintf(out + strlen(out), room - strlen(out), ".");
}

static void expect(struct slice in, const char *want)
{
	static const size_t sizes[] = {1, 2, 3, 5, 7, 19, 64, 100000};
	char said[512];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int forget = 0; forget < 2; forget++) {
			feed(in, sizes[i], forget, said, sizeof(said));
			if (strcmp(said, want) != 0)
				fail_msg("in pieces of %zu: \"%s\", not \"%s\"", sizes[i], said,
					want);
		}
}

static void expect_text(const char *text, const char *want)
{
	expect(slice_str(text), want);
}

/* A stream of: hello records for name, ... */
static void put_tls(struct wire *w, const char *name, size_t record)
{
	struct wire *m = wire_new();

	put_hello_for(m, name);
	put_records(w, TLS_HANDSHAKE, wire_slice(m), record);
	free(m);
}

static void T06_T07_T29_a_hello_in_any_records_and_pieces(void **state)
{
	struct wire *w = wire_new();

	(void)state;
	for (size_t record = 1; record < 40; record += 6) {
		w->n = 0;
		put_tls(w, "A.Example", record);
		expect(wire_slice(w), "name:a.example/tls ");
		put_str(w, "\x17\x03\x03");
		put_n(w, 4, 2);
		put_str(w, "0rtt");
		expect(wire_slice(w), "name:a.example/tls ");
	}
	free(w);
}

static void T28_T39_a_second_hello_must_name_the_same(void **state)
{
	static const uint8_t ccs[] = {20, 3, 3, 0, 1, 1}, data[] = {23, 3, 3, 0, 2, 9, 9},
			     next[] = {22, 3, 3, 0, 2, 16, 9};
	struct wire *w = wire_new();

	(void)state;
	put_tls(w, "a.example", 1000);
	put(w, ccs, sizeof(ccs));
	put(w, data, sizeof(data));
	put_tls(w, "a.example", 9);
	expect(wire_slice(w), "name:a.example/tls ");
	put_tls(w, "b.example", 11);
	expect(wire_slice(w), "name:a.example/tls evasive:name-changed/tls .");

	w->n = 0;
	put_tls(w, "a.example", 1000);
	put(w, next, sizeof(next)); /* ClientKeyExchange: the hello stage is over */
	put_tls(w, "b.example", 1000);
	expect(wire_slice(w), "name:a.example/tls .");

	w->n = 0;
	put_tls(w, "a.example", 1000);
	put_str(w, "junk..");
	expect(wire_slice(w), "name:a.example/tls .");

	w->n = 0;
	put_tls(w, "a.example", 1000);
	put_tls(w, "192.0.2.1", 1000); /* no name at all is another name too */
	expect(wire_slice(w), "name:a.example/tls evasive:name-changed/tls .");
	free(w);
}

static void T39_a_broken_second_hello_is_evasive_unless_it_may_be_ciphertext(void **state)
{
	static const uint8_t empty[] = {22, 3, 3, 0, 1, 1, 22, 3, 3, 0, 0, 22, 3, 3};
	static const uint8_t huge[] = {22, 3, 3, 0, 5, 1, 1, 0, 0, 0},
			     lies[] = {22, 3, 3, 0, 5, 1, 0, 0, 1, 9};
	static const uint8_t ccs[] = {20, 3, 3, 0, 1, 1};
	struct wire *w = wire_new();

	(void)state;
	put_tls(w, "a.example", 1000);
	size_t n = w->n;
	put(w, empty, sizeof(empty));
	expect(wire_slice(w), "name:a.example/tls evasive:bad-record/tls .");
	w->n = n;
	put(w, huge, sizeof(huge));
	expect(wire_slice(w), "name:a.example/tls evasive:too-large/tls .");
	w->n = n;
	put(w, lies, sizeof(lies));
	expect(wire_slice(w), "name:a.example/tls evasive:bad-length/tls .");
	w->n = n;
	put(w, ccs, sizeof(ccs));
	put(w, huge, sizeof(huge));
	expect(wire_slice(w), "name:a.example/tls .");
	free(w);
}

static void T28_what_the_server_said_ends_or_keeps_the_watch(void **state)
{
	static const uint8_t ccs[] = {20, 3, 3, 0, 1, 1}, huge[] = {22, 3, 3, 0, 5, 1, 1, 0, 0, 0};
	struct wire *w = wire_new();
	struct stream_ident s;
	struct identify_result r;

	(void)state;
	put_tls(w, "a.example", 1000);
	for (int alert = 0; alert < 2; alert++) {
		stream_ident_init(&s, IDENTIFY_LIMIT, &first);
		stream_ident_server(&s, SERVER_HELLO); /* before anything: not ours to judge */
		assert_int_equal(
			stream_ident_next(&s, 0, wire_slice(w), scratch, &r), IDENTIFY_RESULT);
		stream_ident_server(&s, alert ? SERVER_ALERT : SERVER_HELLO);
		assert_int_equal(
			stream_ident_next(&s, 0, wire_slice(w), scratch, &r), IDENTIFY_DONE);
	}
	stream_ident_init(&s, IDENTIFY_LIMIT, &first);
	assert_int_equal(stream_ident_next(&s, 0, wire_slice(w), scratch, &r), IDENTIFY_RESULT);
	stream_ident_server(&s, SERVER_RETRY);
	put(w, ccs, sizeof(ccs));
	put(w, huge, sizeof(huge));
	assert_int_equal(stream_ident_next(&s, 0, wire_slice(w), scratch, &r), IDENTIFY_RESULT);
	assert_int_equal(r.ident.anomaly, ANOMALY_TOO_LARGE);
	free(w);
}

static void H01_H02_requests_one_by_one(void **state)
{
	(void)state;
	expect_text("GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: "
		    "b\r\nContent-Length: 3\r\n\r\nabc"
		    "GET / HTTP/1.1\r\nHost: c\r\n\r\n",
		"name:a/http name:b/http name:c/http ");
	expect_text("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\nmore",
		"name:a/http evasive:no-host/http .");
	expect_text("\r\n\r\nGET / HTTP/1.0\r\n\r\n", "none:no-host/http ");
	expect_text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "evasive:h2c/http .");
	expect_text("PUT / HTTP/1.1\r\nHost: a\r\n\r\n", "name:a/http ");
	expect_text("GET / HTTP/1.1\r\nHost: w\r\nUpgrade: websocket\r\n\r\n\x81\x82xxxx",
		"name:w/http .");
}

static void H13_behind_connect_identification_begins_afresh(void **state)
{
	struct wire *w = wire_new();

	(void)state;
	put_str(w, "CONNECT c.example:443 HTTP/1.1\r\n\r\n");
	size_t n = w->n;
	put_tls(w, "inner.example", 20);
	expect(wire_slice(w), "name:c.example/http name:inner.example/tls ");
	w->n = n;
	put_str(w, "GET / HTTP/1.1\r\nHost: b\r\n\r\n");
	expect(wire_slice(w), "name:c.example/http name:b/http ");
	w->n = n;
	put_str(w, "SSH-2.0-x\r\n");
	expect(wire_slice(w), "name:c.example/http not: .");
	free(w);
}

static void H12_behind_an_upgrade_to_TLS_the_hello_is_judged(void **state)
{
	struct wire *w = wire_new();

	(void)state;
	put_str(w,
		"OPTIONS * HTTP/1.1\r\nHost: a\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n");
	size_t n = w->n;
	put_tls(w, "inner.example", 20);
	expect(wire_slice(w), "name:a/http name:inner.example/tls ");
	w->n = n;
	put_str(w, "GET / HTTP/1.1\r\nHost: b\r\n\r\n"); /* the server declined */
	expect(wire_slice(w), "name:a/http name:b/http ");
	free(w);
}

static void T40_what_speaks_to_a_proxy_is_evasive(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *want;
	} t[] = {
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 36, "evasive:proxy-preface ."},
		{"PROXY UNKNOWN\r\n", 15, "evasive:proxy-preface ."},
		{"PROXY /x HTTP/1.1\r\nHost: a\r\n\r\n", 30, "name:a/http "},
		{"\r\n\r\n\0\r\nQUIT\n\x21\x11", 14, "evasive:proxy-preface ."},
		{"\5\1\0", 3, "evasive:proxy-preface ."},
		{"\5\2\0\x80", 4, "evasive:proxy-preface ."},
		{"\5\0\xb", 3, "not: ."},
		{"\5\1\xb", 3, "not: ."},
		{"\4\1\0\x50\xc0\0\2\1me\0", 11, "evasive:proxy-preface ."},
		{"\4\1\0\x50\0\0\0\1\0a.example\0", 19, "evasive:proxy-preface ."},
		{"\4\2\0\0\0\0\0\1", 8, "not: ."},
		{"\4\3\0\x50", 4, "not: ."},
		{"\4\1\0\x50\xc0\0\2\1\1\0", 10, "not: ."},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		expect(slice_of(t[i].bytes, t[i].n), t[i].want);
}

static void T40_the_socks_target_is_told(void **state)
{
	struct stream_ident s;
	struct identify_result r;

	(void)state;
	stream_ident_init(&s, IDENTIFY_LIMIT, &first);
	assert_int_equal(stream_ident_next(&s, 0, slice_of("\4\1\0\x50\0\0\0\1\0a.example\0", 19),
				 scratch, &r),
		IDENTIFY_RESULT);
	assert_true(slice_eq(r.raw, slice_str("a.example")));
	assert_true(r.safe_to == UINT64_MAX);
}

static void T25_H23_everything_else_is_not_a_protocol_with_names(void **state)
{
	static const uint8_t sslv2[] = {0x80, 0x1c, 1, 3, 1, 0, 3, 0, 0, 0, 16, 1, 0, 0x80, 1, 2, 3,
		4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	char said[64];

	(void)state;
	expect_text("SSH-2.0-OpenSSH\r\n", "not: .");
	expect_text("EHLO a\r\n", "not: .");
	expect(slice_of("\x16\3\1\0\1\2", 6), "not: .");
	expect(slice_of("\x17\3\3\0\1\2", 6), "not: .");
	expect(slice_of("\x16\x10", 2), "not: .");
	expect(slice_of("\x14\3\3\0\1\1", 6), "evasive:bad-record/tls .");
	expect(slice_of("\x80\x2f\1\5", 4), "not: .");
	expect(slice_of(sslv2, sizeof(sslv2)), "none:sslv2/tls .");
	feed(slice_of("", 0), 1, false, said, sizeof(said));
	assert_string_equal(said, "");
}

static void T12_H19_the_limit_is_kept(void **state)
{
	struct wire *w = wire_new();
	struct stream_ident s;
	struct identify_result r;

	(void)state;
	put_tls(w, "a.example", 1);
	stream_ident_init(&s, 100, &first);
	assert_int_equal(
		stream_ident_next(&s, 0, slice_of(w->b, 30), scratch, &r), IDENTIFY_RESULT);
	assert_int_equal(r.ident.anomaly, ANOMALY_TOO_LARGE);
	w->n = 0;
	put_str(w, "GET /");
	while (w->n < 200)
		put_str(w, "x");
	stream_ident_init(&s, 100, &first);
	assert_int_equal(stream_ident_next(&s, 0, slice_of(w->b, 99), scratch, &r), IDENTIFY_WAIT);
	assert_int_equal(
		stream_ident_next(&s, 0, slice_of(w->b, 100), scratch, &r), IDENTIFY_RESULT);
	assert_int_equal(r.ident.anomaly, ANOMALY_TOO_LARGE);
	free(w);
}

/* Whatever would come behind it. */
static void T12_H19_the_limit_is_kept_in_any_pieces(void **state)
{
	struct wire *w = wire_new();

	(void)state;
	limit = 100;
	put_tls(w, "a.example", 1);
	expect(wire_slice(w), "evasive:too-large/tls .");
	w->n = 0;
	put_tls(w, "a.example", 1000);
	size_t n = w->n;
	put_tls(w, "a.example", 1);
	expect(wire_slice(w), "name:a.example/tls evasive:too-large/tls .");
	limit = (uint32_t)n; /* just enough */
	expect(slice_of(w->b, n), "name:a.example/tls ");
	limit--;
	expect(slice_of(w->b, n), "evasive:too-large/tls .");
	limit = 100;
	w->n = 0;
	put_str(w, "no request ");
	while (w->n < 120)
		put_str(w, "x");
	put_str(w, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(wire_slice(w), "evasive:too-large/http .");
	limit = IDENTIFY_LIMIT;
	free(w);
}

/* Found by fuzzing, or by asking servers: whole they were read in another way than piece by piece. */
static void H18_H23_odd_first_lines_in_any_pieces(void **state)
{
	static const char letters[] =
		"\rZYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYY"
		"YYYYYY\0YYYY";

	(void)state;
	expect(slice_of("Y 2\0\n", 5), "evasive:bad-request/http .");
	expect(slice_of(letters, sizeof(letters) - 1), "evasive:bad-request/http .");
	expect(slice_of("\r0\1\n\1\0-\n", 8), "evasive:bad-request/http .");
	expect(slice_of("\r\1\n", 3), "not: .");
	expect(slice_of("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\1", 18), "evasive:bad-request/http .");
	expect(slice_of("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\1", 17), "not: .");
	expect_text("\"GET /\rHTTP/1.1\r\nHost: a\r\n\r\n", "evasive:bad-request/http .");
	expect_text("\"GET /\r\1", "not: .");
	expect_text("(x y\rz\r\n", "not: .");
	expect_text("GET /\1\r\n", "evasive:bad-request/http .");
	expect_text("                                                                   GET /",
		"evasive:bad-request/http .");
	expect_text("GET x\r\nHost: a\r\n\r\n", "none:no-host/http evasive:bad-request/http .");
}

static void random_bytes_crash_nothing(void **state)
{
	struct wire *w = wire_new();
	uint64_t seed = 88172645463325252ull;
	char said[4096];

	(void)state;
	for (int round = 0; round < 3000; round++) {
		w->n = 0;
		put_tls(w, "a.example", 1 + (size_t)round % 200);
		put_str(w, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		for (int i = 0; i < 3; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			w->b[seed % w->n] = (uint8_t)(seed >> 40);
		}
		feed(wire_slice(w), 1 + seed % 60, round & 1, said, sizeof(said));
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(T06_T07_T29_a_hello_in_any_records_and_pieces),
		cmocka_unit_test(T28_T39_a_second_hello_must_name_the_same),
		cmocka_unit_test(T39_a_broken_second_hello_is_evasive_unless_it_may_be_ciphertext),
		cmocka_unit_test(T28_what_the_server_said_ends_or_keeps_the_watch),
		cmocka_unit_test(H01_H02_requests_one_by_one),
		cmocka_unit_test(H13_behind_connect_identification_begins_afresh),
		cmocka_unit_test(H12_behind_an_upgrade_to_TLS_the_hello_is_judged),
		cmocka_unit_test(T40_what_speaks_to_a_proxy_is_evasive),
		cmocka_unit_test(T40_the_socks_target_is_told),
		cmocka_unit_test(T25_H23_everything_else_is_not_a_protocol_with_names),
		cmocka_unit_test(T12_H19_the_limit_is_kept),
		cmocka_unit_test(T12_H19_the_limit_is_kept_in_any_pieces),
		cmocka_unit_test(H18_H23_odd_first_lines_in_any_pieces),
		cmocka_unit_test(random_bytes_crash_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
