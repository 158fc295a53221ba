/* SPDX-License-Identifier: GPL-3.0-or-later
 * nfq.c - netfilter queues: libnetfilter_queue builds and parses the messages, this file moves them.
 *
 * Messages are read many at a time (recvmmsg). Verdicts that are given during a read leave together at its end, in one batch of
 * messages; verdicts that are given outside a read leave at once. We ask for no acknowledgement of a verdict, so the kernel
 * answers only when one failed (-ENOENT: the packet is gone, because its device went down), and that is counted.
 *
 * By hand, because the library builds neither: NFQA_CFG_FLAGS, and which message type a verdict is of.
 *
 * Owns: the descriptor and its buffers. Thread: one at a time. Fails: 0 or -errno. See: net/netfilter/nfnetlink_queue.c.
 */
#include "intercept/nfq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h> /* first: its NFQA_MAX is the library's */
#include <linux/netfilter.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/invariant.h"
#include "nfsock_int.h"

enum {
	READ_MESSAGES = 16,	 /* a recvmmsg */
	MESSAGE_MAX = 68 * 1024, /* 65531 bytes of packet and its attributes */
	OUT_BYTES = 8 * 1024,
	VERDICT_BYTES = 64,
};

struct nfq {
	int fd;
	uint16_t queue;
	bool reading;
	uint32_t readings;
	struct nfq_stats stats;
	size_t out_n;
	unsigned out_verdicts; /* in the batch that waits */
	_Alignas(8) char out[OUT_BYTES];
	struct mmsghdr msgs[READ_MESSAGES];
	struct iovec iov[READ_MESSAGES];
	uint8_t *in;  /* READ_MESSAGES * MESSAGE_MAX */
	char *edited; /* MESSAGE_MAX: a verdict with a packet's new bytes */
};

static struct nlmsghdr *command_put(char *buf, uint16_t queue, uint8_t command)
{
	struct nlmsghdr *nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, queue);

	nfq_nlmsg_cfg_put_cmd(nlh, AF_UNSPEC, command);
	return nlh;
}

static struct nlmsghdr *config_put(char *buf, const struct nfq_config *c)
{
	struct nlmsghdr *nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, c->queue);
	uint32_t flags = NFQA_CFG_F_GSO | (c->fail_open ? NFQA_CFG_F_FAIL_OPEN : 0);

	nfq_nlmsg_cfg_put_params(nlh, NFQNL_COPY_PACKET, 0xffff);
	nfq_nlmsg_cfg_put_qmaxlen(nlh, c->max_len ? c->max_len : 4096);
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(flags));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
	return nlh;
}

int nfq_adopt(int fd, uint16_t queue, struct nfq **out)
{
	struct nfq *q;

	if (fd < 0)
		return -EBADF;
	q = calloc(1, sizeof(*q));
	if (q)
		q->in = malloc((size_t)(READ_MESSAGES + 1) * MESSAGE_MAX);
	if (!q || !q->in) {
		free(q);
		return -ENOMEM;
	}
	q->fd = fd;
	q->queue = queue;
	q->edited = (char *)q->in + (size_t)READ_MESSAGES * MESSAGE_MAX;
	for (int i = 0; i < READ_MESSAGES; i++) {
		q->iov[i].iov_base = q->in + (size_t)i * MESSAGE_MAX;
		q->iov[i].iov_len = MESSAGE_MAX;
		q->msgs[i].msg_hdr.msg_iov = &q->iov[i];
		q->msgs[i].msg_hdr.msg_iovlen = 1;
	}
	*out = q;
	return 0;
}

static int configure(struct mnl_socket *nl, const struct nfq_config *c)
{
	_Alignas(struct nlmsghdr) char buf[512];
	int rc = nfsock_talk(nl, command_put(buf, c->queue, NFQNL_CFG_CMD_BIND));

	if (rc != 0)
		return rc;
	nfsock_buffer_set(mnl_socket_get_fd(nl), c->socket_bytes ? c->socket_bytes : 8u << 20);
	return nfsock_talk(nl, config_put(buf, c));
}

