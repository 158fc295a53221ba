/* SPDX-License-Identifier: GPL-3.0-or-later
 * The block page says why, and nothing that a stranger put into a name or a text gets out of its place.
 */
#include "act/refuse_page.h"

#include <openssl/evp.h>

#include "quic_help.h"

static struct strbuf out;

static int clear(void **state)
{
	strbuf_fini(&out);
	return 0;
}

static bool has(const char *text)
{
	return strstr(strbuf_text(&out), text) != NULL;
}

static const char *body(void)
{
	const char *b = strstr(strbuf_text(&out), "\r\n\r\n");
	assert_non_null(b);
	return b + 4;
}

static void length_is_right(void)
{
	const char *l = strstr(strbuf_text(&out), "Content-Length: ");
	assert_non_null(l);
	assert_int_equal(strtoul(l + 16, NULL, 10), strlen(body()));
	assert_false(out.failed);
}

static void it_says_what_why_for_whom_and_until_when(void **state)
{
	struct refuse_page p = {.host = slice_str("games.example"),
		.who = slice_str("anna-tablet"),
		.because = slice_str("Gute Nacht \xe2\x80\x93 bis morgen"),
		.list = slice_str("games"),
		.until = slice_str("Sunday 07:00"),
		.reference = slice_str("06DK-4Q1N-8ZC0")};
	refuse_page_blocked(&p, &out);
	assert_int_equal(strncmp(strbuf_text(&out), "HTTP/1.1 403 Forbidden\r\n", 24), 0);
	assert_true(has("<h1>games.example is blocked on this network</h1>"));
	assert_true(has("<dd>anna-tablet</dd>"));
	assert_true(has("Gute Nacht \xe2\x80\x93 bis morgen"));
	assert_true(has("<dd>Sunday 07:00</dd>"));
	assert_true(has("<dd>06DK-4Q1N-8ZC0</dd>"));
	assert_true(has("\r\nCache-Control: no-store\r\n"));
	assert_true(has("\r\nConnection: close\r\n"));
	assert_false(has("<script"));
	assert_false(has("<a "));
	assert_false(has("Cookie"));
	length_is_right();
}

static void bare_it_is_a_page_too(void **state)
{
	struct refuse_page p = {0};
	refuse_page_blocked(&p, &out);
	assert_true(has("<h1>This site is blocked on this network</h1>"));
	assert_false(has("<dl>"));
	length_is_right();
}

static void nothing_gets_out_of_its_place(void **state)
{
	static const char *EVIL[] = {"<script>alert(1)</script>", "\"><img src=x>",
		"a\r\nSet-Cookie: x=1", "&lt;b>", "' onload='x", "\x80\xff<b>", "\xed\xa0\x80<b>",
		"\xf0\x80\x80\xbc<b>", "\xc0\xbc<b>", "\xe2\x80\xae<b>", "\xe2"};
	for (size_t i = 0; i < sizeof(EVIL) / sizeof(EVIL[0]); i++) {
		struct slice e = slice_str(EVIL[i]);
		struct refuse_page p = {.host = e, .who = e, .because = e, .list = e, .until = e};
		refuse_page_blocked(&p, &out);
		const char *main = strstr(body(), "<main>");
		assert_true(has("<h1>This site is blocked"));
		assert_null(strstr(main, "<script"));
		assert_null(strstr(main, "<img"));
		assert_null(strstr(main, "<b>"));
		assert_null(strstr(main, "\r"));
		assert_null(strstr(main, "\xe2\x80\xae"));
		for (const char *c = main; *c; c++)
			assert_true((unsigned char)*c < 0x80);
		assert_false(has("\nSet-Cookie"));
		length_is_right();
		strbuf_fini(&out);
	}
}

static void head_gets_no_body(void **state)
{
	struct refuse_page p = {.head = true};
	refuse_page_blocked(&p, &out);
	assert_string_equal(body(), "");
	assert_true(has("Content-Length: "));
	assert_false(has("Content-Length: 0"));
}

static void the_styles_hash_is_the_policys(void **state)
{
	struct refuse_page p = {0};
	uint8_t hash[32];
	char text[64];
	refuse_page_blocked(&p, &out);
	const char *from = strstr(strbuf_text(&out), "<style>"),
		   *to = strstr(strbuf_text(&out), "</style>");
	assert_non_null(from);
	from += 7;
	assert_int_equal(EVP_Digest(from, (size_t)(to - from), hash, NULL, EVP_sha256(), NULL), 1);
	EVP_EncodeBlock((unsigned char *)text, hash, sizeof(hash));
	const char *said = strstr(strbuf_text(&out), "sha256-");
	assert_non_null(said);
	assert_int_equal(strncmp(said + 7, text, strlen(text)), 0);
	assert_true(has("Content-Security-Policy: default-src 'none'; style-src 'sha256-"));
	assert_true(has("'; sandbox\r\n"));
}

static void odd_requests_have_pages_of_their_own(void **state)
{
	static const struct {
		enum refuse_http status;
		const char *line;
	} CASES[] = {{400, "HTTP/1.1 400 Bad Request\r\n"},
		{408, "HTTP/1.1 408 Request Timeout\r\n"},
		{431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
		{502, "HTTP/1.1 502 Bad Gateway\r\n"},
		{503, "HTTP/1.1 503 Service Unavailable\r\n"}};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		refuse_page_error(CASES[i].status, false, &out);
		assert_int_equal(
			strncmp(strbuf_text(&out), CASES[i].line, strlen(CASES[i].line)), 0);
		length_is_right();
		strbuf_fini(&out);
		refuse_page_error(CASES[i].status, true, &out);
		assert_string_equal(body(), "");
		strbuf_fini(&out);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clear)
	const struct CMUnitTest tests[] = {
		T(it_says_what_why_for_whom_and_until_when),
		T(bare_it_is_a_page_too),
		T(nothing_gets_out_of_its_place),
		T(head_gets_no_body),
		T(the_styles_hash_is_the_policys),
		T(odd_requests_have_pages_of_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
