/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_dial.c - a dial goes where the kernel's routes lead away from this machine, and nowhere else. In a network
 * namespace of the test's own; skipped where there may be none.
 */
#include "act/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct in6_request { /* linux/ipv6.h, which does not go together with netinet/in.h */
	struct in6_addr address;
	uint32_t prefix;
	int index;
};

static int routes = -1;

static struct addr ip(const char *text)
{
	struct addr a;

	assert_true(addr_parse(slice_str(text), &a));
	return a;
}

static struct sockaddr in4(const char *text)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	struct sockaddr out;

	inet_pton(AF_INET, text, &sa.sin_addr);
	memcpy(&out, &sa, sizeof out);
	return out;
}

/* lo: 192.0.2.1 and 2001:db8::1 are ours, 198.51.100.0/24 and 2001:db8:2::/64 lie behind it. */
static bool furnish(void)
{
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	struct ifreq four = {.ifr_name = "lo", .ifr_addr = in4("192.0.2.1")};
	struct rtentry route = {.rt_dst = in4("198.51.100.0"),
		.rt_genmask = in4("255.255.255.0"),
		.rt_flags = RTF_UP,
		.rt_dev = (char[]){"lo"}};
	struct in6_request six = {.prefix = 64};
	int s4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int s6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = ioctl(s4, SIOCSIFADDR, &four) == 0 && ioctl(s4, SIOCSIFFLAGS, &up) == 0 &&
		  ioctl(s4, SIOCADDRT, &route) == 0;

	six.index = (int)if_nametoindex("lo");
	inet_pton(AF_INET6, "2001:db8::1", &six.address);
	ok = ok && s6 >= 0 && ioctl(s6, SIOCSIFADDR, &six) == 0;
	close(s4);
	close(s6);
	return ok;
}

static bool set_sysctl(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, "1", 1) == 1;

	if (fd >= 0)
		close(fd);
	return ok;
}

static int try(const char *to, const char *from, int *fd)
{
	struct dial d = {.routes = routes, .dst = ip(to), .dport = 80};

	*fd = -1;
	if (from)
		d.src = ip(from);
	return dial_start(&d, fd);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) != 0 || !furnish())
		routes = -1;
	else
		assert_int_equal(dial_routes_open(&routes), 0);
	/* the kernel makes the route of a new IPv6 address a moment later */
	for (int i = 0; routes >= 0 && i < 500 && try("2001:db8::1", NULL, &fd) != -ELOOP; i++) {
		close(fd);
		poll(NULL, 0, 10);
	}
	return 0;
}

static void never_to_ourselves(void **state)
{
	static const char *const local[] = {"192.0.2.1", "127.0.0.1", "127.9.9.9", "0.0.0.0",
		"::", "::1", "2001:db8::1", "192.0.2.255", "224.0.0.1", "255.255.255.255"};
	int fd;

	(void)state;
	if (routes < 0)
		skip();
	for (int sysctl = 0; sysctl < 2; sysctl++) {
		for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
			int rc = try(local[i], NULL, &fd);

			if (rc == 0)
				fail_msg("%s was dialled", local[i]);
			assert_int_equal(fd, -1);
		}
		assert_int_equal(try("192.0.2.1", NULL, &fd), -ELOOP);
		assert_int_equal(try("2001:db8::1", NULL, &fd), -ELOOP);
		if (!set_sysctl("/proc/sys/net/ipv4/ip_nonlocal_bind") ||
			!set_sysctl("/proc/sys/net/ipv6/ip_nonlocal_bind"))
			break; /* /proc may be read-only: one round is all there is */
	}
}

static void away_with_the_clients_address_and_another_port(void **state)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;
	struct addr from, client = ip("203.0.113.7");
	uint16_t port;
	int fd;

	(void)state;
	if (routes < 0)
		skip();
	assert_int_equal(try("198.51.100.9", "203.0.113.7", &fd), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	addr_from_sockaddr((struct sockaddr *)&sa, &from, &port);
	assert_true(addr_eq(&from, &client));
	assert_in_range(port, 1024, 32767);
	close(fd);
}

static void no_route_and_no_answer_are_no_permission(void **state)
{
	int fd, kept = routes;

	(void)state;
	if (routes < 0)
		skip();
	assert_int_equal(try("203.0.113.1", NULL, &fd), -ENETUNREACH);
	routes = -1;
	assert_int_equal(try("198.51.100.9", NULL, &fd), -EBADF);
	routes = kept;
}

/* An answer that nobody waited for is not taken for the next one's. */
static void answers_are_not_mixed_up(void **state)
{
	struct {
		struct nlmsghdr {
			uint32_t len;
			uint16_t type, flags;
			uint32_t seq, pid;
		} h;
		uint8_t m[12];
	} stray = {.h = {.len = sizeof stray, .type = 26, .flags = 1, .seq = 1}, .m = {AF_INET}};
	int fd;

	(void)state;
	if (routes < 0)
		skip();
	for (int i = 0; i < 3; i++)
		send(routes, &stray, sizeof stray, 0);
	assert_int_equal(try("192.0.2.1", NULL, &fd), -ELOOP);
	assert_int_equal(try("198.51.100.9", NULL, &fd), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_to_ourselves),
		cmocka_unit_test(away_with_the_clients_address_and_another_port),
		cmocka_unit_test(no_route_and_no_answer_are_no_permission),
		cmocka_unit_test(answers_are_not_mixed_up),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
