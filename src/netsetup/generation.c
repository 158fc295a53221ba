/* SPDX-License-Identifier: GPL-3.0-or-later
 * generation.c - whether anybody changed the packet filter.
 *
 * The file builds one request and reads one answer of NETLINK_NETFILTER by hand; using a library would take more code.
 * Owns: nothing. Thread: any. Fails: -errno; an answer that does not come is -EAGAIN after 100 ms.
 */
#include "netsetup/generation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int generation_open(int *out)
{
	struct timeval wait = {.tv_usec = 100000};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

/* The answer's first attribute of that type, 4 bytes. */
static int find_number(const uint8_t *p, size_t n, uint32_t *out)
{
	struct nlattr a;
	uint32_t v;

	while (n >= sizeof a) {
		memcpy(&a, p, sizeof a);
		if (a.nla_len < sizeof a || a.nla_len > n)
			break;
		if ((a.nla_type & NLA_TYPE_MASK) == NFTA_GEN_ID && a.nla_len >= NLA_HDRLEN + 4) {
			memcpy(&v, p + NLA_HDRLEN, 4);
			*out = ntohl(v);
			return 0;
		}
		if ((size_t)NLA_ALIGN(a.nla_len) >= n)
			break;
		p += NLA_ALIGN(a.nla_len);
		n -= NLA_ALIGN(a.nla_len);
	}
	return -EBADMSG;
}

static int read_answer(const uint8_t *p, size_t n, uint32_t *out)
{
	struct nlmsghdr h;
	struct nlmsgerr e;

	if (n < sizeof h)
		return -EBADMSG;
	memcpy(&h, p, sizeof h);
	if (h.nlmsg_len > n || h.nlmsg_len < sizeof h)
		return -EBADMSG;
	if (h.nlmsg_type == NLMSG_ERROR && h.nlmsg_len >= NLMSG_HDRLEN + sizeof e) {
		memcpy(&e, p + NLMSG_HDRLEN, sizeof e);
		return e.error ? e.error : -EBADMSG;
	}
	if (h.nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN) ||
		h.nlmsg_len < NLMSG_HDRLEN + sizeof(struct nfgenmsg))
		return -EBADMSG;
	return find_number(p + NLMSG_HDRLEN + sizeof(struct nfgenmsg),
		h.nlmsg_len - NLMSG_HDRLEN - sizeof(struct nfgenmsg), out);
}

int generation_read(int fd, uint32_t *out)
{
	struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} ask = {.h = {.nlmsg_len = sizeof ask,
			 .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
			 .nlmsg_flags = NLM_F_REQUEST}};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	uint8_t answer[1024];
	ssize_t n;

	while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0) {
		/* an answer that came too late for an earlier question */
	}
	if (sendto(fd, &ask, sizeof ask, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		return -errno;
	n = recv(fd, answer, sizeof answer, 0);
	return n < 0 ? -errno : read_answer(answer, (size_t)n, out);
}
