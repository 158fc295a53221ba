/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_http_stream.c - the requests of one connection: each is judged, none slips by in the body of another.
 */
#include <stdio.h>

#include "identify/wire.h"

#include "identify/http_stream.h"

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

int main(void)
{
	static const struct CMUnitTest laws[] = {
		cmocka_unit_test(H19_heads_and_trailers_have_a_limit),
	};
	struct unit_tests all = {0};

	UNIT_ROWS(&all, streams, a_stream_in_any_pieces_says_the_same);
	return unit_run(&all, laws, sizeof(laws) / sizeof(laws[0]));
}
