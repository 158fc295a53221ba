/* SPDX-License-Identifier: GPL-3.0-or-later
 * inject.c - raw sockets, one a family and a direction.
 *
 * A socket of IPPROTO_RAW sends the IP header that we give it, whatever its source address, and receives nothing.
 *
 * Owns: the descriptors. Thread: any. Fails: -errno. See: raw(7), ipv6(7), net/ipv6/raw.c.
 */
#include "act/inject.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "model/mark.h"

enum { ROOM = 4 << 20 }; /* bytes, of which a small packet takes some 800 */

static int open_one(int family, uint32_t mark)
{
	int on = 1, room = ROOM;
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	if (fd < 0)
		return -errno;
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int option = family == AF_INET ? IP_HDRINCL : IPV6_HDRINCL;
	/* without the right to it, what the kernel grants must do */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0 &&
		setsockopt(fd, level, option, &on, sizeof(on)) == 0)
		return fd;
	int rc = -errno;
	close(fd);
	return rc;
}

int inject_open(struct inject *in, uint32_t mark_mask)
{
	uint32_t mark[INJECT_WAYS] = {
		[INJECT_TO_CLIENT] = mark_of(mark_mask, MARK_OWN | MARK_NOTRACK),
		[INJECT_TO_STRANGER] = mark_of(mark_mask, MARK_OWN | MARK_NOTRACK),
		[INJECT_TO_SERVER] = mark_of(mark_mask, MARK_OWN | MARK_REFUSED),
	};
	for (int i = 0; i < INJECT_SOCKETS; i++)
		in->fd[i] = -1;
	for (int i = 0; i < INJECT_SOCKETS; i++) {
		int family = i < INJECT_WAYS ? AF_INET : AF_INET6;
		int fd = open_one(family, mark[i % INJECT_WAYS]);
		if (fd == -EAFNOSUPPORT && family == AF_INET6)
			continue; /* a kernel without IPv6 has none to refuse */
		if (fd < 0) {
			inject_close(in);
			return fd;
		}
		in->fd[i] = fd;
		in->mark[i] = mark[i % INJECT_WAYS];
	}
	return 0;
}

void inject_adopt(struct inject *in, const int fds[INJECT_SOCKETS])
{
	for (int i = 0; i < INJECT_SOCKETS; i++) {
		socklen_t n = sizeof(in->mark[i]);

		in->fd[i] = fds[i];
		if (getsockopt(fds[i], SOL_SOCKET, SO_MARK, &in->mark[i], &n) != 0)
			in->mark[i] = 0;
	}
}

void inject_close(struct inject *in)
{
	for (int i = 0; i < INJECT_SOCKETS; i++) {
		if (in->fd[i] >= 0)
			close(in->fd[i]);
		in->fd[i] = -1;
	}
}

/* One packet with another mark than its socket's. */
static int send_marked(
	int fd, uint32_t mark, struct slice packet, struct sockaddr_storage *to, socklen_t len)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(mark))] = {0};
	struct iovec v = {.iov_base = (void *)packet.p, .iov_len = packet.n};
	struct msghdr m = {.msg_name = to,
		.msg_namelen = len,
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SO_MARK;
	c->cmsg_len = CMSG_LEN(sizeof(mark));
	memcpy(CMSG_DATA(c), &mark, sizeof(mark));
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int inject_send(const struct inject *in, enum inject_way way, uint32_t mark, struct slice packet)
{
	struct addr dst;
	struct sockaddr_storage to;
	int version = packet.n ? packet.p[0] >> 4 : 0;
	if (version == 4 && packet.n >= 20)
		dst = addr_v4(packet.p + 16);
	else if (version == 6 && packet.n >= 40)
		dst = addr_v6(packet.p + 24);
	else
		return -EINVAL;
	int at = (version == 6 ? INJECT_WAYS : 0) + (int)way, fd = in->fd[at];
	if (fd < 0)
		return -EAFNOSUPPORT;
	socklen_t len = addr_to_sockaddr(&dst, 0, &to);
	if (mark)
		return send_marked(fd, mark | in->mark[at], packet, &to, len);
	return sendto(fd, packet.p, packet.n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to,
		       len) < 0
		       ? -errno
		       : 0;
}
