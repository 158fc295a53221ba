/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_nfq.c - a queue of the kernel, in a network namespace of its own: what it says of a packet, and what a verdict does.
 * Needs root and iptables(8).
 */
#include "intercept/nfq.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <net/if.h>

#include "kernel_help.h"

enum { QUEUE = 7, PORT = 5353, MARK = 0x12345678, PATIENCE_MS = 60000 };

static int entered = 77;

/* A UDP socket that is bound to the port. */
static int bound(int family, uint16_t port)
{
	socklen_t n;
	struct sockaddr_storage a = loopback(family, port, &n);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	return fd;
}

static void say_to(int fd, int family, uint16_t port, const char *words)
{
	socklen_t n;
	struct sockaddr_storage a = loopback(family, port, &n);

	assert_int_equal(sendto(fd, words, strlen(words), 0, (struct sockaddr *)&a, n),
		(ssize_t)strlen(words));
}

static void wait_for(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static int enter(void **state)
{
	(void)state;
	entered = namespace_enter();
	if (entered == 0) {
		rule("-t mangle -A OUTPUT -p udp --dport 5353 -j MARK --set-mark 0x12345678");
		rule("-t mangle -A OUTPUT -p udp --dport 5353 -j NFQUEUE --queue-num 7");
		rule("-A INPUT -p udp --dport 5353 -m mark --mark 0x99 -j DROP");
	}
	return 0;
}

static struct nfq *queue_of(uint16_t number)
{
	struct nfq_config c = {.queue = number};
	struct nfq *q = NULL;

	assert_int_equal(nfq_bind(&c, &q), 0);
	fcntl(nfq_socket(q), F_SETFL, O_NONBLOCK);
	return q;
}

struct seen {
	unsigned n;
	struct nfq_packet p;
	uint8_t bytes[2048];
};

static void on_packet(void *user, const struct nfq_packet *p)
{
	struct seen *s = user;

	s->n++;
	s->p = *p;
	assert_true(p->payload.n <= sizeof s->bytes);
	memcpy(s->bytes, p->payload.p, p->payload.n);
	s->p.payload.p = s->bytes;
}

static void next(struct nfq *q, struct seen *s)
{
	wait_for(nfq_socket(q));
	assert_int_equal(nfq_read(q, 100, on_packet, s), 1);
}

static void heard(int fd, const char *words)
{
	char buf[256];

	wait_for(fd);
	assert_int_equal(recv(fd, buf, sizeof buf, 0), (ssize_t)strlen(words));
	assert_memory_equal(buf, words, strlen(words));
}

static void both_families(void (*test)(struct nfq *q, int family, int fd))
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2; i++) {
		struct nfq *q = queue_of(QUEUE);
		int fd = bound(families[i], PORT);

		test(q, families[i], fd);
		close(fd);
		nfq_free(q);
	}
}

static void what_it_says(struct nfq *q, int family, int fd)
{
	size_t head = family == AF_INET ? 20 : 40;
	struct seen s = {.n = 0};

	say_to(fd, family, PORT, "hello");
	next(q, &s);
	assert_int_equal(s.p.hook, NFQ_OUTPUT);
	assert_int_equal(s.p.mark, MARK);
	assert_int_equal(s.p.indev, 0);
	assert_int_equal(s.p.outdev, if_nametoindex("lo"));
	assert_int_equal(s.p.payload.n, head + 8 + 5);
	assert_int_equal(s.p.payload.p[0] >> 4, family == AF_INET ? 4 : 6);
	assert_memory_equal(s.p.payload.p + head + 8, "hello", 5);
	assert_false(s.p.truncated);
	assert_false(s.p.gso);
	assert_true(s.p.checksum_not_ready); /* of the loopback */
	assert_int_equal(nfq_verdict(q, s.p.id, NFQ_ACCEPT, false, 0), 0);
	heard(fd, "hello");
}

static void a_packet_is_told_whole(void **state)
{
	(void)state;
	NEEDS_NAMESPACE(entered)
	both_families(what_it_says);
}

static void verdicts(struct nfq *q, int family, int fd)
{
	struct seen s = {.n = 0};

	say_to(fd, family, PORT, "dropped");
	next(q, &s);
	assert_int_equal(nfq_verdict(q, s.p.id, NFQ_DROP, false, 0), 0);
	say_to(fd, family, PORT, "marked"); /* the mark of a rule that drops */
	next(q, &s);
	assert_int_equal(nfq_verdict(q, s.p.id, NFQ_ACCEPT, true, 0x99), 0);
	say_to(fd, family, PORT, "accepted");
	next(q, &s);
	assert_int_equal(nfq_verdict(q, s.p.id, NFQ_ACCEPT, true, 0x98), 0);
	heard(fd, "accepted");
}

static void a_verdict_and_its_mark_hold(void **state)
{
	(void)state;
	NEEDS_NAMESPACE(entered)
	both_families(verdicts);
}

static uint32_t words_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (uint32_t)p[i] << (i % 2 ? 0 : 8);
	return sum;
}

/* Of UDP behind a head of 20 or 40 bytes; both addresses end the head. */
static void checksum_put(uint8_t *ip, size_t head, size_t n)
{
	size_t addrs = head == 20 ? 8 : 32;
	uint32_t sum;

	ip[head + 6] = ip[head + 7] = 0;
	sum = words_of(ip + head - addrs, addrs + n - head) + IPPROTO_UDP + (uint32_t)(n - head);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	ip[head + 6] = (uint8_t)(~sum >> 8);
	ip[head + 7] = (uint8_t)~sum;
}

