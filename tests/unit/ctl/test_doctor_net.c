/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_doctor_net.c - what doctor reads of /proc/net/udp and of interfaces' names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../src/ctl/doctor_net.c"

void doctor_say(
	struct doctor *d, enum finding f, const char *what, const char *fix, const char *fmt, ...)
{
}

bool doctor_number(const char *path, long long *out)
{
	return false;
}

int doctor_output(const char *const *argv, struct strbuf *out)
{
	return -1;
}

#define HEAD "   sl  local_address rem_address   st tx_queue rx_queue\n"

static void sockets_that_others_can_reach(void **state)
{
	static const char v4[] = HEAD "  123: 00000000:0043 00000000:0000 07 00000000:00000000\n";
	static const char v6[] = HEAD
		"   45: 00000000000000000000000000000000:0035 0000:0000 07 00000000:00000000\n";
	char own[128];

	assert_true(udp_listens(v4, 67));
	assert_false(udp_listens(v4, 53));
	assert_true(udp_listens(v6, 53));
	assert_false(udp_listens("", 53));
	assert_false(udp_listens(HEAD, 53));
	assert_false(udp_listens("\n\n garbage:\n", 53));
	/* systemd-resolved answers this box alone, as any resolver on the loopback */
	snprintf(own, sizeof own, HEAD "   1: %08X:0035 00000000:0000 07\n", htonl(0x7f000035));
	assert_false(udp_listens(own, 53));
	snprintf(own, sizeof own, HEAD "   1: %08X:0035 00000000:0000 07\n", htonl(0xc0000201));
	assert_true(udp_listens(own, 53));
	snprintf(
		own, sizeof own, HEAD "   1: 000000000000000000000000%08X:0035 0:0 07\n", htonl(1));
	assert_false(udp_listens(own, 53));
}

static void names_of_interfaces(void **state)
{
	static const char *const made[] = {
		"docker0", "veth1a2b", "br-1a2b3c4d5e6f", "wg0", "tun0", "virbr0", "tailscale0"};
	static const char *const real[] = {
		"eth0", "enp1s0", "br-lan", "br0", "lan", "eth0.10", "br-1a2b3c4d5e6g", "bond0"};

	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		assert_true(route_is_inner(made[i]));
	for (size_t i = 0; i < sizeof real / sizeof *real; i++)
		assert_false(route_is_inner(real[i]));
}

static struct route_view view(size_t n, const char *const *names)
{
	struct route_view v = {.n_ifaces = (uint32_t)n, .n_prefixes = (uint32_t)n};

	for (uint32_t i = 0; i < n; i++) {
		snprintf(v.ifaces[i].name, sizeof v.ifaces[i].name, "%s", names[i]);
		v.ifaces[i].index = i + 1;
		v.ifaces[i].up = true;
		v.ifaces[i].loopback = i == 0;
		v.prefixes[i].index = i + 1;
	}
	return v;
}

static void one_interface_among_those_of_containers(void **state)
{
	static const char *const one[] = {"lo", "eth0", "docker0", "wg0"};
	static const char *const two[] = {"lo", "eth0", "eth1"};
	struct route_view v = view(4, one);

	assert_string_equal(only_iface(&v)->name, "eth0");
	v.ifaces[1].up = false;
	assert_null(only_iface(&v));
	v = view(3, two);
	assert_null(only_iface(&v));
	v.n_prefixes = 2; /* a port of a bridge, or a modem's: without an address */
	assert_string_equal(only_iface(&v)->name, "eth0");
}

static void uplinks_by_default_routes(void **state)
{
	static const char *const names[] = {"lo", "lan", "dsl", "lte"};
	struct route_view v = view(4, names);
	struct strbuf b = {0};

	assert_int_equal(uplinks(&v, false, &b), 0);
	v.ifaces[2].default_v4 = v.ifaces[3].default_v4 = v.ifaces[3].default_v6 = true;
	assert_int_equal(uplinks(&v, false, &b), 2);
	assert_string_equal(strbuf_text(&b), "dsl, lte");
	strbuf_reset(&b);
	assert_int_equal(uplinks(&v, true, &b), 1);
	assert_string_equal(strbuf_text(&b), "lte");
	strbuf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_that_others_can_reach),
		cmocka_unit_test(names_of_interfaces),
		cmocka_unit_test(one_interface_among_those_of_containers),
		cmocka_unit_test(uplinks_by_default_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
