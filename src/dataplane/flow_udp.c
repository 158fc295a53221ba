/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_udp.c - judges UDP on inspected ports: each QUIC connection of a 4-tuple by its own hello.
 *
 * A verdict belongs to a connection, the mark to a 4-tuple: it is ALLOWED as soon as one of its connections is, and then the kernel
 * forwards short headers while long ones are still queued. Every packet that passes carries the mark, because a mark on some
 * packets of a burst may be lost. Until a hello is complete, its datagrams wait (flow_held.c).
 *
 * Owns: struct flow_udp. Thread: its worker's. Fails: out of memory drops the datagram. See: rows Q01-Q30.
 */
#include "flow_int.h"

void flow_udp_free(struct dataplane_worker *w, struct flow_udp *u)
{
	if (!u)
		return;
	flow_held_end(w, &u->held, QUIC_CONN_ANY, false, 0);
	quic_ident_free(u->quic);
	pool_put(w->own->pool, u, sizeof(*u));
}

static bool any_allowed(const struct flow_udp *u)
{
	for (int i = 0; i < QUIC_CONNS; i++)
		if (u->judged[i] && u->allowed[i])
			return true;
	return u->other_judged && u->other_allowed;
}

static void pass(struct seen *s, struct flow_udp *u)
{
	flow_pass(s, any_allowed(u) ? MARK_ALLOWED : MARK_HELD);
}

static void refuse(struct seen *s, struct flow_rec *r, const struct quic_seen *q)
{
	if (q->step != QUIC_STEP_OTHER && q->version != 0)
		refusal_quic(s, r, q);
	else
		refusal_packet(s, r);
	flow_drop(s);
}

static bool judge(struct seen *s, struct flow_rec *r, const struct ident *i)
{
	struct flow_udp *u = r->udp;
	bool allowed;

	r->ident = *i;
	flow_judge(s->w, &r->flow, i, STAGE_NAMED, &r->verdict);
	allowed = r->verdict.action != ACTION_BLOCK;
	flow_settle(s->w, r, allowed || any_allowed(u) ? FLOW_ALLOWED : FLOW_REFUSED);
	if (allowed)
		flow_live_note(s->w, r, false);
	return allowed;
}

static void not_quic(struct seen *s, struct flow_rec *r, const struct quic_seen *q)
{
	struct flow_udp *u = r->udp;

	if (!u->other_judged) {
		u->other_judged = true;
		u->other_allowed = judge(s, r, &q->ident);
	}
	if (u->other_allowed)
		pass(s, u);
	else
		refuse(s, r, q);
}

static void news(struct seen *s, struct flow_rec *r, const struct quic_seen *q)
{
	struct flow_udp *u = r->udp;
	bool again = q->conn >= QUIC_CONNS && u->any_ms && s->w->now_ms - u->any_ms < 1000 &&
		     r->ident.anomaly == q->ident.anomaly,
	     allowed;

	/* datagrams of no known connection are judged, and recorded, once a second */
	allowed = again ? r->verdict.action != ACTION_BLOCK : judge(s, r, &q->ident);
	if (q->conn >= QUIC_CONNS && !again)
		u->any_ms = s->w->now_ms;
	if (q->conn < QUIC_CONNS) {
		u->judged[q->conn] = true;
		u->allowed[q->conn] = allowed;
		flow_held_end(s->w, &u->held, q->conn, allowed, MARK_ALLOWED);
	}
	if (!allowed)
		refuse(s, r, q);
	else if (q->conn < QUIC_CONNS)
		pass(s, u);
	else
		flow_pass(s,
			MARK_ALLOWED); /* by address alone: a version that cannot be read, a short header */
}

static void follow(struct seen *s, struct flow_rec *r, const struct quic_seen *q)
{
	struct flow_udp *u = r->udp;
	bool allowed =
		q->conn < QUIC_CONNS ? u->judged[q->conn] && u->allowed[q->conn] : any_allowed(u);

	if (allowed)
		pass(s, u);
	else
		refuse(s, r, q);
}

/* Nothing of it went on: there is nothing to remember. */
static void no_room(struct seen *s, struct flow_rec *r)
{
	flow_overload(s);
	flowtab_remove(s->w->flows, r);
}

static void from_client(struct seen *s, struct flow_rec *r)
{
	struct quic_seen q;

	quic_ident_client(r->udp->quic, s->w->own->quic, s->k.payload, s->w->now_ms, &q);
	if (!flowtab_charge(s->w->flows, r, quic_ident_memory(r->udp->quic)) &&
		r->state == FLOW_PENDING) {
		no_room(s, r);
		return;
	}
	switch (q.step) {
	case QUIC_STEP_PASS:
		if (!flow_held_add(s, &r->udp->held, q.conn))
			flow_drop(s);
		break;
	case QUIC_STEP_HOLD:
		flow_drop(s);
		break;
	case QUIC_STEP_JUDGE:
		news(s, r, &q);
		break;
	case QUIC_STEP_FOLLOW:
		follow(s, r, &q);
		break;
	default:
		not_quic(s, r, &q);
		break;
	}
	if (r->state != FLOW_PENDING)
		flow_settle(s->w, r, r->state);
}

