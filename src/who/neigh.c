/* SPDX-License-Identifier: GPL-3.0-or-later
 * neigh.c - follows the kernel's neighbour table into who/devices.h.
 *
 * A lost message (ENOBUFS) means that the table we know may be wrong: a new dump is asked for. Entries deleted by the
 * kernel's garbage collection are kept (the device is only silent, and would be told anew if another took its
 * address); an entry that FAILED is forgotten. libnl builds the questions and reads the answers; they are sent from here, for
 * its nl_send() puts an address that the dataplane may not give.
 *
 * Owns: its buffer. Thread: any (a mutex inside). Fails: 0 or -errno. See: rtnetlink(7), linux/neighbour.h.
 */
#include "who/neigh.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/route/neighbour.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BUFFER = 32 * 1024,
	LINKS = 32,
	VALID = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT
};

struct neigh {
	pthread_mutex_t lock;
	int fd;
	struct devices *devices;
	bool dump_wanted;
	uint32_t seq;
	int links[LINKS]; /* that have neighbours; 0 = none yet */
	_Alignas(struct nlmsghdr) uint8_t buffer[BUFFER];
};

int neigh_socket_open(int *out_fd)
{
	struct sockaddr_nl me = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_NEIGH};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int size = 1 << 20, err;

	if (fd < 0)
		return -errno;
	/* a whole table at once; what the kernel grants of it must do */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (bind(fd, (struct sockaddr *)&me, sizeof me) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*out_fd = fd;
	return 0;
}

/* 0 or -errno. Without an address: priv_seccomp_asking(). */
static int ask(struct neigh *n, const struct ndmsg *m, int flags, const struct addr *a)
{
	struct nl_msg *q = nlmsg_alloc_size(256);
	int rc = -ENOMEM;

	if (q && nlmsg_put(q, 0, ++n->seq, RTM_GETNEIGH, 0, NLM_F_REQUEST | flags) &&
		nlmsg_append(q, (void *)m, sizeof *m, NLMSG_ALIGNTO) == 0 &&
		(!a || nla_put(q, NDA_DST, addr_is_v4(a) ? 4 : 16,
			       addr_is_v4(a) ? a->b + 12 : a->b) == 0))
		rc = send(n->fd, nlmsg_hdr(q), nlmsg_hdr(q)->nlmsg_len, 0) < 0 ? -errno : 0;
	nlmsg_free(q);
	return rc;
}

/* A dump under way gives -EBUSY from the kernel, as a message: asked for again then. */
static int ask_dump(struct neigh *n)
{
	struct ndmsg all = {.ndm_family = AF_UNSPEC};
	int rc = ask(n, &all, NLM_F_DUMP, NULL);

	n->dump_wanted = rc == -EAGAIN || rc == -ENOBUFS || rc == -ENOMEM;
	return n->dump_wanted ? 0 : rc;
}

int neigh_new(struct neigh **out, int fd, struct devices *d)
{
	struct neigh *n = calloc(1, sizeof *n);
	int err;

	if (!n)
		return -ENOMEM;
	pthread_mutex_init(&n->lock, NULL);
	n->fd = fd;
	n->devices = d;
	err = ask_dump(n);
	if (err) {
		neigh_free(n);
		return err;
	}
	*out = n;
	return 0;
}

void neigh_free(struct neigh *n)
{
	if (!n)
		return;
	pthread_mutex_destroy(&n->lock);
	free(n);
}

static bool address_of(const struct nl_addr *dst, struct addr *out)
{
	unsigned len = dst ? nl_addr_get_len(dst) : 0;

	if (len == 4)
		*out = addr_v4(nl_addr_get_binary_addr(dst));
	else if (len == 16)
		*out = addr_v6(nl_addr_get_binary_addr(dst));
	else
		return false;
	return true;
}

/* The kernel tells of one neighbour only with its link. */
static void note_link(struct neigh *n, int link)
{
	for (int i = 0; i < LINKS; i++)
		if (n->links[i] == link || n->links[i] == 0) {
			n->links[i] = link;
			return;
		}
	n->links[link % LINKS] = link;
}

