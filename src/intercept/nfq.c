/* SPDX-License-Identifier: GPL-3.0-or-later
 * nfq.c - netfilter queues over libmnl.
 *
 * Messages are read many at a time (recvmmsg). Verdicts that are given during a read leave together at its end, in one batch of
 * messages; verdicts that are given outside a read leave at once. We ask for no acknowledgement of a verdict, so the kernel
 * answers only when one failed (-ENOENT: the packet is gone, because its device went down), and that is counted.
 *
 * Why libmnl and not nfq_open() of libnetfilter_queue: nfq_open() cannot adopt an inherited descriptor.
 *
 * Owns: the descriptor and its buffers. Thread: one at a time. Fails: 0 or -errno. See: net/netfilter/nfnetlink_queue.c.
 */
#include "intercept/nfq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_MESSAGES = 16,	 /* a recvmmsg */
	MESSAGE_MAX = 68 * 1024, /* 65531 bytes of packet and its attributes */
	OUT_BYTES = 8 * 1024,
	VERDICT_BYTES = 64,
};

struct nfq {
	struct mnl_socket *nl;
	uint16_t queue;
	bool reading;
	struct nfq_stats stats;
	size_t out_n;
	_Alignas(8) uint8_t out[OUT_BYTES];
	struct mmsghdr msgs[READ_MESSAGES];
	struct iovec iov[READ_MESSAGES];
	uint8_t *in; /* READ_MESSAGES * MESSAGE_MAX */
};

static struct nlmsghdr *header_put(void *buf, uint16_t type, uint16_t queue, bool ack)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | type;
	nlh->nlmsg_flags = NLM_F_REQUEST | (ack ? NLM_F_ACK : 0);
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(queue);
	return nlh;
}

static struct nlmsghdr *command_put(void *buf, uint16_t queue, uint8_t command, bool ack)
{
	struct nlmsghdr *nlh = header_put(buf, NFQNL_MSG_CONFIG, queue, ack);
	struct nfqnl_msg_config_cmd cmd = {.command = command};

	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	return nlh;
}

static struct nlmsghdr *config_put(void *buf, const struct nfq_config *c, bool ack)
{
	struct nlmsghdr *nlh = header_put(buf, NFQNL_MSG_CONFIG, c->queue, ack);
	struct nfqnl_msg_config_params params = {
		.copy_range = htonl(0xffff), .copy_mode = NFQNL_COPY_PACKET};
	uint32_t flags = NFQA_CFG_F_GSO | (c->fail_open ? NFQA_CFG_F_FAIL_OPEN : 0);

	mnl_attr_put(nlh, NFQA_CFG_PARAMS, sizeof(params), &params);
	mnl_attr_put_u32(nlh, NFQA_CFG_QUEUE_MAXLEN, htonl(c->max_len ? c->max_len : 4096));
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(flags));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
	return nlh;
}

/* Sends and waits for the kernel's answer. Only before packets can come, or they would be read as answers. */
static int talk(struct mnl_socket *nl, const struct nlmsghdr *nlh)
{
	uint8_t buf[8192];
	ssize_t n;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	if (mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0)
		return -errno;
	return 0;
}

static int new_of(struct mnl_socket *nl, uint16_t queue, struct nfq **out)
{
	struct nfq *q = calloc(1, sizeof(*q));

	if (q)
		q->in = malloc((size_t)READ_MESSAGES * MESSAGE_MAX);
	if (!q || !q->in) {
		free(q);
		return -ENOMEM;
	}
	q->nl = nl;
	q->queue = queue;
	for (int i = 0; i < READ_MESSAGES; i++) {
		q->iov[i].iov_base = q->in + (size_t)i * MESSAGE_MAX;
		q->iov[i].iov_len = MESSAGE_MAX;
		q->msgs[i].msg_hdr.msg_iov = &q->iov[i];
		q->msgs[i].msg_hdr.msg_iovlen = 1;
	}
	*out = q;
	return 0;
}

static void buffer_set(int fd, uint32_t bytes)
{
	int n = (int)(bytes ? bytes : 8u << 20), on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
	setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
}

int nfq_open(const struct nfq_config *c, struct nfq **out)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	uint8_t buf[512];
	int rc;

	if (!nl)
		return -errno;
	rc = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (rc == 0)
		rc = talk(nl, command_put(buf, c->queue, NFQNL_CFG_CMD_BIND, true));
	if (rc == -EPERM && geteuid() == 0)
		rc = -EBUSY; /* what the kernel answers when another socket holds the queue */
	if (rc == 0) {
		buffer_set(mnl_socket_get_fd(nl), c->socket_bytes);
		rc = talk(nl, config_put(buf, c, true));
	}
	if (rc == 0)
		rc = new_of(nl, c->queue, out);
	if (rc != 0)
		mnl_socket_close(nl);
	return rc;
}

