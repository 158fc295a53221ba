/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_head.c - the heads that libmicrohttpd may see, and those that it never does.
 */
#include "show/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START "GET /api/v1/status HTTP/1.1\r\nHost: 192.0.2.1:8480\r\n"
#define POST                                                                                       \
	"POST /api/v1/session HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Type: application/json\r\n"

static const char *const good[] = {START "\r\n", POST "Content-Length: 5\r\n\r\nhello",
	POST "content-length: 0\r\n\r\n",
	START "Cookie: durward=0123\r\nAccept: */*\r\nAccept: text/html\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n", "GET /?a=b HTTP/1.1\r\nHost: [2001:db8:1::1]:8480\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: dataplane\r\nX-Empty:\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: dataplane.example\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
	START
	"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", /* ignored by whoever does not know it */
	"PATCH /api/v1/policy HTTP/1.1\r\nHost: localhost\r\n\r\n"};

static const char *const bad[] = {
	/* framing */
	POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	POST "Content-Length: 5\r\nContent-Length: 50\r\n\r\nhello",
	POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	POST "Transfer-Encoding: identity\r\n\r\n",
	POST "Transfer-Encoding\t: chunked\r\nContent-Length: 0\r\n\r\n",
	POST "Content-Length : 5\r\n\r\nhello", POST "Content-Length: +5\r\n\r\nhello",
	POST "Content-Length: -1\r\n\r\n", POST "Content-Length: 5, 5\r\n\r\nhello",
	POST "Content-Length: 0x5\r\n\r\nhello", POST "Content-Length:\r\n\r\n",
	POST "Content-Length: 99999999999999999999\r\n\r\n",
	POST "Content-Length: 5\r\n Content-Length: 6\r\n\r\n",
	START "Content-Length: 5\r\n\r\nhello",
	/* twice what decides */
	START "Host: 192.0.2.1\r\n\r\n", START "Cookie: a=b\r\nCookie: durward=1\r\n\r\n",
	POST "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
	START "Origin: http://a\r\nOrigin: http://192.0.2.1\r\n\r\n",
	START "Sec-Fetch-Site: none\r\nsec-fetch-site: cross-site\r\n\r\n",
	/* form */
	"\r\n" START "\r\n", "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\r\n",
	"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
	" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /\r\n\r\n", "GET http://192.0.2.1/ HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
	"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "GET / HTTP/0.9\r\n\r\n", "GET / http/1.1\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", START "NoColon\r\n\r\n", START ": empty\r\n\r\n",
	START "X-A: b\r\n folded\r\n\r\n", START "X-A: b\rc\r\n\r\n", START "X-A: b\x01\r\n\r\n",
	START "X-A: \x7f\r\n\r\n", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	"\x16\x03\x01\x02\x00\x01\r\n\r\n"};

static enum head_state check(const char *text, size_t n)
{
	uint8_t *own = malloc(n ? n : 1); /* so that a byte read too far is seen */
	struct head_seen seen;
	enum head_state got;

	memcpy(own, text, n);
	got = head_check(slice_of(own, n), &seen);
	free(own);
	return got;
}

static void one_reading_passes(void **state)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		size_t head = (size_t)(strstr(good[i], "\r\n\r\n") - good[i]) + 4;

		if (check(good[i], strlen(good[i])) != HEAD_OK)
			fail_msg("refused: %s", good[i]);
		for (size_t n = 0; n < head; n++) /* byte by byte */
			if (check(good[i], n) != HEAD_MORE)
				fail_msg("%zu bytes of: %s", n, good[i]);
		assert_int_equal(check(good[i], head), HEAD_OK);
	}
}

static void two_readings_do_not(void **state)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (check(bad[i], strlen(bad[i])) != HEAD_BAD)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(check(START "X: \0\r\n\r\n", sizeof START "X: \0\r\n\r\n" - 1), HEAD_BAD);
	assert_int_equal(check("GET /\0 HTTP/1.1\r\n\r\n", 19), HEAD_BAD);
}

static void a_head_is_bounded(void **state)
{
	static char long_line[HEAD_MAX + 1];

	memset(long_line, 'a', sizeof long_line);
	memcpy(long_line, START "X: ", strlen(START "X: "));
	assert_int_equal(check(long_line, HEAD_MAX - 1), HEAD_MORE);
	assert_int_equal(check(long_line, HEAD_MAX), HEAD_TOO_LARGE);
}

static void the_cookie_is_found(void **state)
{
	struct head_seen seen;

	assert_int_equal(
		head_check(slice_str(START "cookie:  durward=12 \r\n\r\n"), &seen), HEAD_OK);
	assert_true(slice_eq(seen.cookie, slice_str("durward=12")));
	assert_int_equal(head_check(slice_str(START "\r\n"), &seen), HEAD_OK);
	assert_int_equal(seen.cookie.n, 0);
}

/* Whatever bytes come, the answer comes, and no byte outside is read (build/asan shows that). */
static void junk_ends(void **state)
{
	char text[400];

	srand(5);
	for (int i = 0; i < 200000; i++) {
		const char *from = good[(size_t)rand() % (sizeof good / sizeof *good)];
		size_t n = strlen(from), edits = (size_t)(rand() % 6);

		memcpy(text, from, n);
		for (size_t k = 0; k < edits; k++)
			text[(size_t)rand() % n] = "\r\n :\t\0,/Aa0\x80"[rand() % 13];
		check(text, (size_t)rand() % (n + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_reading_passes),
		cmocka_unit_test(two_readings_do_not),
		cmocka_unit_test(a_head_is_bounded),
		cmocka_unit_test(the_cookie_is_found),
		cmocka_unit_test(junk_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