int nfq_bind(const struct nfq_config *c, struct nfq **out)
{
	struct mnl_socket *nl;
	int fd, rc = nfsock_open(&nl);

	if (rc != 0)
		return rc;
	rc = configure(nl, c);
	if (rc != 0) {
		mnl_socket_close(nl);
		return rc;
	}
	rc = nfsock_release(nl, &fd);
	if (rc != 0)
		return rc;
	rc = nfq_adopt(fd, c->queue, out);
	if (rc != 0)
		close(fd);
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
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *nlh = command_put(buf, queue, NFQNL_CFG_CMD_UNBIND);

	return send_plain(fd, buf, nlh->nlmsg_len);
}

int nfq_send_bind(int fd, const struct nfq_config *c)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *nlh = command_put(buf, c->queue, NFQNL_CFG_CMD_BIND);
	int rc = send_plain(fd, buf, nlh->nlmsg_len);

	return rc ? rc : nfq_send_config(fd, c);
}

int nfq_send_config(int fd, const struct nfq_config *c)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = config_put(buf, c);

	return send_plain(fd, buf, nlh->nlmsg_len);
}

int nfq_socket(const struct nfq *q)
{
	return q->fd;
}

void nfq_free(struct nfq *q)
{
	if (!q)
		return;
	close(q->fd);
	free(q->in);
	free(q);
}

/* A batch that the kernel did not read leaves its packets waiting: counted, for nothing of it was passed on. */
int nfq_flush(struct nfq *q)
{
	int rc;

	if (!q || q->out_n == 0)
		return 0;
	rc = send_plain(nfq_socket(q), q->out, q->out_n);
	if (rc != 0)
		q->stats.verdicts_failed += q->out_verdicts;
	q->out_n = 0;
	q->out_verdicts = 0;
	return rc;
}

static struct nlmsghdr *verdict_put(char *buf, const struct nfq *q, uint32_t id, uint32_t verdict)
{
	struct nlmsghdr *nlh = nfq_nlmsg_put(buf, NFQNL_MSG_VERDICT, q->queue);

	nfq_nlmsg_verdict_put(nlh, (int)id, (int)verdict);
	return nlh;
}

int nfq_verdict(struct nfq *q, uint32_t id, enum nfq_answer a, bool with_mark, uint32_t mark)
{
	struct nlmsghdr *nlh;

	if (q->out_n + VERDICT_BYTES > sizeof(q->out))
		nfq_flush(q);
	nlh = verdict_put(q->out + q->out_n, q, id, a);
	if (with_mark)
		nfq_nlmsg_verdict_put_mark(nlh, mark);
	invariant(nlh->nlmsg_len <= VERDICT_BYTES);
	q->out_n += MNL_ALIGN(nlh->nlmsg_len);
	q->out_verdicts++;
	q->stats.verdicts++;
	return q->reading ? 0 : nfq_flush(q);
}

/* By itself, for it may be long; what was given before it goes first. The kernel takes an attribute of 16 bits. */
int nfq_verdict_edited(struct nfq *q, uint32_t id, uint32_t mark, struct slice bytes)
{
	struct nlmsghdr *nlh;
	int rc;

	if (bytes.n > UINT16_MAX - MNL_ATTR_HDRLEN)
		return -EMSGSIZE;
	nlh = verdict_put(q->edited, q, id, NF_ACCEPT);
	nfq_nlmsg_verdict_put_mark(nlh, mark);
	nfq_nlmsg_verdict_put_pkt(nlh, bytes.p, (uint32_t)bytes.n);
	nfq_flush(q);
	q->stats.verdicts++;
	rc = send_plain(nfq_socket(q), nlh, nlh->nlmsg_len);
	if (rc != 0)
		q->stats.verdicts_failed++;
	return rc;
}

static int drop_upto(struct nfq *q, uint32_t id)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *nlh = nfq_nlmsg_put(buf, NFQNL_MSG_VERDICT_BATCH, q->queue);

	nfq_nlmsg_verdict_put(nlh, (int)id, NF_DROP);
	return send_plain(nfq_socket(q), buf, nlh->nlmsg_len);
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

