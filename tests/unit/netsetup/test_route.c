/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_route.c - the policy route, in a network namespace of its own. Needs root and ip(8).
 */
#include "netsetup/route.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strbuf.h"

#include <cmocka.h>

static bool apart; /* in a namespace of our own */

/* What a command says; nothing when it fails. */
static struct strbuf say(const char *command)
{
	struct strbuf b = {0};
	char buf[1024];
	int p[2];
	ssize_t n;

	assert_int_equal(pipe(p), 0);
	if (fork() == 0) {
		dup2(p[1], 1);
		close(p[0]);
		close(p[1]);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	while ((n = read(p[0], buf, sizeof buf)) > 0)
		strbuf_add(&b, slice_of(buf, (size_t)n));
	close(p[0]);
	wait(NULL);
	return b;
}

static void run(const char *command)
{
	struct strbuf b = say(command);

	strbuf_fini(&b);
}

static void says(const char *command, const char *want)
{
	struct strbuf b = say(command);

	assert_string_equal(strbuf_text(&b), want);
	strbuf_fini(&b);
}

static int enter(void **state)
{
	(void)state;
	apart = unshare(CLONE_NEWNET) == 0;
	if (apart)
		run("ip link set lo up; ip link add lan0 type veth peer name lan1;"
		    "ip link add wan0 type veth peer name wan1; ip link add spare type veth;"
		    "for i in lan0 lan1 wan0 wan1; do ip link set $i up; done;"
		    "ip addr add 192.0.2.1/24 dev lan0;"
		    "ip addr add 2001:db8:1::1/64 dev lan0 nodad;"
		    "ip addr add 198.51.100.1/24 dev wan0;"
		    "ip addr add 2001:db8:2::1/64 dev wan0 nodad;"
		    "ip route add default via 198.51.100.2;"
		    "ip -6 route add default via 2001:db8:2::2");
	return 0;
}

#define NEEDS_NAMESPACE                                                                            \
	if (!apart) {                                                                              \
		print_message("needs root: a network namespace\n");                                \
		skip();                                                                            \
	}

static const struct route_policy policy = {.mark = 0x08000000, .table = 4480, .priority = 4481};

static const char rules4[] = "ip rule | grep -E '^448[0-2]:'";
static const char rules6[] = "ip -6 rule | grep -E '^448[0-2]:'";

static void the_policy_route_comes_and_goes(void **state)
{
	const char rule[] = "4480:\tfrom all iif lo goto 4482\n"
			    "4481:\tfrom all fwmark 0x8000000/0x8000000 lookup 4480\n"
			    "4482:\tfrom all nop\n";

	(void)state;
	NEEDS_NAMESPACE
	assert_int_equal(route_policy_check(&policy), -ENOENT);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(route_policy_up(&policy), 0);
		says(rules4, rule);
		says(rules6, rule);
		says("ip route show table 4480 | sed 's/ *$//'",
			"local default dev lo proto static scope host\n");
		says("ip -6 route show table 4480 | sed 's/ metric.*//'",
			"local default dev lo proto static\n");
		assert_int_equal(route_policy_check(&policy), 0);
	}
	says("ip route get 203.0.113.9 from 192.0.2.9 iif lan0 mark 0x08000000 | head -1 | "
	     "cut -d' ' -f1-5",
		"local 203.0.113.9 from 192.0.2.9 dev\n");
	/* the kernel's question for the way back to a source is asked from lo, and is not diverted */
	says("ip route get 203.0.113.9 mark 0x08000000 | head -1 | cut -d' ' -f1-5",
		"203.0.113.9 via 198.51.100.2 dev wan0\n");
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(route_policy_down(&policy), 0);
		says(rules4, "");
		says(rules6, "");
		says("ip route show table 4480 2>/dev/null; ip -6 route show table 4480 "
		     "2>/dev/null",
			"");
		assert_int_equal(route_policy_check(&policy), -ENOENT);
	}
}

static void old_rules_go_and_strange_ones_stay(void **state)
{
	(void)state;
	NEEDS_NAMESPACE
	run("ip rule add pref 4481 fwmark 1 lookup 4480; ip rule add pref 4481 fwmark 2 lookup "
	    "4480;"
	    "ip rule add pref 4481 fwmark 3 lookup 99");
	assert_int_equal(route_policy_up(&policy), 0);
	says(rules4, "4480:\tfrom all iif lo goto 4482\n"
		     "4481:\tfrom all fwmark 0x3 lookup 99\n"
		     "4481:\tfrom all fwmark 0x8000000/0x8000000 lookup 4480\n"
		     "4482:\tfrom all nop\n");
	assert_int_equal(route_policy_down(&policy), 0);
	says(rules4, "4481:\tfrom all fwmark 0x3 lookup 99\n");
	run("ip rule del pref 4481");
}

