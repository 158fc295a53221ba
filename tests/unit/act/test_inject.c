/* SPDX-License-Identifier: GPL-3.0-or-later
 * Packets built by refuse.h arrive with a foreign source address and the right mark. In a network namespace of the
 * test's own; skipped where there may be none.
 */
#include "act/inject.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "act/refuse.h"
#include "model/mark.h"
#include "quic_help.h"

#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif

static int have_namespace(void)
{
	if (unshare(CLONE_NEWNET) != 0)
		return 0;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int ok = s >= 0 && ioctl(s, SIOCSIFFLAGS, &r) == 0;
	close(s);
	return ok;
}

static struct addr ip(const char *text)
{
	struct addr a;
	assert_true(addr_parse(slice_str(text), &a));
	return a;
}

static int listener(const struct addr *at, uint16_t port)
{
	struct sockaddr_storage sa;
	int on = 1;
	socklen_t len = addr_to_sockaddr(at, port, &sa);
	int s = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(s >= 0);
	assert_int_equal(bind(s, (struct sockaddr *)&sa, len), 0);
	setsockopt(s, SOL_SOCKET, SO_RCVMARK, &on, sizeof(on));
	return s;
}

/* The datagram, its sender and its mark; 0xffffffff where the kernel does not tell. */
static ssize_t receive(int s, uint8_t *buf, size_t cap, struct addr *from, uint32_t *mark)
{
	struct sockaddr_storage sa;
	char control[256];
	struct iovec v = {buf, cap};
	struct msghdr m = {.msg_name = &sa,
		.msg_namelen = sizeof(sa),
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(s, &m, 0);
	uint16_t port;
	if (n >= 0)
		addr_from_sockaddr((struct sockaddr *)&sa, from, &port);
	*mark = 0xffffffff;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); n >= 0 && c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_MARK)
			memcpy(mark, CMSG_DATA(c), sizeof(*mark));
	return n;
}

static void packets_arrive_marked_from_whoever_they_say(void **state)
{
	if (!have_namespace())
		skip();
	static const struct {
		const char *from, *to;
	} NETS[] = {{"127.0.0.9", "127.0.0.1"}, {"::1", "::1"}};
	struct inject in;
	struct quic_crypt *c = quic_crypt_new();
	assert_int_equal(inject_open(&in, 0xff000000), 0);
	for (int v = 0; v < 2; v++)
		for (int way = 0; way < INJECT_WAYS; way++) {
			struct refuse_udp u = {.src = ip(NETS[v].from),
				.dst = ip(NETS[v].to),
				.sport = 443,
				.dport = 40000};
			struct quic_seen to = {.version = QUIC_V1, .dcid = cid("8394c8f03e515708")};
			uint8_t pkt[REFUSE_PACKET_MAX], got[REFUSE_PACKET_MAX];
			struct addr from;
			uint32_t mark;
			int s = listener(&u.dst, u.dport);
			size_t n = refuse_quic_close(
				&u, c, &to, REFUSE_QUIC_CONNECTION_REFUSED, pkt, sizeof(pkt));
			assert_int_equal(inject_send(&in, way, v ? 0x77 : 0, slice_of(pkt, n)), 0);
			ssize_t r = receive(s, got, sizeof(got), &from, &mark);
			size_t head = v ? 48 : 28;
			assert_int_equal(r, n - head);
			assert_memory_equal(got, pkt + head, (size_t)r);
			assert_true(addr_eq(&from, &u.src));
			if (mark != 0xffffffff)
				assert_int_equal(mark,
					(way == INJECT_TO_SERVER ? 0x82000000u : 0x06000000u) +
						(v ? 0x77 : 0));
			close(s);
		}
	inject_close(&in);
	assert_int_equal(in.fd[0], -1);
	quic_crypt_free(c);
}

static void what_is_no_packet_is_not_sent(void **state)
{
	struct inject in = {.fd = {-1, -1, -1, -1, -1, -1}};
	uint8_t v4[20] = {0x45};
	assert_int_equal(inject_send(&in, INJECT_TO_CLIENT, 0, slice_of(NULL, 0)), -EINVAL);
	assert_int_equal(inject_send(&in, INJECT_TO_CLIENT, 0, slice_of(v4, 19)), -EINVAL);
	assert_int_equal(inject_send(&in, INJECT_TO_CLIENT, 0, slice_of(v4, 20)), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_arrive_marked_from_whoever_they_say),
		cmocka_unit_test(what_is_no_packet_is_not_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
