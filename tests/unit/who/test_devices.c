/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_devices.c - addresses and MACs, held against a slow and simple model; then the kernel's own table.
 */
#include "who/devices.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "who/neigh.h"

#include <cmocka.h>

static struct addr A(const char *s) {
	struct addr a;

	assert_true(addr_parse(slice_str(s), &a));
	return a;
}

static struct mac
M(const char *s) {
	struct mac m;

	assert_true(mac_parse(slice_str(s), &m));
	return m;
}

static struct addr
v4(uint32_t i)
{
	uint8_t four[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

	return addr_v4(four);
}

static struct mac mac_no(uint32_t i)
{
	return (struct mac){
		{2, 0, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
}

static void a_device_has_several_addresses(void **state)
{
	struct addr v = A("192.0.2.7"), w = A("2001:db8::7"), x = A("2001:db8::8"),
		    out[DEVICE_ADDRS];
	struct mac m = M("02:00:00:00:00:07"), other = M("02:00:00:00:00:08"), got;
	struct devices *d;

	(void)state;
	assert_int_equal(devices_new(&d, 100), 0);
	assert_false(devices_mac_of(d, &v, &got));
	devices_seen(d, &v, &m);
	devices_seen(d, &w, &m);
	devices_seen(d, &x, &m);
	devices_seen(d, &v, &m);
	assert_int_equal(devices_addrs_of(d, &m, out), 3);
	assert_true(addr_eq(&out[0], &v) && addr_eq(&out[1], &x) && addr_eq(&out[2], &w));
	devices_seen(d, &w, &other); /* moved */
	assert_true(devices_mac_of(d, &w, &got) && mac_eq(&got, &other));
	assert_int_equal(devices_addrs_of(d, &m, out), 2);
	devices_forget(d, &w);
	assert_int_equal(devices_addrs_of(d, &other, out), 0);
	assert_int_equal(devices_count(d), 2);
	devices_free(d);
	devices_free(NULL);
}

static void what_is_no_device_is_not_noted(void **state)
{
	static const char *const all[][2] = {{"0.0.0.0", "02:00:00:00:00:01"},
		{"::", "02:00:00:00:00:01"}, {"127.0.0.1", "02:00:00:00:00:01"},
		{"224.0.0.1", "02:00:00:00:00:01"}, {"ff02::1", "02:00:00:00:00:01"},
		{"255.255.255.255", "02:00:00:00:00:01"}, {"192.0.2.1", "00:00:00:00:00:00"},
		{"192.0.2.1", "ff:ff:ff:ff:ff:ff"}, {"192.0.2.1", "33:33:00:00:00:01"}};
	struct devices *d;

	(void)state;
	assert_int_equal(devices_new(&d, 4), 0);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct addr a = A(all[i][0]);
		struct mac m = M(all[i][1]);

		devices_seen(d, &a, &m);
	}
	assert_int_equal(devices_count(d), 0);
	devices_free(d);
	assert_int_not_equal(devices_new(&d, 0), 0);
	assert_int_not_equal(devices_new(&d, (1 << 20) + 1), 0);
}

static void one_device_pushes_out_its_own(void **state)
{
	struct mac quiet = mac_no(1), loud = mac_no(2), got;
	struct addr a = v4(1), b, out[DEVICE_ADDRS];
	struct devices *d;

	(void)state;
	assert_int_equal(devices_new(&d, 100), 0);
	devices_seen(d, &a, &quiet);
	for (uint32_t i = 1000; i < 5000; i++) {
		b = v4(i);
		devices_seen(d, &b, &loud);
	}
	assert_int_equal(devices_count(d), 1 + DEVICE_ADDRS);
	assert_true(devices_mac_of(d, &a, &got) && mac_eq(&got, &quiet));
	assert_int_equal(devices_addrs_of(d, &loud, out), DEVICE_ADDRS);
	assert_true(addr_eq(&out[0], &b));
	devices_free(d);
}

/* the model: a list of (address, MAC), latest first */
enum { LIMIT = 50, ROUNDS = 20000 };
static uint32_t list[LIMIT][2], n_list;

static void model_drop(uint32_t i)
{
	memmove(&list[i], &list[i + 1], (--n_list - i) * sizeof list[0]);
}

static void model_seen(uint32_t a, uint32_t m)
{
	uint32_t same = 0, last = 0;

	for (uint32_t i = 0; i < n_list; i++)
		if (list[i][0] == a) {
			model_drop(i);
			break;
		}
	for (uint32_t i = 0; i < n_list; i++)
		if (list[i][1] == m)
			same++, last = i;
	if (same == DEVICE_ADDRS)
		model_drop(last);
	if (n_list == LIMIT)
		model_drop(LIMIT - 1);
	memmove(&list[1], &list[0], n_list++ * sizeof list[0]);
	list[0][0] = a;
	list[0][1] = m;
}

static void it_agrees_with_a_simple_model(void **state)
{
	struct devices *d;
	uint32_t x = 12345;

	(void)state;
	assert_int_equal(devices_new(&d, LIMIT), 0);
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t a, m;
		struct addr addr;
		struct mac mac, got;

		x = x * 1664525 + 1013904223;
		a = 1 + (x >> 8) % 100;
		m = (x >> 20) % 3 ? 1 + (x >> 22) % 3 : 1 + (x >> 22) % 60;
		addr = v4(a);
		mac = mac_no(m);
		devices_seen(d, &addr, &mac);
		model_seen(a, m);
		assert_int_equal(devices_count(d), n_list);
		if (round % 100)
			continue;
		for (uint32_t i = 0; i < n_list; i++) {
			addr = v4(list[i][0]);
			mac = mac_no(list[i][1]);
			assert_true(devices_mac_of(d, &addr, &got) && mac_eq(&got, &mac));
		}
	}
	devices_free(d);
}

static void run(const char *command)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	assert_true(waitpid(pid, &status, 0) == pid && status == 0);
}

