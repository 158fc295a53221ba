/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_splice.c - bytes go through a pipe whole and in order, never more of them than was said, and an URG byte does not
 * stop them.
 */
#include "act/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Two connected TCP sockets of 127.0.0.1: [0] does not block. */
static void tcp_pair(int ends[2])
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof sa;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&sa, &n), 0);
	ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(ends[1], (struct sockaddr *)&sa, n), 0);
	ends[0] = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(ends[0] >= 0);
	close(l);
}

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 10000), 1);
}

static void hear(int fd, const char *words)
{
	char got[64] = "";

	assert_int_equal(recv(fd, got, strlen(words), MSG_WAITALL), strlen(words));
	assert_string_equal(got, words);
}

static uint8_t bytes[SPLICE_STEP];

struct relay {
	int from[2], to[2]; /* [0] ours, [1] the far end's */
	struct splice_pool pool;
	struct splice s;
};

static int setup(void **state)
{
	static struct relay r;

	memset(&r, 0, sizeof r);
	tcp_pair(r.from);
	tcp_pair(r.to);
	splice_init(&r.s, &r.pool);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct relay *r = *state;

	splice_fini(&r->s);
	splice_pool_fini(&r->pool);
	for (int i = 0; i < 2; i++) {
		close(r->from[i]);
		close(r->to[i]);
	}
	return 0;
}

static void no_more_than_said_is_taken(void **state)
{
	struct relay *r = *state;

	send(r->from[1], "0123456789", 10, 0);
	wait_readable(r->from[0]);
	assert_int_equal(splice_take(&r->s, r->from[0], 4), 4);
	assert_int_equal(splice_give(&r->s, r->to[0]), 4);
	hear(r->to[1], "0123");
	assert_int_equal(splice_step(&r->s, r->from[0], bytes, 3), 3);
	assert_memory_equal(bytes, "456", 3);
	assert_int_equal(splice_give(&r->s, r->to[0]), 3);
	assert_int_equal(splice_take(&r->s, r->from[0], UINT64_MAX), 3);
	assert_int_equal(splice_give(&r->s, r->to[0]), 3);
	hear(r->to[1], "456789");
	assert_int_equal(splice_take(&r->s, r->from[0], 9), -EAGAIN);
	assert_int_equal(splice_step(&r->s, r->from[0], bytes, 9), -EAGAIN);
	assert_int_equal(splice_give(&r->s, r->to[0]), 0);
}

static void the_end_is_told(void **state)
{
	struct relay *r = *state;

	shutdown(r->from[1], SHUT_WR);
	wait_readable(r->from[0]);
	assert_int_equal(splice_take(&r->s, r->from[0], 100), 0);
	assert_int_equal(splice_step(&r->s, r->from[0], bytes, 100), 0);
}

static void a_pipe_is_held_only_while_bytes_are_in_it(void **state)
{
	struct relay *r = *state;
	struct splice_pipe first;

	assert_int_equal(splice_take(&r->s, r->from[0], 9), -EAGAIN);
	assert_int_equal(r->s.pipe.r, -1);
	assert_int_equal(r->pool.n, 1);
	first = r->pool.idle[0];
	send(r->from[1], "x", 1, 0);
	wait_readable(r->from[0]);
	assert_int_equal(splice_take(&r->s, r->from[0], 9), 1);
	assert_int_equal(r->s.pipe.r, first.r);
	assert_int_equal(r->pool.n, 0);
	splice_fini(&r->s); /* with a byte in it: not for others */
	assert_int_equal(r->pool.n, 0);
	assert_int_equal(fcntl(first.r, F_GETFD), -1);
}

static void an_urg_byte_is_stepped_over(void **state)
{
	struct relay *r = *state;
	ssize_t n = 0;

	send(r->from[1], "!", 1, MSG_OOB);
	send(r->from[1], "after", 5, 0);
	for (int i = 0; i < 1000 && n <= 0; i++) {
		n = splice_take(&r->s, r->from[0], 100);
		if (n == -EAGAIN)
			n = splice_step(&r->s, r->from[0], bytes, 100);
		if (n == -EAGAIN)
			poll(NULL, 0, 10);
	}
	assert_true(n > 0);
	splice_give(&r->s, r->to[0]);
	hear(r->to[1], "after");
}

static void a_reader_that_reads_nothing_holds_a_pipe_full_at_most(void **state)
{
	static char much[1 << 20];
	struct relay *r = *state;
	size_t held = 0, turns = 0;

	fcntl(r->from[1], F_SETFL, O_NONBLOCK);
	while (turns < 200000 && r->s.held == 0) {
		ssize_t n;

		send(r->from[1], much, sizeof much, MSG_DONTWAIT | MSG_NOSIGNAL);
		n = splice_take(&r->s, r->from[0], UINT64_MAX);
		assert_true(n > 0 || n == -EAGAIN);
		while (n > 0 && (n = splice_give(&r->s, r->to[0])) > 0)
			;
		held = r->s.held;
		turns++;
	}
	assert_true(held > 0 && held <= 1 << 20);
}

static void without_a_descriptor_nothing_is_lost(void **state)
{
	struct relay *r = *state;
	struct rlimit was, none;

	send(r->from[1], "kept", 4, 0);
	wait_readable(r->from[0]);
	getrlimit(RLIMIT_NOFILE, &was);
	none = (struct rlimit){3, was.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(splice_take(&r->s, r->from[0], 9), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &was);
	assert_int_equal(splice_take(&r->s, r->from[0], 9), 4);
	assert_int_equal(splice_give(&r->s, r->to[0]), 4);
	hear(r->to[1], "kept");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(no_more_than_said_is_taken),
		CASE(the_end_is_told),
		CASE(a_pipe_is_held_only_while_bytes_are_in_it),
		CASE(an_urg_byte_is_stepped_over),
		CASE(a_reader_that_reads_nothing_holds_a_pipe_full_at_most),
		CASE(without_a_descriptor_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
