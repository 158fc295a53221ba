/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_json.c - whatever bytes go in, JSON comes out, and it reads back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "show/json.h"

static void members_and_commas(void **state)
{
	struct strbuf b = {0};

	jw_open(&b, NULL, '{');
	jw_text(&b, "name", "a\"b");
	jw_open(&b, "list", '[');
	jw_int(&b, NULL, -1);
	jw_uint(&b, NULL, 18446744073709551615u);
	jw_open(&b, NULL, '{');
	jw_close(&b, '}');
	jw_close(&b, ']');
	jw_bool(&b, "yes", true);
	jw_text(&b, "nothing", NULL);
	jw_time(&b, "at", 1700000000123u);
	jw_close(&b, '}');
	assert_string_equal(strbuf_text(&b),
		"{\"name\":\"a\\\"b\",\"list\":[-1,18446744073709551615,{}],\"yes\":true,"
		"\"nothing\":null,\"at\":\"2023-11-14T22:13:20.123Z\"}");
	strbuf_fini(&b);
}

static void texts_are_made_safe(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"<img src=x onerror=alert(1)>", "[\"\\u003cimg src=x onerror=alert(1)\\u003e\"]"},
		{"a\x01\x1b[31m\x7f", "[\"a\\u0001\\u001b[31m\\u007f\"]"},
		{"J\xc3\xbcrgen", "[\"J\xc3\xbcrgen\"]"},
		{"\xff\xc3", "[\"\\ufffd\\ufffd\"]"},
		{"\xed\xa0\x80", "[\"\\ufffd\\ufffd\\ufffd\"]"},
		{"line\nbreak\\", "[\"line\\nbreak\\\\\"]"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct strbuf b = {0};
		jw_open(&b, NULL, '[');
		jw_text(&b, NULL, cases[i].in);
		jw_close(&b, ']');
		assert_string_equal(strbuf_text(&b), cases[i].out);
		strbuf_fini(&b);
	}
}

static void any_bytes_read_back_as_json(void **state)
{
	uint8_t bytes[64];

	srand(7);
	for (int turn = 0; turn < 2000; turn++) {
		struct strbuf b = {0};
		struct json *j;
		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)(rand() >> 3);
		jw_open(&b, NULL, '{');
		jw_slice(&b, "k", slice_of(bytes, (size_t)turn % sizeof bytes));
		jw_close(&b, '}');
		j = jr_parse(slice_str(strbuf_text(&b)));
		assert_non_null(j);
		jr_free(j);
		strbuf_fini(&b);
	}
}

static void what_is_not_there_is_tolerated(void **state)
{
	struct json *j = jr_parse(slice_str("{\"a\":{\"b\":[1,\"x\"]},\"t\":true}"));

	assert_string_equal(jr_text(jr_at(jr_get(jr_get(j, "a"), "b"), 1)), "x");
	assert_null(jr_get(jr_get(jr_get(j, "no"), "such"), "thing"));
	assert_string_equal(jr_get_text(j, "no"), "");
	assert_true(jr_number(jr_get(j, "no"), 7) > 6.9);
	assert_true(jr_true(jr_get(j, "t")));
	assert_true(jr_is_null(jr_get(j, "no")));
	assert_int_equal(jr_count(jr_get(jr_get(j, "a"), "b")), 2);
	jr_free(j);
	assert_null(jr_parse(slice_str("{\"a\":1,\"a\":2}")));
	assert_null(jr_parse(slice_str("{\"a\":")));
	assert_null(jr_parse(slice_str("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_commas),
		cmocka_unit_test(texts_are_made_safe),
		cmocka_unit_test(any_bytes_read_back_as_json),
		cmocka_unit_test(what_is_not_there_is_tolerated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
