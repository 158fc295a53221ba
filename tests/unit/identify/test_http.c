/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_http.c - heads of requests, good and odd, and streams of them: each is judged, none slips by.
 */
#include <stdio.h>

#include "identify/wire.h"

#include "identify/http_head.h"
#include "identify/http_stream.h"

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

/* Feeds a stream in pieces of `size` bytes as a relay does; names of requests, '!' for BAD, '>' for SWITCHED. What need
 * not be seen is not shown when `blind`. */
static void feed(const char *text, size_t n, size_t size, bool blind, char out[256], uint64_t *pos)
{
	struct http_stream s;
	struct http_head h;
	enum http_step step = HTTP_WAIT;

	out[0] = '\0';
	http_stream_init(&s, 512);
	for (size_t have = 0; have < n;) {
		size_t piece = have + size < n ? size : n - have;
		uint64_t rest = blind && s.pos == have ? http_stream_rest(&s) : 0;

		if (rest > 0)
			http_stream_skip(&s, rest < piece ? rest : piece);
		have = rest > 0 && rest < piece ? have + (size_t)rest : have + piece;
		if (rest > 0)
			continue;
		while ((step = http_stream_next(
				&s, guarded(slice_of(text + s.pos, have - (size_t)s.pos)), &h)) ==
			HTTP_REQUEST) {
			snprintf(out + strlen(out), 60, "%.40s ",
				h.ident.name[0] ? h.ident.name : "-");
		}
		if (step != HTTP_WAIT)
			break;
	}
	if (step == HTTP_BAD)
		snprintf(out + strlen(out), 100, "!%s", anomaly_key(h.ident.anomaly));
	if (step == HTTP_SWITCHED)
		snprintf(out + strlen(out), 60, ">");
	if (step == HTTP_NOT_HTTP)
		snprintf(out + strlen(out), 60, "?");
	*pos = s.pos;
}

#define GET(host)  "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n"
#define POST(rest) "POST / HTTP/1.1\r\nHost: p\r\n" rest
#define CHUNKED	   POST("Transfer-Encoding: chunked\r\n\r\n")

