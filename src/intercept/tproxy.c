/* SPDX-License-Identifier: GPL-3.0-or-later
 * tproxy.c - transparent listeners.
 *
 * Owns: nothing. Thread: any. Fails: -errno.
 * See: Documentation/networking/tproxy.rst, ip(7) IP_TRANSPARENT, socket(7) SO_REUSEPORT.
 */
#include "intercept/tproxy.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static int set_on(int fd, int level, int option)
{
	int on = 1;

	return setsockopt(fd, level, option, &on, sizeof on) == 0 ? 0 : -errno;
}

static int prepare(int fd, int family, uint32_t mark)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};
	int rc;

	if ((rc = set_on(fd, SOL_SOCKET, SO_REUSEADDR)) ||
		(rc = set_on(fd, SOL_SOCKET, SO_REUSEPORT)))
		return rc;
	if (family == AF_INET6 && (rc = set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)))
		return rc;
	rc = family == AF_INET6 ? set_on(fd, IPPROTO_IPV6, IPV6_TRANSPARENT)
				: set_on(fd, IPPROTO_IP, IP_TRANSPARENT);
	if (rc)
		return rc;
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
		return -errno;
	return set_on(fd, IPPROTO_TCP, TCP_NODELAY);
}

int tproxy_listen(int family, uint16_t port, uint32_t mark, int *out)
{
	static const uint8_t any4[4], any6[16];
	struct addr any = family == AF_INET ? addr_v4(any4) : addr_v6(any6);
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(&any, port, &sa);
	int rc, fd;

	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = prepare(fd, family, mark);
	if (rc == 0 && (bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, BACKLOG) != 0))
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

int tproxy_ends(int fd, struct addr *client, uint16_t *cport, struct addr *dst, uint16_t *dport)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;

	if (getsockname(fd, (struct sockaddr *)&sa, &n) != 0)
		return -errno;
	addr_from_sockaddr((struct sockaddr *)&sa, dst, dport);
	n = sizeof sa;
	if (getpeername(fd, (struct sockaddr *)&sa, &n) != 0)
		return -errno;
	addr_from_sockaddr((struct sockaddr *)&sa, client, cport);
	return 0;
}
