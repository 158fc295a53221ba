/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_server.c - reads what the server of an inspected TCP flow sends while the flow is not final.
 *
 * Most flows never come here, because the packet filter recognises a ServerHello and makes the mark final. These do come: an
 * answer that is no ServerHello at a packet's start, a HelloRetryRequest, the answer of a server that does not speak TLS, and a
 * server that sends first.
 *
 * Owns: nothing. Thread: its worker's. Fails: never. See: rows T26-T28, P30; RFC 8446 4.1.3.
 */
#include "flow_int.h"
#include "who/neigh.h"

enum {
	PAST_HELLO = 4096, /* a HelloRetryRequest is shorter */
	CCS = 6,	   /* a change-cipher-spec record, which says nothing (RFC 8446 D.4) */
};

static void final(struct seen *s, struct flow_rec *r)
{
	flow_settle(s->w, r, FLOW_ALLOWED);
	flow_tcp_close(s->w, r);
	flow_pass(s, MARK_ALLOWED);
}

/* Keeps the server's first bytes, as far as they come in order. */
static enum server_says hear(struct seen *s, struct flow_tcp *t)
{
	int32_t at = (int32_t)(s->k.seq - t->server_base);
	size_t room = SERVER_LOOK - t->server_n, n;

	if (at > PAST_HELLO)
		return SERVER_OTHER;
	if (!t->server)
		t->server = pool_get(s->w->own->pool, SERVER_LOOK);
	if (!t->server)
		return SERVER_PENDING; /* no memory: nothing of it counts */
	if (at >= 0 && at <= t->server_n && (size_t)at + s->k.payload.n > t->server_n) {
		size_t skip = (size_t)(t->server_n - at);

		n = s->k.payload.n - skip < room ? s->k.payload.n - skip : room;
		memcpy(t->server + t->server_n, s->k.payload.p + skip, n);
		t->server_n = (uint8_t)(t->server_n + n);
	}
	if (t->retry && t->server_n >= CCS && t->server[0] == 0x14) {
		t->server_n -= CCS;
		t->server_base += CCS;
		memmove(t->server, t->server + CCS, t->server_n);
	}
	return t->server_n ? server_hello_look(slice_of(t->server, t->server_n)) : SERVER_PENDING;
}

/* A second hello will come; what the server says next is looked at from here on. */
static void retry(struct seen *s, struct flow_tcp *t)
{
	t->retry = true;
	t->server_base = s->k.seq + (uint32_t)s->k.payload.n;
	t->server_n = 0;
	t->judged_end = t->base + (uint32_t)t->id.pos + 1;
	stream_ident_server(&t->id, SERVER_RETRY);
}

void flow_tcp_expect_answer(struct flow_tcp *t, uint32_t seq)
{
	t->server_base = seq;
	t->server_n = 0;
}

/* The server acknowledges bytes that never came this way (data in the SYN, another route). A FIN counts one. */
static bool heard_more(const struct seen *s, const struct flow_tcp *t)
{
	return !t->unseen && (int32_t)(s->k.ack - (segments_next_seq(&t->seg) + 1)) > 0;
}

/* The server speaks before a hello: on a port of cleartext preambles that is their way, else no name will come. */
static void spoke_first(struct seen *s, struct flow_rec *r)
{
	struct flow_tcp *t = r->tcp;
	uint32_t end = s->k.seq + (uint32_t)s->k.payload.n;
	/* words sent again, while a hello is on its way */
	bool old = (int32_t)(end - t->server_base) <= 0;

	if (heard_more(s, t)) {
		flow_tcp_conclude(s, r, IDENT_EVASIVE, ANOMALY_CONTRADICTION);
		return;
	}
	/* a cleartext preamble goes on: what looked like the beginning of a hello was none to the server */
	if (t->id.talk.proto && stream_ident_reads_hello(&t->id) && !old) {
		flow_tcp_conclude(s, r, IDENT_EVASIVE, ANOMALY_SERVER_FIRST);
		return;
	}
	if (!t->id.preamble && !old) {
		flow_tcp_conclude(s, r, IDENT_NOT_PROTO, ANOMALY_SERVER_FIRST);
		return;
	}
	if (!old)
		t->server_base = end; /* the answer to a hello begins behind the preamble */
	if (t->id.preamble)
		flowtab_use(s->w->flows, r, LIST_PREAMBLE, s->w->now_ms);
	t->heard_ms = s->w->now_ms;
	flow_pass(s, MARK_UNDECIDED);
}

