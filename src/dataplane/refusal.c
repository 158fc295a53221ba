/* SPDX-License-Identifier: GPL-3.0-or-later
 * refusal.c - tells both ends of a refused flow, once and not too often.
 *
 *	TLS   alert and FIN to the client, RST to the server        QUIC       CONNECTION_CLOSE to the client
 *	HTTP  the block page and FIN, RST                           other TCP  RST both ways
 *	`refuse drop`  nothing                                      the rest   ICMP administratively prohibited
 *
 * A flow's answers come at growing intervals, and those of a client and of a worker are bounded (answer.c), so that nobody can use
 * us to amplify traffic.
 *
 * Owns: nothing. Thread: its worker's. Fails: silently; a lost answer is asked for again by the next packet.
 * See: docs/design/decision.md "Refusing".
 */
#include <netinet/in.h>

#include "act/refuse_page.h"
#include "dataplane/page.h"
#include "flow_int.h"

enum { ANSWER_FIRST_MS = 20, ANSWER_LAST_MS = 1000, PAGE_SEGMENT = 1200, ENDS = 4 };

static bool may_send(const struct dataplane_worker *w, const struct flow_rec *r)
{
	return r->verdict.refuse != REFUSE_DROP && w->inject;
}

static bool may_answer(struct dataplane_worker *w, struct flow_rec *r)
{
	uint64_t gap = (uint64_t)ANSWER_FIRST_MS << (r->answers < 6 ? r->answers : 6);

	if (!may_send(w, r))
		return false;
	if (w->now_ms < r->answer_ms || !answer_may(w, &r->flow)) {
		w->counters.answers_held++;
		return false;
	}
	r->answers++;
	r->answer_ms = w->now_ms + (gap < ANSWER_LAST_MS ? gap : ANSWER_LAST_MS);
	w->counters.answers++;
	return true;
}

/* What was let through before goes first: a server takes a RST for one only at the end of what it has. What is not sent may be
 * asked for again at once. */
static void emit(struct dataplane_worker *w, struct flow_rec *r, enum inject_way way,
	const uint8_t *bytes, size_t n)
{
	if (n == 0)
		return;
	nfq_flush(w->nfq);
	if (!answer_send(w, r, way, slice_of(bytes, n)))
		r->answer_ms = w->now_ms;
}

/* ---- TCP ---- */

static struct refuse_tcp to_client(const struct flow_rec *r, const struct flow_tcp *t)
{
	return (struct refuse_tcp){.src = r->flow.dst,
		.dst = r->flow.src,
		.sport = r->flow.dport,
		.dport = r->flow.sport,
		.seq = t->server_next,
		.ack = t->client_end,
		.has_ts = t->has_ts,
		.tsval = t->ts_server + 1,
		.tsecr = t->ts_client};
}

static struct refuse_tcp to_server(const struct flow_rec *r, const struct flow_tcp *t)
{
	return (struct refuse_tcp){.src = r->flow.src,
		.dst = r->flow.dst,
		.sport = r->flow.sport,
		.dport = r->flow.dport,
		.seq = t->pass_seq,
		.ack = t->server_next,
		.has_ts = t->has_ts,
		.tsval = t->ts_client + 1,
		.tsecr = t->ts_server};
}

static void page_of(struct dataplane_worker *w, const struct flow_rec *r, struct strbuf *out)
{
	struct policy_who who;
	const struct dataplane_page page = {
		.flow = &r->flow, .ident = &r->ident, .verdict = &r->verdict, .who = &who};

	if (r->ident.kind == IDENT_EVASIVE) {
		refuse_page_error(REFUSE_HTTP_BAD_REQUEST, false, out);
		return;
	}
	flow_who(w, &r->flow, &who);
	dataplane_page(w, &page, out);
}

/* `payload` in as many segments as it takes, FIN with the last. */
static void send_payload(
	struct dataplane_worker *w, struct flow_rec *r, struct refuse_tcp t, struct slice payload)
{
	uint8_t out[REFUSE_PACKET_MAX];

	while (payload.n > PAGE_SEGMENT) {
		emit(w, r, INJECT_TO_CLIENT, out,
			refuse_tcp_payload(
				&t, slice_of(payload.p, PAGE_SEGMENT), out, sizeof(out)));
		t.seq += PAGE_SEGMENT;
		payload = slice_of(payload.p + PAGE_SEGMENT, payload.n - PAGE_SEGMENT);
	}
	emit(w, r, INJECT_TO_CLIENT, out, refuse_tcp_last_payload(&t, payload, out, sizeof(out)));
}

