/* SPDX-License-Identifier: GPL-3.0-or-later
 * synlog.c - the first sequence number of each connection on an inspected port, from the kernel's log group.
 *
 * The table has one 64-bit word a connection: 31 bits of its hash, the ambiguous bit and the number. The holder of the lock
 * writes, every worker reads. A bucket holds the eight newest connections of its hash, the newest first; with one place a hash,
 * a hundred SYNs between a SYN and its first bytes would push out one in a thousand. Entries of a bucket are moved from its end
 * on, so that a reader who goes upwards misses none. A look-up reads the socket first, since the SYN's copy may still wait
 * there.
 *
 * Owns: the descriptor, the table. Thread: any. Fails: 0 or -errno. See: net/netfilter/nfnetlink_log.c.
 */
#include "intercept/synlog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "identify/packet.h"

enum {
	BUCKETS = 1 << 14,
	WAYS = 8,
	MARKS = 1 << 10, /* buckets */
	COPY_BYTES = 128,
	READ_BYTES = 16 * 1024,
	SOCKET_BYTES = 4 << 20
};
#define AMBIGUOUS (1ull << 32)

struct synlog {
	int fd;
	struct hash_key key;
	pthread_mutex_t lock;
	_Alignas(8) uint8_t in[READ_BYTES];
	_Atomic uint64_t slots[BUCKETS][WAYS];
	_Atomic uint32_t firsts[BUCKETS]; /* connections begun in it */
	uint64_t marks[MARKS][WAYS];	  /* locked; 0 = none */
};

static struct nlmsghdr *config_put(void *buf, uint16_t group)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(group);
	return nlh;
}

static int talk(struct mnl_socket *nl, const struct nlmsghdr *nlh)
{
	uint8_t buf[4096];
	ssize_t n;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0 || mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0)
		return -errno;
	return 0;
}