static void without_ipv6_the_other_half_works(void **state)
{
	(void)state;
	NEEDS_NAMESPACE
	run("sysctl -qw net.ipv6.conf.lo.disable_ipv6=1");
	assert_int_equal(route_policy_up(&policy), 0);
	assert_int_equal(route_policy_check(&policy), 0);
	assert_int_equal(route_policy_down(&policy), 0);
	run("sysctl -qw net.ipv6.conf.lo.disable_ipv6=0");
}

static void wrong_numbers_are_refused(void **state)
{
	const struct route_policy wrong[] = {{1, 254, 100}, {1, 0, 100}, {1, 100, 0}, {0, 100, 100},
		{1, 100, 32765}, {1, 100, 1}, {1, 65536, 100}};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(route_policy_up(&wrong[i]), -EINVAL);
}

static bool has_prefix(const struct route_view *v, const char *net, const char *iface)
{
	for (uint32_t i = 0; i < v->n_prefixes; i++) {
		char text[CIDR_TEXT];

		cidr_format(&v->prefixes[i].net, text);
		if (strcmp(text, net) == 0)
			return strcmp(route_view_iface(v, v->prefixes[i].index)->name, iface) == 0;
	}
	return false;
}

static void what_went_past_the_rules_is_refused(void **state)
{
	const char rule[] = "10:\tfrom all iif lo goto 12\n"
			    "11:\tfrom all fwmark 0 prohibit\n"
			    "12:\tfrom all nop\n";
	const char hold4[] = "ip rule | grep -E '^1[0-2]:'",
		   hold6[] = "ip -6 rule | grep -E '^1[0-2]:'";
	const char passes[] =
		"ip route get 203.0.113.9 from 192.0.2.9 iif lan0 mark 0x01000000 2>&1 | "
		"head -1 | cut -d' ' -f1-5";

	(void)state;
	NEEDS_NAMESPACE
	run("sysctl -qw net.ipv4.ip_forward=1");
	assert_int_equal(route_hold_check(10), -ENOENT);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(route_hold_up(10), 0);
		says(hold4, rule);
		says(hold6, rule);
		assert_int_equal(route_hold_check(10), 0);
	}
	says("ip route get 203.0.113.9 from 192.0.2.9 iif lan0 2>&1",
		"RTNETLINK answers: Permission denied\n");
	says("ip -6 route get 2001:db8:9::9 from 2001:db8:1::9 iif lan0 2>&1 | cut -d' ' -f1",
		"RTNETLINK\n");
	/* marked, whosever mark it is; this machine's own; what is sent to it */
	says(passes, "203.0.113.9 from 192.0.2.9 via 198.51.100.2\n");
	says("ip route get 203.0.113.9 | head -1 | cut -d' ' -f1-3",
		"203.0.113.9 via 198.51.100.2\n");
	says("ip route get 192.0.2.1 from 192.0.2.9 iif lan0 | head -1 | cut -d' ' -f1-2",
		"local 192.0.2.1\n");
	run("ip rule del pref 11");
	assert_int_equal(route_hold_check(10), -ENOENT);
	assert_int_equal(route_hold_up(10), 0);
	says(hold4, rule);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(route_hold_down(10), 0);
		says(hold4, "");
		says(hold6, "");
	}
	assert_int_equal(route_hold_up(0), -EINVAL);
	assert_int_equal(route_hold_up(32764), -EINVAL);
}

static void interfaces_are_seen(void **state)
{
	static struct route_view v;

	(void)state;
	NEEDS_NAMESPACE
	assert_int_equal(route_view_read(&v), 0);
	assert_true(has_prefix(&v, "192.0.2.0/24", "lan0"));
	assert_true(has_prefix(&v, "2001:db8:1::/64", "lan0"));
	assert_true(has_prefix(&v, "198.51.100.0/24", "wan0"));
	assert_true(has_prefix(&v, "127.0.0.0/8", "lo"));
	for (uint32_t i = 0; i < v.n_ifaces; i++) {
		bool wan = strcmp(v.ifaces[i].name, "wan0") == 0;

		assert_int_equal(v.ifaces[i].default_v4, wan);
		assert_int_equal(v.ifaces[i].default_v6, wan);
		if (strcmp(v.ifaces[i].name, "spare") == 0)
			assert_false(v.ifaces[i].up);
		if (strcmp(v.ifaces[i].name, "lan1") == 0)
			assert_true(v.ifaces[i].up);
	}
}

