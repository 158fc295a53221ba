/* SPDX-License-Identifier: GPL-3.0-or-later
 * dial.c - one transparent connect.
 *
 * Owns: nothing. Thread: any. Fails: -errno. See: ip(7) IP_TRANSPARENT, IP_BIND_ADDRESS_NO_PORT.
 * The gate may not read the address list, so whether a destination is local is asked of the kernel: an address that can
 * be bound without IP_TRANSPARENT is ours.
 */
#include "act/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static bool is_local(int fd, const struct addr *dst)
{
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(dst, 0, &sa);

	return addr_is_loopback(dst) || addr_is_zero(dst) ||
	       bind(fd, (struct sockaddr *)&sa, n) == 0;
}

static int set_options(int fd, int family, const struct dial *d)
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
	/* the port is chosen at connect(), by the whole 4-tuple: a client is not limited to one set of ports */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	return 0;
}

int dial_start(const struct dial *d, int *out)
{
	int family = addr_is_v4(&d->dst) ? AF_INET : AF_INET6, rc;
	struct sockaddr_storage sa;
	socklen_t n;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	rc = is_local(fd, &d->dst) ? -ELOOP : set_options(fd, family, d);
	if (rc == 0 && !addr_is_zero(&d->src)) {
		n = addr_to_sockaddr(&d->src, 0, &sa);
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

int dial_result(int fd)
{
	int err = 0;
	socklen_t n = sizeof err;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0)
		return -errno;
	return -err;
}