/* The attribute's value, if it is there with at least `n` bytes. */
static const void *value_of(const struct nlattr *a, size_t n)
{
	return a && mnl_attr_get_payload_len(a) >= n ? mnl_attr_get_payload(a) : NULL;
}

static uint32_t u32_of(const struct nlattr *a)
{
	return value_of(a, 4) ? ntohl(mnl_attr_get_u32(a)) : 0;
}

static void hwaddr_get(const struct nlattr *a, struct nfq_packet *p)
{
	const struct nfqnl_msg_packet_hw *hw = value_of(a, sizeof(*hw));

	if (!hw || ntohs(hw->hw_addrlen) != sizeof(p->mac.b))
		return;
	memcpy(p->mac.b, hw->hw_addr, sizeof(p->mac.b));
	p->has_mac = true;
}

/* False: it has no number, and nothing can be answered. */
static bool packet_get(struct nlattr *const *attr, struct nfq_packet *p)
{
	const struct nfqnl_msg_packet_hdr *h = value_of(attr[NFQA_PACKET_HDR], sizeof(*h));
	uint32_t info = u32_of(attr[NFQA_SKB_INFO]);

	if (!h)
		return false;
	p->id = ntohl(h->packet_id);
	p->hook = h->hook;
	p->mark = u32_of(attr[NFQA_MARK]);
	p->indev = u32_of(attr[NFQA_IFINDEX_INDEV]);
	p->outdev = u32_of(attr[NFQA_IFINDEX_OUTDEV]);
	hwaddr_get(attr[NFQA_HWADDR], p);
	if (attr[NFQA_PAYLOAD])
		p->payload = slice_of(mnl_attr_get_payload(attr[NFQA_PAYLOAD]),
			mnl_attr_get_payload_len(attr[NFQA_PAYLOAD]));
	p->truncated = attr[NFQA_CAP_LEN] != NULL;
	p->checksum_not_ready = info & NFQA_SKB_CSUMNOTREADY;
	p->gso = info & NFQA_SKB_GSO;
	return true;
}

/* A message that the library does not accept is dropped if it can be: nobody could judge it. */
static int message_read(struct nfq *q, const struct nlmsghdr *nlh,
	void (*on_packet)(void *user, const struct nfq_packet *p), void *user)
{
	struct nlattr *attr[NFQA_MAX + 1] = {NULL};
	struct nfq_packet p = {.reading = q->readings};
	bool whole = nfq_nlmsg_parse(nlh, attr) >= 0;

	if (packet_get(attr, &p)) {
		q->stats.packets++;
		if (whole) {
			on_packet(user, &p);
			return 1;
		}
		nfq_verdict(q, p.id, NFQ_DROP, false, 0);
	}
	q->stats.errors++;
	return 0;
}

/* nfq_drop_before() where nothing was left is told so by an error, too. */
static bool is_failure(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

	return mnl_nlmsg_get_payload_len(nlh) < sizeof(*e) || e->error != -ENOENT ||
	       e->msg.nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_VERDICT_BATCH);
}

/* One datagram: packets, or what the kernel has to say about a verdict that failed. Returns packets. */
static int datagram_read(struct nfq *q, const uint8_t *buf, size_t n,
	void (*on_packet)(void *user, const struct nfq_packet *p), void *user)
{
	const struct nlmsghdr *nlh = (const void *)buf;
	int left = (int)n, packets = 0;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type == ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET))
			packets += message_read(q, nlh, on_packet, user);
		else if (nlh->nlmsg_type == NLMSG_ERROR)
			q->stats.verdicts_failed += is_failure(nlh);
		else
			q->stats.errors++;
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

		got = recvmmsg(nfq_socket(q), q->msgs, want, MSG_DONTWAIT, NULL);
		q->readings += q->readings == UINT32_MAX ? 2 : 1;
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
	if (getsockopt(nfq_socket(q), SOL_SOCKET, SO_MEMINFO, mem, &n) == 0 &&
		n > SK_MEMINFO_DROPS * sizeof(mem[0]))
		out->overruns += mem[SK_MEMINFO_DROPS];
}