struct stream_row {
	const char *what, *text, *said;
};
static const struct stream_row streams[] = {
	{"H01 three requests", GET("a") GET("b") GET("c"), "a b c "},
	{"H15 a body that looks like a header",
		POST("Content-Length: 12\r\n\r\n") "Host: other\n" GET("b"), "p b "},
	/* as a server reads it that answers without reading the body */
	{"H15 a body that is a request", POST("Content-Length: 33\r\n\r\n") GET("inside1") GET("b"),
		"p inside1 b "},
	{"H15 an OPTIONS with a body that is a request",
		"OPTIONS / HTTP/1.1\r\nHost: p\r\nContent-Length: 33\r\n\r\n" GET("inside1")
			GET("b"),
		"p inside1 b "},
	{"H15 a body of two requests",
		POST("Content-Length: 66\r\n\r\n") GET("inside1") GET("inside2") GET("b"),
		"p inside1 inside2 b "},
	{"H15 a request behind one without a site",
		POST("Content-Length: 51\r\n\r\n") "GET / HTTP/1.1\r\n\r\n" GET("inside1") GET("b"),
		"p inside1 b "},
	{"H15 a request, then other words",
		POST("Content-Length: 44\r\n\r\n") GET("inside1") "other words" GET("b"),
		"p inside1 b "},
	{"H15 a request behind other words is none",
		POST("Content-Length: 38\r\n\r\n") "word\n" GET("inside1") GET("b"), "p b "},
	{"H15 empty lines before a request",
		POST("Content-Length: 37\r\n\r\n") "\r\n\r\n" GET("inside1") GET("b"),
		"p inside1 b "},
	{"H15 an absolute target in a body",
		POST("Content-Length: 34\r\n\r\n") "GET http://inside1/ HTTP/1.0\r\nA:\n\n" GET(
			"b"),
		"p inside1 b "},
	{"H15 a 0.9 that some read a Host behind",
		POST("Content-Length: 24\r\n\r\n") "GET /\r\nHost: inside1\r\n\r\n" GET("b"),
		"p inside1 b "},
	{"H15 other blanks in a body's request",
		POST("Content-Length: 33\r\n\r\n") "GET\v/\vHTTP/1.1\r\nHost: inside1\r\n\r\n",
		"p !bad-request"},
	{"H15 a request that the body's end cuts off",
		POST("Content-Length: 28\r\n\r\n") "GET / HTTP/1.1\r\nHost: insideX:" GET("b"),
		"p !no-host"},
	{"H15 a request in a body, with a body",
		POST("Content-Length: 48\r\n\r\n") "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
						   "1\r\n\r\nx",
		"p !framing"},
	{"H11 H15 the preface of HTTP/2 in a body",
		POST("Content-Length: 24\r\n\r\n") "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "p !h2c"},
	{"H15 a form", POST("Content-Length: 9\r\n\r\n") "a=b&c=d e" GET("b"), "p b "},
	{"H15 text", POST("Content-Length: 15\r\n\r\n") "Hello, HTTP/2!\n" GET("b"), "p b "},
	{"H15 text that ends in a version",
		POST("Content-Length: 16\r\n\r\n") "We know HTTP/1.1" GET("b"), "p b "},
	{"H15 text with a line that ends in a version",
		POST("Content-Length: 23\r\n\r\n") "We know HTTP/2\nHost: x\n" GET("b"), "p b "},
	{"H15 a form's boundary",
		POST("Content-Length: 30\r\n\r\n") "--b\r\nHost: x\r\n\r\nGET / HTTP/1.1" GET("b"),
		"p b "},
	{"H15 the size of a chunk that is a request to some", CHUNKED "5;GET / HTTP/1.1\r\nHost: x",
		"p !framing"},
	{"H14 a TRACE with a body", "TRACE / HTTP/1.1\r\nHost: w\r\nContent-Length: 1\r\n\r\nx",
		"!framing"},
	{"H14 a GET with a body",
		"GET / HTTP/1.1\r\nHost: w\r\nContent-Length: 33\r\n\r\n" GET("inside1"),
		"!framing"},
	{"H14 a HEAD in chunks",
		"HEAD / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"!framing"},
	{"H14 a GET with a body of nothing",
		"GET / HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n" GET("b"), "w b "},
	{"H14 chunks", CHUNKED "5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n" GET("b"),
		"p b "},
	{"H14 trailers", CHUNKED "00\r\nTrailer: x\r\nHost: y\r\n\r\n" GET("b"), "p b "},
	{"H14 a blank behind a chunk's size", CHUNKED "5 \r\nhello\r\n0\r\n\r\n", "p !framing"},
	{"H14 no chunk's size", CHUNKED "\r\n", "p !framing"},
	{"H14 no size before the extension", CHUNKED ";\r\n", "p !framing"},
	{"H14 a chunk's line ended by LF", CHUNKED "5\nhello", "p !framing"},
	{"H14 a chunk's line ended by CR", CHUNKED "5\rx", "p !framing"},
	{"H14 0x before a size", CHUNKED "0x5\r\nhello", "p !framing"},
	{"H14 an endless chunk", CHUNKED "1234567890abcdef\r\n", "p !framing"},
	{"H14 a control character in an extension", CHUNKED "5;\1\r\n", "p !framing"},
	{"H14 no line end behind a chunk", CHUNKED "5\r\nhelloX", "p !framing"},
	{"H14 half a line end behind a chunk", CHUNKED "5\r\nhello\rX", "p !framing"},
	{"H14 a trailer without a colon", CHUNKED "0\r\nX\n\r\n", "p !framing"},
	{"H14 half a line end behind trailers", CHUNKED "0\r\n\rX", "p !framing"},
	{"H02 junk behind a request", GET("a") "junk\1", "a !bad-request"},
	{"H02 a line of junk behind a request", GET("a") "junk\r\n", "a !bad-request"},
	{"H02 H10 a request without Host behind another", GET("a") "GET / HTTP/1.1\r\n\r\n",
		"a !no-host"},
	{"H17 an empty line between", GET("a") "\r\n" GET("b"), "a b "},
	{"H09 0.9, then a header", "GET /\r\nHost: b\r\n\r\n", "- !bad-request"},
	{"H09 0.9, then a request", "GET /index\r\n" GET("b"), "- b "},
	{"H23 another protocol", "EHLO x\r\n", "?"},
	{"H13 CONNECT, then TLS", "CONNECT c:443 HTTP/1.1\r\n\r\n\x16\x03", "c >"},
	{"H13 CONNECT, then a request", "CONNECT c:443 HTTP/1.1\r\n\r\n" GET("b"), "c >"},
	{"H12 a websocket", "GET / HTTP/1.1\r\nHost: w\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
		"w >"},
	{"H12 a websocket that was not agreed to",
		"GET / HTTP/1.1\r\nHost: w\r\nUpgrade: websocket\r\n\r\n" GET("b"), "w b "},
	{"H12 no frame of a websocket",
		"GET / HTTP/1.1\r\nHost: w\r\nUpgrade: websocket\r\n\r\n\x1cGET / "
		"HTTP/1.1\r\nHost: b\r\n\r\n",
		"w !bad-request"},
	{"H12 a blank behind an unknown switch",
		"GET / HTTP/1.1\r\nHost: w\r\nUpgrade: foo\r\n\r\n\xa0GET / HTTP/1.1\r\nHost: "
		"b\r\n\r\n",
		"w !bad-request"},
	{"H12 an unknown switch", "GET / HTTP/1.1\r\nHost: w\r\nUpgrade: foo\r\n\r\nls -l\r\n",
		"w !bad-request"},
	{"H12 an unknown switch, with a body",
		"PUT / HTTP/1.1\r\nHost: w\r\nUpgrade: foo\r\nContent-Length: 3\r\n\r\n\1\2\3" GET(
			"b"),
		"w b "},
	{"H11 H12 h2c by upgrade",
		"GET / HTTP/1.1\r\nHost: w\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"w !h2c"},
};

static void a_stream_in_any_pieces_says_the_same(void **state)
{
	const struct stream_row *r = *state;
	size_t n = strlen(r->text);
	uint64_t first = 0, pos;
	char said[256];

	for (size_t i = 0; i < 2 * n; i++) {
		size_t size = 1 + i / 2;

		feed(r->text, n, size, i % 2, said, &pos);
		if (strcmp(said, r->said) != 0)
			fail_msg("%s, in pieces of %zu%s: \"%s\", not \"%s\"", r->what, size,
				i % 2 ? ", bodies unseen" : "", said, r->said);
		if (i == 0)
			first = pos;
		else
			assert_int_equal(pos, first);
	}
}

static void H19_heads_and_trailers_have_a_limit(void **state)
{
	struct wire *w = wire_new();
	struct http_stream s;
	struct http_head h;
	char said[256];
	uint64_t pos;

	(void)state;
	put_str(w, "GET / HTTP/1.1\r\nX: ");
	while (w->n < 600)
		put_str(w, "x");
	feed((char *)w->b, 600, 100, false, said, &pos);
	assert_string_equal(said, "!too-large");
	put_str(w, "\r\nHost: a\r\n\r\n");
	feed((char *)w->b, w->n, w->n, false, said, &pos); /* also when it comes in one piece */
	assert_string_equal(said, "!too-large");

	w->n = 0;
	put_str(w, CHUNKED "0\r\n");
	for (int i = 0; i < 2000; i++)
		put_str(w, "X: 12345\r\n");
	http_stream_init(&s, 512);
	assert_int_equal(http_stream_next(&s, wire_slice(w), &h), HTTP_REQUEST);
	assert_int_equal(
		http_stream_next(&s, slice_of(w->b + s.pos, w->n - (size_t)s.pos), &h), HTTP_BAD);
	assert_int_equal(h.ident.anomaly, ANOMALY_FRAMING);
	assert_int_equal(http_stream_next(&s, slice_str("more"), &h), HTTP_BAD);

	w->n = 0;
	put_str(w, CHUNKED "1;");
	for (int i = 0; i < 300; i++)
		put_str(w, "x");
	feed((char *)w->b, w->n, 7, false, said, &pos);
	assert_string_equal(said, "p !framing");
	free(w);
}

static void H12_a_server_that_agreed_opens_the_tunnel(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: w\r\nUpgrade: tcp\r\n\r\n";
	struct http_stream s;
	struct http_head h;

	(void)state;
	http_stream_init(&s, 512);
	http_stream_switched(&s); /* nothing was asked for */
	assert_int_equal(http_stream_next(&s, slice_str(text), &h), HTTP_REQUEST);
	assert_int_equal(http_stream_next(&s, slice_str(""), &h), HTTP_WAIT);
	http_stream_switched(&s);
	assert_int_equal(http_stream_next(&s, slice_str("ls -l\r\n"), &h), HTTP_SWITCHED);
}

static void a_status_line_is_read(void **state)
{
	static const char text[] = "HTTP/1.1 101";
	static const char *const wrong[] = {
		"HTTX", "HTTP/1.x", "HTTP/1.1:", "HTTP/1.1 1x", "SSH-2"};
	unsigned status = 0;

	(void)state;
	for (size_t n = 0; n < 12; n++)
		assert_int_equal(
			http_status_parse(guarded(slice_of(text, n)), &status), PARSE_NEED_MORE);
	assert_int_equal(http_status_parse(guarded(slice_str(text)), &status), PARSE_OK);
	assert_int_equal(status, 101);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(
			http_status_parse(guarded(slice_str(wrong[i])), &status), PARSE_INVALID);
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
		cmocka_unit_test(H19_heads_and_trailers_have_a_limit),
		cmocka_unit_test(H12_a_server_that_agreed_opens_the_tunnel),
		cmocka_unit_test(a_status_line_is_read),
	};
	struct unit_tests all = {0};

	UNIT_ROWS(&all, rows, a_request_is_judged_as_its_row_says);
	UNIT_ROWS(&all, streams, a_stream_in_any_pieces_says_the_same);
	return unit_run(&all, laws, sizeof(laws) / sizeof(laws[0]));
}
