/* SPDX-License-Identifier: GPL-3.0-or-later
 * capture_flows.c - flows out of captured packets, each identified by the gate's own code.
 *
 * A TCP flow's client is the sender of the SYN. In a capture that begins later both sides are read until one of them
 * says something that only clients say. A UDP flow's client is the sender of the first QUIC Initial or DTLS hello.
 *
 *	packet -> flow (by both ends) -> side -> segments -> stream_ident -> results
 *	                              -> quic_ident, DTLS                 -> results
 *
 * Owns: all flows of one file (heap). Thread: one. Fails: what memory does not allow is not reported.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "capture_int.h"
#include "identify/identify.h"
#include "identify/quic.h"
#include "identify/segments.h"

enum { WINDOW = 1 << 20, STARTTLS_MAX = 64 * 1024, FIRST_BUCKETS = 256, TUNNELS_MAX = 4 };
enum { SIDE_UNKNOWN = -1 };

struct side { /* what one end of a TCP connection sends */
	bool begun, over;
	struct segments segments;
	struct stream_ident id;
};

struct flow {
	struct flow *next;    /* in the bucket */
	struct flow *younger; /* in order of first packets */
	struct addr addr[2];
	uint16_t port[2];
	uint8_t proto;
	int client; /* index of addr, or SIDE_UNKNOWN */
	bool syn;   /* seen from client */
	uint32_t isn;
	struct side sides[2];	 /* TCP */
	struct quic_ident *quic; /* UDP */
	struct capture_result result;
	unsigned results;
};

struct capture_flows {
	struct flow **buckets;
	size_t n_buckets, n;
	struct flow *oldest, **youngest;
	struct quic_crypt *crypt;
	uint8_t scratch[TLS_SCRATCH];
};

