/* SPDX-License-Identifier: GPL-3.0-or-later
 * flood.c - very many connections from one client, each with half a hello, and a far end that keeps none of them.
 *
 *	flood give IFACE tcp|udp 4|6 COUNT PORT HALF REST    the client's side: COUNT flows to FARS addresses
 *	flood take IFACE HALF REST                           the origin's side: every address of the far network
 *
 * Frames go out and come in by AF_PACKET, so no socket, descriptor or backlog is the limit. The far network (203.0.113.0/24,
 * 2001:db8:3::/64) is routed to the origin and is nobody's: `take` answers each SYN and acknowledges each byte without
 * remembering either. `give` completes COUNT handshakes with the first half of the hello (file HALF), says "open COUNT",
 * then sends the halves again and again, a few thousand a second; at a line on its standard input it sends all the second
 * halves (file REST) and says "rest COUNT"; it ends with its standard input. `take` answers a line with its counts: which
 * parts arrived, and of how many flows both.
 *
 * Owns: one socket. Thread: one. Fails: exit 1 with words. Used by: tests/lab/test_flood.py.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	FARS = 32,	/* addresses: both of the dataplane's queues get their part */
	WINDOW = 400,	/* handshakes not answered yet: a veth holds a thousand packets */
	FIRST = 1024,	/* client port */
	AGAIN_MS = 300, /* a SYN that was not answered */
	AGAIN_A_MS = 4, /* halves sent again */
	FRAME = 2048,
	FIN = 1,
	SYN = 2,
	RST = 4,
	PSH = 8,
	ACK = 16,
};

struct tcp { /* what is read from, or goes into, a frame */
	bool v6, udp;
	uint8_t src[16], dst[16], flags;
	uint16_t sport, dport;
	uint32_t seq, ack;
	const uint8_t *data;
	size_t n;
};

struct side {
	int fd;
	uint8_t mac[6], peer[6];
};

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint32_t sum(uint32_t from, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		from += get16(p);
	return n ? from + ((uint32_t)p[0] << 8) : from;
}

static unsigned folded(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s & 0xffff;
}

/* ---- frames ---- */

static void open_side(struct side *s, const char *iface)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	socklen_t n = sizeof at;
	int on = 1, bytes = 32 << 20;

	at.sll_ifindex = (int)if_nametoindex(iface);
	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || !at.sll_ifindex ||
		setsockopt(s->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0 ||
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0 ||
		bind(s->fd, (struct sockaddr *)&at, sizeof at) != 0 ||
		getsockname(s->fd, (struct sockaddr *)&at, &n) != 0)
		die(iface);
	memcpy(s->mac, at.sll_addr, 6);
}

/* The IP header, and the start of the sum over the pseudo header. */
static uint32_t put_ip(uint8_t *ip, const struct tcp *t, uint8_t proto, size_t body)
{
	size_t width = t->v6 ? 16 : 4;

	memset(ip, 0, 40);
	if (t->v6) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)body);
		ip[6] = proto;
		ip[7] = 64;
		memcpy(ip + 8, t->src, 16);
		memcpy(ip + 24, t->dst, 16);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned)(20 + body));
		ip[8] = 64;
		ip[9] = proto;
		memcpy(ip + 12, t->src, 4);
		memcpy(ip + 16, t->dst, 4);
		put16(ip + 10, folded(sum(0, ip, 20)));
	}
	return sum(sum((uint32_t)(proto + body), t->src, width), t->dst, width);
}

static void put_frame(const struct side *s, const struct tcp *t)
{
	uint8_t f[FRAME], *ip = f + 14, *l4 = ip + (t->v6 ? 40 : 20);
	size_t head = t->udp ? 8 : t->flags & SYN ? 24 : 20, body = head + t->n;
	uint32_t begun;

	if (14 + 40 + body > sizeof f)
		die("a hello of less than 1900 bytes is wanted");
	memcpy(f, s->peer, 6);
	memcpy(f + 6, s->mac, 6);
	put16(f + 12, t->v6 ? 0x86dd : 0x0800);
	begun = put_ip(ip, t, t->udp ? 17 : 6, body);
	memset(l4, 0, head);
	put16(l4, t->sport);
	put16(l4 + 2, t->dport);
	memcpy(l4 + head, t->data ? t->data : f, t->n);
	if (t->udp) {
		put16(l4 + 4, (unsigned)body);
		put16(l4 + 6, folded(sum(begun, l4, body)));
	} else {
		put32(l4 + 4, t->seq);
		put32(l4 + 8, t->ack);
		l4[12] = (uint8_t)(head << 2);
		l4[13] = t->flags;
		put16(l4 + 14, 64000);
		if (t->flags & SYN)
			put32(l4 + 20, 0x02040578); /* a segment has 1400 bytes */
		put16(l4 + 16, folded(sum(begun, l4, body)));
	}
	while (send(s->fd, f, (size_t)(l4 - f) + body, 0) < 0)
		if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			die("send");
}