static void answer(struct seen *s, struct flow_rec *r)
{
	struct flow_tcp *t = r->tcp;
	bool acked = (int32_t)(s->k.ack - t->judged_end) >= 0;
	enum server_says says = r->ident.app == APP_TLS && !t->tunnel ? hear(s, t) : SERVER_OTHER;

	if (heard_more(s, t)) {
		flow_tcp_conclude(s, r, IDENT_EVASIVE, ANOMALY_CONTRADICTION);
		return;
	}
	if (t->id.talk.proto && says == SERVER_OTHER && r->ident.kind != IDENT_NOT_PROTO) {
		if (t->server_n) /* plain words */
			flow_tcp_conclude(s, r, IDENT_EVASIVE, ANOMALY_SERVER_FIRST);
		else /* from the middle of what it says */
			flow_pass(s, MARK_TENTATIVE);
		return;
	}
	if (says == SERVER_RETRY && !t->retry)
		retry(s, t);
	else if (acked && (says == SERVER_HELLO || says == SERVER_ALERT ||
				  (says == SERVER_OTHER && !t->retry))) {
		final(s, r);
		return;
	}
	flow_pass(s, MARK_TENTATIVE);
}

/* Nothing is known of this flow but its mark. */
static void unknown(struct seen *s)
{
	struct flow_rec *r;
	uint32_t isn;

	if (s->conn & MARK_ALLOWED) {
		flow_pass(s, s->conn);
	} else if (s->conn == MARK_TENTATIVE && server_hello_look(s->k.payload) == SERVER_HELLO) {
		flow_pass(s, MARK_ALLOWED);
	} else if (s->conn != MARK_SYN_SEEN || flow_tcp_start(s, &isn) == SYNLOG_UNKNOWN) {
		flow_tcp_midstream(s);
	} else if ((r = flow_begin(s))) {
		if (flow_tcp_new(s, r, isn + 1)) {
			flow_tcp_note(s, r->tcp);
			spoke_first(s, r);
		} else {
			flowtab_remove(s->w->flows, r);
		}
	}
}

/* A client that speaks for its server: where both are behind one interface, the reverse path does not tell them apart. A flow
 * that is not in the table is one of an earlier dataplane's. */
static bool by_client(const struct seen *s, const struct flow_rec *r)
{
	struct mac client;

	if (!s->p->has_mac || (r && !r->flow.has_mac))
		return false;
	if (r)
		client = r->flow.mac;
	else if (s->outside || !s->w->neigh || !neigh_find(s->w->neigh, &s->flow.src, &client))
		return false;
	return memcmp(&client, &s->p->mac, sizeof client) == 0;
}

void flow_tcp_server(struct seen *s, struct flow_rec *r)
{
	if (by_client(s, r)) {
		flow_drop(s);
		return;
	}
	if (r && (flow_tcp_is_new(s, r) || (flow_tcp_is_attempt(r) && s->k.payload.n))) {
		flowtab_remove(s->w->flows, r);
		r = NULL;
	}
	if (s->k.payload.n == 0 && (!(s->conn & MARK_REFUSED) || (s->k.flags & PACKET_RST))) {
		flow_pass(s, 0);
		return;
	}
	if (r && s->conn == 0 && r->state != FLOW_ALLOWED && r->state != FLOW_REFUSED) {
		flow_drop(
			s); /* conntrack has forgotten it and takes the server for a client: the client speaks first */
		return;
	}
	if (!r) {
		unknown(s);
		return;
	}
	if (r->tcp && r->state != FLOW_REFUSED)
		flow_tcp_note(s, r->tcp);
	switch (r->state) {
	case FLOW_REFUSED:
		refusal_again(s, r);
		flow_drop(s);
		break;
	case FLOW_PENDING:
		spoke_first(s, r);
		break;
	case FLOW_TENTATIVE:
		answer(s, r);
		break;
	case FLOW_REQUESTS:
		if (!r->tcp->asked || s->k.payload.n == 0 || !flow_live_end_asked(s, r))
			flow_pass(s, flow_tcp_mark(r));
		break;
	default:
		flow_pass(s, MARK_ALLOWED);
		break;
	}
}
