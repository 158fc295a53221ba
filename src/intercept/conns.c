/* SPDX-License-Identifier: GPL-3.0-or-later
 * conns.c - changes and reads the kernel's connection table over libmnl.
 *
 * A change bears the tuple, CTA_MARK and CTA_MARK_MASK and nothing else: without the mask the bits of others would be lost.
 * Many leave in one datagram. The kernel answers those that fail (the connection is gone): read, and thrown away.
 *
 * Owns: the descriptor. Thread: one at a time. Fails: see the door. See: net/netfilter/nf_conntrack_netlink.c.
 */
#include "intercept/conns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "conns_int.h"

enum {
	OUT_BYTES = 16 * 1024,
	CHANGE_BYTES = 256,
	IN_BYTES = 32 * 1024,
	LEFT_OVER = 64,	  /* datagrams of an earlier holder */
	TCP_LAST_ACK = 6, /* the kernel's states from here on: the connection has ended */
	TCP_CLOSE = 8,
};

struct conns {
	int fd;
	uint32_t seq; /* of the reading that goes on */
	bool reading;
	size_t out_n;
	_Alignas(8) uint8_t out[OUT_BYTES];
	_Alignas(8) uint8_t in[IN_BYTES];
};

int conns_open(int *fd)
{
	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	return *fd < 0 ? -errno : 0;
}

