/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_tcp.c - judges a TCP flow on an inspected port by the client's bytes.
 *
 *	PENDING --hello allowed--> TENTATIVE --the server answered--> ALLOWED (the kernel's, by its mark)
 *	   |    --HTTP request allowed--> REQUESTS (each request is judged)
 *	   +------+--refused, contradiction-----> REFUSED
 *
 * A segment that does not complete the hello passes while its bytes are kept; the completing one waits for the verdict.
 * Until the server has answered, every client segment is compared with the bytes that were judged.
 *
 * The copy of the SYN tells where the stream begins (`base`; intercept/synlog.h). The server ignores bytes before it, and they
 * are dropped.
 *
 * Owns: struct flow_tcp. Thread: its worker's. Fails: out of memory is overload. See: rows T01-T45, P12-P30.
 */
#include <netinet/in.h>

#include "flow_int.h"

enum { TS_OLD = 60000, RECORD_SLACK = 4096 };

enum synlog_says flow_tcp_start(const struct seen *s, uint32_t *isn)
{
	uint32_t *read = &s->w->own->syns_read;

	if (s->p->reading == 0 || s->p->reading != *read) {
		*read = s->p->reading;
		return synlog_find(s->w->syns, &s->flow, isn);
	}
	return synlog_look(s->w->syns, &s->flow, isn);
}

struct flow_tcp *flow_tcp_new(struct seen *s, struct flow_rec *r, uint32_t base)
{
	struct pool *pool = s->w->own->pool;
	struct flow_tcp *t = pool_get_zeroed(pool, sizeof(*t));
	uint32_t limit = s->w->settings->hello_max_bytes;

	if (!t)
		return NULL;
	t->base = base;
	t->syns = synlog_count(s->w->syns, &s->flow);
	t->pass_seq = t->client_end = t->judged_end = t->base;
	t->server_base = t->server_next = s->reply ? s->k.seq : s->k.ack;
	segments_init(&t->seg, t->base, limit + RECORD_SLACK);
	t->seg.pool = pool;
	t->past = (struct past){.limit = REQUEST_KEEP};
	stream_ident_init(&t->id, limit, &r->ident);
	t->id.stops = true;
	if (port_set_has(&s->w->settings->starttls_tcp, r->flow.dport))
		stream_ident_expect_preamble(&t->id, starttls_of_port(r->flow.dport));
	r->tcp = t;
	return t;
}

void flow_tcp_free(struct dataplane_worker *w, struct flow_tcp *t)
{
	if (!t)
		return;
	segments_fini(&t->seg);
	past_fini(&t->past);
	pool_put(w->own->pool, t->offers, sizeof(*t->offers));
	pool_put(w->own->pool, t->server, SERVER_LOOK);
	pool_put(w->own->pool, t, sizeof(*t));
}

void flow_tcp_close(struct dataplane_worker *w, struct flow_rec *r)
{
	if (r->tcp->closed)
		return;
	r->tcp->closed = true;
	segments_fini(&r->tcp->seg);
	past_fini(&r->tcp->past);
	flowtab_charge(w->flows, r, 0);
}

void flow_tcp_note(struct seen *s, struct flow_tcp *t)
{
	const struct packet *k = &s->k;
	uint32_t end = k->seq + (uint32_t)k->payload.n + !!(k->flags & PACKET_FIN);

	t->has_ts = k->has_ts;
	if (s->reply) {
		t->ts_server = k->ts_val;
		return;
	}
	if ((int32_t)(end - t->client_end) > 0)
		t->client_end = end;
	if (k->flags & PACKET_ACK)
		t->server_next = k->ack;
	if (k->has_ts && (t->packets <= 1 || (int32_t)(k->ts_val - t->ts_client) > 0))
		t->ts_client = k->ts_val;
	if (k->has_ts && (t->packets <= 1 || (int32_t)(k->ts_ecr - t->ts_server) > 0))
		t->ts_server = k->ts_ecr;
}

uint8_t flow_tcp_mark(const struct flow_rec *r)
{
	switch (r->state) {
	case FLOW_TENTATIVE:
		return MARK_TENTATIVE;
	case FLOW_REQUESTS:
		return r->tcp->asked ? MARK_ASKED : MARK_REQUESTS;
	case FLOW_ALLOWED:
		return MARK_ALLOWED;
	default:
		return MARK_UNDECIDED;
	}
}

static void pass_bytes(struct seen *s, struct flow_rec *r)
{
	struct flow_tcp *t = r->tcp;

	if (!t->closed) {
		t->pass_seq = segments_next_seq(&t->seg);
		/* behind a body that is still on its way */
		if ((int32_t)(t->pass_seq - t->client_end) > 0)
			t->pass_seq = t->client_end;
	}
	if (!t->closed && flow_offer_edit(s, t, s->w->own->edited))
		flow_pass_as(s, flow_tcp_mark(r), slice_of(s->w->own->edited, s->p->payload.n));
	else
		flow_pass(s, flow_tcp_mark(r));
}

/* The verdict is known: refuses, or settles in `allowed`. */
static bool carry_out(struct dataplane_worker *w, struct flow_rec *r, enum flow_state allowed)
{
	if (r->verdict.action == ACTION_BLOCK) {
		flow_settle(w, r, FLOW_REFUSED);
		flow_live_forget(w, r);
		refusal_stream(w, r);
		flow_tcp_close(w, r);
		return false;
	}
	flow_settle(w, r, allowed);
	r->tcp->asked = false;
	flow_live_note(w, r, false);
	if (allowed == FLOW_ALLOWED)
		flow_tcp_close(w, r);
	return true;
}

/* A kind that no further byte can change. The name, where one was read, stays for the record. */
static bool conclude(
	struct dataplane_worker *w, struct flow_rec *r, enum ident_kind kind, enum anomaly anomaly)
{
	r->ident.kind = (uint8_t)kind;
	r->ident.anomaly = (uint8_t)anomaly;
	r->ident.app = r->tcp->id.app;
	r->ident.packet = r->tcp->packets;
	flow_judge(w, &r->flow, &r->ident, STAGE_NAMED, &r->verdict);
	return carry_out(w, r, FLOW_ALLOWED);
}

bool flow_tcp_conclude(
	struct seen *s, struct flow_rec *r, enum ident_kind kind, enum anomaly anomaly)
{
	if (!conclude(s->w, r, kind, anomaly)) {
		flow_drop(s);
		return false;
	}
	flow_pass(s, MARK_ALLOWED);
	return true;
}

/* One judgement of the identifier's. The first hello may be one of several (HelloRetryRequest), a request one of many. */
static bool judge(struct dataplane_worker *w, struct flow_rec *r, bool goes_on)
{
	struct flow_tcp *t = r->tcp;
	bool plain = r->ident.app == APP_HTTP || goes_on;

	w->counters.requests += r->ident.app == APP_HTTP;
	flow_judge(w, &r->flow, &r->ident, STAGE_NAMED, &r->verdict);
	/* plain words before: the answer to this hello begins where the client stands now */
	if (!plain && r->state == FLOW_REQUESTS)
		flow_tcp_expect_answer(t, t->server_next);
	if (!carry_out(w, r, plain ? FLOW_REQUESTS : FLOW_TENTATIVE))
		return false;
	if (plain)
		t->seg.limit = REQUEST_AHEAD;
	else if (!t->closed)
		segments_trim(&t->seg); /* it waits for the server's answer, or for a minute */
	t->judged_end = r->ident.kind == IDENT_NOT_PROTO ? segments_next_seq(&t->seg)
							 : t->base + (uint32_t)t->id.pos;
	return true;
}

/* Nothing more will be said of what was plain until now: it is a tunnel. Final, once the server has answered to it. */
static void tunnel(struct dataplane_worker *w, struct flow_rec *r)
{
	struct flow_tcp *t = r->tcp;

	t->tunnel = true;
	t->judged_end = segments_next_seq(&t->seg);
	flow_settle(w, r, FLOW_TENTATIVE);
}

/* Behind plain words that were allowed a hello begins: undecided again, and the server must not speak before its end. */
static void begin_hello(struct seen *s, struct flow_rec *r)
{
	r->state = FLOW_PENDING;
	r->born_ms = s->w->now_ms;
	flow_tcp_expect_answer(r->tcp, r->tcp->server_next);
}

/* Judges all that the bytes in hand say. False: the packet was dealt with. */
static bool look(struct seen *s, struct flow_rec *r)
{
	struct flow_tcp *t = r->tcp;
	uint32_t newest = s->k.seq + (uint32_t)s->k.payload.n;
	struct identify_result res;
	enum identify_step step;

	do {
		step = stream_ident_next(&t->id, t->seg.released, segments_contiguous(&t->seg),
			s->w->own->scratch, &res);
		flow_offer_look(s->w, t, step, &res);
		if (step != IDENTIFY_RESULT)
			continue;
		r->ident = res.ident;
		r->ident.packet = t->packets;
		if (!judge(s->w, r, res.goes_on)) {
			flow_drop(s);
			return false;
		}
	} while (step == IDENTIFY_RESULT || (step == IDENTIFY_WAIT && r->state == FLOW_REQUESTS &&
						    flow_tcp_skip_body(t, newest)));
	if (step == IDENTIFY_DONE && r->state == FLOW_REQUESTS)
		tunnel(s->w, r);
	if (r->state == FLOW_REQUESTS && t->id.talk.proto && stream_ident_reads_hello(&t->id))
		begin_hello(s, r);
	return true;
}

static void stored(struct seen *s, struct flow_rec *r, bool fresh)
{
	struct flow_tcp *t = r->tcp;

	if (!flowtab_charge(s->w->flows, r, flow_tcp_kept(t)) && r->state == FLOW_PENDING) {
		flowtab_remove(s->w->flows, r);
		flow_overload(s);
		return;
	}
	if (fresh && flow_offer_too_early(s, t)) {
		flow_drop(s);
		return;
	}
	if (!look(s, r))
		return;
	if (t->asked && flow_tcp_in_body(t) && flow_live_end_asked(s, r))
		return; /* an upload */
	/* a cleartext preamble has no deadline, only an idle time: people and servers may be slow */
	flowtab_use(s->w->flows, r,
		r->state != FLOW_PENDING ? LIST_DECIDED
		: t->id.preamble	 ? LIST_PREAMBLE
					 : LIST_PENDING,
		s->w->now_ms);
	pass_bytes(s, r);
	if (r->state == FLOW_REQUESTS)
		flow_tcp_settle(t);
	flowtab_charge(s->w->flows, r, flow_tcp_kept(t));
}

/* More than is kept. A flow without a readable name, allowed: it passes, but until the server has answered, its first
 * bytes stay: nobody knows whether the server got them, or will get others in their place. */
static void too_much(struct seen *s, struct flow_rec *r, enum segments_result how)
{
	if (r->state == FLOW_TENTATIVE && (r->ident.kind == IDENT_NOT_PROTO || r->tcp->tunnel)) {
		r->tcp->unseen = true;
		flow_settle(s->w, r, FLOW_TENTATIVE);
		flow_pass(s, MARK_TENTATIVE);
	} else if (r->state == FLOW_PENDING && how == SEGMENTS_FULL) {
		flow_tcp_conclude(s, r, IDENT_EVASIVE, ANOMALY_TOO_LARGE);
	} else {
		flow_drop(s);
	}
}

static void store(struct seen *s, struct flow_rec *r)
{
	enum segments_result how = flow_tcp_add(r->tcp, &s->k);

	switch (how) {
	case SEGMENTS_NEW:
	case SEGMENTS_SAME:
		stored(s, r, how == SEGMENTS_NEW);
		break;
	case SEGMENTS_CONTRADICTION:
		flow_tcp_conclude(s, r, IDENT_EVASIVE, ANOMALY_CONTRADICTION);
		break;
	case SEGMENTS_OUTSIDE:
	case SEGMENTS_FULL:
		too_much(s, r, how);
		break;
	case SEGMENTS_NO_MEMORY:
		flow_overload(s);
		break;
	case SEGMENTS_OLD:
	case SEGMENTS_PAD:
		flow_drop(s);
		break;
	}
}

static void take_bytes(struct seen *s, struct flow_rec *r)
{
	struct flow_tcp *t = r->tcp;
	const struct packet *k = &s->k;

	if (k->has_md5 || k->has_ao ||
		(k->has_ts && t->packets > 0 && t->has_ts &&
			(int32_t)(k->ts_val - t->ts_client) < -TS_OLD)) {
		flow_drop(s); /* the server drops it too, or should: not a byte of it counts */
		return;
	}
	t->packets++;
	t->heard_ms = s->w->now_ms;
	flow_tcp_note(s, t);
	if (k->payload.n == 0)
		flow_pass(s, flow_tcp_mark(r));
	else if (k->flags & PACKET_URG)
		flow_tcp_conclude(s, r, IDENT_EVASIVE, ANOMALY_URGENT);
	else if (flow_tcp_before_start(t, k->seq))
		flow_drop(s); /* the server ignores it, or takes part of it */
	else
		store(s, r);
}

/* A tuple used again: no byte of its connection has passed, and it has a first SYN of its own, be its number the same. */
bool flow_tcp_is_new(struct seen *s, const struct flow_rec *r)
{
	uint32_t isn;

	if (s->conn != MARK_SYN_SEEN)
		return false;
	if (!r->tcp)
		return true; /* of a flow found in mid-stream */
	return flow_tcp_start(s, &isn) != SYNLOG_UNKNOWN &&
	       (isn + 1 != r->tcp->base || synlog_count(s->w->syns, &s->flow) != r->tcp->syns);
}

bool flow_tcp_is_attempt(const struct flow_rec *r)
{
	return r->flow.proto == IPPROTO_TCP && r->state == FLOW_PENDING && !r->tcp;
}

/* The first byte of either side takes its place (flow_tcp_is_new); the sweep tells of it when none came. */
static void note_attempt(struct seen *s)
{
	struct flow_rec *r = flowtab_add(s->w->flows, &s->flow, s->w->now_ms);

	if (!r)
		return;
	r->ident = (struct ident){.kind = IDENT_NOT_PROTO, .anomaly = ANOMALY_SILENT};
	r->verdict = s->attempted;
	flowtab_use(s->w->flows, r, LIST_OTHER, s->w->now_ms);
}

/* A SYN on a tuple that had a mark, or with data. The rules have made it "SYN seen" already. Data in a SYN is judged by nobody,
 * and taken by some servers (TCP Fast Open, with a cookie or without): it stays behind, and the client sends it again, for
 * the server's answer does not acknowledge it. */
static void syn(struct seen *s, struct flow_rec *r)
{
	bool same = r && r->tcp && s->k.seq + 1 == r->tcp->base;
	/* a connection goes on here, and its bytes are known: who sends a SYN in its midst must not make us forget them */
	bool amid = s->k.payload.n &&
		    (s->conn != MARK_SYN_SEEN || (r && r->tcp && !flow_tcp_is_new(s, r)));

	if ((s->k.flags & PACKET_ACK) || (amid && (!same || r->state == FLOW_REFUSED))) {
		flow_drop(s);
	} else if (amid) {
		flow_pass_bare(s, flow_tcp_mark(r));
	} else if (same && r->state == FLOW_TENTATIVE) {
		/* the same one again, late; the bytes judged are still compared */
		flow_pass_bare(s, MARK_TENTATIVE);
	} else if (s->attempt && r && flow_tcp_is_attempt(r)) {
		flow_pass_bare(s, MARK_SYN_SEEN); /* sent again: one attempt */
	} else {
		if (r)
			flowtab_remove(s->w->flows, r);
		if (s->attempt)
			note_attempt(s);
		flow_pass_bare(s, MARK_SYN_SEEN);
	}
}

/* Without a mark it is older than the rules: `fail` answers. With one, the dataplane knew it once: an earlier dataplane, or this one,
 * which forgets flows that it refused; who waits for that is not let through. Neither is who makes conntrack forget (a RST
 * that died behind us): its SYN came by this dataplane. */
void flow_tcp_midstream(struct seen *s)
{
	uint32_t isn;
	bool begun = flow_tcp_start(s, &isn) != SYNLOG_UNKNOWN;
	bool ours = (s->conn & MARK_REFUSED) ||
		    (s->conn != 0 && s->w->now_ms - s->w->own->start_ms >= START_MS) || begun;
	struct ident i = {.kind = IDENT_NOT_PROTO,
		.anomaly = begun && s->conn == 0 ? ANOMALY_MARK_LOST : ANOMALY_MID_STREAM};
	struct flow_rec *r = flow_begin(s);

	if (!r)
		return;
	s->w->counters.midstream++;
	r->ident = i;
	flow_judge_fail(s->w, &s->flow, &i, !ours && flow_fail_open(s->w), &r->verdict);
	if (r->verdict.action == ACTION_ALLOW) {
		flowtab_remove(s->w->flows, r);
		flow_pass(s, MARK_ALLOWED);
		return;
	}
	flow_settle(s->w, r, FLOW_REFUSED);
	refusal_packet(s, r);
	flow_drop(s);
}

/* NULL: the packet was dealt with. */
static struct flow_rec *begin_at(struct seen *s, uint32_t base)
{
	struct flow_rec *r = flow_begin(s);

	if (!r)
		return NULL;
	if (!flow_tcp_new(s, r, base)) {
		flowtab_remove(s->w->flows, r);
		flow_overload(s);
		return NULL;
	}
	return r;
}

/* A flow whose SYN the rules saw, so that the start of its stream is known; or is not, and no byte can be judged. */
static struct flow_rec *begin_by_syn(struct seen *s)
{
	struct flow_rec *r;
	uint32_t isn = 0;

	switch (flow_tcp_start(s, &isn)) {
	case SYNLOG_KNOWN:
		/* of a tentative flow that the table lost, some of what was judged may be with the server, and nobody knows what */
		if (s->conn != MARK_TENTATIVE)
			return begin_at(s, isn + 1);
		break;
	case SYNLOG_AMBIGUOUS:
		r = begin_at(s, isn + 1);
		if (r) {
			flow_tcp_note(s, r->tcp);
			flow_tcp_conclude(s, r, IDENT_EVASIVE, ANOMALY_CONTRADICTION);
		}
		return NULL;
	case SYNLOG_UNKNOWN:
		break;
	}
	flow_tcp_midstream(s);
	return NULL;
}

/* A packet of a flow that is not in the table. */
static struct flow_rec *begin(struct seen *s)
{
	if (s->conn == MARK_ALLOWED)
		flow_pass(s, s->conn);
	else if (s->conn == MARK_SYN_SEEN || s->conn == MARK_TENTATIVE)
		return begin_by_syn(s);
	else if (s->conn == MARK_REQUESTS && s->k.payload.n == 0)
		flow_pass(s, s->conn); /* says nothing: an answer may be on its way */
	else /* of a request, of a body? Nobody knows where the next request begins */
		flow_tcp_midstream(s);
	return NULL;
}

void flow_tcp_client(struct seen *s, struct flow_rec *r)
{
	if (s->k.flags & PACKET_SYN) {
		syn(s, r);
		return;
	}
	if (r && (flow_tcp_is_attempt(r) || flow_tcp_is_new(s, r))) {
		flowtab_remove(s->w->flows, r);
		r = NULL;
	}
	if (!r)
		r = begin(s);
	if (!r)
		return;
	if (r->state == FLOW_REFUSED) {
		refusal_again(s, r);
		flow_drop(s);
	} else if (r->state == FLOW_ALLOWED) {
		flow_pass(s, MARK_ALLOWED);
	} else {
		take_bytes(s, r);
	}
}

void flow_tcp_due(struct dataplane_worker *w, struct flow_rec *r)
{
	w->counters.timeouts++;
	conclude(w, r, IDENT_EVASIVE, ANOMALY_TIMEOUT);
}
