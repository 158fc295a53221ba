/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_numbers.c - a number that was given out is known after a kill, a torn write and on a full disk.
 */
#include "record/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "record/numbers.h"

static struct numbers_file *opened(void)
{
	struct numbers_file *f = NULL;

	assert_int_equal(numbers_open(in_folder("numbers"), &f), 0);
	return f;
}

static int set(struct numbers_file *f, uint32_t used)
{
	struct numbers now = {
		.used = used, .force = used - 1, .digest = "0123456789abcdef", .admin_store = true};

	return numbers_set(f, &now);
}

static uint32_t used_now(void)
{
	struct numbers_file *f = opened();
	uint32_t used = numbers_now(f)->used;

	numbers_close(f);
	return used;
}

static void what_was_set_is_there_again(void **state)
{
	struct numbers_file *f = opened();

	assert_int_equal(numbers_now(f)->used, 0);
	assert_false(numbers_now(f)->admin_store);
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(set(f, i), 0);
	numbers_close(f);
	f = opened();
	assert_int_equal(numbers_now(f)->used, 5);
	assert_int_equal(numbers_now(f)->force, 4);
	assert_string_equal(numbers_now(f)->digest, "0123456789abcdef");
	assert_true(numbers_now(f)->admin_store);
	assert_int_equal(set(f, 4000000000u), 0);
	numbers_close(f);
	assert_int_equal(used_now(), 4000000000u);
}

/* The last write reached the disk in part: what was there before counts. */
static void a_torn_write_leaves_the_one_before(void **state)
{
	struct numbers_file *f = opened();

	assert_int_equal(set(f, 7), 0); /* turn 1: the second slot */
	assert_int_equal(set(f, 8), 0);
	assert_int_equal(set(f, 9), 0); /* the second slot again */
	numbers_close(f);
	int fd = open(in_folder("numbers"), O_WRONLY);

	assert_int_equal(pwrite(fd, "durward-numbers 1 turn 3 used 10", 32, 4096), 32);
	close(fd);
	assert_int_equal(used_now(), 8);
	assert_int_equal(truncate(in_folder("numbers"), 0), 0);
	assert_int_equal(used_now(), 0);
}

static void a_full_disk_is_no_hindrance(void **state)
{
	static const char block[4096] = {1};
	struct numbers_file *f;
	int fd;

	if (mount("none", folder, "tmpfs", 0, "size=1m") < 0)
		skip(); /* not root */
	f = opened();
	assert_int_equal(set(f, 1), 0);
	fd = open(in_folder("ballast"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	while (write(fd, block, sizeof block) > 0)
		;
	close(fd);
	for (uint32_t i = 2; i < 100; i++)
		assert_int_equal(set(f, i), 0);
	numbers_close(f);
	assert_int_equal(used_now(), 99);
	unlink(in_folder(
		"numbers")); /* gone, and no room for a new one: it is told, and fixed later */
	fd = open(in_folder("ballast"), O_WRONLY | O_APPEND);
	while (write(fd, block, sizeof block) > 0)
		;
	close(fd);
	f = opened();
	assert_int_equal(set(f, 100), -ENOSPC);
	assert_int_equal(numbers_now(f)->used, 100);
	unlink(in_folder("ballast"));
	assert_int_equal(numbers_tend(f), 0);
	numbers_close(f);
	assert_int_equal(used_now(), 100);
	umount(folder);
}

#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, folder_make, folder_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(what_was_set_is_there_again),
		IN_FOLDER(a_torn_write_leaves_the_one_before),
		IN_FOLDER(a_full_disk_is_no_hindrance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
