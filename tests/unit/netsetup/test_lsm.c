/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_lsm.c - one user's messages to netfilter: verdicts and marks pass, all else is refused; others' are not looked at. Root, and a
 * kernel that runs BPF as a security module; else it is skipped.
 */
#include "netsetup/lsm.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOMEBODY = 64124, OTHER = 64125 };

static uint8_t datagram[65536];
static size_t length;

static void add_with(uint16_t flags, uint8_t subsystem, uint8_t type, uint32_t said, size_t really)
{
	struct nlmsghdr h = {.nlmsg_len = said,
		.nlmsg_type = (uint16_t)(subsystem << 8 | type),
		.nlmsg_flags = NLM_F_REQUEST | flags};

	memset(datagram + length, 0, really);
	memcpy(datagram + length, &h, sizeof h);
	length += really;
}

static void add(uint8_t subsystem, uint8_t type, uint32_t said, size_t really)
{
	add_with(0, subsystem, type, said, really);
}

static int send_as(uid_t uid, int protocol)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int status = 0, fd = socket(AF_NETLINK, SOCK_RAW, protocol);
	pid_t pid = fork();

	if (pid == 0) {
		if (uid && (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
			_exit(255);
		_exit(sendto(fd, datagram, length, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0
				? errno
				: 0);
	}
	close(fd);
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	length = 0;
	return WEXITSTATUS(status);
}

static int guard = -1;

static int begin(void **state)
{
	struct priv_user user = {SOMEBODY, SOMEBODY};
	int rc = geteuid() == 0 && unshare(CLONE_NEWNET) == 0 ? lsm_verdicts_only(&user, &guard)
							      : -EPERM;

	(void)state;
	if (rc != 0)
		print_message("no guard here: %s\n", strerror(-rc));
	return 0;
}

static void need_boot_guard(void)
{
	if (guard < 0)
		skip();
}

static void verdicts_pass(void **state)
{
	(void)state;
	need_boot_guard();
	add(NFNL_SUBSYS_QUEUE, 1, 32, 32);
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), 0);
	add(NFNL_SUBSYS_QUEUE, 3, 32, 32);
	add(NFNL_SUBSYS_QUEUE, 1, 29, 32); /* its length is rounded up */
	add(NFNL_SUBSYS_QUEUE, 2, 20, 20);
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), 0);
	for (int i = 0; i < 1000; i++)
		add(NFNL_SUBSYS_QUEUE, 1, 44, 44);
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), 0);
}

/* Of a connection that is there; none can be made, ended, or counted anew. */
static void marks_pass(void **state)
{
	static const uint8_t others[] = {IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET_CTRZERO, 4, 5, 99};

	(void)state;
	need_boot_guard();
	add(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, 20, 20);
	add(NFNL_SUBSYS_QUEUE, 1, 32, 32);
	add_with(NLM_F_DUMP, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, 20, 20);
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), 0);
	add_with(NLM_F_CREATE, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, 20, 20);
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), EPERM);
	for (size_t i = 0; i < sizeof others; i++) {
		add(NFNL_SUBSYS_CTNETLINK, others[i], 20, 20);
		assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), EPERM);
	}
	add(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_CT_NEW, 20, 20);
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), EPERM);
}

static void all_else_is_refused(void **state)
{
	static const uint8_t subsystems[] = {NFNL_SUBSYS_NONE, NFNL_SUBSYS_CTNETLINK_EXP,
		NFNL_SUBSYS_ULOG, NFNL_SUBSYS_IPSET, NFNL_SUBSYS_NFTABLES, NFNL_SUBSYS_NFT_COMPAT,
		11, 12, 99};

	(void)state;
	need_boot_guard();
	for (size_t i = 0; i < sizeof subsystems; i++) {
		add(subsystems[i], 1, 32, 32);
		assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), EPERM);
		/* behind verdicts as well, also where the first is longer than it seems */
		add(NFNL_SUBSYS_QUEUE, 1, 30, 32);
		add(subsystems[i], 1, 32, 32);
		add(NFNL_SUBSYS_QUEUE, 1, 32, 32);
		assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), EPERM);
	}
	add(0, NFNL_MSG_BATCH_BEGIN, 20, 20);
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), EPERM);
	for (int i = 0; i < 1400; i++) /* more than it looks at */
		add(NFNL_SUBSYS_QUEUE, 1, 44, 44);
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), EPERM);
}

static void what_the_kernel_does_not_read_is_not_ours(void **state)
{
	(void)state;
	need_boot_guard();
	add(NFNL_SUBSYS_NFTABLES, 1, 15, 32); /* shorter than a head */
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), 0);
	add(NFNL_SUBSYS_NFTABLES, 1, 64, 32); /* longer than the datagram */
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), 0);
	length = 8;
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), 0);
}

static void others_are_not_looked_at(void **state)
{
	(void)state;
	need_boot_guard();
	add(NFNL_SUBSYS_NFTABLES, 1, 32, 32);
	assert_int_equal(send_as(0, NETLINK_NETFILTER), 0);
	add(NFNL_SUBSYS_NFTABLES, 1, 32, 32);
	assert_int_equal(send_as(OTHER, NETLINK_NETFILTER), 0); /* the kernel's answer is its own */
	add(NFNL_SUBSYS_NFTABLES, 1, 32, 32);
	assert_int_equal(send_as(SOMEBODY, NETLINK_ROUTE), 0);
}

static void it_ends_with_its_descriptor(void **state)
{
	(void)state;
	need_boot_guard();
	/* another network namespace is another gateway */
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	add(NFNL_SUBSYS_NFTABLES, 1, 32, 32);
	assert_int_equal(send_as(SOMEBODY, NETLINK_NETFILTER), 0);
	close(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_pass),
		cmocka_unit_test(marks_pass),
		cmocka_unit_test(all_else_is_refused),
		cmocka_unit_test(what_the_kernel_does_not_read_is_not_ours),
		cmocka_unit_test(others_are_not_looked_at),
		cmocka_unit_test(it_ends_with_its_descriptor),
	};

	return cmocka_run_group_tests_name("lsm", tests, begin, NULL);
}