static ssize_t take(struct conns *c)
{
	ssize_t n;

	do
		n = recv(c->fd, c->in, sizeof c->in, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int conns_adopt(int fd, struct conns **out)
{
	struct conns *c = fd < 0 ? NULL : calloc(1, sizeof *c);

	if (!c)
		return fd < 0 ? -EBADF : -ENOMEM;
	c->fd = fd;
	c->seq = (uint32_t)
		clock_mono_us(); /* no answer to an earlier holder is taken for one to us */
	for (int i = 0; i < LEFT_OVER && take(c) > 0; i++)
		;
	*out = c;
	return 0;
}

void conns_free(struct conns *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c);
}

/* --- changes --- */

/* Failures come by the way of the table's pieces, and conns_read() passes over them. */
static void flush(struct conns *c)
{
	if (c->out_n > 0)
		send(c->fd, c->out, c->out_n, MSG_DONTWAIT | MSG_NOSIGNAL);
	c->out_n = 0;
}

void conns_mark(struct conns *c, const struct conns_entry *e, uint32_t bits, uint32_t mask)
{
	const struct nlattr *orig = e->orig, *zone = e->zone;
	struct nlmsghdr *h;
	struct nfgenmsg *g;

	if (mnl_attr_get_len(orig) > CHANGE_BYTES / 2)
		return;
	if (c->out_n + CHANGE_BYTES > sizeof c->out)
		flush(c);
	h = mnl_nlmsg_put_header(c->out + c->out_n);
	h->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW;
	h->nlmsg_flags = NLM_F_REQUEST;
	g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	g->nfgen_family = addr_is_v4(&e->flow.src) ? AF_INET : AF_INET6;
	g->version = NFNETLINK_V0;
	mnl_attr_put(h, CTA_TUPLE_ORIG | NLA_F_NESTED, mnl_attr_get_payload_len(orig),
		mnl_attr_get_payload(orig));
	if (zone)
		mnl_attr_put(
			h, CTA_ZONE, mnl_attr_get_payload_len(zone), mnl_attr_get_payload(zone));
	mnl_attr_put_u32(h, CTA_MARK, htonl(bits));
	mnl_attr_put_u32(h, CTA_MARK_MASK, htonl(mask));
	c->out_n += MNL_ALIGN(h->nlmsg_len);
}

/* --- reading --- */

struct tuple {
	struct addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
	bool whole;
};

static void read_addr(const struct nlattr *a, struct addr *out, bool *got)
{
	const uint8_t *b = mnl_attr_get_payload(a);
	size_t n = mnl_attr_get_payload_len(a);

	*got = n == 4 || n == 16;
	if (*got)
		*out = n == 4 ? addr_v4(b) : addr_v6(b);
}

static void read_tuple(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *part, *a;
	bool src = false, dst = false;

	mnl_attr_for_each_nested(part, nest)
	{
		bool ip = mnl_attr_get_type(part) == CTA_TUPLE_IP;

		mnl_attr_for_each_nested(a, part)
		{
			uint16_t type = mnl_attr_get_type(a);
			size_t n = mnl_attr_get_payload_len(a);

			if (ip && (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC))
				read_addr(a, &t->src, &src);
			else if (ip && (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST))
				read_addr(a, &t->dst, &dst);
			else if (!ip && type == CTA_PROTO_NUM && n == 1)
				t->proto = mnl_attr_get_u8(a);
			else if (!ip && type == CTA_PROTO_SRC_PORT && n == 2)
				t->sport = ntohs(mnl_attr_get_u16(a));
			else if (!ip && type == CTA_PROTO_DST_PORT && n == 2)
				t->dport = ntohs(mnl_attr_get_u16(a));
		}
	}
	t->whole = src && dst;
}

static bool has_ended(const struct nlattr *info)
{
	const struct nlattr *proto, *a;

	mnl_attr_for_each_nested(proto, info)
	{
		if (mnl_attr_get_type(proto) != CTA_PROTOINFO_TCP)
			continue;
		mnl_attr_for_each_nested(a, proto)
		{
			if (mnl_attr_get_type(a) == CTA_PROTOINFO_TCP_STATE &&
				mnl_attr_get_payload_len(a) == 1)
				return mnl_attr_get_u8(a) >= TCP_LAST_ACK &&
				       mnl_attr_get_u8(a) <= TCP_CLOSE;
		}
	}
	return false;
}

static bool read_entry(const struct nlmsghdr *h, struct conns_entry *e)
{
	struct tuple orig = {.whole = false}, reply = {.whole = false};
	const struct nlattr *a;

	if (h->nlmsg_len < MNL_ALIGN(sizeof *h) + sizeof(struct nfgenmsg))
		return false;
	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
	{
		switch (mnl_attr_get_type(a)) {
		case CTA_TUPLE_ORIG:
			e->orig = a;
			read_tuple(a, &orig);
			break;
		case CTA_TUPLE_REPLY:
			read_tuple(a, &reply);
			break;
		case CTA_ZONE:
			e->zone = a;
			break;
		case CTA_MARK:
			if (mnl_attr_get_payload_len(a) == 4)
				e->mark = ntohl(mnl_attr_get_u32(a));
			break;
		case CTA_COUNTERS_ORIG:
			e->counted = conns_count(a, &e->bytes[0], &e->packets[0]);
			break;
		case CTA_COUNTERS_REPLY:
			e->counted &= conns_count(a, &e->bytes[1], &e->packets[1]);
			break;
		case CTA_PROTOINFO:
			e->ended = has_ended(a);
			break;
		}
	}
	e->flow = (struct flow){.src = orig.src,
		.dst = reply.src,
		.sport = orig.sport,
		.dport = reply.sport,
		.proto = orig.proto};
	return orig.whole && reply.whole;
}

int conns_read_begin(struct conns *c)
{
	_Alignas(8) uint8_t buf[64] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	h->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = ++c->seq;
	g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	g->nfgen_family = AF_UNSPEC;
	g->version = NFNETLINK_V0;
	if (send(c->fd, buf, h->nlmsg_len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	c->reading = true;
	return 0;
}

/* One datagram. 1: there may be more, 0: the end, -errno. */
static int each_of(struct conns *c, size_t n, void (*each)(void *user, const struct conns_entry *e),
	void *user)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)c->in;
	int left = (int)n;

	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		struct conns_entry e = {.mark = 0};

		if (h->nlmsg_seq != c->seq)
			continue;
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		if (h->nlmsg_type == ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW) &&
			read_entry(h, &e))
			each(user, &e);
	}
	return 1;
}

int conns_read(struct conns *c, uint32_t budget_us,
	void (*each)(void *user, const struct conns_entry *e), void *user)
{
	uint64_t until = clock_mono_us() + budget_us;
	int rc = c->reading ? 1 : 0;

	while (rc == 1) {
		ssize_t n = take(c);

		rc = n > 0 ? each_of(c, (size_t)n, each, user) : n == 0 ? -EIO : (int)n;
		if (rc == 1 && clock_mono_us() >= until)
			return 1;
	}
	c->reading = false;
	flush(c);
	return rc;
}