static int configure(struct mnl_socket *nl, uint16_t group)
{
	struct nfulnl_msg_config_cmd bind = {.command = NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {
		.copy_range = htonl(COPY_BYTES), .copy_mode = NFULNL_COPY_PACKET};
	uint8_t buf[256];
	struct nlmsghdr *nlh = config_put(buf, group);
	int rc;

	mnl_attr_put(nlh, NFULA_CFG_CMD, sizeof(bind), &bind);
	rc = talk(nl, nlh);
	if (rc != 0)
		return rc == -EPERM && geteuid() == 0 ? -EBUSY : rc;
	nlh = config_put(buf, group);
	mnl_attr_put(nlh, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(nlh, NFULA_CFG_QTHRESH, htonl(1)); /* at once, not in batches */
	return talk(nl, nlh);
}

int synlog_open(uint16_t group, int *fd)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int rc, size = SOCKET_BYTES, on = 1;

	if (!nl)
		return -errno;
	rc = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : configure(nl, group);
	if (rc != 0) {
		mnl_socket_close(nl);
		return rc;
	}
	*fd = mnl_socket_get_fd(nl);
	free(nl); /* not mnl_socket_close(): the descriptor is the caller's */
	if (setsockopt(*fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(*fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	return 0;
}

int synlog_adopt(int fd, const struct hash_key *key, struct synlog **out)
{
	struct synlog *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->fd = fd;
	l->key = *key;
	pthread_mutex_init(&l->lock, NULL);
	*out = l;
	return 0;
}

void synlog_free(struct synlog *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

int synlog_fd(const struct synlog *l)
{
	return l->fd;
}

static uint64_t hash_of(const struct synlog *l, const struct addr *src, const struct addr *dst,
	uint16_t sport, uint16_t dport)
{
	uint8_t key[36];

	memcpy(key, src->b, 16);
	memcpy(key + 16, dst->b, 16);
	memcpy(key + 32, &sport, 2);
	memcpy(key + 34, &dport, 2);
	return hash_sip(&l->key, key, sizeof(key));
}

/* Its bucket, and what the upper bits of its word are. */
static _Atomic uint64_t *bucket_of(struct synlog *l, const struct addr *src, const struct addr *dst,
	uint16_t sport, uint16_t dport, uint64_t *tag)
{
	uint64_t h = hash_of(l, src, dst, sport, dport);

	*tag = (h >> 33 | 1) << 33; /* never 0 */
	return l->slots[h & (BUCKETS - 1)];
}

/* The connection's place in its bucket; NULL = it is in none. *word: what stands there. */
static _Atomic uint64_t *slot_find(_Atomic uint64_t *bucket, uint64_t tag, uint64_t *word)
{
	for (size_t i = 0; i < WAYS; i++) {
		*word = atomic_load(&bucket[i]);
		if (*word >> 33 << 33 == tag)
			return &bucket[i];
	}
	return NULL;
}

static void push(_Atomic uint64_t *bucket, uint64_t word)
{
	for (size_t i = WAYS - 1; i > 0; i--)
		atomic_store(&bucket[i], atomic_load(&bucket[i - 1]));
	atomic_store(&bucket[0], word);
}

/* Of the bucket that begins there. */
static _Atomic uint32_t *firsts_of(struct synlog *l, const _Atomic uint64_t *bucket)
{
	return &l->firsts[(bucket - &l->slots[0][0]) / WAYS];
}

void synlog_note(struct synlog *l, struct slice ip, bool again)
{
	struct packet k;
	_Atomic uint64_t *bucket, *slot;
	uint64_t tag, old;

	if (packet_parse(ip, &k) != PARSE_OK || k.proto != IPPROTO_TCP || !(k.flags & PACKET_SYN))
		return;
	bucket = bucket_of(l, &k.src, &k.dst, k.sport, k.dport, &tag);
	slot = slot_find(bucket, tag, &old);
	if (!again)
		atomic_fetch_add(firsts_of(l, bucket), 1);
	if (!slot)
		push(bucket, tag | k.seq);
	else if (!again)
		atomic_store(slot, tag | k.seq);
	else if ((uint32_t)old != k.seq)
		atomic_store(slot, old | AMBIGUOUS);
}

/* The mark's place in its bucket, or NULL. A word is 32 bits of the connection's hash and its mark. */
static uint64_t *mark_find(struct synlog *l, uint64_t hash)
{
	uint64_t *bucket = l->marks[hash % MARKS];

	for (size_t i = 0; i < WAYS; i++)
		if (bucket[i] && bucket[i] >> 32 == hash >> 32)
			return &bucket[i];
	return NULL;
}

static void note_mark(struct synlog *l, struct slice ip, uint32_t mark)
{
	struct packet k;
	uint64_t hash, *slot;

	if (packet_parse(ip, &k) != PARSE_OK || k.proto != IPPROTO_TCP)
		return;
	hash = hash_of(l, &k.src, &k.dst, k.sport, k.dport);
	slot = mark_find(l, hash);
	if (!slot) {
		slot = l->marks[hash % MARKS];
		memmove(slot + 1, slot, (WAYS - 1) * sizeof(*slot));
	}
	*slot = hash >> 32 << 32 | mark;
}

uint32_t synlog_take_mark(struct synlog *l, const struct flow *f)
{
	uint64_t *slot;
	uint32_t mark = 0;

	if (l->fd >= 0)
		synlog_read(l);
	pthread_mutex_lock(&l->lock);
	slot = mark_find(l, hash_of(l, &f->src, &f->dst, f->sport, f->dport));
	if (slot) {
		mark = (uint32_t)*slot;
		*slot = 0;
	}
	pthread_mutex_unlock(&l->lock);
	return mark;
}

void synlog_note_mark(struct synlog *l, struct slice ip, uint32_t mark)
{
	pthread_mutex_lock(&l->lock);
	note_mark(l, ip, mark);
	pthread_mutex_unlock(&l->lock);
}

struct logged {
	struct slice ip;
	char kind; /* of the prefix: first, again, mark */
	uint32_t mark;
};

static int attr_read(const struct nlattr *a, void *user)
{
	struct logged *g = user;

	if (mnl_attr_get_type(a) == NFULA_PAYLOAD)
		g->ip = slice_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	else if (mnl_attr_get_type(a) == NFULA_PREFIX && mnl_attr_get_payload_len(a) > 0)
		g->kind = *(const char *)mnl_attr_get_payload(a);
	else if (mnl_attr_get_type(a) == NFULA_MARK && mnl_attr_get_payload_len(a) >= 4)
		g->mark = ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

static void datagram(struct synlog *l, size_t n)
{
	const struct nlmsghdr *nlh = (const void *)l->in;
	int left = (int)n;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		struct logged g = {0};

		if (nlh->nlmsg_type != ((NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET))
			continue;
		mnl_attr_parse(nlh, sizeof(struct nfgenmsg), attr_read, &g);
		if (g.kind == 'm')
			note_mark(l, g.ip, g.mark);
		else
			synlog_note(l, g.ip, g.kind == 'a');
	}
}

int synlog_read(struct synlog *l)
{
	ssize_t n;
	int rc;

	pthread_mutex_lock(&l->lock);
	while ((n = recv(l->fd, l->in, sizeof(l->in), MSG_DONTWAIT)) > 0 ||
		(n < 0 && (errno == EINTR || errno == ENOBUFS)))
		if (n > 0)
			datagram(l, (size_t)n);
	rc = n < 0 && errno != EAGAIN ? -errno : 0;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

uint32_t synlog_count(struct synlog *l, const struct flow *f)
{
	uint64_t tag;

	return atomic_load(firsts_of(l, bucket_of(l, &f->src, &f->dst, f->sport, f->dport, &tag)));
}

enum synlog_says synlog_find(struct synlog *l, const struct flow *f, uint32_t *isn)
{
	uint64_t tag, word;
	_Atomic uint64_t *bucket = bucket_of(l, &f->src, &f->dst, f->sport, f->dport, &tag);

	if (l->fd >= 0)
		synlog_read(l);
	if (!slot_find(bucket, tag, &word))
		return SYNLOG_UNKNOWN;
	*isn = (uint32_t)word;
	return word & AMBIGUOUS ? SYNLOG_AMBIGUOUS : SYNLOG_KNOWN;
}
