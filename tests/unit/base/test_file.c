/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_file.c - whole files, safely.
 */
#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
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
		cmocka_unit_test(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests_name("file", tests, enter, leave);
}
