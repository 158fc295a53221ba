/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_flow.c - the inspect path, packet by packet: verdicts, marks, injected answers, events, with a scripted clock.
 *
 * nfq_verdict(), nfq_drop_before() and inject_send() are ours here: they write down what the gate does.
 */
#include "identify/wire.h"

#include <netinet/in.h>

#include "act/inject.h"
#include "base/ring.h"
#include "decide/policy_text.h"
#include "gate/flowtab.h"
#include "gate/worker.h"
#include "identify/packet.h"
#include "intercept/nfq.h"
#include "intercept/synlog.h"
#include "model/mark.h"

enum { MASK_SHIFT = 24, ISN = 1000, SERVER = 77000, PORT = 40000 };
enum {
	UNDECIDED = MARK_HELD | MARK_TENTATIVE,
	REQUESTS = MARK_HELD | MARK_ALLOWED,
	DROPPED = 0x100
};

static struct {
	unsigned verdicts;
	bool flushed; /* since the last verdict */
	int last;     /* the connection's bits, or DROPPED */
	unsigned injected[INJECT_WAYS];
	uint8_t bytes[INJECT_WAYS][2048];
	struct packet packet[INJECT_WAYS]; /* the newest; payload lies in bytes */
} seen;

int nfq_verdict(struct nfq *q, uint32_t id, enum nfq_answer a, bool with_mark, uint32_t mark)
{
	(void)q;
	(void)id;
	seen.verdicts++;
	seen.flushed = false;
	seen.last = a == NFQ_DROP ? DROPPED : with_mark ? (int)(mark >> MASK_SHIFT) : -1;
	if (with_mark)
		assert_int_equal(mark & 0xffffff, 0x123456); /* foreign bits stay */
	return 0;
}

int nfq_drop_before(struct nfq *q, uint32_t first_id)
{
	(void)q;
	(void)first_id;
	return 0;
}

int nfq_fd(const struct nfq *q)
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

int inject_send(const struct inject *in, enum inject_way way, struct slice packet)
{
	(void)in;
	assert_true(seen.flushed); /* what was let through before goes first */
	assert_true(packet.n <= sizeof(seen.bytes[way]));
	memcpy(seen.bytes[way], packet.p, packet.n);
	seen.injected[way]++;
	assert_int_equal(
		packet_parse(slice_of(seen.bytes[way], packet.n), &seen.packet[way]), PARSE_OK);
	return 0;
}

struct home {
	struct gate_settings settings;
	struct gate_worker w;
	struct inject inject;
	struct policy_text policy;
	struct ring *reader;
	uint32_t id;
};

static const char POLICY[] = "fail closed\nfor everyone\nblock blocked.example\nblock port tcp/25\n"
			     "block no.example refuse drop\notherwise allow\n";

static void open_home(struct home *h, const char *policy)
{
	static const uint8_t seed[16] = "a test's own key";
	int fd;

	memset(h, 0, sizeof(*h));
	memset(&seen, 0, sizeof(seen));
	policy_text_open(&h->policy, policy, NULL);
	h->settings = (struct gate_settings){.mark_mask = 0xffu << MASK_SHIFT,
		.inspect_tcp = {.r = {{443, 443}}, .n = 1},
		.inspect_udp = {.r = {{443, 443}}, .n = 1},
		.hello_deadline_ms = 10000,
		.hello_max_bytes = 65536,
		.crypto_max_bytes = 16384,
		.flows_max = 256};
	hash_key_set(&h->settings.hash_key, seed);
	h->w.settings = &h->settings;
	h->w.inject = &h->inject;
	h->w.image = h->policy.image;
	h->w.now_ms = 5000;
	h->w.wall_ms = 1700000000000;
	assert_int_equal(synlog_adopt(-1, &h->settings.hash_key, &h->w.syns), 0);
	assert_int_equal(ring_create(sizeof(struct event), 1024, &fd), 0);
	assert_int_equal(ring_map(fd, sizeof(struct event), 1024, &h->w.ring), 0);
	assert_int_equal(ring_map(fd, sizeof(struct event), 1024, &h->reader), 0);
	close(fd);
	assert_int_equal(gate_worker_init(&h->w), 0);
}

