/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_log.c - a log that nobody reads holds up nobody who must not wait.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#include <cmocka.h>

static char said[1 << 17];

/* What came out of the pipe. */
static const char *taken(int fd)
{
	size_t n = 0;
	ssize_t got;

	while (n < sizeof said - 1 && (got = read(fd, said + n, sizeof said - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	return said;
}

static void a_line_that_nobody_takes_is_lost_and_counted(void **state)
{
	int ends[2], before = dup(STDERR_FILENO), lines;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0); /* the reader's end alone */
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	log_init("test", LOG_INFO_);
	log_never_wait();
	for (lines = 0; lines < 100000; lines++) /* far more than a pipe holds */
		log_note("line %d", lines);
	assert_non_null(strstr(taken(ends[0]), "line 0\n"));
	assert_null(strstr(said, "lost"));
	log_note("after");
	log_note("and after");
	taken(ends[0]);
	dup2(before, STDERR_FILENO);
	close(before);
	assert_non_null(strstr(said, "lines of this log were lost"));
	assert_ptr_equal(strstr(said, "<4>test: "), said); /* before what comes after */
	assert_non_null(strstr(said, "<5>test: after\n"));
	assert_non_null(strstr(said, "<5>test: and after\n"));
	assert_null(strstr(strstr(said, "lost") + 4, "lost")); /* once */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_nobody_takes_is_lost_and_counted)};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