int nfq_adopt(int fd, uint16_t queue, struct nfq **out)
{
	struct mnl_socket *nl = mnl_socket_fdopen(fd);
	int rc;

	if (!nl)
		return -errno;
	rc = new_of(nl, queue, out);
	if (rc != 0)
		free(nl); /* not mnl_socket_close(): the descriptor stays the caller's */
	return rc;
}

static int send_plain(int fd, const void *buf, size_t n)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};

	if (sendto(fd, buf, n, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

int nfq_send_unbind(int fd, uint16_t queue)
{
	uint8_t buf[128];
	struct nlmsghdr *nlh = command_put(buf, queue, NFQNL_CFG_CMD_UNBIND, false);

	return send_plain(fd, buf, nlh->nlmsg_len);
}

int nfq_send_bind(int fd, const struct nfq_config *c)
{
	uint8_t buf[128];
	struct nlmsghdr *nlh = command_put(buf, c->queue, NFQNL_CFG_CMD_BIND, false);
	int rc = send_plain(fd, buf, nlh->nlmsg_len);

	return rc ? rc : nfq_send_config(fd, c);
}

int nfq_send_config(int fd, const struct nfq_config *c)
{
	uint8_t buf[256];
	struct nlmsghdr *nlh = config_put(buf, c, false);

	return send_plain(fd, buf, nlh->nlmsg_len);
}

int nfq_fd(const struct nfq *q)
{
	return mnl_socket_get_fd(q->nl);
}

void nfq_free(struct nfq *q)
{
	if (!q)
		return;
	mnl_socket_close(q->nl);
	free(q->in);
	free(q);
}

int nfq_flush(struct nfq *q)
{
	int rc;

	if (!q || q->out_n == 0)
		return 0;
	rc = send_plain(nfq_fd(q), q->out, q->out_n);
	q->out_n = 0;
	if (rc != 0)
		q->stats.errors++;
	return rc;
}

int nfq_verdict(struct nfq *q, uint32_t id, enum nfq_answer a, bool with_mark, uint32_t mark)
{
	struct nfqnl_msg_verdict_hdr vh = {.verdict = htonl(a), .id = htonl(id)};
	struct nlmsghdr *nlh;

	if (q->out_n + VERDICT_BYTES > sizeof(q->out))
		nfq_flush(q);
	nlh = header_put(q->out + q->out_n, NFQNL_MSG_VERDICT, q->queue, false);
	mnl_attr_put(nlh, NFQA_VERDICT_HDR, sizeof(vh), &vh);
	if (with_mark)
		mnl_attr_put_u32(nlh, NFQA_MARK, htonl(mark));
	q->out_n += MNL_ALIGN(nlh->nlmsg_len);
	q->stats.verdicts++;
	return q->reading ? 0 : nfq_flush(q);
}

/* By itself, for it may be long; what was given before it goes first. The kernel takes an attribute of 16 bits. */
int nfq_verdict_edited(struct nfq *q, uint32_t id, uint32_t mark, struct slice bytes)
{
	struct nfqnl_msg_verdict_hdr vh = {.verdict = htonl(NF_ACCEPT), .id = htonl(id)};
	_Alignas(8) uint8_t head[VERDICT_BYTES];
	static const uint8_t pad[MNL_ALIGNTO];
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	struct nlmsghdr *nlh = header_put(head, NFQNL_MSG_VERDICT, q->queue, false);
	struct nlattr payload = {
		.nla_type = NFQA_PAYLOAD, .nla_len = (uint16_t)(MNL_ATTR_HDRLEN + bytes.n)};
	struct iovec iov[4] = {{head, 0}, {&payload, sizeof(payload)}, {(void *)bytes.p, bytes.n},
		{(void *)pad, MNL_ALIGN(bytes.n) - bytes.n}};
	struct msghdr m = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = iov, .msg_iovlen = 4};

	if (bytes.n > UINT16_MAX - MNL_ATTR_HDRLEN)
		return -EMSGSIZE;
	mnl_attr_put(nlh, NFQA_VERDICT_HDR, sizeof(vh), &vh);
	mnl_attr_put_u32(nlh, NFQA_MARK, htonl(mark));
	iov[0].iov_len = nlh->nlmsg_len;
	nlh->nlmsg_len += (uint32_t)(MNL_ATTR_HDRLEN + MNL_ALIGN(bytes.n));
	nfq_flush(q);
	q->stats.verdicts++;
	if (sendmsg(nfq_fd(q), &m, 0) < 0) {
		q->stats.errors++;
		return -errno;
	}
	return 0;
}

static int drop_upto(struct nfq *q, uint32_t id)
{
	struct nfqnl_msg_verdict_hdr vh = {.verdict = htonl(NF_DROP), .id = htonl(id)};
	uint8_t buf[128];
	struct nlmsghdr *nlh = header_put(buf, NFQNL_MSG_VERDICT_BATCH, q->queue, false);

	mnl_attr_put(nlh, NFQA_VERDICT_HDR, sizeof(vh), &vh);
	return send_plain(nfq_fd(q), buf, nlh->nlmsg_len);
}

int nfq_drop_before(struct nfq *q, uint32_t first_id)
{
	int rc;

	if (first_id != 0)
		return drop_upto(q, first_id - 1);
	rc = drop_upto(
		q, 0x7fffffff); /* ids are compared as in serial numbers: two halves are all */
	return rc != 0 ? rc : drop_upto(q, 0xffffffff);
}

struct fields {
	struct nfq_packet p;
	bool has_header;
};

static void hwaddr_get(const struct nlattr *a, struct nfq_packet *p)
{
	const struct nfqnl_msg_packet_hw *hw = mnl_attr_get_payload(a);

	if (mnl_attr_get_payload_len(a) < sizeof(*hw) || ntohs(hw->hw_addrlen) != sizeof(p->mac.b))
		return;
	memcpy(p->mac.b, hw->hw_addr, sizeof(p->mac.b));
	p->has_mac = true;
}

static uint32_t u32_get(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a) < 4 ? 0 : ntohl(mnl_attr_get_u32(a));
}