static void close_home(struct home *h)
{
	gate_worker_fini(&h->w);
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
static struct slice packet_of(const struct shape *s, uint8_t out[static 2048])
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

static int give(struct home *h, struct slice ip, uint8_t conn, bool reply)
{
	unsigned before = seen.verdicts;
	struct nfq_packet p = {.id = ++h->id,
		.hook = NFQ_FORWARD,
		.payload = ip,
		.mark = 0x123456 | (uint32_t)(conn | (reply ? MARK_REPLY : 0)) << MASK_SHIFT};

	gate_packet(&h->w, &p);
	assert_int_equal(seen.verdicts, before + 1);
	return seen.last;
}

static int tcp(struct home *h, uint8_t conn, uint32_t at, struct slice payload)
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

static int answer(struct home *h, uint8_t conn, uint32_t at, uint32_t acked, struct slice payload)
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

static void syn_at(struct home *h, uint32_t isn, bool again)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_TCP, .flags = PACKET_SYN, .dport = 443, .seq = isn};

	synlog_note(h->w.syns, packet_of(&s, out), again);
}

/* A hello as one record; in memory of its own. */
static struct wire *hello_for(const char *name)
{
	struct wire *m = wire_new(), *w = wire_new();

	put_hello_for(m, name);
	put_records(w, 22, wire_slice(m), 16384);
	free(m);
	return w;
}

static struct slice part(const struct wire *w, size_t from, size_t to)
{
	return slice_of(w->b + from, (to < w->n ? to : w->n) - from);
}

static struct event last_event(struct home *h)
{
	struct event e = {0}, next;

	while (ring_pop(h->reader, &next))
		e = next;
	return e;
}

static void an_allowed_hello_is_tentative_until_the_server_answers(void **state)
{
	static const uint8_t server_hello[] = {22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3, 1, 2, 3, 4};
	struct wire *w = hello_for("fine.test");
	struct home h;
	struct event e;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, 50)), UNDECIDED);
	assert_int_equal(tcp(&h, UNDECIDED, 50, part(w, 50, w->n)), MARK_TENTATIVE);
	e = last_event(&h);
	assert_string_equal(e.ident.name, "fine.test");
	assert_int_equal(e.verdict.action, ACTION_ALLOW);
	assert_int_equal(e.ident.packet, 2);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 10, part(w, 10, 30)), MARK_TENTATIVE);
	/* not an answer to the hello: it does not acknowledge it */
	assert_int_equal(
		answer(&h, MARK_TENTATIVE, 0, 0, slice_of(server_hello, 15)), MARK_TENTATIVE);
	assert_int_equal(answer(&h, MARK_TENTATIVE, 0, (uint32_t)w->n, slice_of(server_hello, 15)),
		MARK_ALLOWED);
	assert_int_equal(tcp(&h, MARK_ALLOWED, 9000, slice_str("anything")), MARK_ALLOWED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT] + seen.injected[INJECT_TO_SERVER], 0);
	close_home(&h);
	free(w);
}

