/* SPDX-License-Identifier: GPL-3.0-or-later
 * conntrack.c - DESTROY events of the kernel's connection table, parsed with libmnl.
 *
 * Owns: nothing. Thread: any. Fails: see the door. See: linux/netfilter/nfnetlink_conntrack.h, net/netfilter/
 * nf_conntrack_netlink.c (ctnetlink_conntrack_event).
 */
#include "record/conntrack.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

enum { DATAGRAM = 32768, DATAGRAMS = 64 };

struct tuple {
	struct addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
	bool has_src, has_dst;
};

static void read_ip(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		size_t n = mnl_attr_get_payload_len(a);
		const void *p = mnl_attr_get_payload(a);

		switch (mnl_attr_get_type(a)) {
		case CTA_IP_V4_SRC:
		case CTA_IP_V6_SRC:
			t->has_src = n == 4 || n == 16;
			if (t->has_src)
				t->src = n == 4 ? addr_v4(p) : addr_v6(p);
			break;
		case CTA_IP_V4_DST:
		case CTA_IP_V6_DST:
			t->has_dst = n == 4 || n == 16;
			if (t->has_dst)
				t->dst = n == 4 ? addr_v4(p) : addr_v6(p);
			break;
		}
	}
}

static void read_proto(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		switch (mnl_attr_get_type(a)) {
		case CTA_PROTO_NUM:
			if (mnl_attr_validate(a, MNL_TYPE_U8) == 0)
				t->proto = mnl_attr_get_u8(a);
			break;
		case CTA_PROTO_SRC_PORT:
			if (mnl_attr_validate(a, MNL_TYPE_U16) == 0)
				t->sport = ntohs(mnl_attr_get_u16(a));
			break;
		case CTA_PROTO_DST_PORT:
			if (mnl_attr_validate(a, MNL_TYPE_U16) == 0)
				t->dport = ntohs(mnl_attr_get_u16(a));
			break;
		}
	}
}

static void read_tuple(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		if (mnl_attr_get_type(a) == CTA_TUPLE_IP)
			read_ip(a, t);
		else if (mnl_attr_get_type(a) == CTA_TUPLE_PROTO)
			read_proto(a, t);
	}
}

/* The u64 attribute `type` inside a nest, network order. */
static bool read_u64(const struct nlattr *nest, uint16_t type, uint64_t *out)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		if (mnl_attr_get_type(a) != type || mnl_attr_validate(a, MNL_TYPE_U64) < 0)
			continue;
		*out = be64toh(mnl_attr_get_u64(a));
		return true;
	}
	return false;
}

static bool read_flow(const struct nlmsghdr *h, struct conntrack_end *e)
{
	struct tuple orig = {0}, reply = {0};
	bool up = false, down = false;
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
	{
		switch (mnl_attr_get_type(a)) {
		case CTA_TUPLE_ORIG:
			read_tuple(a, &orig);
			break;
		case CTA_TUPLE_REPLY:
			read_tuple(a, &reply);
			break;
		case CTA_COUNTERS_ORIG:
			up = read_u64(a, CTA_COUNTERS_BYTES, &e->bytes_up);
			break;
		case CTA_COUNTERS_REPLY:
			down = read_u64(a, CTA_COUNTERS_BYTES, &e->bytes_down);
			break;
		case CTA_TIMESTAMP:
			read_u64(a, CTA_TIMESTAMP_START, &e->start_ns);
			read_u64(a, CTA_TIMESTAMP_STOP, &e->stop_ns);
			break;
		}
	}
	if (!orig.has_src || !reply.has_src)
		return false;
	e->src = orig.src;
	e->dst = reply.src; /* where it really went: after DNAT */
	e->sport = orig.sport;
	e->dport = reply.sport;
	e->proto = orig.proto;
	e->has_bytes = up && down;
	return true;
}

/* mnl_nlmsg_ok() compares a length above INT_MAX as a negative one. */
static bool is_whole(const struct nlmsghdr *h, int left)
{
	return left >= (int)sizeof *h && h->nlmsg_len <= (uint32_t)left && mnl_nlmsg_ok(h, left);
}

int conntrack_parse(
	struct slice datagram, void (*each)(void *user, const struct conntrack_end *e), void *user)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)datagram.p;
	int left = (int)datagram.n, count = 0;

	if (datagram.n > DATAGRAM)
		return -EINVAL;
	for (; is_whole(h, left); h = mnl_nlmsg_next(h, &left)) {
		struct conntrack_end e = {0};

		if (h->nlmsg_type != ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE) ||
			h->nlmsg_len < MNL_ALIGN(sizeof *h) + sizeof(struct nfgenmsg))
			continue;
		if (!read_flow(h, &e))
			continue;
		each(user, &e);
		count++;
	}
	return left > 0 && count == 0 ? -EINVAL : count;
}

int conntrack_read(int fd, void (*each)(void *user, const struct conntrack_end *e), void *user)
{
	_Alignas(struct nlmsghdr) unsigned char buf[DATAGRAM];
	int total = 0;

	for (int i = 0; i < DATAGRAMS; i++) {
		struct sockaddr_nl from = {0};
		socklen_t len = sizeof from;
		ssize_t n =
			recvfrom(fd, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&from, &len);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return total;
		if (n < 0)
			return -errno;
		if (from.nl_pid != 0)
			continue; /* not the kernel */
		int rc = conntrack_parse(slice_of(buf, (size_t)n), each, user);

		if (rc > 0)
			total += rc;
	}
	return total;
}
