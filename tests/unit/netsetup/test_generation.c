/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_generation.c - the packet filter's count of changes, in a network namespace of its own. Needs root and iptables.
 */
#include "netsetup/generation.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void run(const char *command)
{
	int status = 0;

	if (fork() == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	wait(&status);
	assert_int_equal(status, 0);
}

static void it_counts_changes_and_nothing_else(void **state)
{
	uint32_t before, same, after;
	int fd = -1;

	(void)state;
	if (unshare(CLONE_NEWNET) != 0)
		skip();
	assert_int_equal(generation_open(&fd), 0);
	if (generation_read(fd, &before) != 0) {
		close(fd);
		skip(); /* no nf_tables in this kernel */
	}
	run("iptables-save >/dev/null");
	assert_int_equal(generation_read(fd, &same), 0);
	assert_int_equal(same, before);
	run("iptables-nft -t mangle -N A");
	assert_int_equal(generation_read(fd, &after), 0);
	assert_int_not_equal(after, before);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_counts_changes_and_nothing_else),
	};

	return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