static void P37_a_refused_hello_is_answered_on_both_sides_by_their_numbers(void **state)
{
	struct wire *w = hello_for("x.blocked.example");
	struct home h;
	struct packet *c = &seen.packet[INJECT_TO_CLIENT], *s = &seen.packet[INJECT_TO_SERVER];

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, 50)), UNDECIDED);
	assert_int_equal(tcp(&h, UNDECIDED, 50, part(w, 50, w->n)), DROPPED);
	assert_int_equal(last_event(&h).verdict.rule_line, 3);
	assert_int_equal(c->payload.n, 7);
	assert_int_equal(c->payload.p[0], 21);
	assert_int_equal(c->seq, SERVER + 1);
	assert_int_equal(c->ack, ISN + 1 + w->n);
	assert_int_equal(c->flags & (PACKET_FIN | PACKET_RST), PACKET_FIN);
	assert_int_equal(s->flags & PACKET_RST, PACKET_RST);
	assert_int_equal(s->seq, ISN + 1 + 50); /* the first byte not passed on */
	/* it comes again at once: dropped, not answered, not recorded; later: answered with RST */
	assert_int_equal(tcp(&h, UNDECIDED, 50, part(w, 50, w->n)), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	h.w.now_ms += 300;
	assert_int_equal(tcp(&h, UNDECIDED, 50, part(w, 50, w->n)), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 2);
	assert_int_equal(c->flags & PACKET_RST, PACKET_RST);
	assert_int_equal(answer(&h, UNDECIDED, 0, 50, slice_str("late words")), DROPPED);
	assert_int_equal(h.w.counters.refused, 1);
	close_home(&h);
	free(w);
}

static void refuse_drop_says_nothing(void **state)
{
	struct wire *w = hello_for("no.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, w->n)), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT] + seen.injected[INJECT_TO_SERVER], 0);
	close_home(&h);
	free(w);
}

static void T04_what_contradicts_the_judged_bytes_is_refused(void **state)
{
	struct wire *fine = hello_for("fine.test"), *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(fine, 0, fine->n)), MARK_TENTATIVE);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 0, part(bad, 0, bad->n)), DROPPED);
	assert_int_equal(last_event(&h).ident.odd, ODD_CONTRADICTION);
	assert_int_equal(seen.injected[INJECT_TO_SERVER], 1);
	close_home(&h);
	free(fine);
	free(bad);
}

static void P21_bytes_before_the_start_are_nothing(void **state)
{
	struct wire *fine = hello_for("fine.test"), *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0u - 600, part(fine, 0, fine->n)), DROPPED);
	assert_int_equal(tcp(&h, MARK_HELD, 0u - 1, slice_str("x")), DROPPED);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(bad, 0, bad->n)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "blocked.example");
	close_home(&h);
	free(fine);
	free(bad);
}

static void two_syns_with_different_numbers_are_evasive(void **state)
{
	struct wire *fine = hello_for("fine.test");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	syn_at(&h, ISN, true);
	syn_at(&h, ISN + 700, true);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(fine, 0, fine->n)), DROPPED);
	assert_int_equal(last_event(&h).ident.kind, IDENT_EVASIVE);
	close_home(&h);
	free(fine);
}

static void P30_a_new_syn_makes_the_tuple_a_new_flow(void **state)
{
	struct wire *fine = hello_for("fine.test"), *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(bad, 0, bad->n)), DROPPED);
	syn_at(&h, ISN + 300, false);
	assert_int_equal(tcp(&h, MARK_HELD, 300, part(fine, 0, fine->n)), MARK_TENTATIVE);
	close_home(&h);
	free(fine);
	free(bad);
}

/* Where its requests begin is known to the table only: old bytes that the server ignores would move it. */
static void forgotten_requests_do_not_begin_anywhere(void **state)
{
	static const char good[] = "GET / HTTP/1.1\r\nHost: fine.test\r\n\r\n";
	enum { GOOD = sizeof(good) - 1 };
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, slice_str(good)), REQUESTS);
	for (int i = 0; i < 10; i++) {
		h.w.now_ms += 61000;
		gate_sweep(&h.w);
	}
	assert_int_equal(tcp(&h, REQUESTS, GOOD, slice_str(good)), REQUESTS);
	for (int i = 0; i < 16; i++) {
		h.w.now_ms += 61000;
		gate_sweep(&h.w);
	}
	assert_int_equal(flowtab_count(h.w.flows), 0);
	assert_int_equal(tcp(&h, REQUESTS, GOOD, slice_str(good)), DROPPED);
	assert_int_equal(last_event(&h).ident.odd, ODD_MID_STREAM);
	close_home(&h);
}

