/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_settings_file.c - whose settings are obeyed, and what reaches a child. The first half needs root.
 */
#include "conf/settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { OTHER = 64123 };

static char folder[] = "/tmp/durward-settings.XXXXXX";
static char path[64];
static struct settings s;
static struct strbuf said;

static int enter(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/settings", folder);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	strbuf_fini(&said);
	unlink(path);
	return rmdir(folder);
}

static int read_text(const char *text, uid_t uid, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_true(fchown(fd, uid, uid) == 0 && fchmod(fd, mode) == 0);
	close(fd);
	strbuf_reset(&said);
	return settings_read(path, &s, &said);
}

static bool says(const char *words)
{
	return strstr(strbuf_text(&said), words) != NULL;
}

static void only_roots_settings_are_obeyed(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	assert_int_equal(read_text("controller-user someone\nmark-mask 0x00ff0000\n", 0, 0644), 0);
	assert_string_equal(s.controller_user, "someone");
	assert_string_equal(strbuf_text(&said), "");
	/* nothing of them, and the word says what fixes it */
	assert_int_equal(
		read_text("controller-user 0\nrules-script /tmp/x\n", OTHER, 0644), -EPERM);
	assert_string_equal(s.controller_user, "durward");
	assert_string_equal(s.rules_script, "");
	assert_true(says(path) && says("chown"));
	assert_int_equal(read_text("controller-user 0\n", 0, 0666), -EPERM);
	assert_string_equal(s.controller_user, "durward");
	assert_true(says("chmod go-w"));
	assert_int_equal(chown(folder, OTHER, OTHER), 0);
	assert_int_equal(read_text("controller-user 0\n", 0, 0644), -EPERM);
	assert_string_equal(s.controller_user, "durward");
	/* a folder of others hides a missing file as well: they could make one at any moment */
	unlink(path);
	strbuf_reset(&said);
	assert_int_equal(settings_read(path, &s, &said), -EPERM);
	assert_int_equal(chown(folder, 0, 0), 0);
}

static void errors_leave_what_is_right(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	assert_int_equal(
		read_text("controller-user someone\nmark-mask 0x00f\nworkers 3\n", 0, 0600),
		-EINVAL);
	assert_true(says(":2:11:"));
	assert_string_equal(s.controller_user, "someone");
	assert_int_equal(s.mark_mask, 0xff000000);
	assert_int_equal(s.workers, 3);
	unlink(path);
	strbuf_reset(&said);
	assert_int_equal(settings_read(path, &s, &said), -ENOENT);
	assert_true(says(path) && says("No such file"));
	assert_string_equal(s.controller_user, "durward");
}

static void what_is_sealed_is_what_a_child_gets(void **state)
{
	struct settings got = {0};
	int fd;

	(void)state;
	memset(&s, 0, sizeof s);
	snprintf(s.policy, sizeof s.policy, "/x/policy");
	s.mark_mask = 0x00ff0000;
	assert_int_equal(settings_seal(&s, &fd), 0);
	assert_true(write(fd, "x", 1) < 0 && errno == EPERM);
	assert_true(ftruncate(fd, 0) < 0 && errno == EPERM);
	assert_int_equal(settings_unseal(fd, &got), 0);
	assert_memory_equal(&got, &s, sizeof s);
	/* where the descriptor stands does not matter: a second child reads it, too */
	assert_int_equal(settings_unseal(fd, &got), 0);
	close(fd);
}

static void what_is_not_sealed_or_not_ours_is_refused(void **state)
{
	struct settings got;
	char text[sizeof(struct settings) + 8] = "";
	int fd = memfd_create("x", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && write(fd, text, sizeof text) == sizeof text);
	assert_int_equal(settings_unseal(fd, &got), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(settings_unseal(fd, &got), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	assert_int_equal(settings_unseal(fd, &got), -EBADMSG);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(settings_unseal(fd, &got) < 0);
	close(fd);
	assert_int_equal(settings_unseal(fd, &got), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_roots_settings_are_obeyed),
		cmocka_unit_test(errors_leave_what_is_right),
		cmocka_unit_test(what_is_sealed_is_what_a_child_gets),
		cmocka_unit_test(what_is_not_sealed_or_not_ours_is_refused),
	};

	return cmocka_run_group_tests_name("settings file", tests, enter, leave);
}