static void tell_client(struct dataplane_worker *w, struct flow_rec *r, const struct refuse_tcp *t)
{
	uint8_t out[REFUSE_PACKET_MAX], alert[REFUSE_ALERT_SIZE];
	struct strbuf page = {0};

	if (r->verdict.refuse != REFUSE_RESET && r->ident.app == APP_TLS) {
		refuse_alert_record(r->ident.kind == IDENT_NAME ? REFUSE_ALERT_UNRECOGNIZED_NAME
								: REFUSE_ALERT_ACCESS_DENIED,
			alert);
		send_payload(w, r, *t, slice_of(alert, sizeof(alert)));
		return;
	}
	if (r->verdict.refuse != REFUSE_RESET && r->ident.app == APP_HTTP) {
		page_of(w, r, &page);
		if (!page.failed)
			send_payload(w, r, *t, slice_of(page.s, page.n));
		strbuf_fini(&page);
		return;
	}
	emit(w, r, INJECT_TO_CLIENT, out, refuse_tcp_rst(t, out, sizeof(out)));
}

void refusal_stream(struct dataplane_worker *w, struct flow_rec *r)
{
	uint8_t out[REFUSE_PACKET_MAX];
	struct refuse_tcp server = to_server(r, r->tcp), client = to_client(r, r->tcp);

	if (!may_answer(w, r))
		return;
	tell_client(w, r, &client);
	emit(w, r, INJECT_TO_SERVER, out, refuse_tcp_rst(&server, out, sizeof(out)));
}

static struct refuse_tcp back_to_sender(const struct packet *k)
{
	bool syn = k->flags & PACKET_SYN;

	return (struct refuse_tcp){.src = k->dst,
		.dst = k->src,
		.sport = k->dport,
		.dport = k->sport,
		.seq = k->flags & PACKET_ACK ? k->ack : 0,
		.ack = k->seq + (uint32_t)k->payload.n + syn + !!(k->flags & PACKET_FIN),
		.has_ts = k->has_ts,
		.tsval = k->ts_ecr + 1,
		.tsecr = k->ts_val};
}

/* Of a TCP flow, by this packet's own numbers: RST to its sender, and to the other end when the flow may be open there. */
static void reset(struct seen *s, struct flow_rec *r)
{
	uint8_t out[REFUSE_PACKET_MAX];
	const struct packet *k = &s->k;
	bool syn = k->flags & PACKET_SYN;
	struct refuse_tcp back = back_to_sender(k);
	struct refuse_tcp on = {.src = k->src,
		.dst = k->dst,
		.sport = k->sport,
		.dport = k->dport,
		.seq = k->seq,
		.ack = k->ack,
		.has_ts = k->has_ts,
		.tsval = k->ts_val + 1,
		.tsecr = k->ts_ecr};

	if ((k->flags & PACKET_RST) || !may_answer(s->w, r))
		return;
	emit(s->w, r, s->reply ? INJECT_TO_SERVER : INJECT_TO_CLIENT, out,
		refuse_tcp_rst(&back, out, sizeof(out)));
	if (!syn)
		emit(s->w, r, s->reply ? INJECT_TO_CLIENT : INJECT_TO_SERVER, out,
			refuse_tcp_rst(&on, out, sizeof(out)));
}

/* The server is still there: what we took for its place in the stream was not (a fake that died behind us, say). It says
 * itself where it is. RFC 5961 3.2: it takes a RST for one at that very number only. */
static void end_server(struct seen *s, struct flow_rec *r)
{
	uint8_t out[REFUSE_PACKET_MAX];
	struct refuse_tcp back = back_to_sender(&s->k);

	if (!may_send(s->w, r) || r->ends >= ENDS || !answer_may(s->w, &r->flow))
		return;
	s->w->counters.answers++;
	r->ends++;
	emit(s->w, r, INJECT_TO_SERVER, out, refuse_tcp_rst(&back, out, sizeof(out)));
}

void refusal_again(struct seen *s, struct flow_rec *r)
{
	if (s->reply && s->k.payload.n == 0)
		end_server(s, r);
	else
		reset(s, r);
}

/* ---- the rest ---- */

void refusal_packet(struct seen *s, struct flow_rec *r)
{
	uint8_t out[REFUSE_PACKET_MAX];

	if (s->k.proto == IPPROTO_TCP) {
		reset(s, r);
		return;
	}
	if (s->reply || !may_answer(s->w, r))
		return;
	emit(s->w, r, INJECT_TO_CLIENT, out, refuse_icmp(s->p->payload, NULL, out, sizeof(out)));
}

void refusal_quic(struct seen *s, struct flow_rec *r, const struct quic_seen *q)
{
	uint8_t out[REFUSE_PACKET_MAX];
	struct refuse_udp u = {.src = r->flow.dst,
		.dst = r->flow.src,
		.sport = r->flow.dport,
		.dport = r->flow.sport};
	size_t n;

	if (!may_answer(s->w, r))
		return;
	if (q->unreadable_version)
		n = refuse_quic_versions(&u, q, out, sizeof(out));
	else
		n = refuse_quic_close(&u, s->w->own->quic, q,
			q->ident.kind == IDENT_NAME ? REFUSE_QUIC_UNRECOGNIZED_NAME
						    : REFUSE_QUIC_CONNECTION_REFUSED,
			out, sizeof(out));
	if (n == 0)
		n = refuse_icmp(s->p->payload, NULL, out, sizeof(out));
	emit(s->w, r, INJECT_TO_CLIENT, out, n);
}