static struct route_sides sides(const char *clients, const char *uplinks)
{
	static struct route_view v;
	struct route_sides s;

	assert_int_equal(route_view_read(&v), 0);
	assert_int_equal(route_sides_of(&v, clients, uplinks, NULL, &s), 0);
	return s;
}

static void the_default_route_tells_the_uplink(void **state)
{
	struct route_sides s;

	(void)state;
	NEEDS_NAMESPACE
	s = sides("auto", "auto");
	assert_string_equal(s.uplinks, "wan0");
	assert_string_equal(s.clients, "lan0");
	assert_string_equal(s.own_nets, "");
	assert_string_equal(s.absent, "");
	s = sides("lan0 guest9", "auto");
	assert_string_equal(s.absent, "guest9");
	s = sides("lan0 wan0", "auto"); /* the owner says that clients are there, too */
	assert_string_equal(s.uplinks, "");
	assert_string_equal(s.clients, "lan0 wan0");
	s = sides("auto", "lan0 ppp7");
	assert_string_equal(s.uplinks, "lan0 ppp7");
	assert_string_equal(s.clients, "wan0");
	assert_string_equal(s.absent, "ppp7");
}

static void a_vpn_that_takes_everything_is_an_uplink(void **state)
{
	(void)state;
	NEEDS_NAMESPACE
	run("ip link set spare up; ip addr add 203.0.113.130/32 dev spare");
	assert_string_equal(sides("auto", "auto").clients, "lan0 spare");
	run("ip route add default dev spare table 51820");
	assert_string_equal(sides("auto", "auto").uplinks, "wan0 spare");
	run("ip route del default dev spare table 51820;"
	    "ip route add 0.0.0.0/1 dev spare; ip route add 128.0.0.0/1 dev spare");
	assert_string_equal(sides("auto", "auto").uplinks, "wan0 spare");
	assert_string_equal(sides("auto", "auto").clients, "lan0");
	run("ip addr del 203.0.113.130/32 dev spare; ip link set spare down");
}

static void with_one_interface_its_prefixes_are_the_clients(void **state)
{
	struct route_sides s;

	(void)state;
	NEEDS_NAMESPACE
	run("ip link set lan0 down");
	s = sides("auto", "auto");
	assert_string_equal(s.clients, "");
	assert_non_null(strstr(s.own_nets, "198.51.100.0/24"));
	assert_null(strstr(s.own_nets, "127.0.0.0"));
	run("ip link set wan0 down");
	s = sides("auto", "auto"); /* nothing is known yet: nothing is an uplink */
	assert_string_equal(s.uplinks, "");
	run("ip link set wan0 up; ip link set lan0 up");
}

/* --- made-up boxes --- */

static struct route_iface *has_iface(struct route_view *v, const char *name, const char *net)
{
	struct route_iface *f = &v->ifaces[v->n_ifaces++];

	*f = (struct route_iface){.index = v->n_ifaces,
		.up = true,
		.metric = UINT32_MAX,
		.mac = {{2, 0, 0, 0, 0, 1}}};
	snprintf(f->name, sizeof f->name, "%s", name);
	if (net) {
		struct route_prefix *p = &v->prefixes[v->n_prefixes++];

		assert_true(cidr_parse(slice_str(net), &p->net));
		p->own = p->net.net;
		p->index = f->index;
	}
	return f;
}

static void default_by(struct route_iface *f, uint32_t metric)
{
	f->default_v4 = true;
	f->metric = metric;
}

static struct route_sides told(const struct route_view *v, const struct route_sides *before)
{
	struct route_sides s;

	assert_int_equal(route_sides_of(v, "auto", "auto", before, &s), 0);
	return s;
}

static void containers_are_no_network_of_the_house(void **state)
{
	static struct route_view v;
	struct route_sides s;

	(void)state;
	default_by(has_iface(&v, "eth0", "192.0.2.0/24"), 0);
	has_iface(&v, "docker0", "198.51.100.0/24");
	has_iface(&v, "wg0", "203.0.113.0/24");
	s = told(&v, NULL);
	assert_string_equal(s.uplinks, "eth0");
	assert_string_equal(s.clients, "docker0 wg0");
	assert_string_equal(s.own_nets, "192.0.2.0/24");
	has_iface(&v, "br-lan", "203.0.113.128/25");
	assert_string_equal(told(&v, NULL).own_nets, "");
}