/* The next TCP or UDP frame, if one has come. The data lies in `frame`. */
static bool get_frame(struct side *s, struct tcp *t, uint8_t frame[static FRAME])
{
	ssize_t n;

	while ((n = recv(s->fd, frame, FRAME, 0)) >= 0) {
		const uint8_t *ip = frame + 14, *l4;
		size_t all, head;

		if (n < 14 + 40 || (get16(frame + 12) != 0x0800 && get16(frame + 12) != 0x86dd))
			continue;
		t->v6 = get16(frame + 12) == 0x86dd;
		t->udp = (t->v6 ? ip[6] : ip[9]) == 17;
		l4 = ip + (t->v6 ? 40 : 20);
		all = t->v6 ? 40u + get16(ip + 4) : get16(ip + 2);
		if ((!t->udp && (t->v6 ? ip[6] : ip[9]) != 6) || (size_t)n < 14 + all)
			continue;
		head = t->udp ? 8 : (l4[12] >> 4) * 4u;
		if (all < (size_t)(l4 - ip) + head)
			continue;
		memcpy(t->src, ip + (t->v6 ? 8 : 12), t->v6 ? 16 : 4);
		memcpy(t->dst, ip + (t->v6 ? 24 : 16), t->v6 ? 16 : 4);
		t->sport = (uint16_t)get16(l4);
		t->dport = (uint16_t)get16(l4 + 2);
		t->seq = get32(l4 + 4);
		t->ack = get32(l4 + 8);
		t->flags = t->udp ? 0 : l4[13];
		t->data = l4 + head;
		t->n = all - (size_t)(t->data - ip);
		memcpy(s->peer, frame + 6, 6);
		return true;
	}
	return false;
}

static uint8_t *load(const char *path, size_t *n)
{
	uint8_t *p = malloc(FRAME);
	FILE *f = fopen(path, "rb");

	if (!p || !f || (*n = fread(p, 1, FRAME, f)) == 0)
		die(path);
	fclose(f);
	return p;
}

static bool is_far(const struct tcp *t, const uint8_t *addr)
{
	static const uint8_t far4[3] = {203, 0, 113}, far6[8] = {0x20, 1, 0xd, 0xb8, 0, 3};

	return t->v6 ? memcmp(addr, far6, 8) == 0 : memcmp(addr, far4, 3) == 0;
}

static bool stdin_line(bool *end)
{
	char line[64];
	ssize_t n = read(0, line, sizeof line);

	*end = n <= 0;
	return n > 0;
}

/* ---- the origin's side ---- */

enum { HALF = 1, REST = 2 };

struct sink {
	struct side s;
	uint8_t *part[2];
	size_t n[2];
	unsigned long long syns, resets, came[2], both;
	uint8_t seen[2][FARS]
		    [1 << 16]; /* of a flow, by its family, address and client port: HALF, REST */
};

static void note_part(struct sink *k, const struct tcp *t)
{
	uint8_t *seen = &k->seen[t->v6][(t->dst[t->v6 ? 15 : 3] - 1u) % FARS][t->sport];
	uint8_t before = *seen;

	for (int i = 0; i < 2; i++)
		if (t->n == k->n[i] && memcmp(t->data, k->part[i], t->n) == 0) {
			k->came[i]++;
			*seen |= (uint8_t)(HALF << i);
		}
	k->both += before != *seen && *seen == (HALF | REST);
}

static void answer(struct sink *k, const struct tcp *t)
{
	bool syn = t->flags & SYN;
	struct tcp back = {.v6 = t->v6,
		.sport = t->dport,
		.dport = t->sport,
		.seq = syn ? t->seq ^ 0x5a5a5a5a : t->ack,
		.ack = t->seq + (uint32_t)t->n + syn,
		.flags = syn ? SYN | ACK : ACK};

	memcpy(back.src, t->dst, 16);
	memcpy(back.dst, t->src, 16);
	if (!t->udp && (syn || t->n))
		put_frame(&k->s, &back);
}

static void take(char **argv)
{
	static struct sink k;
	struct pollfd p[2] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};
	uint8_t frame[FRAME];
	struct tcp t;
	bool end = false;

	open_side(&k.s, argv[0]);
	for (int i = 0; i < 2; i++)
		k.part[i] = load(argv[1 + i], &k.n[i]);
	p[1].fd = k.s.fd;
	puts("ready");
	while (!end && poll(p, 2, -1) >= 0) {
		while (get_frame(&k.s, &t, frame)) {
			if (!is_far(&t, t.dst))
				continue;
			k.syns += !!(t.flags & SYN);
			k.resets += !!(t.flags & RST);
			note_part(&k, &t);
			answer(&k, &t);
		}
		if (p[0].revents && stdin_line(&end))
			printf("{\"syns\": %llu, \"resets\": %llu, \"halves\": %llu, \"rests\": "
			       "%llu, "
			       "\"both\": %llu}\n",
				k.syns, k.resets, k.came[0], k.came[1], k.both);
	}
}

/* ---- the client's side ---- */

