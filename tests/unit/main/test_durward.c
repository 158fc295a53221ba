/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_durward.c - the program itself: from its command line to a process, or to a word about what is wrong with it.
 */
#include <fcntl.h>
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "conf/settings.h"
#include "conf/settings_file.h"

#include <cmocka.h>

static char program[512], said[8192];

static int find_program(void **state)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	(void)state;
	self[n > 0 ? n : 0] = 0;
	snprintf(program, sizeof program, "%s/../../durward", dirname(self));
	return 0;
}

/* Its exit status; `said` is everything that it said. Descriptors without CLOEXEC are its own. */
static int run(const char *const *words)
{
	const char *argv[16] = {program};
	int out[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (access(program, X_OK) != 0)
		skip();
	for (size_t i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		execv(program, (char **)argv);
		_exit(127);
	}
	close(out[1]);
	while (n < sizeof said - 1 && (got = read(out[0], said + n, sizeof said - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = 0;
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static void a_wrong_command_line_is_told(void **state)
{
	static const char *const rows[][4] = {{NULL}, {"--settings", "x"}, {"sooper"},
		{"supervisor", "--no-such"}, {"supervisor", "--fd", "nonsense"},
		{"supervisor", "--fd", "a=b"}, {"supervisor", "--settings"}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(run(rows[i]), 2);
		assert_non_null(strstr(said, "usage: durward supervisor"));
	}
	assert_int_equal(RUN("sooper"), 2);
	assert_non_null(strstr(said, "sooper"));
}

static void it_says_what_it_is(void **state)
{
	(void)state;
	assert_int_equal(RUN("--version"), 0);
	assert_string_equal(said, "durward " DURWARD_VERSION "\n");
	assert_int_equal(RUN("--help"), 0);
	assert_non_null(strstr(said, "--guarded"));
}

static void settings_with_errors_start_nothing(void **state)
{
	char path[] = "/tmp/durward-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_true(write(fd, "no-such-setting 1\n", 18) == 18);
	close(fd);
	assert_int_equal(RUN("supervisor", "--settings", path), 1);
	assert_non_null(strstr(said, path));
	assert_int_equal(RUN("route", "--settings", path, "up"), 1);
	unlink(path);
	assert_int_equal(RUN("supervisor", "--settings", path), 1);
	assert_non_null(strstr(said, path));
}

/* What reads strangers' bytes takes its settings from the process that starts it alone. */
static void the_children_have_theirs_from_who_starts_them(void **state)
{
	static const char *const faces[] = {"dataplane", "controller", "failsafe"};
	int plain = memfd_create("settings", 0);
	char word[40];

	(void)state;
	assert_true(plain >= 0 && write(plain, "fail open\n", 10) == 10);
	snprintf(word, sizeof word, "settings=%d", plain);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(RUN(faces[i]), 1);
		assert_non_null(strstr(said, "no settings"));
		assert_int_equal(RUN(faces[i], "--settings", SETTINGS_DEFAULT_PATH), 1);
		assert_non_null(strstr(said, "no settings"));
		assert_int_equal(RUN(faces[i], "--fd", word), 1); /* nobody sealed them */
		assert_non_null(strstr(said, "no settings"));
		assert_int_equal(RUN(faces[i], "--fd", "settings=999"), 2); /* not open */
	}
	close(plain);
}

static void failsafe_ends_when_told_so_and_not_without_its_pipe(void **state)
{
	int sealed, ends[2], parent = (int)syscall(SYS_pidfd_open, getpid(), 0);
	char settings[40], supervisor[40], pipe_end[40];
	struct settings s;
	struct diag d = {0};

	(void)state;
	assert_true(settings_parse(slice_str(""), &s, &d)); /* the defaults */
	diag_fini(&d);
	assert_int_equal(settings_seal(&s, &sealed), 0);
	assert_int_equal(pipe(ends), 0);
	assert_true(parent >= 0);
	fcntl(sealed, F_SETFD, 0);
	fcntl(parent, F_SETFD, 0);
	snprintf(settings, sizeof settings, "settings=%d", sealed);
	snprintf(supervisor, sizeof supervisor, "supervisor=%d", parent);
	snprintf(pipe_end, sizeof pipe_end, "pipe=%d", ends[0]);
	assert_int_equal(RUN("failsafe", "--fd", settings, "--fd", supervisor), 2);
	assert_int_equal(write(ends[1], "ocq", 3), 3); /* its modes, and then: we end in order */
	assert_int_equal(
		RUN("failsafe", "--fd", settings, "--fd", supervisor, "--fd", pipe_end), 0);
	close(sealed), close(parent), close(ends[0]), close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_command_line_is_told),
		cmocka_unit_test(it_says_what_it_is),
		cmocka_unit_test(settings_with_errors_start_nothing),
		cmocka_unit_test(the_children_have_theirs_from_who_starts_them),
		cmocka_unit_test(failsafe_ends_when_told_so_and_not_without_its_pipe),
	};

	return cmocka_run_group_tests_name("durward", tests, find_program, NULL);
}
