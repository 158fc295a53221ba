/* SPDX-License-Identifier: GPL-3.0-or-later
 * conns.c - changes and reads the kernel's connection table, with the builder and the parser of libnetfilter_conntrack.
 *
 * A change carries the tuple, CTA_MARK and CTA_MARK_MASK and nothing else; without the mask, for which the library has no
 * attribute, the bits of others would be lost. One datagram carries many changes. The kernel answers those that fail.
 *
 * Owns: the descriptor. Thread: one at a time. Fails: as intercept/conns.h says. See: net/netfilter/nf_conntrack_netlink.c.
 */
#include "intercept/conns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "netfilter/ctmsg.h"

enum {
	OUT_BYTES = 16 * 1024,
	CHANGE_BYTES = 256, /* a tuple of IPv6 is 92 */
	IN_BYTES = 32 * 1024,
	LEFT_OVER = 64, /* datagrams of an earlier holder */
};

struct conns {
	int fd;
	uint32_t seq; /* of the reading that goes on */
	bool reading;
	struct ctmsg message;
	struct nf_conntrack *change;
	uint64_t failed;
	size_t out_n;
	unsigned out_changes; /* that wait in it */
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
	c->fd = -1;
	c->change = nfct_new();
	if (!c->change || ctmsg_init(&c->message) != 0) {
		conns_free(c);
		return -ENOMEM;
	}
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
	if (c->fd >= 0)
		close(c->fd);
	if (c->change)
		nfct_destroy(c->change);
	ctmsg_fini(&c->message);
	free(c);
}

uint64_t conns_failed(const struct conns *c)
{
	return c->failed;
}

/* --- changes --- */

/* Failures come by the way of the table's pieces: conns_read() counts them. */
static void flush(struct conns *c)
{
	if (c->out_n > 0 && send(c->fd, c->out, c->out_n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		c->failed += c->out_changes;
	c->out_n = 0;
	c->out_changes = 0;
}

static struct nlmsghdr *header_put(
	void *buf, uint8_t type, uint16_t flags, uint32_t seq, uint8_t family)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = seq;
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	return h;
}

/* Its name and nothing else: what the table said of its state is old. One tuple names it, and both would not do for ICMPv6: the
 * library's copy leaves out the reply's type, and the kernel refuses the message. */
static void name_copy(struct conns *c, const struct nf_conntrack *ct)
{
	static const enum nf_conntrack_attr zones[] = {ATTR_ZONE, ATTR_ORIG_ZONE};

	nfct_copy(c->change, c->message.empty, NFCT_CP_OVERRIDE);
	nfct_copy(c->change, ct, NFCT_CP_ORIG);
	for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
		if (nfct_attr_is_set(ct, zones[i]) > 0)
			nfct_set_attr_u16(c->change, zones[i], nfct_get_attr_u16(ct, zones[i]));
}

void conns_mark(struct conns *c, const struct conns_entry *e, uint32_t bits, uint32_t mask)
{
	struct nlmsghdr *h;

	if (c->out_n + CHANGE_BYTES > sizeof c->out)
		flush(c);
	name_copy(c, e->ct);
	nfct_set_attr_u32(c->change, ATTR_MARK, bits);
	h = header_put(c->out + c->out_n, IPCTNL_MSG_CT_NEW, 0, 0,
		nfct_get_attr_u8(e->ct, ATTR_ORIG_L3PROTO));
	if (nfct_nlmsg_build(h, c->change) < 0) {
		c->failed++;
		return;
	}
	mnl_attr_put_u32(h, CTA_MARK_MASK, htonl(mask));
	invariant(h->nlmsg_len <= CHANGE_BYTES);
	c->out_n += MNL_ALIGN(h->nlmsg_len);
	c->out_changes++;
}

/* --- reading --- */

static bool has_ended(const struct nf_conntrack *ct)
{
	uint8_t state = nfct_get_attr_u8(ct, ATTR_TCP_STATE); /* 0 when it is not set */

	return state >= TCP_CONNTRACK_LAST_ACK && state <= TCP_CONNTRACK_CLOSE;
}

/* What the connection has carried, where the kernel counts it (nf_conntrack_acct). */
static void count(const struct nf_conntrack *ct, struct conns_entry *e)
{
	e->counted = nfct_attr_is_set(ct, ATTR_ORIG_COUNTER_BYTES) > 0 &&
		     nfct_attr_is_set(ct, ATTR_REPL_COUNTER_BYTES) > 0;
	if (!e->counted)
		return;
	e->bytes[0] = nfct_get_attr_u64(ct, ATTR_ORIG_COUNTER_BYTES);
	e->bytes[1] = nfct_get_attr_u64(ct, ATTR_REPL_COUNTER_BYTES);
	e->packets[0] = nfct_get_attr_u64(ct, ATTR_ORIG_COUNTER_PACKETS);
	e->packets[1] = nfct_get_attr_u64(ct, ATTR_REPL_COUNTER_PACKETS);
}

static bool read_entry(struct conns *c, const struct nlmsghdr *h, struct conns_entry *e)
{
	struct ctmsg_ends ends;

	if (!ctmsg_parse(&c->message, h, &ends))
		return false;
	*e = (struct conns_entry){.ct = c->message.ct,
		.mark = nfct_get_attr_u32(c->message.ct, ATTR_MARK),
		.ended = has_ended(c->message.ct),
		.flow = {.src = ends.src,
			.dst = ends.dst,
			.sport = ends.sport,
			.dport = ends.dport,
			.proto = ends.proto}};
	count(c->message.ct, e);
	return true;
}

int conns_read_begin(struct conns *c)
{
	_Alignas(8) uint8_t buf[64];
	struct nlmsghdr *h = header_put(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, ++c->seq, AF_UNSPEC);

	if (send(c->fd, buf, h->nlmsg_len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	c->reading = true;
	return 0;
}

/* A change of a connection that has ended meanwhile has failed, and nothing is lost. */
static void answer(struct conns *c, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

	if (h->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(h) >= sizeof *e &&
		e->error != 0 && e->error != -ENOENT)
		c->failed++;
}

/* One datagram. 1: there may be more, 0: the end, -errno. */
static int each_of(struct conns *c, size_t n, void (*each)(void *user, const struct conns_entry *e),
	void *user)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)c->in;
	int left = (int)n;

	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		struct conns_entry e;

		if (h->nlmsg_seq == 0)
			answer(c, h);
		if (h->nlmsg_seq != c->seq)
			continue;
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		if (h->nlmsg_type == ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW) &&
			ctmsg_is_whole(h, left) && read_entry(c, h, &e))
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