static void edited(struct nfq *q, int family, int fd)
{
	size_t head = family == AF_INET ? 20 : 40;
	struct seen s = {.n = 0};

	say_to(fd, family, PORT, "one two");
	next(q, &s);
	memcpy(s.bytes + head + 8, "new", 3);
	checksum_put(s.bytes, head, s.p.payload.n);
	assert_int_equal(nfq_verdict_edited(q, s.p.id, 0x98, s.p.payload), 0);
	heard(fd, "new two");
	assert_int_equal(nfq_verdict_edited(q, 1, 0, slice_of(s.bytes, 70000)), -EMSGSIZE);
}

static void other_bytes_go_on_in_its_place(void **state)
{
	(void)state;
	NEEDS_NAMESPACE(entered)
	both_families(edited);
}

static struct nfq_stats stats_of(const struct nfq *q)
{
	struct nfq_stats s;

	nfq_stats(q, &s);
	return s;
}

/* The kernel speaks up when there is no such packet (any more). */
static void a_verdict_that_failed_is_counted(void **state)
{
	struct nfq *q;
	struct seen s = {.n = 0};

	(void)state;
	NEEDS_NAMESPACE(entered)
	q = queue_of(QUEUE + 1);
	for (uint32_t id = 100; id < 103; id++)
		assert_int_equal(nfq_verdict(q, id, NFQ_ACCEPT, true, 1), 0);
	wait_for(nfq_socket(q));
	assert_int_equal(nfq_read(q, 100, on_packet, &s), 0);
	assert_int_equal(s.n, 0);
	assert_int_equal(stats_of(q).verdicts, 3);
	assert_int_equal(stats_of(q).verdicts_failed, 3);
	assert_int_equal(stats_of(q).errors, 0);
	assert_int_equal(nfq_drop_before(q, 0), 0); /* nothing is left: the kernel says so */
	wait_for(nfq_socket(q));
	assert_int_equal(nfq_read(q, 100, on_packet, &s), 0);
	assert_int_equal(stats_of(q).verdicts_failed, 3);
	nfq_free(q);
}

/* The descriptor is of no netlink socket any more: nothing can be sent. */
static void a_batch_that_was_not_sent_is_counted(void **state)
{
	struct nfq *q;
	int null;

	(void)state;
	NEEDS_NAMESPACE(entered)
	q = queue_of(QUEUE + 1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(dup2(null, nfq_socket(q)) >= 0);
	close(null);
	assert_int_equal(nfq_verdict(q, 1, NFQ_ACCEPT, true, 1), -ENOTSOCK);
	assert_int_equal(nfq_verdict_edited(q, 2, 1, slice_of("x", 1)), -ENOTSOCK);
	assert_int_equal(stats_of(q).verdicts_failed, 2);
	nfq_free(q);
}

static void a_queue_has_one_holder(void **state)
{
	struct nfq_config c = {.queue = QUEUE};
	struct nfq *q, *second = NULL;

	(void)state;
	NEEDS_NAMESPACE(entered)
	q = queue_of(QUEUE);
	assert_int_equal(nfq_bind(&c, &second), -EBUSY);
	assert_null(second);
	nfq_free(q);
	assert_int_equal(nfq_bind(&c, &second), 0);
	nfq_free(second);
	assert_int_equal(nfq_adopt(-1, QUEUE, &second), -EBADF);
}

/* What an earlier holder of the descriptor had read is dropped, what waits is read. */
static void an_inherited_queue_goes_on(void **state)
{
	struct nfq *q, *heir;
	struct nfq_config c = {.queue = QUEUE, .fail_open = true, .max_len = 100};
	struct seen s = {.n = 0};
	uint32_t first;
	int fd;

	(void)state;
	NEEDS_NAMESPACE(entered)
	q = queue_of(QUEUE);
	fd = bound(AF_INET, PORT);
	say_to(fd, AF_INET, PORT, "read, not answered");
	next(q, &s);
	first = s.p.id;
	say_to(fd, AF_INET, PORT, "waits");
	assert_int_equal(nfq_adopt(fcntl(nfq_socket(q), F_DUPFD_CLOEXEC, 3), QUEUE, &heir), 0);
	nfq_free(q);
	next(heir, &s);
	assert_int_equal(s.p.id, first + 1);
	assert_int_equal(nfq_drop_before(heir, s.p.id), 0);
	assert_int_equal(nfq_verdict(heir, s.p.id, NFQ_ACCEPT, false, 0), 0);
	heard(fd, "waits");
	assert_int_equal(nfq_verdict(heir, first, NFQ_ACCEPT, false, 0), 0); /* it is gone */
	wait_for(nfq_socket(heir));
	assert_int_equal(nfq_read(heir, 10, on_packet, &s), 0);
	assert_int_equal(stats_of(heir).verdicts_failed, 1);
	assert_int_equal(nfq_send_unbind(nfq_socket(heir), QUEUE), 0);
	assert_int_equal(nfq_send_bind(nfq_socket(heir), &c), 0);
	say_to(fd, AF_INET, PORT, "again");
	next(heir, &s);
	assert_int_equal(nfq_verdict(heir, s.p.id, NFQ_ACCEPT, false, 0), 0);
	heard(fd, "again");
	close(fd);
	nfq_free(heir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_is_told_whole),
		cmocka_unit_test(a_verdict_and_its_mark_hold),
		cmocka_unit_test(other_bytes_go_on_in_its_place),
		cmocka_unit_test(a_verdict_that_failed_is_counted),
		cmocka_unit_test(a_batch_that_was_not_sent_is_counted),
		cmocka_unit_test(a_queue_has_one_holder),
		cmocka_unit_test(an_inherited_queue_goes_on),
	};

	return cmocka_run_group_tests_name("nfq", tests, enter, NULL);
}
