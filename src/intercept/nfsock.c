/* SPDX-License-Identifier: GPL-3.0-or-later
 * nfsock.c - opens the sockets that queues and log groups are bound on, and asks the kernel on them.
 *
 * Owns: see nfsock_int.h. Thread: any. Fails: 0 or -errno. See: net/netfilter/nfnetlink.c, netlink(7).
 */
#include "nfsock_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int nfsock_open(struct mnl_socket **out)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int rc;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		rc = -errno;
		mnl_socket_close(nl);
		return rc;
	}
	*out = nl;
	return 0;
}

static int ask(struct mnl_socket *nl, const struct nlmsghdr *nlh)
{
	_Alignas(struct nlmsghdr) uint8_t buf[8192];
	ssize_t n;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0 || mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0)
		return -errno;
	return 0;
}

/* Held by another socket: the kernel says EPERM, also to root. */
int nfsock_talk(struct mnl_socket *nl, struct nlmsghdr *nlh)
{
	int rc;

	nlh->nlmsg_flags |= NLM_F_ACK;
	rc = ask(nl, nlh);
	return rc == -EPERM && geteuid() == 0 ? -EBUSY : rc;
}

int nfsock_release(struct mnl_socket *nl, int *fd)
{
	int rc;

	*fd = fcntl(mnl_socket_get_fd(nl), F_DUPFD_CLOEXEC, 3);
	rc = *fd < 0 ? -errno : 0;
	mnl_socket_close(nl);
	return rc;
}

void nfsock_buffer_set(int fd, uint32_t bytes)
{
	int n = (int)bytes, on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
	setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
}