static bool behind(struct devices *d, const char *address, const char *mac)
{
	struct addr a = A(address);
	struct mac got, want = M(mac);

	return devices_mac_of(d, &a, &got) && mac_eq(&got, &want);
}

static void the_kernels_table_is_followed(void **state)
{
	struct addr v = A("192.0.2.3");
	struct devices *d;
	struct neigh *n;
	struct mac got;
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("needs root: a network namespace\n");
		skip();
	}
	run("ip link add lan0 type veth peer name lan1 && ip link set lan0 up && ip link set lan1 "
	    "up &&"
	    "ip addr add 192.0.2.1/24 dev lan0 &&"
	    "ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 nud reachable dev lan0 &&"
	    "ip neigh add 2001:db8:1::2 lladdr 02:00:00:00:00:02 nud stale dev lan0");
	assert_int_equal(devices_new(&d, DEVICES_MAX), 0);
	assert_int_equal(neigh_socket_open(&fd), 0);
	assert_int_equal(neigh_new(&n, fd, d), 0);
	assert_int_equal(neigh_read(n), 0);
	assert_true(behind(d, "192.0.2.2", "02:00:00:00:00:02")); /* from the dump */
	assert_true(behind(d, "2001:db8:1::2", "02:00:00:00:00:02"));
	run("ip neigh add 192.0.2.3 lladdr 02:00:00:00:00:03 nud reachable dev lan0");
	assert_int_equal(neigh_read(n), 0);
	assert_true(behind(d, "192.0.2.3", "02:00:00:00:00:03")); /* by an event */
	run("ip neigh change 192.0.2.3 lladdr 02:00:00:00:00:04 nud reachable dev lan0");
	assert_int_equal(neigh_read(n), 0);
	assert_true(behind(d, "192.0.2.3", "02:00:00:00:00:04"));
	run("ip neigh change 192.0.2.3 nud failed dev lan0");
	assert_int_equal(neigh_read(n), 0);
	assert_false(devices_mac_of(d, &v, &got));
	neigh_free(n);
	close(fd);
	devices_free(d);
}

