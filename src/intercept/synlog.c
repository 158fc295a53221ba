/* SPDX-License-Identifier: GPL-3.0-or-later
 * synlog.c - the first sequence number of each connection on an inspected port, from the kernel's log group.
 *
 * The table has one 64-bit word a connection: 31 bits of its hash, the ambiguous bit and the number. The holder of the lock
 * writes, every worker reads. A bucket holds the eight newest connections of its hash, the newest first; with one place a hash,
 * a hundred SYNs between a SYN and its first bytes would push out one in a thousand. Entries of a bucket are moved from its end
 * on, so that a reader who goes upwards misses none. A look-up reads the socket first, since the SYN's copy may still wait
 * there.
 *
 * libnetfilter_log builds and parses the messages; NFULA_CFG_QTHRESH is ours, for which it has no builder.
 *
 * Owns: the descriptor, the table. Thread: any. Fails: 0 or -errno. See: net/netfilter/nfnetlink_log.c.
 */
#include "intercept/synlog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_log/libnetfilter_log.h> /* first: its NFULA_MAX is the library's */
#include <linux/netfilter/nfnetlink.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "identify/packet.h"
#include "nfsock_int.h"

enum {
	BUCKETS = 1 << 14,
	WAYS = 8,
	MARKS = 1 << 10, /* buckets */
	COPY_BYTES = 128,
	READ_MESSAGES = 16,
	/* the kernel's buffer of a log group, which holds one message or, where others raise its threshold, several */
	READ_BYTES = 4096,
	SOCKET_BYTES = 16 << 20 /* the dataplane's main thread reads ten times a second */
};
#define AMBIGUOUS (1ull << 32)

struct synlog {
	int fd;
	struct hash_key key;
	pthread_mutex_t lock;
	struct mmsghdr msgs[READ_MESSAGES];
	struct iovec iov[READ_MESSAGES];
	_Alignas(8) uint8_t in[READ_MESSAGES][READ_BYTES];
	_Atomic uint64_t slots[BUCKETS][WAYS];
	_Atomic uint32_t firsts[BUCKETS]; /* connections begun in it */
	uint64_t marks[MARKS][WAYS];	  /* locked; 0 = none */
};

static int configure(struct mnl_socket *nl, uint16_t group)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = nflog_nlmsg_put_header(buf, NFULNL_MSG_CONFIG, AF_UNSPEC, group);
	int rc;

	nflog_attr_put_cfg_cmd(nlh, NFULNL_CFG_CMD_BIND);
	rc = nfsock_talk(nl, nlh);
	if (rc != 0)
		return rc;
	nlh = nflog_nlmsg_put_header(buf, NFULNL_MSG_CONFIG, AF_UNSPEC, group);
	nflog_attr_put_cfg_mode(nlh, NFULNL_COPY_PACKET, COPY_BYTES);
	mnl_attr_put_u32(nlh, NFULA_CFG_QTHRESH, htonl(1)); /* at once, not in batches */
	return nfsock_talk(nl, nlh);
}

int synlog_open(uint16_t group, int *fd)
{
	struct mnl_socket *nl;
	int rc = nfsock_open(&nl);

	if (rc != 0)
		return rc;
	rc = configure(nl, group);
	if (rc != 0) {
		mnl_socket_close(nl);
		return rc;
	}
	nfsock_buffer_set(mnl_socket_get_fd(nl), SOCKET_BYTES);
	return nfsock_release(nl, fd);
}

int synlog_adopt(int fd, const struct hash_key *key, struct synlog **out)
{
	struct synlog *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->fd = fd;
	l->key = *key;
	pthread_mutex_init(&l->lock, NULL);
	for (int i = 0; i < READ_MESSAGES; i++) {
		l->iov[i] = (struct iovec){l->in[i], READ_BYTES};
		l->msgs[i].msg_hdr = (struct msghdr){.msg_iov = &l->iov[i], .msg_iovlen = 1};
	}
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
		atomic_store_explicit(&bucket[i],
			atomic_load_explicit(&bucket[i - 1], memory_order_relaxed),
			memory_order_release);
	atomic_store_explicit(&bucket[0], word, memory_order_release);
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

static struct slice value_of(const struct nlattr *a)
{
	return a ? slice_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a))
		 : slice_of(NULL, 0);
}

/* A message that the library does not accept is no SYN of ours: then its connection's beginning is unknown. */
static void logged(struct synlog *l, const struct nlmsghdr *nlh)
{
	struct nlattr *attr[NFULA_MAX + 1] = {NULL};
	struct slice ip, prefix;
	uint32_t mark;

	if (nflog_nlmsg_parse(nlh, attr) < 0)
		return;
	ip = value_of(attr[NFULA_PAYLOAD]);
	prefix = value_of(attr[NFULA_PREFIX]);
	mark = attr[NFULA_MARK] ? ntohl(mnl_attr_get_u32(attr[NFULA_MARK])) : 0;
	if (prefix.n > 0 && prefix.p[0] == 'm')
		note_mark(l, ip, mark);
	else
		synlog_note(l, ip, prefix.n > 0 && prefix.p[0] == 'a');
}

static void datagram(struct synlog *l, const uint8_t *bytes, size_t n)
{
	const struct nlmsghdr *nlh = (const void *)bytes;
	int left = (int)n;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (nlh->nlmsg_type == ((NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET))
			logged(l, nlh);
}

int synlog_read(struct synlog *l)
{
	int n, total = 0;

	pthread_mutex_lock(&l->lock);
	do {
		n = recvmmsg(l->fd, l->msgs, READ_MESSAGES, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			datagram(l, l->in[i], l->msgs[i].msg_len);
		total += n > 0 ? n : 0;
		/* fewer: there are no more, or an error, which the next call tells */
	} while (n == READ_MESSAGES || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
	n = n < 0 && errno != EAGAIN ? -errno : total;
	pthread_mutex_unlock(&l->lock);
	return n;
}

uint32_t synlog_count(struct synlog *l, const struct flow *f)
{
	uint64_t tag;

	return atomic_load(firsts_of(l, bucket_of(l, &f->src, &f->dst, f->sport, f->dport, &tag)));
}

enum synlog_says synlog_find(struct synlog *l, const struct flow *f, uint32_t *isn)
{
	if (l->fd >= 0)
		synlog_read(l);
	return synlog_look(l, f, isn);
}

enum synlog_says synlog_look(struct synlog *l, const struct flow *f, uint32_t *isn)
{
	uint64_t tag, word;
	_Atomic uint64_t *bucket = bucket_of(l, &f->src, &f->dst, f->sport, f->dport, &tag);

	if (!slot_find(bucket, tag, &word))
		return SYNLOG_UNKNOWN;
	*isn = (uint32_t)word;
	return word & AMBIGUOUS ? SYNLOG_AMBIGUOUS : SYNLOG_KNOWN;
}
