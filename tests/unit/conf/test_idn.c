/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_idn.c - names as people write them, made canonical.
 */
#include "conf/idn.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define UE "\xc3\xbc"

static const struct {
	const char *in;
	enum idn want;
	const char *out;
} cases[] = {
	{"Example.TEST.", IDN_OK, "example.test"},
	{"b" UE "cher.example", IDN_OK, "xn--bcher-kva.example"},
	{"B\xc3\x9c"
	 "CHER.Example",
		IDN_OK, "xn--bcher-kva.example"},
	{"bu\xcc\x88"
	 "cher.example",
		IDN_OK, "xn--bcher-kva.example"}, /* u + combining diaeresis */
	{"stra\xc3\x9f"
	 "e.example",
		IDN_OK, "xn--strae-oqa.example"}, /* non-transitional */
	{"b" UE "cher\xe3\x80\x82"
	 "example",
		IDN_OK, "xn--bcher-kva.example"}, /* ideographic full stop */
	{"xn--bcher-kva.example", IDN_OK, "xn--bcher-kva.example"},
	{"XN--BCHER-KVA.example", IDN_OK, "xn--bcher-kva.example"},
	{"xn--strae-oqa.example", IDN_OK, "xn--strae-oqa.example"},
	{"_dmarc.b" UE "cher.example", IDN_OK, "_dmarc.xn--bcher-kva.example"},
	{"r1---sn-4g5e.b" UE "cher.example.", IDN_OK, "r1---sn-4g5e.xn--bcher-kva.example"},
	{"ab--c.example", IDN_OK, "ab--c.example"},
	/* A-labels are what they are on the wire, whatever they stand for */
	{"xn--a.example", IDN_OK, "xn--a.example"},
	{"xn--.example", IDN_OK, "xn--.example"},
	{"xn--a-.blocked.example", IDN_OK, "xn--a-.blocked.example"},
	{"XN--ZZZZZZ.example.", IDN_OK, "xn--zzzzzz.example"},
	{"xn--bcher-kva8445foa.example", IDN_OK, "xn--bcher-kva8445foa.example"},
	{"xn--a-.b" UE "cher.example", IDN_OK, "xn--a-.xn--bcher-kva.example"},
	/* symbols, by UTS 46 alone */
	{"xn--n3h.example", IDN_OK, "xn--n3h.example"},
	{"\xe2\x98\x83.example", IDN_OK, "xn--n3h.example"},
	{"I\xe2\x99\xa5NY.example", IDN_OK, "xn--iny-zx5a.example"},
	{"\xf0\x9f\x92\xa9.example", IDN_OK, "xn--ls8h.example"},
	{"\xe2\x98\x83\xc2\xad.example", IDN_OK, "xn--n3h.example"}, /* and a soft hyphen */
	{"\xe2\x99\xa5\xc3\x9f.example", IDN_BAD, NULL},	     /* with sharp s: see idn.c */
	{"a/\xe2\x98\x83.example", IDN_BAD, NULL},
	{"a \xe2\x98\x83.example", IDN_BAD, NULL},
	/* capital sharp s is sharp s */
	{"stra\xe1\xba\x9e"
	 "e.example",
		IDN_OK, "xn--strae-oqa.example"},
	{"fa\xe1\xba\x9e.de", IDN_OK, "xn--fa-hia.de"},
	{"fa\xc3\x9f.de", IDN_OK, "xn--fa-hia.de"},
	{"\xd7\x90"
	 "a.example",
		IDN_BAD, NULL},				/* two directions in one label */
	{"\xcd\xb8.example", IDN_BAD, NULL},		/* not assigned */
	{"\xef\xbc\x91.2.3.4", IDN_ADDRESS, "1.2.3.4"}, /* full-width digit one */
	{"192.0.2.1", IDN_ADDRESS, "192.0.2.1"},
	{"", IDN_EMPTY, NULL},
	{".", IDN_EMPTY, NULL},
	{"\xc2\xad.example", IDN_BAD, NULL}, /* a soft hyphen alone */
	{"a\xef\xbc\x8f"
	 "b.example",
		IDN_BAD, NULL}, /* full-width slash */
	{"\xe2\x80\x8e"
	 "a.example",
		IDN_BAD, NULL}, /* left-to-right mark */
	{"a\xff.example", IDN_BAD, NULL},
	{UE "..example", IDN_BAD, NULL},
	{"." UE ".example", IDN_BAD, NULL},
	{"exa mple." UE, IDN_BAD, NULL},
};

static void each_name_has_one_form(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char out[NAME_TEXT];
		uint8_t len = 0;
		enum idn r = idn_canonical(slice_str(cases[i].in), out, &len);

		if (r != cases[i].want)
			print_error("case %zu %s: %d\n", i, cases[i].in, r);
		assert_int_equal(r, cases[i].want);
		if (cases[i].out) {
			assert_string_equal(out, cases[i].out);
			assert_int_equal(len, strlen(out));
		}
	}
}

static void long_names_are_refused(void **state)
{
	char in[2000], out[NAME_TEXT];
	uint8_t len;

	for (size_t n = 1; n + 3 < sizeof in; n++) {
		memset(in, 'a', n);
		for (size_t i = 9; i < n; i += 10)
			in[i] = '.';
		memcpy(in + n, UE, 2);
		if (n > 260)
			assert_int_not_equal(idn_canonical(slice_of(in, n + 2), out, &len), IDN_OK);
		else
			idn_canonical(slice_of(in, n + 2), out, &len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_has_one_form),
		cmocka_unit_test(long_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
