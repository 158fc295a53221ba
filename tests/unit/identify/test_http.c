/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_http.c - heads of requests, good and odd: each is judged.
 */
#include <stdio.h>

#include "identify/wire.h"

#include "identify/http_head.h"

struct row {
	const char *what, *text;
	enum ident_kind kind;
	enum anomaly anomaly;
	const char *name;
	const char *host; /* as sent; NULL = none */
};
#define NAME(name)	    IDENT_NAME, ANOMALY_NOTHING, name
#define NONE(anomaly, name) IDENT_NONE, ANOMALY_##anomaly, name
#define EVASIVE(anomaly)    IDENT_EVASIVE, ANOMALY_##anomaly, ""

static const struct row rows[] = {
	{"plain", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", NAME("a.example"), "a.example"},
	{"H03 case", "GET / HTTP/1.1\r\nhOsT: A.ExAmple\r\n\r\n", NAME("a.example"), "A.ExAmple"},
	{"H04 no blank", "GET / HTTP/1.1\r\nHost:a.example\r\n\r\n", NAME("a.example"),
		"a.example"},
	{"H04 tabs", "GET / HTTP/1.1\r\nHost:\t a.example \t\r\n\r\n", NAME("a.example"),
		"a.example"},
	{"H16 bare LF", "GET / HTTP/1.1\nHost: a.example\n\n", NAME("a.example"), "a.example"},
	{"H17 empty lines first", "\r\n\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
		NAME("a.example"), "a.example"},
	{"H18 many blanks", "GET \t /x   HTTP/1.1 \r\nHost: a.example\r\n\r\n", NAME("a.example"),
		"a.example"},
	{"H18 blank in the target", "GET /a b HTTP/1.1\r\nHost: a.example\r\n\r\n",
		NAME("a.example"), "a.example"},
	{"H18 unknown method", "FROB /x HTTP/1.1\r\nHost: a.example\r\n\r\n", NAME("a.example"),
		"a.example"},
	{"H18 lower case", "get / http/1.1\r\nHost: a.example\r\n\r\n", NAME("a.example"),
		"a.example"},
	{"H20 port", "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", NAME("a.example"),
		"a.example:8080"},
	{"T49 an A-label that stands for nothing",
		"GET / HTTP/1.1\r\nHost: xn--A-.blocked.example\r\n\r\n",
		NAME("xn--a-.blocked.example"), "xn--A-.blocked.example"},
	{"H20 final dot", "GET / HTTP/1.1\r\nHost: a.example.\r\n\r\n", NAME("a.example"),
		"a.example."},
	{"options", "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", NAME("a.example"),
		"a.example"},
	{"1.0 with host", "GET / HTTP/1.0\r\nHost: a.example\r\n\r\n", NAME("a.example"),
		"a.example"},
	{"H09 1.0 without", "GET / HTTP/1.0\r\nX: y\r\n\r\n", NONE(NO_HOST, ""), NULL},
	{"H09 1.0 bare", "GET / HTTP/1.0\r\n\r\n", NONE(NO_HOST, ""), NULL},
	{"H09 0.9", "GET /x\r\n", NONE(NO_HOST, ""), NULL},
	{"H09 0.9, another method", "FROB /x\r\n", NONE(NO_HOST, ""), NULL},
	{"H09 0.9, no path", "GET x\r\n", NONE(NO_HOST, ""), NULL},
	{"H20 empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", NONE(NO_HOST, ""), ""},
	{"H20 IPv4", "GET / HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n", NONE(IP_LITERAL, "192.0.2.1"),
		"192.0.2.1:80"},
	{"H20 IPv6", "GET / HTTP/1.1\r\nHost: [2001:DB8::1]\r\n\r\n",
		NONE(IP_LITERAL, "2001:db8::1"), "[2001:DB8::1]"},
	{"H08 absolute", "GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
		NAME("a.example"), "a.example"},
	{"H08 H09 absolute 1.0", "GET http://A.example:81 HTTP/1.0\r\n\r\n", NAME("a.example"),
		NULL},
	{"H13 connect", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
		NAME("a.example"), "a.example:443"},
	{"H13 connect without host", "CONNECT a.example:443 HTTP/1.1\r\n\r\n", NAME("a.example"),
		NULL},
	{"H12 upgrade h2c", "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: h2c\r\n\r\n",
		NAME("a.example"), "a.example"},
	{"length", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n",
		NAME("a.example"), "a.example"},
	{"H14 gzip, chunked",
		"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n",
		NAME("a.example"), "a.example"},

	{"H10 1.1 without host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", EVASIVE(NO_HOST), NULL},
	{"H08 H10 absolute without host", "GET http://a.example/ HTTP/1.1\r\n\r\n",
		EVASIVE(NO_HOST), NULL},
	{"H05 blank before colon", "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
		EVASIVE(BAD_REQUEST), NULL},
	{"H06 folded", "GET / HTTP/1.1\r\nHost:\r\n a.example\r\n\r\n", EVASIVE(BAD_REQUEST), ""},
	{"H06 folded, harmless",
		"GET / HTTP/1.1\r\nHost: a.example\r\nX: y\r\n\tz: 1\r\n q\r\n\r\n",
		NAME("a.example"), "a.example"},
	{"H06 folded length",
		"GET / HTTP/1.1\r\nHost: a.example\r\nX: y\r\n content-length : 1\r\n\r\n",
		EVASIVE(BAD_REQUEST), "a.example"},
	{"H06 folded at once", "GET / HTTP/1.1\r\n X: y\r\nHost: a.example\r\n\r\n",
		EVASIVE(BAD_REQUEST), "a.example"},
	{"H06 folded host", "GET / HTTP/1.1\r\nX: y\r\n Host: b\r\nHost: a.example\r\n\r\n",
		EVASIVE(BAD_REQUEST), "a.example"},
	{"no colon", "GET / HTTP/1.1\r\nHost: a.example\r\nfoo\r\n\r\n", EVASIVE(BAD_REQUEST),
		"a.example"},
	{"no name", "GET / HTTP/1.1\r\n: x\r\nHost: a.example\r\n\r\n", EVASIVE(BAD_REQUEST),
		"a.example"},
	{"H07 two hosts", "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
		EVASIVE(TWO_HOSTS), "a.example"},
	{"H07 the same twice", "GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n",
		EVASIVE(TWO_HOSTS), "a.example"},
	{"H07 a list", "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", EVASIVE(TWO_HOSTS),
		"a.example, b.example"},
	{"H08 mismatch", "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
		EVASIVE(HOST_MISMATCH), "a.example"},
	{"H13 connect mismatch", "CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
		EVASIVE(HOST_MISMATCH), "a.example"},
	{"H20 userinfo", "GET / HTTP/1.1\r\nHost: a.example@b.example\r\n\r\n", EVASIVE(BAD_NAME),
		"a.example@b.example"},
	{"H20 userinfo in target", "GET http://a@b.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n",
		EVASIVE(BAD_NAME), "b.example"},
	{"H20 backslash", "GET http://a.example\\@b.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n",
		EVASIVE(HOST_MISMATCH), "b.example"},
	{"H20 bad host, good target", "GET http://a.example/ HTTP/1.1\r\nHost: a b\r\n\r\n",
		EVASIVE(BAD_NAME), "a b"},
	{"H20 percent", "GET / HTTP/1.1\r\nHost: a%2eexample\r\n\r\n", EVASIVE(BAD_NAME),
		"a%2eexample"},
	{"H20 one number", "GET / HTTP/1.1\r\nHost: 3221225985\r\n\r\n", EVASIVE(BAD_NAME),
		"3221225985"},
	{"H20 octal", "GET / HTTP/1.1\r\nHost: 0300.0.2.1\r\n\r\n", EVASIVE(BAD_NAME),
		"0300.0.2.1"},
	{"H20 zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", EVASIVE(BAD_NAME),
		"[fe80::1%25eth0]"},
	{"H18 odd target", "GET x HTTP/1.1\r\nHost: a.example\r\n\r\n", EVASIVE(BAD_REQUEST),
		"a.example"},
	{"H18 no target", "GET HTTP/1.1\r\nHost: a.example\r\n\r\n", EVASIVE(BAD_REQUEST),
		"a.example"},
	{"H18 blank first", " GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", EVASIVE(BAD_REQUEST),
		"a.example"},
	{"odd version", "GET / HTTP/1.x\r\nHost: a.example\r\n\r\n", EVASIVE(BAD_REQUEST),
		"a.example"},
	{"H11 h2c", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", EVASIVE(H2C), NULL},
	{"H14 two lengths",
		"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nContent-Length: "
		"5\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 a list of lengths",
		"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5, 5\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 a signed length", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: +5\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 an empty length", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length:\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 an endless length",
		"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1234567890123456789\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 length and coding",
		"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nTransfer-Encoding: "
		"chunked\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 identity",
		"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: identity\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 chunked first",
		"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 two codings",
		"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: "
		"chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 vertical tab",
		"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: \vchunked\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H14 chunked in 1.0",
		"POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n",
		EVASIVE(FRAMING), "a.example"},
	{"H13 H14 connect with a body", "CONNECT a.example:1 HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
		EVASIVE(FRAMING), NULL},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static enum parse parse(struct slice in, struct http_head *out)
{
	size_t scanned = 0;

	return http_head_parse(guarded(in), &scanned, out);
}

static void a_request_is_judged_as_its_row_says(void **state)
{
	const struct row *r = *state;
	struct http_head h;
	enum parse status = parse(slice_str(r->text), &h);
	bool same_host = r->host ? h.host.p && slice_eq(h.host, slice_str(r->host)) : !h.host.p;

	if (status != PARSE_OK || h.ident.kind != r->kind || h.ident.anomaly != r->anomaly ||
		!same_host || (r->kind != IDENT_EVASIVE && strcmp(h.ident.name, r->name) != 0))
		fail_msg("%s: %d %s/%s \"%s\"", r->what, status, ident_kind_key(h.ident.kind),
			anomaly_key(h.ident.anomaly), h.ident.name);
	assert_int_equal(h.ident.app, APP_HTTP);
	assert_int_equal(h.ident.source, SOURCE_HOST);
	if (h.ident.anomaly != ANOMALY_H2C)
		assert_int_equal(h.head_len, strlen(r->text));
}

static void every_proper_prefix_needs_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct http_head h;
		size_t scanned = 0, n = strlen(rows[i].text);

		if (rows[i].anomaly == ANOMALY_H2C)
			continue; /* its first line is enough */
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(parse(slice_of(rows[i].text, k), &h), PARSE_NEED_MORE);
			assert_int_equal(
				http_head_parse(guarded(slice_of(rows[i].text, k)), &scanned, &h),
				PARSE_NEED_MORE);
		}
		assert_int_equal(http_head_parse(guarded(slice_of(rows[i].text, n)), &scanned, &h),
			PARSE_OK);
		assert_int_equal(h.ident.kind, rows[i].kind);
		assert_int_equal(h.ident.anomaly, rows[i].anomaly);
	}
}

