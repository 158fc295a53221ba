/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_trust.c - what root obeys: every way in which somebody else could have a hand in it. Needs root.
 */
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

enum { OTHER = 64123 };

static char folder[] = "/tmp/durward-trust.XXXXXX"; /* /tmp: root's and sticky */
static char why[TRUST_WHY];

static void put(const char *path, uid_t uid, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0 && write(fd, "x", 1) == 1);
	assert_true(fchown(fd, uid, uid) == 0 && fchmod(fd, mode) == 0);
	close(fd);
}

static void make(const char *path, uid_t uid, mode_t mode)
{
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(chown(path, uid, uid) == 0 && chmod(path, mode) == 0);
}

static int enter(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return 0;
	umask(022);
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0 || chdir(folder) < 0)
		return -1;
	make("own", 0, 0755);
	put("own/file", 0, 0644);
	make("theirs", OTHER, 0755);
	put("theirs/file", 0, 0644);
	make("group", 0, 0775);
	put("group/file", 0, 0644);
	make("sticky", 0, 01777);
	put("sticky/file", 0, 0644);
	put("sticky/theirs", OTHER, 0644);
	make("sticky/own", 0, 0755);
	put("sticky/own/file", 0, 0644);
	make("sticky/their-folder", OTHER, 0755);
	put("sticky/their-folder/file", 0, 0644);
	return 0;
}

static int leave(void **state)
{
	char command[128];

	(void)state;
	if (geteuid() != 0)
		return 0;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return chdir("/") < 0 || system(command);
}

static int ask(const char *path, enum trust_kind kind)
{
	int fd = trust_open(path, kind, why);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : fd;
}

static void need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("needs root\n");
	skip();
}

static void refused(const char *path, enum trust_kind kind, const char *at, const char *fixes)
{
	char want[128];

	if (ask(path, kind) != -EPERM)
		fail_msg("%s was not refused", path);
	snprintf(want, sizeof want, "%s/%s", folder, at);
	if (!strstr(why, want) || !strstr(why, fixes))
		fail_msg("%s: said \"%s\", not %s and %s", path, why, want, fixes);
}

static void what_is_roots_is_opened(void **state)
{
	char path[128], c;
	int fd;

	(void)state;
	need_root();
	fd = trust_open("own/file", TRUST_FILE, why);
	assert_true(fd >= 0 && read(fd, &c, 1) == 1 && c == 'x' && !why[0]);
	close(fd);
	snprintf(path, sizeof path, "%s/./own//../own/file", folder);
	assert_int_equal(ask(path, TRUST_FILE), 0);
	assert_int_equal(ask("sticky/file", TRUST_FILE), 0);
	assert_int_equal(ask("sticky/own/file", TRUST_FILE), 0);
	assert_int_equal(ask("own", TRUST_FOLDER), 0);
	assert_int_equal(ask("own/.", TRUST_FOLDER), 0);
	assert_int_equal(ask("/", TRUST_FOLDER), 0);
	assert_int_equal(ask("theirs", TRUST_PLACE), 0);
	assert_int_equal(ask("own/nothing", TRUST_FILE), -ENOENT);
	assert_int_equal(ask("own/nothing", TRUST_PLACE), -ENOENT);
	assert_string_equal(why, "");
	assert_int_equal(ask("", TRUST_FILE), -ENOENT);
	assert_int_equal(ask("own/file/x", TRUST_FILE), -ENOTDIR);
}

static void a_folder_or_file_of_others_is_refused(void **state)
{
	(void)state;
	need_root();
	put("own/theirs", OTHER, 0644);
	put("own/group", 0, 0664);
	put("own/all", 0, 0646);
	refused("own/theirs", TRUST_FILE, "own/theirs", "chown -h root:root");
	refused("own/group", TRUST_FILE, "own/group", "chmod go-w");
	refused("own/all", TRUST_FILE, "own/all", "chmod go-w");
	refused("theirs/file", TRUST_FILE, "theirs ", "chown -h root:root");
	refused("theirs/nothing", TRUST_FILE, "theirs ", "chown");
	refused("group/file", TRUST_FILE, "group ", "chmod go-w");
	refused("group/nothing", TRUST_PLACE, "group ", "chmod go-w");
	refused("theirs/../own/file", TRUST_FILE, "theirs ", "chown");
	refused("theirs", TRUST_FOLDER, "theirs ", "chown");
	refused("sticky", TRUST_FOLDER, "sticky ", "chmod go-w");
	refused("sticky/.", TRUST_FOLDER, "sticky ", "chmod go-w");
}

static void in_a_sticky_folder_only_what_is_roots(void **state)
{
	(void)state;
	need_root();
	refused("sticky/theirs", TRUST_FILE, "sticky/theirs", "chown");
	refused("sticky/their-folder/file", TRUST_FILE, "sticky/their-folder ", "chown");
	refused("sticky/their-folder", TRUST_PLACE, "sticky/their-folder ", "chown");
	/* a second name: perhaps of a file that others chose among root's */
	put("own/chosen", 0, 0644);
	assert_int_equal(link("own/chosen", "sticky/chosen"), 0);
	refused("sticky/chosen", TRUST_FILE, "sticky/chosen", "hard link");
	assert_int_equal(ask("own/chosen", TRUST_FILE), 0);
}

static void links_are_followed_where_root_made_them(void **state)
{
	char target[128];

	(void)state;
	need_root();
	assert_int_equal(symlink("file", "own/link"), 0);
	assert_int_equal(ask("own/link", TRUST_FILE), 0);
	assert_int_equal(symlink("../own", "own/folder"), 0);
	assert_int_equal(ask("own/folder/link", TRUST_FILE), 0);
	snprintf(target, sizeof target, "%s/theirs/file", folder);
	assert_int_equal(symlink(target, "own/out"), 0);
	refused("own/out", TRUST_FILE, "theirs ", "chown");
	assert_int_equal(symlink("../own/file", "sticky/link"), 0);
	assert_int_equal(ask("sticky/link", TRUST_FILE), 0);
	assert_int_equal(lchown("sticky/link", OTHER, OTHER), 0);
	refused("sticky/link", TRUST_FILE, "sticky/link ", "chown -h");
	assert_int_equal(symlink("loop", "own/loop"), 0);
	assert_int_equal(ask("own/loop", TRUST_FILE), -ELOOP);
	assert_int_equal(symlink("nowhere", "own/dangling"), 0);
	assert_int_equal(ask("own/dangling", TRUST_FILE), -ENOENT);
}

static void a_fifo_or_a_device_is_never_opened(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(mkfifo("own/fifo", 0644), 0);
	refused("own/fifo", TRUST_FILE, "own/fifo", "no regular file");
	assert_int_equal(mknod("own/device", S_IFCHR | 0644, makedev(1, 3)), 0);
	refused("own/device", TRUST_FILE, "own/device", "no regular file");
	refused("own", TRUST_FILE, "own", "no regular file");
	assert_int_equal(ask("own/.", TRUST_FILE), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_roots_is_opened),
		cmocka_unit_test(a_folder_or_file_of_others_is_refused),
		cmocka_unit_test(in_a_sticky_folder_only_what_is_roots),
		cmocka_unit_test(links_are_followed_where_root_made_them),
		cmocka_unit_test(a_fifo_or_a_device_is_never_opened),
	};

	return cmocka_run_group_tests_name("trust", tests, enter, leave);
}
