/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_help.h - what the tests of the inspect path share: one worker with a scripted clock, packets in, and what it does.
 *
 * nfq_verdict(), its kin and inject_send() are ours here: they write down what the dataplane does.
 */
#ifndef TEST_FLOW_HELP_H
#define TEST_FLOW_HELP_H

#include "identify/wire.h"

#include <netinet/in.h>

#include "act/inject.h"
#include "base/ring.h"
#include "dataplane/flowtab.h"
#include "dataplane/worker.h"
#include "decide/policy_text.h"
#include "identify/packet.h"
#include "intercept/nfq.h"
#include "intercept/synlog.h"
#include "model/mark.h"

enum { MASK_SHIFT = 24, ISN = 1000, SERVER = 77000, PORT = 40000 };
enum {
	UNDECIDED = MARK_HELD | MARK_TENTATIVE,
	REQUESTS = MARK_HELD | MARK_ALLOWED,
	DROPPED = 0x100,
	WAITS = 0x200, /* its verdict comes later */
	NEWEST = 1024
};

static struct {
	unsigned verdicts;
	bool flushed; /* since the last verdict */
	int last;     /* the connection's bits, or DROPPED */
	uint32_t order
		[NEWEST]; /* ids of the packets that have their verdicts, the n-th at n % NEWEST */
	struct {
		uint32_t id;
		int said;
	} of[NEWEST];  /* at id % NEWEST */
	size_t edited; /* bytes of what went on in place of the last packet; 0: as it came */
	uint8_t edited_bytes[65535];
	unsigned injected[INJECT_WAYS];
	int inject_rc; /* what the kernel says to it */
	uint8_t bytes[INJECT_WAYS][2048];
	struct packet packet[INJECT_WAYS]; /* the newest; payload lies in bytes */
} seen;

int nfq_verdict(struct nfq *q, uint32_t id, enum nfq_answer a, bool with_mark, uint32_t mark)
{
	(void)q;
	assert_int_not_equal(seen.of[id % NEWEST].id, id); /* one verdict a packet */
	seen.flushed = false;
	seen.edited = 0;
	seen.last = a == NFQ_DROP ? DROPPED : -1;
	if (with_mark) {
		assert_int_equal(mark & 0xffffff, 0x123456);   /* foreign bits stay */
		assert_true(mark >> MASK_SHIFT & MARK_JUDGED); /* or `fail closed` drops it */
		seen.last = (int)(mark >> MASK_SHIFT & ~(unsigned)MARK_JUDGED);
	}
	seen.of[id % NEWEST].id = id;
	seen.of[id % NEWEST].said = seen.last;
	seen.order[seen.verdicts++ % NEWEST] = id;
	return 0;
}

int nfq_verdict_edited(struct nfq *q, uint32_t id, uint32_t mark, struct slice bytes)
{
	nfq_verdict(q, id, NFQ_ACCEPT, true, mark);
	seen.edited = bytes.n;
	memcpy(seen.edited_bytes, bytes.p, bytes.n);
	return 0;
}

int nfq_drop_before(struct nfq *q, uint32_t first_id)
{
	(void)q;
	(void)first_id;
	return 0;
}

int nfq_socket(const struct nfq *q)
{
	(void)q;
	return -1;
}

int nfq_flush(struct nfq *q)
{
	(void)q;
	seen.flushed = true;
	return 0;
}

void nfq_stats(const struct nfq *q, struct nfq_stats *out)
{
	(void)q;
	memset(out, 0, sizeof(*out));
}

int inject_send(const struct inject *in, enum inject_way way, uint32_t mark, struct slice packet)
{
	(void)in;
	/* a flow keeps the owner's mark; one that a server began has none yet */
	assert_true(mark == 0 || (mark == 0x123456 && way == INJECT_TO_SERVER));
	assert_true(seen.flushed); /* what was let through before goes first */
	assert_true(packet.n <= sizeof(seen.bytes[way]));
	if (seen.inject_rc != 0)
		return seen.inject_rc;
	memcpy(seen.bytes[way], packet.p, packet.n);
	seen.injected[way]++;
	assert_int_equal(
		packet_parse(slice_of(seen.bytes[way], packet.n), &seen.packet[way]), PARSE_OK);
	return 0;
}

struct home {
	struct dataplane_settings settings;
	struct dataplane_worker w;
	struct inject inject;
	struct policy_text policy;
	struct ring *reader;
	uint32_t id;
};

static struct live_map shared_map; /* of the homes that are opened; head NULL: none */

static const char POLICY[] = "fail closed\nfor everyone\nblock blocked.example\nblock port tcp/25\n"
			     "block no.example refuse drop\notherwise allow\n";

static inline void open_home(struct home *h, const char *policy)
{
	static const uint8_t seed[16] = "a test's own key";
	int fd;

	memset(h, 0, sizeof(*h));
	memset(&seen, 0, sizeof(seen));
	policy_text_open(&h->policy, policy, NULL);
	h->settings = (struct dataplane_settings){.mark_mask = 0xffu << MASK_SHIFT,
		.inspect_tcp = {.r = {{443, 443}}, .n = 1},
		.inspect_udp = {.r = {{443, 443}}, .n = 1},
		.hello_deadline_ms = 10000,
		.hello_max_bytes = 65536,
		.crypto_max_bytes = 16384,
		.flows_max = 256};
	hash_key_set(&h->settings.hash_key, seed);
	h->w.settings = &h->settings;
	h->w.inject = &h->inject;
	h->w.live_map = shared_map;
	h->w.image = h->policy.image;
	h->w.now_ms = 5000;
	h->w.wall_ms = 1700000000000;
	assert_int_equal(synlog_adopt(-1, &h->settings.hash_key, &h->w.syns), 0);
	assert_int_equal(ring_create(sizeof(struct event), 1024, &fd), 0);
	assert_int_equal(ring_map(fd, sizeof(struct event), 1024, &h->w.ring), 0);
	assert_int_equal(ring_map(fd, sizeof(struct event), 1024, &h->reader), 0);
	close(fd);
	assert_int_equal(dataplane_worker_init(&h->w), 0);
}