static void H17_empty_lines_without_end_are_evasive(void **state)
{
	char text[64];
	struct http_head h;

	(void)state;
	memset(text, '\n', sizeof(text));
	assert_int_equal(parse(slice_of(text, 16), &h), PARSE_NEED_MORE);
	assert_int_equal(parse(slice_of(text, 17), &h), PARSE_OK);
	assert_int_equal(h.ident.kind, IDENT_EVASIVE);
	assert_int_equal(h.ident.anomaly, ANOMALY_BAD_REQUEST);
}

/* seen of nginx, Apache (HttpProtocolOptions Unsafe) and HAProxy (accept-invalid-http-request): tests/evade */
static void H18_what_a_lenient_server_takes_for_a_request_is_evasive(void **state)
{
	static const char *const t[] = {
		"\rGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"Host: / HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"\"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET / HTTP\r\nHost: a.example\r\n\r\n",
		"GET /x XTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET http://a.example/ ICY\r\nHost: a.example\r\n\r\n",
		"GET http://a.example/\r\n\r\n",
		/* Python's http.server: str.split() */
		"\x1cGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET\x1f/\x1fHTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET\xa0/\xa0HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET\x85/\x85HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"\f\vGET\v/\fHTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET /\x0bHTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET /\xa0HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET\v/\r\nHost: a.example\r\n\r\n",
		"GET\r/\rHTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET /\1 HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET /\x7f\5 HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET /\rx",
		"GET http://a.example/\r\n",
		"CONNECT a.example:80\r\n",
		"GET a.example:80 HTTP\r\nHost: a.example\r\n\r\n",
		"GET\v/ HTTP/1.1 HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET /\1\r\n",
		"GET x\v\r\n",
		"M-X /\1 HTTP/1.1\r\nHost: a.example\r\n\r\n",
		" GET /\1 HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"\"GET /\rHTTP/1.1\r\n\r\n",
		/* HAProxy reads no more of a version than its alphabet */
		"GET x Y\r\nHost: a.example\r\n\r\n",
		"INVITE sip:a SIP/2.0\r\nHost: a.example\r\n\r\n",
		"SETUP rtsp://a.example/ RTSP/1.0\r\nHost: a.example\r\n\r\n",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (parse(slice_of(t[i], strlen(t[i])), &h) != PARSE_OK ||
			h.ident.kind != IDENT_EVASIVE)
			fail_msg("%s", t[i]);
}

static void H23_what_is_not_http_is_told_by_its_first_line(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} t[] = {
		{"EHLO a.example\r\n", 16},
		{"SSH-2.0-x\r\n", 11},
		{"USER anonymous\r\n", 16},
		{"GET \r\n", 6},
		{"{\"id\": 1, \"method\": \"a\"}\n", 26},
		{"get x\r\n", 7}, /* memcached */
		{"FETCH x\r\n", 9},
		{"x y z\r\n", 7},
		{"\"x y Z\r\n", 8},
		{"\0\0\0", 3},
		{"GET\1", 4},
		{"(x\r\n", 4},
		{"\r\1", 2},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct http_head h;

		if (parse(slice_of(t[i].text, t[i].n), &h) != PARSE_INVALID)
			fail_msg("%s", t[i].text);
	}
}