void capture_json(struct strbuf *b, struct slice bytes)
{
	strbuf_char(b, '"');
	for (size_t i = 0; i < bytes.n; i++) {
		uint8_t c = bytes.p[i];

		if (c < ' ' || c >= 0x7f)
			strbuf_fmt(b, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			strbuf_fmt(b, "\\%c", c);
		else
			strbuf_char(b, (char)c);
	}
	strbuf_char(b, '"');
}

static void add_item(struct strbuf *b, struct slice bytes)
{
	if (b->n > 0)
		strbuf_char(b, ',');
	if (bytes.p)
		capture_json(b, bytes);
	else
		strbuf_str(b, "null");
}

static void add_alpn(struct strbuf *b, struct slice alpn)
{
	struct cursor c = cursor_inner(alpn);

	while (cursor_left(&c) > 0) {
		struct slice item = cursor_bytes(&c, cursor_u8(&c));

		if (cursor_ok(&c))
			add_item(b, item);
	}
}

/* The flow's judged kind is the first result's; something evasive later on wins. */
static void note(struct flow *f, int client, const struct ident *id, enum app_proto app)
{
	struct capture_result *r = &f->result;

	if (f->results++ == 0 || (id->kind == IDENT_EVASIVE && r->ident.kind != IDENT_EVASIVE)) {
		bool ech = r->ident.ech;

		r->ident = *id;
		r->ident.ech |= ech;
	}
	if (f->results == 1)
		r->app = app;
	f->client = client;
}

/* --- TCP --- */

static void say_tls(struct flow *f, int client, const struct ident *id, struct slice name,
	struct slice alpn, enum app_proto app)
{
	if (name.p)
		add_item(&f->result.names, name);
	if (f->results == 0)
		add_alpn(&f->result.alpn, alpn);
	note(f, client, id, app);
}

static void say(struct flow *f, int client, const struct identify_result *r)
{
	if (r->ident.app == APP_TLS) {
		if (f->results == 0)
			say_tls(f, client, &r->ident, r->raw, r->alpn, APP_TLS);
		else if (f->result.app == APP_TLS)
			note(f, client, &r->ident, APP_TLS);
		return;
	}
	if (r->ident.odd != ODD_H2C)
		add_item(&f->result.names, r->http.host);
	note(f, client, &r->ident, APP_HTTP);
}

/* An alert at the front is odd from a client, and the usual thing where a capture begins late. */
static bool says_something(const struct flow *f, const struct ident *id)
{
	if (id->odd == ODD_BAD_RECORD && f->client == SIDE_UNKNOWN)
		return false;
	return id->kind != IDENT_NOT_PROTO && id->odd != ODD_PROXY_PREFACE;
}

static void read_side(struct capture_flows *fs, struct flow *f, int i)
{
	struct side *s = &f->sides[i];
	struct identify_result r;
	enum identify_step step;

	while ((step = stream_ident_next(&s->id, s->segments.released,
			segments_contiguous(&s->segments), fs->scratch, &r)) == IDENTIFY_RESULT) {
		bool speaks = says_something(f, &r.ident);

		if (speaks && (f->client == SIDE_UNKNOWN || f->client == i))
			say(f, i, &r);
		if (!speaks)
			return; /* kept whole: a hello may come later */
	}
	if (f->results > 0 || s->id.pos > STARTTLS_MAX)
		segments_release(&s->segments, s->id.pos);
	s->over = step == IDENTIFY_DONE && f->results > 0;
}

/* A ClientHello behind some other dialogue. */
static bool find_starttls(struct capture_flows *fs, struct flow *f, int i)
{
	struct slice all = segments_contiguous(&f->sides[i].segments), in = all;
	const uint8_t *p;

	if (f->sides[i].segments.released > 0)
		return false;
	if (in.n > STARTTLS_MAX)
		in.n = STARTTLS_MAX;
	while (in.n > 0 && (p = memchr(in.p, TLS_HANDSHAKE, in.n))) {
		struct slice from = slice_of(p, (size_t)(all.p + all.n - p));
		struct tls_message m;
		struct tls_hello h;
		struct ident id;

		if (tls_record_join(from, fs->scratch, &m) == PARSE_OK) {
			enum parse status = tls_hello_parse(m.bytes, &h);

			tls_hello_ident(status, &h, APP_STARTTLS, SOURCE_SNI, &id);
			say_tls(f, i, &id, h.name, h.alpn, APP_STARTTLS);
			return true;
		}
		in = slice_of(p + 1, (size_t)(in.p + in.n - p - 1));
	}
	return false;
}

/* A hello that began and never ended. */
static bool find_pending(struct flow *f, int i)
{
	struct slice all = segments_contiguous(&f->sides[i].segments);
	struct ident id = {.app = APP_TLS, .source = SOURCE_SNI, .kind = IDENT_PENDING};

	if (f->sides[i].segments.released > 0 || all.n < TLS_HEADER + 1 ||
		f->sides[i].id.app != APP_TLS || all.p[0] != TLS_HANDSHAKE ||
		all.p[TLS_HEADER] != 1)
		return false;
	note(f, i, &id, APP_TLS);
	return true;
}

static void end_tcp(struct capture_flows *fs, struct flow *f)
{
	for (int i = 0; i < 2 && f->results == 0; i++)
		if (f->client == SIDE_UNKNOWN || f->client == i)
			if (!find_pending(f, i))
				find_starttls(fs, f, i);
}

static void begin_side(struct side *s, uint32_t first_seq)
{
	if (s->begun)
		return;
	s->begun = true;
	segments_init(&s->segments, first_seq, WINDOW);
	stream_ident_init(&s->id, IDENTIFY_LIMIT);
}

static void tcp_packet(struct capture_flows *fs, struct flow *f, int from, const struct packet *p)
{
	struct side *s = &f->sides[from];
	uint32_t seq = p->seq + (p->flags & PACKET_SYN ? 1 : 0);

	if (p->flags & PACKET_SYN) {
		f->client = p->flags & PACKET_ACK ? !from : from;
		begin_side(s, seq);
		return;
	}
	if (p->payload.n == 0 || s->over || (p->flags & PACKET_RST))
		return;
	if (f->client != SIDE_UNKNOWN && f->client != from)
		return;
	begin_side(s, seq);
	if (segments_add(&s->segments, seq, p->payload, p->flags & PACKET_PSH) == SEGMENTS_NEW)
		read_side(fs, f, from);
}

/* --- UDP --- */

static void quic_news(struct flow *f, int from, const struct quic_seen *seen)
{
	struct tls_hello h = {0};

	if (f->results == 0)
		tls_hello_parse(quic_ident_hello(f->quic, seen->conn), &h);
	say_tls(f, from, &seen->ident, h.name, h.alpn, APP_QUIC);
}

static void udp_packet(
	struct capture_flows *fs, struct flow *f, int from, const struct packet *p, uint64_t at_ms)
{
	struct quic_seen seen;

	if (f->client == !from) {
		quic_ident_server(f->quic, fs->crypt, p->payload, at_ms);
		return;
	}
	if (!f->quic) {
		if (!quic_plausible(p->payload))
			return;
		f->quic = quic_ident_new();
		if (!f->quic)
			return;
	}
	quic_ident_client(f->quic, fs->crypt, p->payload, at_ms, &seen);
	if (seen.step == QUIC_STEP_PASS)
		f->client = from;
	if (seen.step == QUIC_STEP_JUDGE && seen.ident.odd != ODD_QUIC_SHORT)
		quic_news(f, from, &seen);
}

/* Initials that opened, and no complete hello in them. */
static void end_udp(struct flow *f)
{
	struct ident id = {.app = APP_QUIC, .source = SOURCE_QUIC, .kind = IDENT_PENDING};

	if (f->client != SIDE_UNKNOWN && f->results == 0)
		note(f, f->client, &id, APP_QUIC);
}

/* --- the table --- */

struct key {
	struct addr addr[2];
	uint16_t port[2];
	uint8_t proto, pad[3];
};

/* The ends in a fixed order; *from is the sender's index. */
static struct key key_of(const struct packet *p, int *from)
{
	struct key k = {.proto = p->proto};
	int c = addr_cmp(&p->src, &p->dst);

	*from = c > 0 || (c == 0 && p->sport > p->dport);
	k.addr[*from] = p->src;
	k.addr[!*from] = p->dst;
	k.port[*from] = p->sport;
	k.port[!*from] = p->dport;
	return k;
}

static bool grow(struct capture_flows *fs)
{
	size_t n = fs->n_buckets ? fs->n_buckets * 4 : FIRST_BUCKETS;
	struct flow **fresh = calloc(n, sizeof(struct flow *));

	if (!fresh)
		return false;
	for (size_t i = 0; i < fs->n_buckets; i++)
		for (struct flow *f = fs->buckets[i], *next; f; f = next) {
			struct key k = {.proto = f->proto,
				.addr = {f->addr[0], f->addr[1]},
				.port = {f->port[0], f->port[1]}};
			struct flow **b = &fresh[hash_fnv(&k, sizeof(k), HASH_FNV_START) & (n - 1)];

			next = f->next;
			f->next = *b;
			*b = f;
		}
	free(fs->buckets);
	fs->buckets = fresh;
	fs->n_buckets = n;
	return true;
}

static struct flow *add(struct capture_flows *fs, const struct key *k, struct flow **bucket)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	memcpy(f->addr, k->addr, sizeof(f->addr));
	memcpy(f->port, k->port, sizeof(f->port));
	f->proto = k->proto;
	f->client = SIDE_UNKNOWN;
	f->next = *bucket;
	*bucket = f;
	*fs->youngest = f;
	fs->youngest = &f->younger;
	fs->n++;
	return f;
}

