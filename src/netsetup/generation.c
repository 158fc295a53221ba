/* SPDX-License-Identifier: GPL-3.0-or-later
 * generation.c - whether anybody changed the packet filter.
 *
 * One question and one answer of NETLINK_NETFILTER, by libmnl.
 * Owns: nothing. Thread: any. Fails: -errno; an answer that does not come is -EAGAIN after 100 ms.
 */
#include "netsetup/generation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
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

static int attribute(const struct nlattr *a, void *user)
{
	if (mnl_attr_get_type(a) == NFTA_GEN_ID && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
		*(const struct nlattr **)user = a;
	return MNL_CB_OK;
}

static int on_answer(const struct nlmsghdr *h, void *user)
{
	const struct nlattr *id = NULL;

	if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN) ||
		mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(struct nfgenmsg), attribute, &id);
	if (!id)
		return MNL_CB_OK;
	*(uint32_t *)user = ntohl(mnl_attr_get_u32(id));
	return MNL_CB_STOP;
}

static int ask(int fd)
{
	_Alignas(struct nlmsghdr) uint8_t buf[64];
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
	h->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(h, sizeof(struct nfgenmsg));
	return sendto(fd, h, h->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0
		       ? -errno
		       : 0;
}

int generation_read(int fd, uint32_t *out)
{
	_Alignas(struct nlmsghdr) uint8_t answer[1024];
	ssize_t n;
	int rc;

	while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0) {
		/* an answer that came too late for an earlier question */
	}
	rc = ask(fd);
	if (rc != 0)
		return rc;
	n = recv(fd, answer, sizeof answer, 0);
	if (n < 0)
		return -errno;
	rc = mnl_cb_run(answer, (size_t)n, 0, 0, on_answer, out);
	if (rc < 0)
		return -errno;
	return rc == MNL_CB_STOP ? 0 : -EBADMSG;
}