/* What a prefix was found to be, every longer one is: all strings of these bytes, up to six. */
static void check_longer(uint8_t text[6], size_t n, int said)
{
	static const uint8_t bytes[] = {'G', ' ', '/', '"', '\r', '\n', '\0', '\1', '\v'};

	if (n == 6)
		return;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		struct http_head h;
		size_t scanned = 0;
		int says;

		text[n] = bytes[i];
		switch (http_head_parse(slice_of(text, n + 1), &scanned, &h)) {
		case PARSE_NEED_MORE:
			says = -1;
			break;
		case PARSE_INVALID:
			says = IDENT_NOT_PROTO;
			break;
		default:
			says = h.ident.kind;
		}
		if (said >= 0 && says != said)
			fail_msg("%d and %d at %zu of %02x %02x %02x %02x %02x %02x", said, says, n,
				text[0], text[1], text[2], text[3], text[4], text[5]);
		check_longer(text, n + 1, says);
	}
}

static void H23_what_a_prefix_is_its_continuations_are(void **state)
{
	uint8_t text[6] = {0};

	(void)state;
	check_longer(text, 0, -1);
}

static void H16_a_nul_or_bare_cr_is_evasive_at_once(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} t[] = {
		{"GET / HTTP/1.1\r\nHost: a\rb", 25},
		{"GET / HTTP/1.1\r\nHost: a\0b", 25},
		{"GET / HTTP/1.1\r\nHost: a\r\n\rG", 27},
		{"GET / HTTP/1.1\r\nHost: a\r\r\n", 26},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct http_head h;

		assert_int_equal(parse(slice_of(t[i].text, t[i].n), &h), PARSE_OK);
		assert_int_equal(h.ident.kind, IDENT_EVASIVE);
		assert_int_equal(h.ident.anomaly, ANOMALY_BAD_REQUEST);
		assert_int_equal(parse(slice_of(t[i].text, 23), &h), PARSE_NEED_MORE);
	}
}

