/* SPDX-License-Identifier: GPL-3.0-or-later
 * cmocka.h - as much of cmocka's interface as the unit tests use, in one header, for compilers whose cmocka Debian does not
 * have on amd64: 32 bits, musl. Says what tests/run-unit reads of the real one.
 *
 * Owns: nothing. Thread: one. A test that fails is left by longjmp, as with cmocka. Source: cmocka.h of libcmocka-dev.
 */
#ifndef PORTABLE_CMOCKA_H
#define PORTABLE_CMOCKA_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);
struct CMUnitTest {
	const char *name;
	CMUnitTestFunction test_func;
	CMFixtureFunction setup_func, teardown_func;
	void *initial_state;
};
#define cmocka_unit_test(f)                                                                        \
	{                                                                                          \
#f, f, NULL, NULL, NULL                                                            \
	}
#define cmocka_unit_test_setup_teardown(f, s, t)                                                   \
	{                                                                                          \
#f, f, s, t, NULL                                                                  \
	}

enum { TEST_FAILED = 1, TEST_SKIPPED };
static jmp_buf cmocka_out;
static const char *cmocka_now; /* the running test's name */

__attribute__((format(printf, 3, 4), noreturn, unused)) static void cmocka_fail(
	const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("failure: %s [\n", cmocka_now);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n%s:%d: error: Failure!\n]\n", file, line);
	fflush(stdout);
	longjmp(cmocka_out, TEST_FAILED);
}

__attribute__((unused)) static void cmocka_words(
	const char *a, const char *b, int same, const char *file, int line)
{
	if ((strcmp(a, b) == 0) != same)
		cmocka_fail(file, line, "\"%s\" %s \"%s\"", a, same ? "!=" : "==", b);
}

__attribute__((unused)) static void cmocka_numbers(
	uintmax_t a, uintmax_t b, int same, const char *file, int line)
{
	if ((a == b) != same)
		cmocka_fail(file, line, "%#" PRIxMAX " %s %#" PRIxMAX, a, same ? "!=" : "==", b);
}

__attribute__((unused)) static void cmocka_bytes(
	const void *a, const void *b, size_t n, const char *file, int line)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			cmocka_fail(
				file, line, "byte %zu of %zu: 0x%02x != 0x%02x", i, n, x[i], y[i]);
}

#define assert_true(c)		   ((c) ? (void)0 : cmocka_fail(__FILE__, __LINE__, "%s", #c))
#define assert_false(c)		   ((c) ? cmocka_fail(__FILE__, __LINE__, "not: %s", #c) : (void)0)
#define assert_null(p)		   assert_true((p) == NULL)
#define assert_non_null(p)	   assert_true((p) != NULL)
#define assert_ptr_equal(a, b)	   assert_true((const void *)(a) == (const void *)(b))
#define assert_ptr_not_equal(a, b) assert_true((const void *)(a) != (const void *)(b))
#define assert_int_equal(a, b)	   cmocka_numbers((uintmax_t)(a), (uintmax_t)(b), 1, __FILE__, __LINE__)
#define assert_int_not_equal(a, b)                                                                 \
	cmocka_numbers((uintmax_t)(a), (uintmax_t)(b), 0, __FILE__, __LINE__)
#define assert_in_range(v, lo, hi)                                                                 \
	assert_true((uintmax_t)(v) >= (uintmax_t)(lo) && (uintmax_t)(v) <= (uintmax_t)(hi))
#define assert_string_equal(a, b)     cmocka_words(a, b, 1, __FILE__, __LINE__)
#define assert_string_not_equal(a, b) cmocka_words(a, b, 0, __FILE__, __LINE__)
#define assert_memory_equal(a, b, n)  cmocka_bytes(a, b, n, __FILE__, __LINE__)
#define fail()			      cmocka_fail(__FILE__, __LINE__, "fail()")
#define fail_msg(...)		      cmocka_fail(__FILE__, __LINE__, __VA_ARGS__)
#define skip()			      longjmp(cmocka_out, TEST_SKIPPED)
#define print_message		      printf

static int cmocka_run(const struct CMUnitTest *t, void **state)
{
	int how;

	cmocka_now = t->name;
	printf("test: %s\n", t->name);
	fflush(stdout);
	how = setjmp(cmocka_out);
	if (how == 0) {
		if (t->setup_func && t->setup_func(state) != 0)
			cmocka_fail(__FILE__, __LINE__, "its setup");
		t->test_func(state);
		if (t->teardown_func && t->teardown_func(state) != 0)
			cmocka_fail(__FILE__, __LINE__, "its teardown");
		printf("success: %s\n", t->name);
	} else if (how == TEST_SKIPPED) {
		printf("skip: %s\n", t->name);
	}
	return how == TEST_FAILED;
}

static inline int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests,
	size_t n, CMFixtureFunction setup, CMFixtureFunction teardown)
{
	static void *shared;
	int failed = 0;

	if (setup && setup(&shared) != 0) {
		printf("error: %s [\nits setup\n]\n", name);
		return (int)n;
	}
	for (size_t i = 0; i < n; i++) {
		void *own = tests[i].initial_state;

		failed += cmocka_run(&tests[i], own ? &own : &shared);
	}
	if (teardown && teardown(&shared) != 0) {
		printf("error: %s [\nits teardown\n]\n", name);
		failed++;
	}
	return failed;
}
#define cmocka_run_group_tests_name(name, t, s, d)                                                 \
	_cmocka_run_group_tests(name, t, sizeof(t) / sizeof((t)[0]), s, d)
#define cmocka_run_group_tests(t, s, d) cmocka_run_group_tests_name(#t, t, s, d)

#endif
