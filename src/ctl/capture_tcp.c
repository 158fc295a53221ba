/* SPDX-License-Identifier: GPL-3.0-or-later
 * capture_tcp.c - identifies TLS, HTTP and STARTTLS in captured TCP flows.
 *
 * The server's SYN-ACK tells where the client's stream begins; a SYN that is sent again with another number before the handshake,
 * or into an open connection, tells nothing by itself. If only the client was captured, the first data that follows one of its
 * SYNs tells it.
 *
 * The client is the sender of the SYN. In a capture that begins later both sides are read, from each new segment
 * on, until one of them sends something that only clients send.
 *
 * Owns: the flow's segments. Thread: one. Fails: what memory does not allow is not reported.
 */
#include "capture_flow_int.h"

enum { STARTTLS_MAX = 64 * 1024 };

static void say(struct flow *f, int client, const struct identify_result *r)
{
	if (r->ident.app == APP_HTTP) {
		if (r->ident.anomaly != ANOMALY_H2C)
			flow_add_name(f, r->http.host);
		flow_note(f, client, &r->ident, APP_HTTP);
	} else if (f->results == 0) {
		flow_note_hello(f, client, &r->ident, r->raw, r->alpn, APP_TLS);
	} else if (f->result.app == APP_TLS) {
		flow_note(f, client, &r->ident, APP_TLS);
	}
}

/* An alert at the front is odd from a client, or a NUL behind a few letters, and the usual thing where a capture begins
 * late. */
static bool says_something(const struct flow *f, const struct identify_result *r)
{
	const struct ident *id = &r->ident;

	if (f->client == SIDE_UNKNOWN && (id->anomaly == ANOMALY_BAD_RECORD ||
						 (id->anomaly == ANOMALY_BAD_REQUEST &&
							 !r->http.method.p && !r->http.host.p)))
		return false;
	return id->kind != IDENT_NOT_PROTO && id->anomaly != ANOMALY_PROXY_PREFACE;
}

/* The dataplane refuses here; a reader of captures looks what stands behind an odd request, where that can be found. */
static bool go_on_behind(struct side *s, const struct identify_result *r)
{
	uint64_t pos = s->id.pos + r->http.head_len;

	if (r->ident.app != APP_HTTP || r->http.head_len == 0 || r->http.body == HTTP_BODY_CHUNKED)
		return false;
	if (r->http.body == HTTP_BODY_LENGTH)
		pos += r->http.length;
	stream_ident_init(&s->id, IDENTIFY_LIMIT, &s->first);
	s->id.pos = pos;
	return true;
}

static void read_side(struct flow *f, int i, uint8_t *scratch)
{
	struct side *s = &f->sides[i];
	struct identify_result r;
	enum identify_step step;

	do {
		step = stream_ident_next(&s->id, s->segments.released,
			segments_contiguous(&s->segments), scratch, &r);
		if (step != IDENTIFY_RESULT)
			break;
		if (!says_something(f, &r)) {
			s->late = !s->syn;
			s->over = f->results > 0;
			return; /* kept whole: a hello may come later */
		}
		say(f, i, &r);
	} while (r.ident.kind != IDENT_EVASIVE || go_on_behind(s, &r));
	if (f->results > 0)
		segments_release(&s->segments, s->id.pos);
	s->over = step == IDENTIFY_DONE && f->results > 0;
}

/* A ClientHello behind some other preamble. */
static bool find_starttls(struct flow *f, int i, uint8_t *scratch)
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

		if (tls_record_join(from, scratch, &m) == PARSE_OK) {
			enum parse status = tls_hello_parse(m.bytes, &h);

			tls_hello_ident(status, &h, APP_STARTTLS, SOURCE_SNI, &id);
			flow_note_hello(f, i, &id, h.name, h.alpn, APP_STARTTLS);
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
	flow_note(f, i, &id, APP_TLS);
	return true;
}

void tcp_end(struct flow *f, uint8_t *scratch)
{
	for (int i = 0; i < 2; i++) /* data of a SYN that nothing followed */
		if (f->sides[i].begun && !f->sides[i].over && f->sides[i].syn && f->client == i)
			read_side(f, i, scratch);
	for (int i = 0; i < 2 && f->results == 0; i++)
		if (f->client == SIDE_UNKNOWN || f->client == i)
			if (!find_pending(f, i))
				find_starttls(f, i, scratch);
}

static void begin_side(struct side *s, uint32_t first_seq)
{
	if (s->begun)
		return;
	s->begun = true;
	segments_init(&s->segments, first_seq, WINDOW);
	stream_ident_init(&s->id, IDENTIFY_LIMIT, &s->first);
}

/* --- which SYN counts --- */

static bool has_syn(const struct flow *f, uint32_t first)
{
	for (unsigned i = 0; i < f->n_syns && i < SYNS_KEPT; i++)
		if (f->syns[i] == first)
			return true;
	return false;
}

static void note_syn(struct flow *f, uint32_t first)
{
	if (!has_syn(f, first))
		f->syns[f->n_syns++ % SYNS_KEPT] = first;
}

static bool has_data(const struct side *s)
{
	return s->segments.released > 0 || (s->segments.end > 0 && !s->syn_data);
}

