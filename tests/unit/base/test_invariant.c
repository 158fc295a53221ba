/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_invariant.c - a program that finds itself wrong ends, and says where. The unit tests are built with the checks.
 */
#include "base/invariant.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"

/* What it wrote on standard error; *status as by waitpid(2). */
static void run(void (*f)(void), char *said, size_t cap, int *status)
{
	int p[2];
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		dup2(p[1], 2);
		f();
		_exit(0);
	}
	close(p[1]);
	while (n + 1 < cap && (got = read(p[0], said + n, cap - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = 0;
	close(p[0]);
	assert_int_equal(waitpid(pid, status, 0), pid);
}

static void holds(void)
{
	int n = 1;

	invariant(n == 1);
}

static void does_not_hold(void)
{
	int n = 1;

	invariant(n == 2);
}

/* An array that has more members than room. */
static void longer_than_its_room(void)
{
	struct arena a = {.head = NULL};
	size_t cap = 4;

	arena_grow(&a, NULL, 5, &cap, 8);
}

static void what_holds_costs_nothing(void **state)
{
	char said[1024];
	int status;

	(void)state;
	run(holds, said, sizeof said, &status);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_string_equal(said, "");
}

static void what_does_not_hold_ends_the_program(void **state)
{
	static void (*const wrong[])(void) = {does_not_hold, longer_than_its_room};
	static const char *const words[] = {"test_invariant.c", "arena.c"};
	char said[1024];
	int status;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		run(wrong[i], said, sizeof said, &status);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		assert_non_null(strstr(said, words[i]));
		assert_non_null(strstr(said, "not so: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_holds_costs_nothing),
		cmocka_unit_test(what_does_not_hold_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
