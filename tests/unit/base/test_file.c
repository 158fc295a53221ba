/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_file.c - whole files, safely.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/durward-file.XXXXXX";

static int enter(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	(void)state;
	unlink("policy");
	unlink("fifo");
	return rmdir(folder);
}

static void a_file_is_replaced_whole(void **state)
{
	struct strbuf b = {0};
	struct stat st;

	(void)state;
	assert_int_equal(file_write_atomic("policy", slice_str("old"), 0644), 0);
	assert_int_equal(file_write_atomic("policy", slice_str("newer"), 0640), 0);
	assert_int_equal(file_read("policy", 5, &b), 0);
	assert_string_equal(strbuf_text(&b), "newer");
	assert_int_equal(stat("policy", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	strbuf_reset(&b);
	assert_int_equal(file_read("policy", 4, &b), -EFBIG);
	strbuf_fini(&b);
}

static void touch(const char *name)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fclose(f);
}

static bool is_there(const char *name)
{
	return access(name, F_OK) == 0;
}

/* A writer that is killed leaves its file, and the next writing, or the start, removes it; others' files are left alone. */
static void what_a_kill_leaves_is_swept(void **state)
{
	char *tmp = NULL;
	int status, fd;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		fd = file_temp("policy", &tmp);
		_exit(fd < 0 ? 1 : write(fd, "half", 4) == 4 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	touch("policy.backup"); /* six letters, as mkstemp(3) makes them */
	touch("policy.durward-AbC12");
	touch("policy.durward-AbC12_");
	touch("other.durward-AbC123");
	touch("policy.durward-AbC123");
	fd = file_temp("policy", &tmp); /* somebody writes right now */
	assert_true(fd >= 0);
	assert_true(file_is_temp(tmp));
	assert_int_equal(file_write_atomic("policy", slice_str("new"), 0600), 0);
	assert_true(is_there("policy"));
	assert_true(is_there("policy.backup"));
	assert_true(is_there("policy.durward-AbC12"));
	assert_true(is_there("policy.durward-AbC12_"));
	assert_true(is_there("other.durward-AbC123"));
	assert_false(is_there("policy.durward-AbC123"));
	assert_true(is_there(tmp));
	close(fd);
	file_sweep("policy");
	assert_false(is_there(tmp));
	free(tmp);
	unlink("policy.backup");
	unlink("policy.durward-AbC12");
	unlink("policy.durward-AbC12_");
	unlink("other.durward-AbC123");
	int left = 0;
	DIR *d = opendir(".");

	for (struct dirent *e; (e = readdir(d));)
		left += e->d_name[0] != '.';
	closedir(d);
	assert_int_equal(left, 1); /* the policy; the killed one's went, too */
}

/* Two that write the same file at once, each sweeping: neither loses its own. */
static void writers_do_not_sweep_each_other(void **state)
{
	struct strbuf b = {0};
	int status;

	(void)state;
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			for (int k = 0; k < 200; k++)
				if (file_write_atomic("policy", slice_str("whole"), 0600) != 0)
					_exit(1);
			_exit(0);
		}
	for (int i = 0; i < 4; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(file_read("policy", 5, &b), 0);
	assert_string_equal(strbuf_text(&b), "whole");
	strbuf_fini(&b);
}

static void what_is_no_file_is_refused(void **state)
{
	struct strbuf b = {0};

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(file_read("fifo", 10, &b), -EINVAL);
	assert_int_equal(file_read("/tmp", 10, &b), -EINVAL);
	assert_int_equal(file_read("/dev/zero", 10, &b), -EINVAL);
	assert_int_equal(file_read("none", 10, &b), -ENOENT);
	assert_int_equal(file_write_atomic("no/such/folder", slice_str("x"), 0600), -ENOENT);
	strbuf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_replaced_whole),
		cmocka_unit_test(what_a_kill_leaves_is_swept),
		cmocka_unit_test(writers_do_not_sweep_each_other),
		cmocka_unit_test(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests_name("file", tests, enter, leave);
}