static void note(struct neigh *n, struct rtnl_neigh *r, bool is_there)
{
	const struct nl_addr *link = rtnl_neigh_get_lladdr(r);
	unsigned state = (unsigned)rtnl_neigh_get_state(r);
	struct addr a;
	struct mac mac;

	if (rtnl_neigh_get_flags(r) & NTF_PROXY || !address_of(rtnl_neigh_get_dst(r), &a))
		return;
	if (state & NUD_FAILED) {
		devices_forget(n->devices, &a);
		return;
	}
	if (!is_there || !(state & VALID) || !link || nl_addr_get_len(link) != sizeof mac.b)
		return;
	memcpy(mac.b, nl_addr_get_binary_addr(link), sizeof mac.b);
	note_link(n, rtnl_neigh_get_ifindex(r));
	devices_seen(n->devices, &a, &mac);
}

/* The group has a bridge's addresses, too: not ours to read. */
static void message(struct neigh *n, struct nlmsghdr *h)
{
	struct rtnl_neigh *r;
	int family;

	if (!nlmsg_valid_hdr(h, sizeof(struct ndmsg)))
		return;
	family = ((const struct ndmsg *)nlmsg_data(h))->ndm_family;
	if ((family != AF_INET && family != AF_INET6) || rtnl_neigh_parse(h, &r) < 0)
		return;
	note(n, r, h->nlmsg_type == RTM_NEWNEIGH);
	rtnl_neigh_put(r);
}

static void take(struct neigh *n, size_t size)
{
	struct nlmsghdr *h = (struct nlmsghdr *)n->buffer;
	int left = (int)size;

	for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			n->dump_wanted = true;
		if (h->nlmsg_type == RTM_NEWNEIGH || h->nlmsg_type == RTM_DELNEIGH)
			message(n, h);
		else if (h->nlmsg_type == NLMSG_ERROR && nlmsg_datalen(h) >= (int)sizeof(int) &&
			 *(int *)nlmsg_data(h) == -EBUSY)
			n->dump_wanted = true;
	}
}

/* 1: there may be more; 0: all read; or -errno */
static int read_one(struct neigh *n)
{
	struct sockaddr_nl from = {0};
	socklen_t len = sizeof from;
	ssize_t got = recvfrom(
		n->fd, n->buffer, sizeof n->buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (got < 0 && errno == ENOBUFS) {
		n->dump_wanted = true;
		return 1;
	}
	if (got < 0 && errno == EINTR)
		return 1;
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (got > 0 && from.nl_pid == 0) /* the kernel's, not another process's */
		take(n, (size_t)got);
	return 1;
}

static int read_all(struct neigh *n)
{
	int more = 1, err = 0;

	for (int i = 0; i < 1000 && more > 0; i++)
		more = read_one(n);
	if (more < 0)
		err = more;
	else if (n->dump_wanted)
		err = ask_dump(n);
	return err;
}

int neigh_read(struct neigh *n)
{
	int err;

	pthread_mutex_lock(&n->lock);
	err = read_all(n);
	pthread_mutex_unlock(&n->lock);
	return err;
}

/* The kernel answers before send() returns. A kernel without this question (before 5.0) says so, and is not heard. */
static void ask_one(struct neigh *n, const struct addr *a, int link)
{
	struct ndmsg one = {.ndm_family = addr_is_v4(a) ? AF_INET : AF_INET6, .ndm_ifindex = link};

	if (ask(n, &one, 0, a) < 0)
		n->dump_wanted = true;
}

bool neigh_find(struct neigh *n, const struct addr *a, struct mac *out)
{
	bool found;

	pthread_mutex_lock(&n->lock);
	read_all(n);
	found = devices_mac_of(n->devices, a, out);
	for (int i = 0; i < LINKS && n->links[i] && !found; i++) {
		ask_one(n, a, n->links[i]);
		read_all(n);
		found = devices_mac_of(n->devices, a, out);
	}
	pthread_mutex_unlock(&n->lock);
	return found;
}