/* More addresses than are kept of a device: the kernel is asked. */
static void no_address_makes_a_device_a_stranger(void **state)
{
	struct addr v4 = A("192.0.2.1"), v6 = A("2001:db8:1::1"), none = A("192.0.2.250");
	struct mac got, want = M("02:00:00:00:00:02");
	struct devices *d;
	struct neigh *n;
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("needs root: a network namespace\n");
		skip();
	}
	run("ip link add lan0 type veth peer name lan1 && ip link add wan0 type veth peer name "
	    "wan1 &&"
	    "ip link set lan0 up && ip link set lan1 up && ip link set wan0 up &&"
	    "ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:09 nud permanent dev wan0 &&"
	    "for i in $(seq 1 40); do"
	    " echo neigh add 192.0.2.$i lladdr 02:00:00:00:00:02 nud stale dev lan0;"
	    " echo neigh add 2001:db8:1::$i lladdr 02:00:00:00:00:02 nud stale dev lan0;"
	    "done | ip -batch -");
	assert_int_equal(devices_new(&d, DEVICES_MAX), 0);
	assert_int_equal(neigh_socket_open(&fd), 0);
	assert_int_equal(neigh_new(&n, fd, d), 0);
	assert_int_equal(neigh_read(n), 0);
	assert_int_equal(devices_count(d), DEVICE_ADDRS + 1);
	for (int i = 1; i <= 40; i++) {
		v4.b[15] = (uint8_t)i;
		assert_true(neigh_find(n, &v4, &got) && mac_eq(&got, &want));
	}
	for (int i = 1; i <= 9; i++) {
		v6.b[15] = (uint8_t)i;
		assert_true(neigh_find(n, &v6, &got) && mac_eq(&got, &want));
	}
	assert_false(neigh_find(n, &none, &got));
	neigh_free(n);
	close(fd);
	devices_free(d);
}

static void a_packet_takes_no_address_that_the_kernel_knows(void **state)
{
	struct addr v = A("192.0.2.1"), w = A("192.0.2.2");
	struct mac mine = M("02:00:00:00:00:01"), forged = M("02:00:00:00:00:66"), got;
	struct devices *d;

	(void)state;
	assert_int_equal(devices_new(&d, 10), 0);
	devices_seen(d, &v, &mine);
	devices_packet_learned(d, &v, &forged);
	assert_true(devices_mac_of(d, &v, &got) && mac_eq(&got, &mine));
	devices_packet_learned(d, &w, &forged);
	assert_true(devices_mac_of(d, &w, &got) && mac_eq(&got, &forged));
	assert_true(devices_kernel_learned(d, &v) && !devices_kernel_learned(d, &w));
	devices_packet_learned(d, &w, &mine); /* two claims: the later one */
	assert_true(devices_mac_of(d, &w, &got) && mac_eq(&got, &mine));
	devices_seen(d, &w, &mine);
	devices_packet_learned(d, &w, &forged);
	assert_true(devices_mac_of(d, &w, &got) && mac_eq(&got, &mine));
	devices_seen(d, &w, &forged); /* the kernel says that it moved */
	assert_true(devices_mac_of(d, &w, &got) && mac_eq(&got, &forged));
	devices_free(d);
}

static void lost_messages_lead_to_a_new_dump(void **state)
{
	struct devices *d;
	struct neigh *n;
	int fd, small = 1;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("needs root: a network namespace\n");
		skip();
	}
	run("ip link add lan0 type veth peer name lan1 && ip link set lan0 up && ip link set lan1 "
	    "up");
	assert_int_equal(devices_new(&d, DEVICES_MAX), 0);
	assert_int_equal(neigh_socket_open(&fd), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
	assert_int_equal(neigh_new(&n, fd, d), 0);
	run("for i in $(seq 1 100); do echo neigh add 192.0.2.$i lladdr 02:00:00:00:01:$((i % 90 + "
	    "10))"
	    " nud reachable dev lan0; done | ip -batch -");
	for (int i = 0; i < 3; i++)
		assert_int_equal(neigh_read(n), 0);
	assert_int_equal(devices_count(d), 100);
	neigh_free(n);
	close(fd);
	devices_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_has_several_addresses),
		cmocka_unit_test(what_is_no_device_is_not_noted),
		cmocka_unit_test(one_device_pushes_out_its_own),
		cmocka_unit_test(it_agrees_with_a_simple_model),
		cmocka_unit_test(the_kernels_table_is_followed),
		cmocka_unit_test(no_address_makes_a_device_a_stranger),
		cmocka_unit_test(a_packet_takes_no_address_that_the_kernel_knows),
		cmocka_unit_test(lost_messages_lead_to_a_new_dump),
	};

	return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