struct gift {
	struct side s;
	struct tcp t; /* addresses of this client, port of the servers */
	uint32_t count, open;
	uint8_t *half, *rest;
	size_t half_n, rest_n;
	uint32_t *server; /* a flow: the number after the server's SYN; 0 = not open */
};

static uint32_t isn_of(uint32_t i)
{
	return i * 2654435761u + 77;
}

static void give_one(struct gift *g, uint32_t i, const uint8_t *data, size_t n, size_t at)
{
	struct tcp t = g->t;

	t.dst[t.v6 ? 15 : 3] = (uint8_t)(1 + i % FARS);
	t.sport = (uint16_t)(FIRST + i / FARS);
	t.seq = isn_of(i) + (data ? 1 + (uint32_t)at : 0);
	t.ack = g->server ? g->server[i] : 0;
	t.flags = data ? PSH | ACK : SYN;
	if (!data)
		t.ack = 0;
	t.data = data;
	t.n = n;
	put_frame(&g->s, &t);
}

/* SYN-ACKs are answered with the ACK that completes the handshake, and half a hello. */
static void hear(struct gift *g)
{
	uint8_t frame[FRAME];
	struct tcp t;

	while (get_frame(&g->s, &t, frame)) {
		uint32_t i = (uint32_t)(t.dport - FIRST) * FARS + t.src[t.v6 ? 15 : 3] - 1u;

		if (!is_far(&t, t.src) || (t.flags & (SYN | ACK)) != (SYN | ACK) ||
			t.dport < FIRST || i >= g->count || t.ack != isn_of(i) + 1)
			continue;
		g->open += !g->server[i];
		g->server[i] = t.seq + 1 ? t.seq + 1 : 1;
		give_one(g, i, g->half, g->half_n, 0);
	}
}

static void open_all(struct gift *g)
{
	struct pollfd p = {.fd = g->s.fd, .events = POLLIN};
	uint64_t quiet = 0;
	uint32_t sent = 0;

	while (g->open < g->count) {
		hear(g);
		if (sent < g->count && sent < g->open + WINDOW) {
			give_one(g, sent++, NULL, 0, 0);
			quiet = now_ms();
			continue;
		}
		if (poll(&p, 1, AGAIN_MS / 10) == 0 && now_ms() - quiet >= AGAIN_MS) {
			for (uint32_t i = 0, n = 0; i < sent && n < WINDOW; i++)
				if (!g->server[i] && ++n)
					give_one(g, i, NULL, 0, 0);
			quiet = now_ms();
		}
	}
}

static void open_all_udp(struct gift *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		give_one(g, i, g->half, g->half_n, 0);
		if (i % 100 == 99)
			poll(NULL, 0, 1);
	}
}

static void rest_all(struct gift *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		give_one(g, i, g->rest, g->rest_n, g->t.udp ? 0 : g->half_n);
		if (i % 100 == 99)
			poll(NULL, 0, 1);
	}
}

/* Until the standard input ends: the same halves, again and again; the rests, when a line says so. */
static void hold(struct gift *g)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	bool end = false;
	uint32_t i = 0;

	while (!end) {
		if (poll(&p, 1, 1) > 0 && stdin_line(&end)) {
			rest_all(g);
			printf("rest %u\n", g->count);
		}
		if (!g->t.udp)
			hear(g);
		for (int n = 0; n < AGAIN_A_MS; n++, i = (i + 1) % g->count)
			give_one(g, i, g->half, g->half_n, 0);
	}
}

static void give(char **argv)
{
	static const uint8_t gateway[6] = {0, 0, 0x5e, 0, 0x53, 1};
	struct gift g = {.t = {.udp = strcmp(argv[1], "udp") == 0},
		.count = (uint32_t)strtoul(argv[3], NULL, 10)};

	g.half = load(argv[5], &g.half_n);
	g.rest = load(argv[6], &g.rest_n);
	g.t.v6 = strcmp(argv[2], "6") == 0;
	g.t.dport = (uint16_t)strtoul(argv[4], NULL, 10);
	inet_pton(g.t.v6 ? AF_INET6 : AF_INET, g.t.v6 ? "2001:db8:1::2" : "192.0.2.2", g.t.src);
	inet_pton(g.t.v6 ? AF_INET6 : AF_INET, g.t.v6 ? "2001:db8:3::" : "203.0.113.0", g.t.dst);
	if (g.count == 0 || g.count > FARS * 60000u)
		die("COUNT");
	g.server = calloc(g.count, sizeof *g.server);
	if (!g.server)
		die("memory");
	open_side(&g.s, argv[0]);
	memcpy(g.s.peer, gateway, 6);
	if (g.t.udp)
		open_all_udp(&g);
	else
		open_all(&g);
	printf("open %u\n", g.count);
	hold(&g);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 5 && strcmp(argv[1], "take") == 0)
		take(argv + 2);
	else if (argc == 9 && strcmp(argv[1], "give") == 0)
		give(argv + 2);
	else
		return 2;
	return 0;
}
