/* SPDX-License-Identifier: GPL-3.0-or-later
 * dial.c - one transparent connect.
 *
 * Whether a destination is the gateway itself is asked of the kernel's own routing, at every dial: only a route of type
 * unicast leaves this machine, whatever sysctls and address lists say. (bind(2) would not tell where
 * net.ipv4.ip_nonlocal_bind is set.) libnl builds the question; it is sent from here, because its rtnl_route_lookup() has no
 * mark, and its nl_send() puts an address that this process may not give (priv_seccomp_asking()).
 *
 * Owns: nothing. Thread: any. Fails: -errno. See: rtnetlink(7) RTM_GETROUTE, ip(7) IP_TRANSPARENT,
 * IP_BIND_ADDRESS_NO_PORT.
 */
#include "act/dial.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/tcp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

/* With the client's address towards the server, the client's own port would make conntrack take the two legs for one
 * connection; so ours lie below those that clients draw from (Linux from 32768, others from 49152). */
enum { PORT_FIRST = 10240, PORT_END = 32768, TRIES = 4 };

int dial_routes_open(int *out)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	/* connected: hears the kernel only */
	if (connect(fd, (struct sockaddr *)&kernel, sizeof kernel) != 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

/* NULL: no memory. */
static struct nl_msg *question(const struct dial *d, uint32_t seq)
{
	bool v4 = addr_is_v4(&d->dst);
	struct rtmsg m = {.rtm_family = v4 ? AF_INET : AF_INET6, .rtm_dst_len = v4 ? 32 : 128};
	struct nl_msg *q = nlmsg_alloc_size(256);
	const uint8_t *b = d->dst.b;

	if (q && nlmsg_put(q, 0, seq, RTM_GETROUTE, 0, NLM_F_REQUEST) &&
		nlmsg_append(q, &m, sizeof m, NLMSG_ALIGNTO) == 0 &&
		nla_put(q, RTA_DST, v4 ? 4 : 16, v4 ? b + 12 : b) == 0 &&
		nla_put_u32(q, RTA_MARK, d->mark) == 0)
		return q;
	nlmsg_free(q);
	return NULL;
}

static int ask_route(const struct dial *d, uint32_t seq)
{
	struct nl_msg *q = question(d, seq);
	int rc;

	if (!q)
		return -ENOMEM;
	rc = send(d->routes, nlmsg_hdr(q), nlmsg_hdr(q)->nlmsg_len, MSG_DONTWAIT) < 0 ? -errno : 0;
	nlmsg_free(q);
	return rc;
}

/* Its first message: the type of the route, or -errno. */
static int answer_read(struct nlmsghdr *h)
{
	int rc = 0;

	if (h->nlmsg_type == RTM_NEWROUTE && nlmsg_valid_hdr(h, sizeof(struct rtmsg)))
		return ((const struct rtmsg *)nlmsg_data(h))->rtm_type;
	if (h->nlmsg_type == NLMSG_ERROR && nlmsg_valid_hdr(h, sizeof(struct nlmsgerr)))
		rc = ((const struct nlmsgerr *)nlmsg_data(h))->error;
	return rc < 0 ? rc : -EPROTO;
}

/* The type of the route by which a packet of ours would go there, or -errno. The kernel answers within the question. */
static int route_type(const struct dial *d, uint32_t seq)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[4096];
	struct nlmsghdr *h = (struct nlmsghdr *)bytes;
	int rc = ask_route(d, seq);

	while (rc == 0) {
		ssize_t n = recv(d->routes, bytes, sizeof bytes, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (nlmsg_ok(h, (int)n) && h->nlmsg_seq == seq)
			return answer_read(h);
		/* of a question whose answer nobody waited for */
	}
	return rc;
}

/* Not being told is no permission. */
static int check_far(const struct dial *d, uint32_t seq)
{
	int type;

	if (addr_is_loopback(&d->dst) || addr_is_zero(&d->dst))
		return -ELOOP;
	type = route_type(d, seq);
	if (type < 0)
		return type;
	return type == RTN_UNICAST ? 0 : -ELOOP;
}

static int set_options(int fd, int family, const struct dial *d, uint16_t port)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &d->mark, sizeof d->mark) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) != 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
		return -errno;
	if (addr_is_zero(&d->src))
		return 0;
	if (setsockopt(fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
		    family == AF_INET6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof on) != 0)
		return -errno;
	/* a port may serve many servers: connect() minds the whole 4-tuple */
	if (port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	else
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	return 0;
}

/* port 0: the kernel's choice */
static int dial_from(const struct dial *d, uint16_t port, int *out)
{
	int family = addr_is_v4(&d->dst) ? AF_INET : AF_INET6, rc;
	struct sockaddr_storage sa;
	socklen_t n;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	rc = set_options(fd, family, d, port);
	if (rc == 0 && !addr_is_zero(&d->src)) {
		n = addr_to_sockaddr(&d->src, port, &sa);
		rc = bind(fd, (struct sockaddr *)&sa, n) == 0 ? 0 : -errno;
	}
	if (rc == 0) {
		n = addr_to_sockaddr(&d->dst, d->dport, &sa);
		if (connect(fd, (struct sockaddr *)&sa, n) != 0 && errno != EINPROGRESS)
			rc = -errno;
	}
	if (rc != 0) {
		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

int dial_start(const struct dial *d, int *out)
{
	uint32_t chance[1 + TRIES] = {0};
	int rc;

	if (getrandom(chance, sizeof chance, GRND_NONBLOCK) < 0)
		return -errno;
	rc = check_far(d, chance[TRIES]);
	if (rc != 0)
		return rc;
	if (addr_is_zero(&d->src))
		return dial_from(d, 0, out);
	for (int i = 0; i < TRIES; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST + chance[i] % (PORT_END - PORT_FIRST));

		rc = dial_from(d, port, out);
		if (rc != -EADDRINUSE && rc != -EADDRNOTAVAIL)
			return rc;
	}
	return dial_from(d, 0, out);
}

int dial_result(int fd)
{
	int err = 0;
	socklen_t n = sizeof err;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0)
		return -errno;
	return -err;
}
