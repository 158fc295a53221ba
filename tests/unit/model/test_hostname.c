/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_hostname.c - names as sent, made canonical.
 */
#include "model/hostname.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define L63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"

static const struct {
	const char *in;
	enum hostname want;
	const char *out;
} cases[] = {
	{"example.test", HOSTNAME_OK, "example.test"},
	{"EXAMPLE.Test.", HOSTNAME_OK, "example.test"},
	{"localhost", HOSTNAME_OK, "localhost"},
	{"_dmarc.example.test", HOSTNAME_OK, "_dmarc.example.test"},
	{"xn--bcher-kva.test", HOSTNAME_OK, "xn--bcher-kva.test"},
	{"xn--.XN--a-.xn--zzzzzz.test.", HOSTNAME_OK, "xn--.xn--a-.xn--zzzzzz.test"},
	{"ab--c.-x-.test", HOSTNAME_OK, "ab--c.-x-.test"},
	{L63 ".test", HOSTNAME_OK, L63 ".test"},
	{L63 "4.test", HOSTNAME_BAD, NULL},
	{L63 "." L63 "." L63 "." L63, HOSTNAME_BAD, NULL},
	{"", HOSTNAME_EMPTY, NULL},
	{".", HOSTNAME_EMPTY, NULL},
	{"..", HOSTNAME_BAD, NULL},
	{"a..test", HOSTNAME_BAD, NULL},
	{".example.test", HOSTNAME_BAD, NULL},
	{"example.test..", HOSTNAME_BAD, NULL},
	{"*.example.test", HOSTNAME_BAD, NULL},
	{"exa mple.test", HOSTNAME_BAD, NULL},
	{"example.test/", HOSTNAME_BAD, NULL},
	{"ex%61mple.test", HOSTNAME_BAD, NULL},
	{"b\xc3\xbc"
	 "cher.test",
		HOSTNAME_BAD, NULL},
	{"example.test\n", HOSTNAME_BAD, NULL},
	{"192.0.2.1", HOSTNAME_IP, "192.0.2.1"},
	{"192.0.2.1.", HOSTNAME_IP, "192.0.2.1"},
	{"2001:DB8::1", HOSTNAME_IP, "2001:db8::1"},
	{"[2001:db8:0::1]", HOSTNAME_IP, "2001:db8::1"},
	{"[::ffff:192.0.2.1]", HOSTNAME_IP, "192.0.2.1"},
	{"[192.0.2.1]", HOSTNAME_BAD, NULL},
	{"[fe80::1%eth0]", HOSTNAME_BAD, NULL},
	{"[", HOSTNAME_BAD, NULL},
	{"[]", HOSTNAME_BAD, NULL},
	{"3221225985", HOSTNAME_BAD, NULL},
	{"0300.0.2.1", HOSTNAME_BAD, NULL},
	{"0xC0.0.2.1", HOSTNAME_BAD, NULL},
	{"192.513", HOSTNAME_BAD, NULL},
	{"192.0.2.0x1", HOSTNAME_BAD, NULL},
	{"example.0x", HOSTNAME_BAD, NULL},
	{"256.0.0.1", HOSTNAME_BAD, NULL},
	{"1.example", HOSTNAME_OK, "1.example"},
	{"0xg", HOSTNAME_OK, "0xg"},
	{"example.test:443", HOSTNAME_BAD, NULL},
};

static void names_become_canonical(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char out[NAME_TEXT] = "untouched";
		uint8_t n = 77;
		enum hostname got = hostname_canonical(slice_str(cases[i].in), out, &n);

		if (got != cases[i].want)
			fail_msg("%s: got %d, want %d", cases[i].in, got, cases[i].want);
		assert_string_equal(out, cases[i].out ? cases[i].out : "untouched");
		assert_int_equal(n, cases[i].out ? strlen(out) : 77);
	}
}

static void canonical_is_a_fixed_point(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char out[NAME_TEXT];
		uint8_t n;

		if (!cases[i].out)
			continue;
		assert_int_equal(
			hostname_canonical(slice_str(cases[i].out), out, &n), cases[i].want);
		assert_string_equal(out, cases[i].out);
	}
}