static int attr_read(const struct nlattr *a, void *user)
{
	struct fields *f = user;
	struct nfq_packet *p = &f->p;
	const struct nfqnl_msg_packet_hdr *h;
	uint32_t info;

	switch (mnl_attr_get_type(a)) {
	case NFQA_PACKET_HDR:
		if (mnl_attr_get_payload_len(a) < sizeof(*h))
			break;
		h = mnl_attr_get_payload(a);
		p->id = ntohl(h->packet_id);
		p->hook = h->hook;
		f->has_header = true;
		break;
	case NFQA_MARK:
		p->mark = u32_get(a);
		break;
	case NFQA_IFINDEX_INDEV:
		p->indev = u32_get(a);
		break;
	case NFQA_IFINDEX_OUTDEV:
		p->outdev = u32_get(a);
		break;
	case NFQA_HWADDR:
		hwaddr_get(a, p);
		break;
	case NFQA_PAYLOAD:
		p->payload = slice_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
		break;
	case NFQA_CAP_LEN:
		p->truncated = true;
		break;
	case NFQA_SKB_INFO:
		info = u32_get(a);
		p->checksum_not_ready = info & NFQA_SKB_CSUMNOTREADY;
		p->gso = info & NFQA_SKB_GSO;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

/* One datagram: packets, or what the kernel has to say about a verdict that failed. Returns packets. */
static int datagram_read(struct nfq *q, const uint8_t *buf, size_t n,
	void (*on_packet)(void *user, const struct nfq_packet *p), void *user)
{
	const struct nlmsghdr *nlh = (const void *)buf;
	int left = (int)n, packets = 0;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		struct fields f = {0};

		if (nlh->nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET)) {
			q->stats.errors++;
			continue;
		}
		mnl_attr_parse(nlh, sizeof(struct nfgenmsg), attr_read, &f);
		if (!f.has_header)
			continue;
		packets++;
		q->stats.packets++;
		on_packet(user, &f.p);
	}
	return packets;
}

int nfq_read(struct nfq *q, int max, void (*on_packet)(void *user, const struct nfq_packet *p),
	void *user)
{
	int total = 0, got, err = 0;

	q->reading = true;
	while (total < max) {
		unsigned want =
			max - total < READ_MESSAGES ? (unsigned)(max - total) : READ_MESSAGES;

		got = recvmmsg(nfq_fd(q), q->msgs, want, MSG_DONTWAIT, NULL);
		if (got < 0) {
			err = errno;
			if (err == EINTR || err == ENOBUFS) {
				q->stats.overruns += err == ENOBUFS;
				err = 0;
				continue;
			}
			break;
		}
		for (int i = 0; i < got; i++)
			total += datagram_read(
				q, q->iov[i].iov_base, q->msgs[i].msg_len, on_packet, user);
		nfq_flush(q);
		if ((unsigned)got < want)
			break;
	}
	q->reading = false;
	nfq_flush(q);
	return err == 0 || err == EAGAIN || total > 0 ? total : -err;
}

void nfq_stats(const struct nfq *q, struct nfq_stats *out)
{
	uint32_t mem[SK_MEMINFO_VARS] = {0};
	socklen_t n = sizeof(mem);

	*out = q->stats;
	if (getsockopt(nfq_fd(q), SOL_SOCKET, SO_MEMINFO, mem, &n) == 0 &&
		n > SK_MEMINFO_DROPS * sizeof(mem[0]))
		out->overruns += mem[SK_MEMINFO_DROPS];
}