/* A stranger's bytes may all have died on the way to the server: others in their place are a contradiction for ever. */
static void more_than_is_kept_is_not_final(void **state)
{
	struct wire *bad = hello_for("blocked.example");
	static uint8_t junk[1000];
	struct home h;

	memset(junk, 1, sizeof(junk));
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	for (uint32_t at = 0; at < 80000; at += sizeof(junk))
		assert_int_equal(
			tcp(&h, at ? MARK_TENTATIVE : MARK_HELD, at, slice_of(junk, sizeof(junk))),
			MARK_TENTATIVE);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 0, part(bad, 0, bad->n)), DROPPED);
	assert_int_equal(last_event(&h).ident.odd, ODD_CONTRADICTION);
	close_home(&h);
	free(bad);
}

/* What the first connection won is not the second's, though it has the same tuple and the same numbers. */
static void the_same_number_again_is_a_new_flow(void **state)
{
	struct wire *fine = hello_for("fine.test"), *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(fine, 0, fine->n)), MARK_TENTATIVE);
	assert_int_equal(answer(&h, MARK_TENTATIVE, 0, (uint32_t)fine->n,
				 slice_str("\x15\x03\x03\x01\x02\x02\x28")),
		MARK_ALLOWED);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(bad, 0, bad->n)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "blocked.example");
	close_home(&h);
	free(fine);
	free(bad);
}

static void T28_a_retry_waits_for_the_second_hello(void **state)
{
	static const uint8_t retry[] = {22, 3, 3, 0, 56, 2, 0, 0, 52, 3, 3, 0xcf, 0x21, 0xad, 0x74,
		0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2,
		0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
		0, 0x13, 1, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 24};
	static const uint8_t ccs[] = {20, 3, 3, 0, 1, 1};
	static const uint8_t server_hello[] = {22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3, 1, 2, 3, 4};
	struct wire *first = hello_for("fine.test"), *other = hello_for("blocked.example");
	uint32_t n = (uint32_t)first->n;
	struct home h;

	for (int changed = 0; changed < 2; changed++) {
		struct wire *second = changed ? other : first;

		open_home(&h, POLICY);
		syn_at(&h, ISN, false);
		assert_int_equal(tcp(&h, MARK_HELD, 0, part(first, 0, n)), MARK_TENTATIVE);
		assert_int_equal(answer(&h, MARK_TENTATIVE, 0, n, slice_of(retry, sizeof(retry))),
			MARK_TENTATIVE);
		/* sent again, and followed by a change of cipher that acknowledges the client's: still no answer */
		assert_int_equal(tcp(&h, MARK_TENTATIVE, n, slice_of(ccs, 6)), MARK_TENTATIVE);
		assert_int_equal(
			answer(&h, MARK_TENTATIVE, 0, n + 6, slice_of(retry, sizeof(retry))),
			MARK_TENTATIVE);
		assert_int_equal(answer(&h, MARK_TENTATIVE, sizeof(retry), n + 6, slice_of(ccs, 6)),
			MARK_TENTATIVE);
		assert_int_equal(tcp(&h, MARK_TENTATIVE, n + 6, part(second, 0, second->n)),
			changed ? DROPPED : MARK_TENTATIVE);
		if (!changed)
			assert_int_equal(
				answer(&h, MARK_TENTATIVE, sizeof(retry) + 6,
					n + 6 + (uint32_t)second->n, slice_of(server_hello, 15)),
				MARK_ALLOWED);
		else
			assert_int_equal(last_event(&h).ident.odd, ODD_NAME_CHANGED);
		close_home(&h);
	}
	free(first);
	free(other);
}

static void H01_H25_each_request_is_judged_and_the_refusal_is_a_page(void **state)
{
	static const char good[] = "GET / HTTP/1.1\r\nHost: fine.test\r\n\r\n",
			  bad[] = "GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n";
	enum { GOOD = sizeof(good) - 1 };
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, slice_str(good)), REQUESTS);
	assert_int_equal(
		answer(&h, REQUESTS, 0, GOOD, slice_str("HTTP/1.1 200 OK\r\n\r\n")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, GOOD, slice_str(good)), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, GOOD, slice_str(good)), REQUESTS); /* a copy */
	assert_int_equal(h.w.counters.requests, 2);
	assert_int_equal(tcp(&h, REQUESTS, 2 * GOOD, slice_str(bad)), DROPPED);
	assert_true(seen.injected[INJECT_TO_CLIENT] >= 1);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].flags & PACKET_FIN, PACKET_FIN);
	close_home(&h);
}