/* The input ends where memory ends: one byte read too far is a crash. */
static void nothing_is_read_past_the_end(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *m = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(m != MAP_FAILED);
	assert_int_equal(mprotect(m + page, page, PROT_NONE), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t n = 0; n <= strlen(cases[i].in); n++) {
			char out[NAME_TEXT], *at = m + page - n;
			uint8_t len;
			uint16_t port;

			memcpy(at, cases[i].in, n);
			hostname_canonical(slice_of(at, n), out, &len);
			hostname_from_authority(slice_of(at, n), out, &len, &port);
			hostname_parent(slice_of(at, n));
		}
	munmap(m, 2 * page);
}

static void a_nul_inside_is_bad(void **state)
{
	char out[NAME_TEXT];
	uint8_t n;

	(void)state;
	assert_int_equal(hostname_canonical(slice_of("a\0b.test", 8), out, &n), HOSTNAME_BAD);
	assert_int_equal(hostname_canonical(slice_of("192.0.2.1\0", 10), out, &n), HOSTNAME_BAD);
}

static void the_longest_name_fits(void **state)
{
	char in[300], out[NAME_TEXT];
	uint8_t n;

	(void)state;
	for (size_t i = 0; i < sizeof in; i++)
		in[i] = i % 2 ? '.' : 'a';
	assert_int_equal(hostname_canonical(slice_of(in, 253), out, &n), HOSTNAME_OK);
	assert_int_equal(n, 253);
	assert_int_equal(hostname_canonical(slice_of(in, 254), out, &n), HOSTNAME_OK);
	assert_int_equal(n, 253);
	assert_int_equal(hostname_canonical(slice_of(in, 255), out, &n), HOSTNAME_BAD);
}

static void authorities(void **state)
{
	static const struct {
		const char *in;
		enum hostname want;
		const char *out;
		uint16_t port;
	} all[] = {
		{"Example.test:8080", HOSTNAME_OK, "example.test", 8080},
		{"example.test:", HOSTNAME_OK, "example.test", 0},
		{"example.test", HOSTNAME_OK, "example.test", 0},
		{"[2001:db8::1]:443", HOSTNAME_IP, "2001:db8::1", 443},
		{"192.0.2.1:65535", HOSTNAME_IP, "192.0.2.1", 65535},
		{"example.test:65536", HOSTNAME_BAD, NULL, 0},
		{"example.test:0", HOSTNAME_BAD, NULL, 0},
		{"example.test:+1", HOSTNAME_BAD, NULL, 0},
		{"user@example.test", HOSTNAME_BAD, NULL, 0},
		{"user:1@example.test", HOSTNAME_BAD, NULL, 0},
		{"2001:db8::1", HOSTNAME_BAD, NULL, 0},
		{"[2001:db8::1", HOSTNAME_BAD, NULL, 0},
		{"[2001:db8::1]x:1", HOSTNAME_BAD, NULL, 0},
		{":80", HOSTNAME_EMPTY, NULL, 0},
		{"", HOSTNAME_EMPTY, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		char out[NAME_TEXT] = "";
		uint8_t n = 0;
		uint16_t port = 9;
		enum hostname got = hostname_from_authority(slice_str(all[i].in), out, &n, &port);

		if (got != all[i].want)
			fail_msg("%s: got %d, want %d", all[i].in, got, all[i].want);
		assert_string_equal(out, all[i].out ? all[i].out : "");
		assert_int_equal(port, all[i].port);
	}
}

static void parents(void **state)
{
	struct slice s = slice_str("a.b.c");

	(void)state;
	s = hostname_parent(s);
	assert_true(slice_eq(s, slice_str("b.c")));
	s = hostname_parent(s);
	assert_true(slice_eq(s, slice_str("c")));
	s = hostname_parent(s);
	assert_int_equal(s.n, 0);
	assert_int_equal(hostname_parent(s).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_canonical),
		cmocka_unit_test(canonical_is_a_fixed_point),
		cmocka_unit_test(nothing_is_read_past_the_end),
		cmocka_unit_test(a_nul_inside_is_bad),
		cmocka_unit_test(the_longest_name_fits),
		cmocka_unit_test(authorities),
		cmocka_unit_test(parents),
	};

	return cmocka_run_group_tests_name("hostname", tests, NULL, NULL);
}