static void begin_again(struct side *s, uint32_t first_seq)
{
	segments_fini(&s->segments);
	s->begun = s->syn_data = false;
	begin_side(s, first_seq);
}

/* Data in a SYN counts if the SYN-ACK acknowledges it; else the client sends it, or something else, again. */
static void take_answer(struct flow *f, struct side *client, uint32_t ack)
{
	bool all = client->syn_data && ack == client->segments.start + client->segments.end;

	if (f->n_syns && !all && !has_syn(f, ack)) {
		note_syn(
			f, ack); /* of a SYN that was not captured, or forged: the data will tell */
		return;
	}
	f->answered = true;
	if (client->begun && !has_data(client) && !all &&
		(client->syn_data || ack != client->segments.start))
		begin_again(client, ack);
}

static void take_syn(struct flow *f, int from, const struct packet *p)
{
	struct side *s = &f->sides[from];
	bool ack = p->flags & PACKET_ACK;

	if (ack && f->client == from && s->syn)
		return; /* the client's own: no server says it */
	f->client = ack ? !from : from;
	if (ack)
		take_answer(f, &f->sides[!from], p->ack);
	else
		note_syn(f, p->seq + 1);
	if (!ack && s->begun && !f->answered && !has_data(s) && s->segments.start != p->seq + 1)
		begin_again(s, p->seq + 1);
	begin_side(s, p->seq + 1);
	s->syn = true;
	if (!ack && p->payload.n > 0 && s->segments.end == 0)
		s->syn_data =
			segments_add(&s->segments, p->seq + 1, p->payload, true) == SEGMENTS_NEW;
}

/* The first byte of what it has said, SYN aside. */
static uint32_t first_of(const struct side *s)
{
	return s->segments.start - (uint32_t)s->segments.released;
}

static bool is_near(const struct side *s, uint32_t seq)
{
	uint32_t from_next = seq - segments_next_seq(&s->segments);

	return s->begun && from_next + WINDOW < 2 * WINDOW;
}

/* A new SYN with another number begins another connection, if the server takes it for one. */
static struct flow *choose_for_syn(
	struct flow *newest, struct flow *before, int from, const struct packet *p)
{
	const struct side *s = &newest->sides[from];
	bool known = newest->answered || newest->results > 0 || s->segments.end > 0;

	if (!s->begun || first_of(s) == p->seq + 1 || !known)
		return newest;
	return before && before->sides[from].begun && first_of(&before->sides[from]) == p->seq + 1
		       ? before
		       : NULL;
}

struct flow *tcp_choose(struct flow *newest, struct flow *before, int from, const struct packet *p)
{
	const struct side *client = before ? &before->sides[!from] : NULL;
	bool open = newest->answered || newest->results > 0 || has_data(&newest->sides[0]) ||
		    has_data(&newest->sides[1]);

	if ((p->flags & (PACKET_SYN | PACKET_ACK)) == PACKET_SYN)
		return choose_for_syn(newest, before, from, p);
	if (!before)
		return newest;
	if (p->flags & PACKET_SYN)
		return !has_syn(newest, p->ack) && client->begun &&
				       p->ack - first_of(client) <= client->segments.end
			       ? before
			       : newest;
	if (open || (!before->answered && has_syn(newest, p->seq)))
		return newest;
	return is_near(&before->sides[from], p->seq) ? before : newest;
}

static void begin_earlier(struct flow *f, int from, const struct packet *p, uint8_t *scratch)
{
	struct side *s = &f->sides[from];

	if (s->syn || f->results > 0 || !segments_rebase(&s->segments, p->seq))
		return;
	stream_ident_init(&s->id, IDENTIFY_LIMIT, &s->first);
	s->late = false;
	segments_add(&s->segments, p->seq, p->payload, p->flags & PACKET_PSH);
	read_side(f, from, scratch);
}

void tcp_packet(struct flow *f, int from, const struct packet *p, uint8_t *scratch)
{
	struct side *s = &f->sides[from];

	if (p->flags & PACKET_SYN) {
		take_syn(f, from, p);
		return;
	}
	if (p->payload.n == 0 || s->over || (p->flags & PACKET_RST))
		return;
	if (f->client != SIDE_UNKNOWN && f->client != from)
		return;
	if (!f->answered && s->syn && !has_data(s) && p->seq != s->segments.start &&
		has_syn(f, p->seq))
		begin_again(s, p->seq);
	begin_side(s, p->seq);
	s->syn_data = false;
	if (s->late && p->seq == segments_next_seq(&s->segments)) {
		uint64_t pos = s->segments.released + s->segments.contiguous;

		stream_ident_init(&s->id, IDENTIFY_LIMIT, &s->first);
		s->id.pos = pos;
		s->late = false;
	}
	switch (segments_add(&s->segments, p->seq, p->payload, p->flags & PACKET_PSH)) {
	case SEGMENTS_NEW:
		read_side(f, from, scratch);
		break;
	case SEGMENTS_OLD: /* the first packets of a late capture may stand in any order */
		begin_earlier(f, from, p, scratch);
		break;
	default:
		break;
	}
}
