/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_settings.c - lines of /etc/durward/settings: what is taken, what is an error, and the limits that a flow has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/settings.h"

static size_t errors_in(const char *text, struct settings *s)
{
	struct diag d = {0};
	size_t n;

	settings_parse(slice_str(text), s, &d);
	n = d.errors;
	diag_fini(&d);
	return n;
}

static void P36_the_limits_have_their_defaults(void **state)
{
	struct settings s;

	assert_int_equal(errors_in("", &s), 0);
	assert_int_equal(s.hello_deadline_s, 10);
	assert_int_equal(s.hello_limit, 64 * 1024);
	assert_int_equal(s.crypto_limit, 16 * 1024);
	assert_int_equal(s.client_quota, 25);
}

static void limits_are_limited(void **state)
{
	static const char *const ROWS[] = {"hello-limit 65537\n", "crypto-limit 16385\n",
		"client-quota 26\n", "client-quota 0\n", "hello-deadline 0\n", "flow-limit 63\n"};
	struct settings s;

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++)
		assert_int_equal(errors_in(ROWS[i], &s), 1);
	assert_int_equal(errors_in("hello-limit 2048\ncrypto-limit 2048\nclient-quota 1\n", &s), 0);
	assert_int_equal(s.client_quota, 1);
}

static void all_udp_is_every_port_of_udp_only(void **state)
{
	struct settings s;

	assert_int_equal(errors_in("inspect-udp all-udp\n", &s), 0);
	assert_true(port_set_has(&s.inspect_udp, 1) && port_set_has(&s.inspect_udp, 65535));
	assert_int_equal(errors_in("inspect-udp 443 8443-8500\n", &s), 0);
	assert_false(port_set_has(&s.inspect_udp, 1));
	assert_int_equal(errors_in("inspect-tcp all-udp\n", &s), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(P36_the_limits_have_their_defaults),
		cmocka_unit_test(limits_are_limited),
		cmocka_unit_test(all_udp_is_every_port_of_udp_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