static void T27_a_server_that_speaks_first_makes_a_flow_without_a_name(void **state)
{
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(answer(&h, MARK_HELD, 0, 0, slice_str("SSH-2.0-x\r\n")), MARK_ALLOWED);
	assert_int_equal(last_event(&h).ident.odd, ODD_SERVER_FIRST);
	close_home(&h);
	open_home(&h, "fail closed\nfor everyone\nno-name block\notherwise allow\n");
	syn_at(&h, ISN, false);
	assert_int_equal(answer(&h, MARK_HELD, 0, 0, slice_str("SSH-2.0-x\r\n")), DROPPED);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].flags & PACKET_RST, PACKET_RST);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].seq, SERVER + 1);
	assert_int_equal(seen.packet[INJECT_TO_SERVER].seq, ISN + 1);
	close_home(&h);
}

static void P14_bytes_that_only_the_server_saw_are_a_contradiction(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	/* it answers a hello that lay in the SYN */
	assert_int_equal(answer(&h, MARK_HELD, 0, 100, slice_str("\x16\x03\x03")), DROPPED);
	assert_int_equal(last_event(&h).ident.odd, ODD_CONTRADICTION);
	close_home(&h);
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, w->n)), MARK_TENTATIVE);
	assert_int_equal(
		answer(&h, MARK_TENTATIVE, 0, (uint32_t)w->n + 50, slice_str("\x15\x03\x03")),
		DROPPED);
	close_home(&h);
	free(w);
}

static void P29_midstream_follows_fail(void **state)
{
	static const char *const policies[] = {
		"fail closed\notherwise allow\n", "fail open\notherwise allow\n"};
	struct home h;

	for (int open = 0; open < 2; open++) {
		int want = open ? MARK_ALLOWED : DROPPED;

		open_home(&h, policies[open]);
		assert_int_equal(tcp(&h, 0, 5000, slice_str("data")), want);
		assert_int_equal(last_event(&h).ident.odd, ODD_MID_STREAM);
		assert_int_equal(seen.injected[INJECT_TO_SERVER], !open);
		assert_int_equal(answer(&h, UNDECIDED, 5000, 1, slice_str("data")), want);
		assert_int_equal(
			tcp(&h, MARK_HELD, 5000, slice_str("data")), want); /* its SYN was lost */
		close_home(&h);
	}
}

static void who_waits_until_the_gate_forgets_is_not_let_through(void **state)
{
	struct wire *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, "fail open\nfor everyone\nblock blocked.example\notherwise allow\n");
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(bad, 0, 30)), UNDECIDED);
	assert_int_equal(tcp(&h, UNDECIDED, 30, part(bad, 30, bad->n)), DROPPED);
	h.w.now_ms += 100000;
	gate_sweep(&h.w);
	assert_int_equal(flowtab_count(h.w.flows), 0);
	assert_int_equal(tcp(&h, UNDECIDED, 30, part(bad, 30, bad->n)), DROPPED);
	close_home(&h);
	free(bad);
}

static void a_tentative_flow_that_was_forgotten_is_judged_from_its_start(void **state)
{
	struct wire *bad = hello_for("blocked.example");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 0, part(bad, 0, bad->n)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "blocked.example");
	close_home(&h);
	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_TENTATIVE, 40, part(bad, 40, bad->n)), DROPPED);
	assert_int_equal(last_event(&h).ident.odd, ODD_MID_STREAM);
	close_home(&h);
	free(bad);
}

