/* SPDX-License-Identifier: GPL-3.0-or-later
 * conntrack.c - DESTROY events of the kernel's connection table.
 *
 * Owns: nothing. Thread: any. Fails: see the door. See: linux/netfilter/nfnetlink_conntrack.h, net/netfilter/
 * nf_conntrack_netlink.c (ctnetlink_conntrack_event).
 */
#include "record/conntrack.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "netfilter/ctmsg.h"

enum { DATAGRAM = 32768, DATAGRAMS = 16384 };

static bool is_set(const struct nf_conntrack *ct, enum nf_conntrack_attr attr)
{
	return nfct_attr_is_set(ct, attr) > 0;
}

static bool read_end(struct ctmsg *m, const struct nlmsghdr *h, struct conntrack_end *e)
{
	const struct nf_conntrack *ct;
	struct ctmsg_ends ends;

	if (!ctmsg_parse(m, h, &ends))
		return false;
	ct = m->ct;
	*e = (struct conntrack_end){.src = ends.src,
		.dst = ends.dst,
		.sport = ends.sport,
		.dport = ends.dport,
		.proto = ends.proto,
		.has_bytes =
			is_set(ct, ATTR_ORIG_COUNTER_BYTES) && is_set(ct, ATTR_REPL_COUNTER_BYTES),
		.bytes_up = nfct_get_attr_u64(ct, ATTR_ORIG_COUNTER_BYTES),
		.bytes_down = nfct_get_attr_u64(ct, ATTR_REPL_COUNTER_BYTES),
		.start_ns = nfct_get_attr_u64(ct, ATTR_TIMESTAMP_START),
		.stop_ns = nfct_get_attr_u64(ct, ATTR_TIMESTAMP_STOP)};
	return true;
}

int conntrack_parse(
	struct slice datagram, void (*each)(void *user, const struct conntrack_end *e), void *user)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)datagram.p;
	int left = (int)datagram.n, count = 0, rc;
	struct ctmsg m;

	if (datagram.n > DATAGRAM)
		return -EINVAL;
	if ((rc = ctmsg_init(&m)) != 0)
		return rc;
	for (; ctmsg_is_whole(h, left); h = mnl_nlmsg_next(h, &left)) {
		struct conntrack_end e;

		if (h->nlmsg_type != ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE) ||
			!read_end(&m, h, &e))
			continue;
		each(user, &e);
		count++;
	}
	ctmsg_fini(&m);
	return left > 0 && count == 0 ? -EINVAL : count;
}

int conntrack_read(int fd, void (*each)(void *user, const struct conntrack_end *e), void *user)
{
	_Alignas(struct nlmsghdr) unsigned char buf[DATAGRAM];
	int total = 0;
	bool overrun = false;

	for (int i = 0; i < DATAGRAMS; i++) {
		struct sockaddr_nl from = {0};
		socklen_t len = sizeof from;
		ssize_t n =
			recvfrom(fd, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&from, &len);

		if (n < 0 && (errno == ENOBUFS || errno == EINTR)) {
			overrun |= errno == ENOBUFS;
			continue; /* what had room is still there */
		}
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		if (from.nl_pid != 0)
			continue; /* not the kernel */
		int rc = conntrack_parse(slice_of(buf, (size_t)n), each, user);

		if (rc > 0)
			total += rc;
	}
	return overrun ? -ENOBUFS : total;
}

uint64_t conntrack_lost(int fd)
{
	uint32_t mem[SK_MEMINFO_VARS] = {0};
	socklen_t n = sizeof mem;

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &n) != 0 ||
		n <= SK_MEMINFO_DROPS * sizeof mem[0])
		return 0;
	return mem[SK_MEMINFO_DROPS];
}
