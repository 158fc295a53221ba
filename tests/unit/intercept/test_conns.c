/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_conns.c - the kernel's connection table in a network namespace of its own: each connection is shown, and some bits of
 * its mark are changed, whatever it is of. Needs root, iptables(8) and ping(8).
 */
#include "intercept/conns.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel_help.h"

enum { PATIENCE_TRIES = 6000, OTHERS = 0x00ab0000, BITS = 0x05000000, MASK = 0x0f000000 };

static int entered = 77;

/* The connection mark is OTHERS | 0x0a000000 from its first packet on. */
static int enter(void **state)
{
	(void)state;
	entered = namespace_enter();
	if (entered == 0) {
		rule("-t mangle -A OUTPUT -m conntrack --ctstate NEW -j CONNMARK --set-mark "
		     "0x0aab0000");
		rule("-t raw -A OUTPUT -p udp --dport 5001 -j CT --zone 7");
		rule("-t raw -A OUTPUT -p udp --dport 5002 -j CT --zone-orig 9");
	}
	return 0;
}

static struct conns *table(void)
{
	struct conns *c = NULL;
	int fd;

	assert_int_equal(conns_open(&fd), 0);
	assert_int_equal(conns_adopt(fd, &c), 0);
	return c;
}

/* A connection that is looked for, and what is done when it is shown. */
struct look {
	struct conns *c;
	uint8_t proto;
	uint16_t dport; /* 0: any */
	bool v4, change;
	unsigned shown;
	struct conns_entry last;
};

static void on_entry(void *user, const struct conns_entry *e)
{
	struct look *l = user;

	if (e->flow.proto != l->proto || addr_is_v4(&e->flow.src) != l->v4 ||
		(l->dport && e->flow.dport != l->dport))
		return;
	l->shown++;
	l->last = *e;
	if (l->change)
		conns_mark(l->c, e, BITS, MASK);
}

static void read_all(struct look *l)
{
	int rc, tries = 0;

	l->shown = 0;
	assert_int_equal(conns_read_begin(l->c), 0);
	while ((rc = conns_read(l->c, 1000, on_entry, l)) == 1)
		;
	while (rc == -EAGAIN && tries++ < PATIENCE_TRIES) {
		usleep(10000);
		rc = conns_read(l->c, 1000, on_entry, l);
	}
	assert_int_equal(rc, 0);
}

static void mark_changes(uint8_t proto, uint16_t dport, int family)
{
	struct look l = {.c = table(), .proto = proto, .dport = dport, .v4 = family == AF_INET};

	read_all(&l);
	assert_true(l.shown > 0);
	assert_int_equal(l.last.mark, 0x0aab0000);
	l.change = true;
	read_all(&l);
	l.change = false;
	read_all(&l);
	assert_true(l.shown > 0);
	assert_int_equal(l.last.mark, OTHERS | BITS); /* the bits of others stay */
	assert_int_equal(conns_failed(l.c), 0);
	conns_free(l.c);
}

static void say_raw(int family, int proto)
{
	socklen_t n;
	struct sockaddr_storage to = loopback(family, 0, &n);
	static const uint8_t gre[20] = {0x30, 0x81, 0x88, 0x0b, 0, 4, 0, 9};
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, proto);

	assert_true(fd >= 0);
	assert_true(sendto(fd, gre, sizeof gre, 0, (struct sockaddr *)&to, n) > 0);
	close(fd);
}

static void say_udp(int family, uint16_t port)
{
	socklen_t n;
	struct sockaddr_storage to = loopback(family, port, &n);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, n), 1);
	close(fd);
}

static void any_kind_of_connection_is_changed(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};

	(void)state;
	NEEDS_NAMESPACE(entered)
	for (size_t i = 0; i < 2; i++) {
		bool v4 = families[i] == AF_INET;

		for (uint16_t port = 5000; port <= 5002; port++) {
			say_udp(families[i], port);
			mark_changes(IPPROTO_UDP, port, families[i]);
		}
		assert_int_equal(system(v4 ? "ping -c 1 -q 127.0.0.1 >/dev/null"
					   : "ping -c 1 -q ::1 >/dev/null"),
			0);
		mark_changes(v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 0, families[i]);
		say_raw(families[i], 253); /* a protocol that the kernel knows nothing of */
		mark_changes(253, 0, families[i]);
		say_raw(families[i], IPPROTO_GRE);
		mark_changes(IPPROTO_GRE, 0, families[i]);
	}
}

static int listening(uint16_t port)
{
	socklen_t n;
	struct sockaddr_storage at = loopback(AF_INET, port, &n);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void a_connection_is_named_by_its_client_and_real_server(void **state)
{
	struct look l = {.proto = IPPROTO_TCP, .dport = 8080, .v4 = true};
	int listener, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), at;
	struct sockaddr_storage to, own = {.ss_family = AF_UNSPEC};
	socklen_t n, len = sizeof own;

	(void)state;
	NEEDS_NAMESPACE(entered)
	l.c = table();
	assert_int_equal(system("iptables -w -t nat -A OUTPUT -p tcp --dport 80 -j REDIRECT "
				"--to-ports 8080"),
		0);
	listener = listening(8080);
	to = loopback(AF_INET, 80, &n);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, n), 0);
	at = accept(listener, NULL, NULL);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
	read_all(&l);
	assert_int_equal(l.shown, 1);
	assert_int_equal(l.last.flow.sport, ntohs(((struct sockaddr_in *)&own)->sin_port));
	assert_false(l.last.ended);
	mark_changes(IPPROTO_TCP, 8080, AF_INET);
	close(at);
	close(fd);
	for (int i = 0; i < PATIENCE_TRIES && !l.last.ended; i++) {
		usleep(10000);
		read_all(&l);
	}
	assert_true(l.last.ended); /* though its mark was changed: nothing else was */
	close(listener);
	conns_free(l.c);
}

static void what_has_ended_meanwhile_is_no_failure(void **state)
{
	struct look l = {.proto = IPPROTO_UDP, .dport = 5003, .v4 = true};

	(void)state;
	NEEDS_NAMESPACE(entered)
	l.c = table();
	say_udp(AF_INET, 5003);
	read_all(&l);
	l.change = true;
	assert_int_equal(conns_read_begin(l.c), 0);
	while (conns_read(l.c, 1, on_entry, &l) == 1)
		;
	assert_int_equal(system("conntrack -F >/dev/null 2>&1"), 0);
	read_all(&l);
	assert_int_equal(l.shown, 0);
	assert_int_equal(conns_failed(l.c), 0);
	conns_free(l.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_kind_of_connection_is_changed),
		cmocka_unit_test(a_connection_is_named_by_its_client_and_real_server),
		cmocka_unit_test(what_has_ended_meanwhile_is_no_failure),
	};

	return cmocka_run_group_tests_name("conns", tests, enter, NULL);
}