/* A new SYN of the same ends with another number begins another connection; the newest stands first in its bucket. */
static bool is_reborn(const struct flow *f, int from, const struct packet *p)
{
	if (p->proto != IPPROTO_TCP || (p->flags & (PACKET_SYN | PACKET_ACK)) != PACKET_SYN)
		return false;
	return f->sides[from].begun && (f->results > 0 || f->sides[from].segments.end > 0) &&
	       f->sides[from].segments.start - (uint32_t)f->sides[from].segments.released !=
		       p->seq + 1;
}

static struct flow *find(struct capture_flows *fs, const struct packet *p, int *from)
{
	struct key k = key_of(p, from);
	struct flow **bucket, *f;

	if (fs->n >= fs->n_buckets && !grow(fs))
		return NULL;
	bucket = &fs->buckets[hash_fnv(&k, sizeof(k), HASH_FNV_START) & (fs->n_buckets - 1)];
	for (f = *bucket; f; f = f->next)
		if (f->proto == k.proto && memcmp(f->addr, k.addr, sizeof(k.addr)) == 0 &&
			memcmp(f->port, k.port, sizeof(k.port)) == 0)
			break;
	return f && !is_reborn(f, *from, p) ? f : add(fs, &k, bucket);
}

struct capture_flows *capture_flows_new(void)
{
	struct capture_flows *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	fs->youngest = &fs->oldest;
	fs->crypt = quic_crypt_new();
	return fs;
}

static void flow_free(struct flow *f)
{
	for (int i = 0; i < 2; i++)
		segments_fini(&f->sides[i].segments);
	quic_ident_free(f->quic);
	strbuf_fini(&f->result.names);
	strbuf_fini(&f->result.alpn);
	free(f);
}

static void empty(struct capture_flows *fs)
{
	for (struct flow *f = fs->oldest, *next; f; f = next) {
		next = f->younger;
		flow_free(f);
	}
	free(fs->buckets);
	fs->buckets = NULL;
	fs->n_buckets = fs->n = 0;
	fs->oldest = NULL;
	fs->youngest = &fs->oldest;
}

void capture_flows_free(struct capture_flows *fs)
{
	if (!fs)
		return;
	empty(fs);
	quic_crypt_free(fs->crypt);
	free(fs);
}

/* IP in IP, either version in either. */
static bool unwrap(struct slice ip, struct packet *p)
{
	for (int depth = 0; depth < TUNNELS_MAX; depth++) {
		if (packet_parse(ip, p) != PARSE_OK || p->fragment)
			return false;
		if (p->proto != IPPROTO_IPIP && p->proto != IPPROTO_IPV6)
			return p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;
		ip = p->payload;
	}
	return false;
}

void capture_flows_packet(struct capture_flows *fs, struct slice ip, uint64_t at_ms)
{
	struct packet p;
	struct flow *f;
	int from;

	if (!unwrap(ip, &p))
		return;
	f = find(fs, &p, &from);
	if (f && p.proto == IPPROTO_TCP)
		tcp_packet(fs, f, from, &p);
	else if (f && fs->crypt)
		udp_packet(fs, f, from, &p, at_ms);
}

void capture_flows_finish(struct capture_flows *fs,
	void (*each)(void *user, const struct capture_result *r), void *user)
{
	for (struct flow *f = fs->oldest; f; f = f->younger) {
		if (f->proto == IPPROTO_TCP)
			end_tcp(fs, f);
		else
			end_udp(f);
		if (f->results == 0)
			continue;
		f->result.src = f->addr[f->client];
		f->result.dst = f->addr[!f->client];
		f->result.sport = f->port[f->client];
		f->result.dport = f->port[!f->client];
		each(user, &f->result);
	}
	empty(fs);
}