static void H12_switches_and_bodies_are_told(void **state)
{
	static const struct {
		const char *text;
		enum http_switch to;
		enum http_body body;
		uint64_t length;
	} t[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n", HTTP_SWITCH_WEBSOCKET,
			HTTP_BODY_NONE, 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", HTTP_SWITCH_OTHER,
			HTTP_BODY_NONE, 0},
		{"CONNECT a:1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", HTTP_SWITCH_CONNECT,
			HTTP_BODY_NONE, 0},
		{"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 123456789012\r\n\r\n",
			HTTP_SWITCH_NONE, HTTP_BODY_LENGTH, 123456789012},
		{"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
			HTTP_SWITCH_NONE, HTTP_BODY_CHUNKED, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct http_head h;

		assert_int_equal(parse(slice_str(t[i].text), &h), PARSE_OK);
		assert_int_equal(h.switch_to, t[i].to);
		assert_int_equal(h.body, t[i].body);
		assert_int_equal(h.length, t[i].length);
	}
}

int main(void)
{
	static const struct CMUnitTest laws[] = {
		cmocka_unit_test(every_proper_prefix_needs_more),
		cmocka_unit_test(H17_empty_lines_without_end_are_evasive),
		cmocka_unit_test(H18_what_a_lenient_server_takes_for_a_request_is_evasive),
		cmocka_unit_test(H23_what_is_not_http_is_told_by_its_first_line),
		cmocka_unit_test(H23_what_a_prefix_is_its_continuations_are),
		cmocka_unit_test(H16_a_nul_or_bare_cr_is_evasive_at_once),
		cmocka_unit_test(H12_switches_and_bodies_are_told),
	};
	struct unit_tests all = {0};

	UNIT_ROWS(&all, rows, a_request_is_judged_as_its_row_says);
	return unit_run(&all, laws, sizeof(laws) / sizeof(laws[0]));
}