static struct flow_rec *begin(struct seen *s)
{
	struct flow_rec *r = flow_begin(s);

	if (!r)
		return NULL;
	r->udp = pool_get_zeroed(s->w->own->pool, sizeof(*r->udp));
	if (r->udp)
		r->udp->quic = quic_ident_new();
	if (r->udp && r->udp->quic)
		quic_ident_limit(r->udp->quic, s->w->settings->crypto_max_bytes,
			s->w->settings->hello_deadline_ms);
	if (!r->udp || !r->udp->quic) {
		flowtab_remove(s->w->flows, r);
		flow_overload(s);
		return NULL;
	}
	return r;
}

/* Seen while a hello is not complete: the ID that the server chose is the only one that a refusal may come from. */
static void from_server(struct seen *s, struct flow_rec *r)
{
	if (r)
		quic_ident_server(r->udp->quic, s->w->own->quic, s->k.payload, s->w->now_ms);
	flow_pass(s, r && any_allowed(r->udp) ? MARK_ALLOWED : s->conn);
}

static bool is_clients_initial(struct seen *s)
{
	struct quic_ident *q = quic_ident_new();
	struct quic_seen seen;

	if (!q)
		return false;
	quic_ident_client(q, s->w->own->quic, s->k.payload, s->w->now_ms, &seen);
	quic_ident_free(q);
	return seen.conn < QUIC_CONNS;
}

/* When conntrack has forgotten a flow and its server speaks first, it takes the server for the client. Where ports or
 * interfaces do not tell the two apart (one-armed gateways, all-udp, a client at port 443), this does: only a client can
 * seal an Initial with a client's keys. */
bool flow_udp_turn(struct seen *s, const struct flow_rec *r)
{
	const struct packet *k = &s->k;
	struct flow back = {.src = k->src,
		.dst = k->dst,
		.sport = k->sport,
		.dport = k->dport,
		.proto = k->proto,
		.path = PATH_INSPECT,
		.has_mac = s->p->has_mac,
		.mac = s->p->mac};
	const struct flow_rec *known;

	if (!s->reply || !port_set_has(&s->w->settings->inspect_udp, k->dport) ||
		(r && r->udp && quic_ident_any(r->udp->quic)))
		return false;
	known = flowtab_find(s->w->flows, &back);
	if (!(known && known->udp) && !is_clients_initial(s))
		return false;
	s->flow = back;
	s->reply = false;
	return true;
}

static void half_judged(struct dataplane_worker *w, struct flow_rec *r)
{
	r->udp->timed_out = r->verdict.action == ACTION_BLOCK;
	flow_settle(w, r, r->udp->timed_out ? FLOW_REFUSED : FLOW_ALLOWED);
	if (!r->udp->timed_out)
		flow_live_note(w, r, false);
}

/* The mark says that half a hello passed (an older dataplane let it), or that the flow was cut, and nobody knows what it was: what
 * comes now may be the other half. */
static void half_lost(struct seen *s, struct flow_rec *r)
{
	r->ident = (struct ident){.kind = IDENT_EVASIVE,
		.anomaly = ANOMALY_MID_STREAM,
		.app = APP_QUIC,
		.source = SOURCE_QUIC};
	flow_judge(s->w, &r->flow, &r->ident, STAGE_NAMED, &r->verdict);
	half_judged(s->w, r);
}

void flow_udp_packet(struct seen *s, struct flow_rec *r)
{
	bool lost = !r && (s->conn == MARK_HELD || (s->conn & MARK_REFUSED));

	if (s->reply) {
		from_server(s, r);
		return;
	}
	/* a refused flow meets a new policy at once (a refused connection's keys are of no more use then), but not with half
	 * a hello behind it */
	if (r && r->state == FLOW_REFUSED && r->verdict.revision != image_revision(s->w->image) &&
		!quic_ident_pending(r->udp->quic) && !r->udp->timed_out) {
		flowtab_remove(s->w->flows, r);
		r = NULL;
	}
	if (!r) {
		r = begin(s);
		if (r && lost)
			half_lost(s, r);
	}
	if (r)
		r->udp->heard_ms = s->w->now_ms;
	if (r && r->udp->timed_out) {
		refusal_packet(s, r);
		flow_drop(s);
	} else if (r) {
		from_client(s, r);
	}
}

void flow_udp_due(struct dataplane_worker *w, struct flow_rec *r)
{
	w->counters.timeouts++;
	r->ident = (struct ident){.kind = IDENT_EVASIVE,
		.anomaly = ANOMALY_TIMEOUT,
		.app = APP_QUIC,
		.source = SOURCE_QUIC};
	flow_judge(w, &r->flow, &r->ident, STAGE_NAMED, &r->verdict);
	flow_held_end(
		w, &r->udp->held, QUIC_CONN_ANY, r->verdict.action != ACTION_BLOCK, MARK_ALLOWED);
	half_judged(w, r);
}
