/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_addr.c - addresses, networks and MACs as text and back.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct addr A(const char *s) {
	struct addr a;

	assert_true(addr_parse(slice_str(s), &a));
	return a;
}

static void
addresses_round_trip(void **state)
{
	static const char *const all[] = {"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1",
		"::", "::1", "fe80::1", "2001:db8:1:2:3:4:5:6"};
	char text[ADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct addr a = A(all[i]), back;
		struct sockaddr_storage ss;
		uint16_t port;

		assert_string_equal(addr_format(&a, text), all[i]);
		addr_to_sockaddr(&a, 443, &ss);
		assert_int_equal(ss.ss_family, strchr(all[i], ':') ? AF_INET6 : AF_INET);
		addr_from_sockaddr((struct sockaddr *)&ss, &back, &port);
		assert_true(addr_eq(&a, &back));
		assert_int_equal(port, 443);
	}
}

static void what_is_no_address(void **state)
{
	static const char *const all[] = {"", "192.0.2", "192.0.2.256", "192.0.2.01", "[::1]",
		"fe80::1%lo", "192.0.2.1:80", " 192.0.2.1", "example.test",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"};
	struct addr a;

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_false(addr_parse(slice_str(all[i]), &a));
	assert_false(addr_parse(slice_of("192.0.2.1\0", 10), &a));
}

static void kinds_of_address(void **state)
{
	struct addr a;

	(void)state;
	a = A("0.0.0.0"), assert_true(addr_is_zero(&a) && addr_is_v4(&a));
	a = A("::"), assert_true(addr_is_zero(&a) && !addr_is_v4(&a));
	a = A("127.3.2.1"), assert_true(addr_is_loopback(&a));
	a = A("::1"), assert_true(addr_is_loopback(&a));
	a = A("169.254.1.1"), assert_true(addr_is_link_local(&a));
	a = A("fe80::1"), assert_true(addr_is_link_local(&a));
	a = A("febf::1"), assert_true(addr_is_link_local(&a));
	a = A("fec0::1"), assert_false(addr_is_link_local(&a));
	a = A("192.0.2.1"), assert_false(addr_is_link_local(&a) || addr_is_loopback(&a));
}

static void networks(void **state)
{
	static const struct {
		const char *net, *in, *out;
	} all[] = {
		{"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
		{"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
		{"0.0.0.0/0", "203.0.113.9", "2001:db8::1"},
		{"::/0", "2001:db8::1", "192.0.2.1"},
		{"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
		{"192.0.2.1/32", "192.0.2.1", "192.0.2.2"},
	};
	char text[CIDR_TEXT];
	struct cidr c;

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct addr in = A(all[i].in), out = A(all[i].out);

		assert_true(cidr_parse(slice_str(all[i].net), &c));
		assert_string_equal(cidr_format(&c, text), all[i].net);
		assert_true(cidr_has(&c, &in));
		assert_false(cidr_has(&c, &out));
	}
	assert_true(cidr_parse(slice_str("192.0.2.1"), &c));
	assert_string_equal(cidr_format(&c, text), "192.0.2.1/32");
}

static void what_is_no_network(void **state)
{
	static const char *const all[] = {"192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/", "/24",
		"192.0.2.0/024", "2001:db8::1/32", "2001:db8::/129", "192.0.2.0/-1",
		"192.0.2.0/1x"};
	struct cidr c;

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_false(cidr_parse(slice_str(all[i]), &c));
}

static void macs(void **state)
{
	char text[MAC_TEXT];
	struct mac m, n;

	(void)state;
	assert_true(mac_parse(slice_str("02:00:5E:10:00:ff"), &m));
	assert_string_equal(mac_format(&m, text), "02:00:5e:10:00:ff");
	assert_true(mac_parse(slice_str("02-00-5e-10-00-ff"), &n));
	assert_true(mac_eq(&m, &n));
	assert_false(mac_parse(slice_str("02:00-5e:10:00:ff"), &n));
	assert_false(mac_parse(slice_str("02005e1000ff"), &n));
	assert_false(mac_parse(slice_str("02:00:5e:10:00:fg"), &n));
	assert_false(mac_parse(slice_str("02:00:5e:10:00:ff:"), &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_round_trip),
		cmocka_unit_test(what_is_no_address),
		cmocka_unit_test(kinds_of_address),
		cmocka_unit_test(networks),
		cmocka_unit_test(what_is_no_network),
		cmocka_unit_test(macs),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
