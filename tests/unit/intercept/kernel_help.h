/* SPDX-License-Identifier: GPL-3.0-or-later
 * kernel_help.h - a network namespace of our own with a loopback, for tests of what the kernel's netfilter says. Needs root.
 */
#ifndef TESTS_UNIT_INTERCEPT_KERNEL_HELP_H
#define TESTS_UNIT_INTERCEPT_KERNEL_HELP_H

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* 0, or 77 where this may not be done. */
static int namespace_enter(void)
{
	return unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0 ? 0 : 77;
}

#define NEEDS_NAMESPACE(entered)                                                                   \
	if ((entered) != 0) {                                                                      \
		print_message("needs root: a network namespace\n");                                \
		skip();                                                                            \
	}

/* iptables and ip6tables alike. */
static void rule(const char *words)
{
	char line[512];

	snprintf(line, sizeof line, "iptables -w %s && ip6tables -w %s", words, words);
	assert_int_equal(system(line), 0);
}

static struct sockaddr_storage loopback(int family, uint16_t port, socklen_t *n)
{
	struct sockaddr_storage a = {.ss_family = (sa_family_t)family};

	if (family == AF_INET) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)&a;

		v4->sin_port = htons(port);
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*n = sizeof *v4;
	} else {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a;

		v6->sin6_port = htons(port);
		v6->sin6_addr = in6addr_loopback;
		*n = sizeof *v6;
	}
	return a;
}

#endif