static void T05_half_a_hello_is_evasive_in_time(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;

	open_home(&h, POLICY);
	syn_at(&h, ISN, false);
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, 20)), UNDECIDED);
	h.w.now_ms += 9999;
	gate_sweep(&h.w);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 0);
	h.w.now_ms += 1;
	gate_sweep(&h.w);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	assert_int_equal(last_event(&h).ident.odd, ODD_TIMEOUT);
	assert_int_equal(tcp(&h, UNDECIDED, 20, part(w, 20, w->n)), DROPPED);
	h.w.now_ms += 600000;
	gate_sweep(&h.w);
	assert_int_equal(flowtab_count(h.w.flows), 0);
	close_home(&h);
	free(w);
}

static void without_a_policy_fail_answers_for_the_moment(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;

	open_home(&h, POLICY);
	h.w.image = NULL;
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, w->n)), DROPPED);
	h.settings.fail_open = true;
	assert_int_equal(tcp(&h, MARK_HELD, 0, part(w, 0, w->n)), 0); /* passes, undecided */
	assert_int_equal(flowtab_count(h.w.flows), 0);
	close_home(&h);
	free(w);
}

static int syn_to(struct home *h, uint16_t port)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_TCP, .flags = PACKET_SYN, .dport = port, .seq = ISN};

	return give(h, packet_of(&s, out), 0, false);
}

static void other_ports_are_judged_at_their_first_packet(void **state)
{
	struct home h;

	open_home(&h, POLICY);
	assert_int_equal(syn_to(&h, 26), MARK_ALLOWED);
	assert_int_equal(syn_to(&h, 25), DROPPED);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].flags & PACKET_RST, PACKET_RST);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].ack, ISN + 1);
	assert_int_equal(seen.injected[INJECT_TO_SERVER], 0);
	assert_int_equal(h.w.counters.refused, 1);
	assert_int_equal(syn_to(&h, 25), DROPPED);
	assert_int_equal(h.w.counters.refused, 1); /* the same flow: one decision */
	close_home(&h);
}

static void P36_one_client_has_a_quarter_of_the_table(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;
	uint8_t out[2048];

	open_home(&h, POLICY);
	for (uint16_t i = 0; i < 300; i++) {
		struct shape s = {
			.proto = IPPROTO_TCP, .flags = PACKET_SYN, .dport = 443, .seq = ISN};
		struct slice ip = packet_of(&s, out);

		out[21] = (uint8_t)i; /* another source port */
		out[20] = (uint8_t)(i >> 8);
		synlog_note(h.w.syns, ip, false);
		s = (struct shape){.proto = IPPROTO_TCP,
			.flags = PACKET_ACK,
			.dport = 443,
			.seq = ISN + 1,
			.ack = 1,
			.payload = part(w, 0, 30)};
		ip = packet_of(&s, out);
		out[21] = (uint8_t)i;
		out[20] = (uint8_t)(i >> 8);
		assert_int_equal(give(&h, ip, MARK_HELD, false), i < 64 ? UNDECIDED : DROPPED);
	}
	assert_int_equal(flowtab_count(h.w.flows), 64);
	assert_int_equal(h.w.counters.overload, 300 - 64);
	close_home(&h);
	free(w);
}

/* The super's probe of the queue comes from OUTPUT; what a client sends never does, whatever it looks like. */
static void a_probe_is_answered_and_leaves_no_trace(void **state)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_UDP, .dport = 443};
	struct nfq_packet p = {.id = 1, .hook = NFQ_OUTPUT, .mark = 6u << MASK_SHIFT | 0x123456};
	struct home h;
	struct event e;

	open_home(&h, POLICY);
	p.payload = packet_of(&s, out);
	gate_packet(&h.w, &p);
	assert_int_equal(seen.verdicts, 1);
	assert_int_equal(seen.last, DROPPED);
	assert_int_equal(h.w.counters.queued + h.w.counters.dropped, 0);
	assert_int_equal(flowtab_count(h.w.flows), 0);
	assert_false(ring_pop(h.reader, &e));
	p.hook = NFQ_FORWARD;
	gate_packet(&h.w, &p);
	assert_int_equal(seen.verdicts, 2);
	assert_int_equal(h.w.counters.queued, 1);
	close_home(&h);
}

