/* SPDX-License-Identifier: GPL-3.0-or-later
 * capture_flows.c - sorts captured packets into flows, and identifies each by the code that the dataplane uses.
 *
 *	packet -> flow (by both ends) -> side -> segments -> stream_ident -> results      capture_tcp.c
 *	                              -> quic_ident, dtls_join           -> results      capture_udp.c
 *
 * Owns: all flows of one file (heap). Thread: one. Fails: what memory does not allow is not reported.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "capture_flow_int.h"

enum { FIRST_BUCKETS = 256, TUNNELS_MAX = 4 };

struct capture_flows {
	struct flow **buckets;
	size_t n_buckets, n;
	struct flow *oldest, **youngest;
	struct quic_crypt *crypt;
	struct defrag *defrag;
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

void flow_add_name(struct flow *f, struct slice name)
{
	add_item(&f->result.names, name);
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

void flow_note(struct flow *f, int client, const struct ident *id, enum app_proto app)
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

void flow_note_hello(struct flow *f, int client, const struct ident *id, struct slice name,
	struct slice alpn, enum app_proto app)
{
	if (name.p)
		flow_add_name(f, name);
	if (f->results == 0)
		add_alpn(&f->result.alpn, alpn);
	flow_note(f, client, id, app);
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
	for (struct flow *f = fs->oldest; f; f = f->younger) { /* the newest comes to stand first */
		struct key k = {.proto = f->proto,
			.addr = {f->addr[0], f->addr[1]},
			.port = {f->port[0], f->port[1]}};
		struct flow **b = &fresh[hash_fnv(&k, sizeof(k), HASH_FNV_START) & (n - 1)];

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

/* The next flow of the same ends from f on; the newest stands first in its bucket. */
static struct flow *same_ends(struct flow *f, const struct key *k)
{
	while (f && (f->proto != k->proto || memcmp(f->addr, k->addr, sizeof(k->addr)) != 0 ||
			    memcmp(f->port, k->port, sizeof(k->port)) != 0))
		f = f->next;
	return f;
}

static struct flow *find(struct capture_flows *fs, const struct packet *p, int *from)
{
	struct key k = key_of(p, from);
	struct flow **bucket, *f;

	if (fs->n >= fs->n_buckets && !grow(fs))
		return NULL;
	bucket = &fs->buckets[hash_fnv(&k, sizeof(k), HASH_FNV_START) & (fs->n_buckets - 1)];
	f = same_ends(*bucket, &k);
	if (f && p->proto == IPPROTO_TCP)
		f = tcp_choose(f, same_ends(f->next, &k), *from, p);
	return f ? f : add(fs, &k, bucket);
}

struct capture_flows *capture_flows_new(void)
{
	struct capture_flows *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	fs->youngest = &fs->oldest;
	fs->crypt = quic_crypt_new();
	fs->defrag = defrag_new();
	return fs;
}

static void flow_free(struct flow *f)
{
	for (int i = 0; i < 2; i++)
		segments_fini(&f->sides[i].segments);
	quic_ident_free(f->quic);
	free(f->dtls);
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
	defrag_free(fs->defrag);
	free(fs);
}

/* IP in IP, either version in either, and GRE; fragments are put together. */
static bool unwrap(struct capture_flows *fs, struct slice ip, struct packet *p)
{
	for (int depth = 0; depth < TUNNELS_MAX; depth++) {
		if (packet_parse(ip, p) != PARSE_OK)
			return false;
		if (p->fragment) {
			ip = defrag_add(fs->defrag, ip, p);
			if (ip.n == 0 || packet_parse(ip, p) != PARSE_OK || p->fragment)
				return false;
		}
		if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP)
			return true;
		if (p->proto == IPPROTO_GRE)
			ip = capture_gre(p->payload);
		else if (p->proto == IPPROTO_IPIP || p->proto == IPPROTO_IPV6)
			ip = p->payload;
		else
			return false;
	}
	return false;
}

void capture_flows_packet(struct capture_flows *fs, struct slice ip, uint64_t at_ms)
{
	struct packet p;
	struct flow *f;
	int from;

	if (!unwrap(fs, ip, &p))
		return;
	f = find(fs, &p, &from);
	if (f && p.proto == IPPROTO_TCP)
		tcp_packet(f, from, &p, fs->scratch);
	else if (f && fs->crypt)
		udp_packet(f, from, &p, at_ms, fs->crypt);
}

void capture_flows_finish(struct capture_flows *fs,
	void (*each)(void *user, const struct capture_result *r), void *user)
{
	for (struct flow *f = fs->oldest; f; f = f->younger) {
		if (f->proto == IPPROTO_TCP)
			tcp_end(f, fs->scratch);
		else
			udp_end(f);
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