static void a_device_does_not_make_itself_the_way_out(void **state)
{
	static struct route_view v;
	struct route_iface *lan, *wan;
	struct route_sides before, s;

	(void)state;
	wan = has_iface(&v, "wan", "198.51.100.0/24");
	lan = has_iface(&v, "lan", "192.0.2.0/24");
	default_by(wan, 0);
	before = told(&v, NULL);
	lan->default_v6 = lan->default_ra = true; /* a router advertisement came in there */
	s = told(&v, &before);
	assert_string_equal(s.uplinks, "wan"); /* IPv6 is not forwarded: this box is a host there */
	assert_string_equal(s.doubtful, "");
	v.forwards_v6 = true;
	s = told(&v, &before);
	assert_string_equal(s.uplinks, "wan");
	assert_string_equal(s.clients, "lan");
	assert_string_equal(s.doubtful, "lan");
	lan->default_ra = false; /* the owner's own route, a tunnel broker's say */
	assert_string_equal(told(&v, &before).uplinks, "wan");
	assert_string_equal(told(&v, &before).doubtful, "lan"); /* no house would be left */
	has_iface(&v, "guest", "203.0.113.0/24");
	assert_string_equal(told(&v, &before).uplinks, "wan lan");
}

static void a_backup_route_through_the_house_leaves_it_the_house(void **state)
{
	static struct route_view v;
	struct route_sides s;

	(void)state;
	default_by(has_iface(&v, "wan", "198.51.100.0/24"), 0);
	default_by(has_iface(&v, "lan", "192.0.2.0/24"), 500);
	s = told(&v, NULL);
	assert_string_equal(s.uplinks, "wan");
	assert_string_equal(s.clients, "lan");
	assert_string_equal(s.own_nets, "");
	assert_string_equal(s.doubtful, "lan");
}

static void what_the_rules_cannot_hold_is_left_out(void **state)
{
	static struct route_view v;
	struct route_sides s;

	(void)state;
	default_by(has_iface(&v, "wan", "198.51.100.0/24"), 0);
	has_iface(&v, "br~x", "192.0.2.0/24")->bridge = true;
	s = told(&v, NULL);
	assert_string_equal(s.clients, "");
	assert_string_equal(s.bridges, "");
	assert_string_equal(s.odd, "br~x");
}

static void a_bridge_has_its_ports_addresses(void **state)
{
	static struct route_view v;
	struct route_iface *port;
	uint32_t bridge;

	(void)state;
	default_by(has_iface(&v, "wan", "198.51.100.0/24"), 0);
	has_iface(&v, "lan", "192.0.2.0/24")->bridge = true;
	bridge = v.n_ifaces;
	port = has_iface(&v, "eth1", NULL);
	port->master = bridge;
	port->mac.b[5] = 2;
	assert_string_equal(told(&v, NULL).bridges, "lan=02:00:00:00:00:01,02:00:00:00:00:02");
	for (int i = 0; i < ROUTE_BRIDGE_MACS; i++)
		has_iface(&v, "veth", NULL)->master = bridge;
	assert_string_equal(told(&v, NULL).bridges, ""); /* more than a packet program compares */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policy_route_comes_and_goes),
		cmocka_unit_test(old_rules_go_and_strange_ones_stay),
		cmocka_unit_test(without_ipv6_the_other_half_works),
		cmocka_unit_test(wrong_numbers_are_refused),
		cmocka_unit_test(what_went_past_the_rules_is_refused),
		cmocka_unit_test(interfaces_are_seen),
		cmocka_unit_test(the_default_route_tells_the_uplink),
		cmocka_unit_test(a_vpn_that_takes_everything_is_an_uplink),
		cmocka_unit_test(with_one_interface_its_prefixes_are_the_clients),
		cmocka_unit_test(containers_are_no_network_of_the_house),
		cmocka_unit_test(a_device_does_not_make_itself_the_way_out),
		cmocka_unit_test(a_backup_route_through_the_house_leaves_it_the_house),
		cmocka_unit_test(what_the_rules_cannot_hold_is_left_out),
		cmocka_unit_test(a_bridge_has_its_ports_addresses),
	};

	return cmocka_run_group_tests_name("route", tests, enter, NULL);
}