/* Any bytes at all: one verdict each, no crash (run with the sanitizers), and the table stays in its bounds. */
static void whatever_comes_gets_one_verdict(void **state)
{
	struct wire *w = hello_for("fine.test");
	struct home h;
	uint32_t r = 1;
	uint8_t out[2048];

	open_home(&h, POLICY);
	for (int i = 0; i < 40000; i++) {
		struct shape s = {.dport = 443};
		struct slice ip;
		size_t from;

		r = r * 1664525 + 1013904223;
		from = (r >> 8) % w->n;
		s.proto = r & 1 << 30 ? IPPROTO_TCP : IPPROTO_UDP;
		s.flags = (uint8_t)(r >> 3 & 63);
		s.reply = (r >> 20 & 7) == 0;
		s.seq = ISN + 1 + (r >> 10 & 1 ? (uint32_t)from : r >> 5);
		s.ack = SERVER + (r >> 12 & 3);
		s.payload = part(w, from, from + (r >> 15) % 300);
		ip = packet_of(&s, out);
		for (int k = 0; k < (int)(r >> 28 & 3); k++) /* spoil some bytes */
			out[(r >> (5 + k)) % ip.n] ^= (uint8_t)(r >> (9 + k));
		if ((r >> 25 & 15) == 0)
			ip.n = (r >> 7) % (ip.n + 1);
		if ((r >> 22 & 31) == 0)
			syn_at(&h, ISN, r & 4);
		give(&h, ip, (uint8_t)(r >> 4 & 0xf0), s.reply);
		h.w.now_ms += r >> 27 & 7;
		if ((i & 15) == 0)
			gate_sweep(&h.w);
		assert_true(flowtab_count(h.w.flows) <= 256);
	}
	assert_int_equal(h.w.counters.queued, h.w.counters.passed + h.w.counters.dropped);
	close_home(&h);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allowed_hello_is_tentative_until_the_server_answers),
		cmocka_unit_test(P37_a_refused_hello_is_answered_on_both_sides_by_their_numbers),
		cmocka_unit_test(refuse_drop_says_nothing),
		cmocka_unit_test(T04_what_contradicts_the_judged_bytes_is_refused),
		cmocka_unit_test(P21_bytes_before_the_start_are_nothing),
		cmocka_unit_test(two_syns_with_different_numbers_are_evasive),
		cmocka_unit_test(P30_a_new_syn_makes_the_tuple_a_new_flow),
		cmocka_unit_test(forgotten_requests_do_not_begin_anywhere),
		cmocka_unit_test(more_than_is_kept_is_not_final),
		cmocka_unit_test(the_same_number_again_is_a_new_flow),
		cmocka_unit_test(T28_a_retry_waits_for_the_second_hello),
		cmocka_unit_test(H01_H25_each_request_is_judged_and_the_refusal_is_a_page),
		cmocka_unit_test(T27_a_server_that_speaks_first_makes_a_flow_without_a_name),
		cmocka_unit_test(P14_bytes_that_only_the_server_saw_are_a_contradiction),
		cmocka_unit_test(P29_midstream_follows_fail),
		cmocka_unit_test(who_waits_until_the_gate_forgets_is_not_let_through),
		cmocka_unit_test(a_tentative_flow_that_was_forgotten_is_judged_from_its_start),
		cmocka_unit_test(T05_half_a_hello_is_evasive_in_time),
		cmocka_unit_test(without_a_policy_fail_answers_for_the_moment),
		cmocka_unit_test(other_ports_are_judged_at_their_first_packet),
		cmocka_unit_test(P36_one_client_has_a_quarter_of_the_table),
		cmocka_unit_test(a_probe_is_answered_and_leaves_no_trace),
		cmocka_unit_test(whatever_comes_gets_one_verdict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