static inline void close_home(struct home *h)
{
	dataplane_worker_fini(&h->w);
	synlog_free(h->w.syns);
	ring_unmap(h->w.ring);
	ring_unmap(h->reader);
	free(h->policy.bytes);
}

struct shape {
	uint8_t proto, flags;
	bool reply;
	uint16_t dport;
	uint32_t seq, ack;
	struct slice payload;
};

/* An IPv4 packet between 192.0.2.2:PORT and 198.51.100.2:dport. Checksums are nobody's business here. */
static inline struct slice packet_of(const struct shape *s, uint8_t out[static 2048])
{
	static const uint8_t client[4] = {192, 0, 2, 2}, server[4] = {198, 51, 100, 2};
	size_t head = s->proto == IPPROTO_TCP ? 20 : 8, n = 20 + head + s->payload.n;
	uint16_t sport = s->reply ? s->dport : PORT, dport = s->reply ? PORT : s->dport;

	memset(out, 0, 20 + head);
	out[0] = 0x45;
	out[2] = (uint8_t)(n >> 8);
	out[3] = (uint8_t)n;
	out[8] = 63;
	out[9] = s->proto;
	memcpy(out + 12, s->reply ? server : client, 4);
	memcpy(out + 16, s->reply ? client : server, 4);
	out[20] = (uint8_t)(sport >> 8);
	out[21] = (uint8_t)sport;
	out[22] = (uint8_t)(dport >> 8);
	out[23] = (uint8_t)dport;
	if (s->proto == IPPROTO_TCP) {
		for (int i = 0; i < 4; i++) {
			out[24 + i] = (uint8_t)(s->seq >> (24 - 8 * i));
			out[28 + i] = (uint8_t)(s->ack >> (24 - 8 * i));
		}
		out[32] = 0x50;
		out[33] = s->flags;
	} else {
		out[24] = (uint8_t)((8 + s->payload.n) >> 8);
		out[25] = (uint8_t)(8 + s->payload.n);
	}
	if (s->payload.n)
		memcpy(out + 20 + head, s->payload.p, s->payload.n);
	return slice_of(out, n);
}

/* What became of the packet that was given as number id, so far. */
static inline int verdict_of(uint32_t id)
{
	return seen.of[id % NEWEST].id == id ? seen.of[id % NEWEST].said : WAITS;
}

/* Of a packet that may have to wait. */
static inline int offer(struct home *h, struct slice ip, uint8_t conn, bool reply)
{
	struct nfq_packet p = {.id = ++h->id,
		.hook = NFQ_FORWARD,
		.payload = ip,
		.mark = 0x123456 | (uint32_t)(conn | (reply ? MARK_REPLY : 0)) << MASK_SHIFT};

	dataplane_packet(&h->w, &p);
	return verdict_of(h->id);
}

static inline int give(struct home *h, struct slice ip, uint8_t conn, bool reply)
{
	unsigned before = seen.verdicts;

	offer(h, ip, conn, reply);
	assert_int_equal(seen.verdicts, before + 1);
	return seen.last;
}

static inline int tcp(struct home *h, uint8_t conn, uint32_t at, struct slice payload)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_TCP,
		.flags = PACKET_ACK | PACKET_PSH,
		.dport = 443,
		.seq = ISN + 1 + at,
		.ack = SERVER + 1,
		.payload = payload};

	return give(h, packet_of(&s, out), conn, false);
}

static inline int answer(
	struct home *h, uint8_t conn, uint32_t at, uint32_t acked, struct slice payload)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_TCP,
		.flags = PACKET_ACK | PACKET_PSH,
		.reply = true,
		.dport = 443,
		.seq = SERVER + 1 + at,
		.ack = ISN + 1 + acked,
		.payload = payload};

	return give(h, packet_of(&s, out), conn, true);
}

static inline void syn_at(struct home *h, uint32_t isn, bool again)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_TCP, .flags = PACKET_SYN, .dport = 443, .seq = isn};

	synlog_note(h->w.syns, packet_of(&s, out), again);
}

/* A hello as one record; in memory of its own. */
static inline struct wire *hello_for(const char *name)
{
	struct wire *m = wire_new(), *w = wire_new();

	put_hello_for(m, name);
	put_records(w, 22, wire_slice(m), 16384);
	free(m);
	return w;
}

static inline struct slice part(const struct wire *w, size_t from, size_t to)
{
	return slice_of(w->b + from, (to < w->n ? to : w->n) - from);
}

static inline struct event last_event(struct home *h)
{
	struct event e = {0}, next;

	while (ring_pop(h->reader, &next))
		e = next;
	return e;
}

static inline int syn_to(struct home *h, uint16_t port)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_TCP, .flags = PACKET_SYN, .dport = port, .seq = ISN};

	return give(h, packet_of(&s, out), 0, false);
}

#endif
