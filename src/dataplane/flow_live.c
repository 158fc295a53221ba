/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_live.c - decisions that are taken back: what goes on is judged again, and what is refused now is cut.
 *
 *	another policy, an hour's edge --> every record is judged, as it was first, with the policy and the time of now
 *	some are refused --> the kernel's table is read; their connections lose ALLOWED and get REFUSED
 *	their next packet is queued --> RST both ways, ICMP or nothing, by that packet's own numbers
 *	a TCP connection that says nothing for AGAIN_MS is made to say where it stands
 *
 * All in pieces of SLICE_US, between which packets are judged. The kernel's table is also read every few seconds to learn what
 * has ended, and how much the others have carried. A refusal is recorded when the kernel shows that the flow is there, or it comes.
 *
 * HTTP: only an answer or a body that is on its way is cut. A connection that waits is left for its next request, which gets
 * the page, or is allowed as ever.
 *
 * Owns: struct live_work, in the worker's own part. Thread: its worker's. Fails: init only; what has no room is counted.
 * See: docs/design/decision.md "Decisions taken back"; durward-policy(5) "WHAT IS OPEN ALREADY".
 */
#include <netinet/in.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/ask.h"
#include "flow_int.h"
#include "intercept/conns.h"

enum {
	SLICE_US = 1000,
	SLOW_US = 5000,
	BETWEEN_CLOCKS = 16, /* records */
	ROUND_MS = 4000,
	ROUND_SHARE = 100, /* a reading takes a hundredth of the time at most */
	AGAIN_MS = 500,
	ADOPTED_MS = 1000, /* after the start: by then the kernel has told whose address is whose */
};

/* --- what is remembered --- */

void flow_live_note(struct dataplane_worker *w, const struct flow_rec *r, bool first)
{
	struct live *l = livetab_note(w->own->live.flows, &r->flow, &r->ident);
	uint64_t since;

	if (!l) {
		w->counters.live_lost++;
		return;
	}
	l->first = first;
	l->mark = r->mark;
	l->rule_line = r->verdict.rule_line;
	l->revision = r->verdict.revision;
	l->device = r->verdict.device;
	/* a request of a connection that is known, or the same ports again */
	since = w->wall_ms - (w->now_ms - r->born_ms);
	if (l->since_ms + 1000 < since)
		livetab_renew(w->own->live.flows, l, since);
}

void flow_live_note_overload(struct seen *s, const struct ident *i)
{
	struct live *l = livetab_note(s->w->own->live.flows, &s->flow, i);

	if (!l)
		s->w->counters.live_lost++;
	else if (!l->since_ms)
		l->since_ms = s->w->wall_ms;
}

void flow_live_forget(struct dataplane_worker *w, const struct flow_rec *r)
{
	struct live *l;

	while ((l = livetab_find(w->own->live.flows, &r->flow)))
		livetab_remove(w->own->live.flows, l);
}

/* --- judged again --- */

static void ask(struct dataplane_worker *w, const struct live *l, struct flow *f, struct ident *i,
	struct verdict *v)
{
	struct policy_who who;

	live_flow(l, f);
	live_ident(w->own->live.flows, l, i);
	if (l->by_hand) {
		*v = flow_live_by_hand(l);
		return;
	}
	flow_who(w, f, &who);
	dataplane_ask(w, &who, f, l->first ? NULL : i, l->first ? STAGE_FIRST : STAGE_NAMED, v);
}

/* One row for a flow that is refused now, by the line that refuses it. */
static void tell(struct dataplane_worker *w, struct live *l)
{
	struct flow f;
	struct ident i;
	struct verdict v;

	if (l->told)
		return;
	l->told = true;
	l->told_round = l->round;
	ask(w, l, &f, &i, &v);
	if (v.action != ACTION_BLOCK)
		return;
	w->counters.live_cut++;
	flow_record(w, &f, &i, &v);
}

static void cut_rec(struct dataplane_worker *w, struct flow_rec *r, const struct verdict *v)
{
	if (r->tcp)
		flow_tcp_close(w, r);
	r->verdict = *v;
	r->cut = true;
	flow_settle(w, r, FLOW_REFUSED);
}

static void set_cut(struct live *l, enum live_cut how, const struct verdict *v)
{
	l->cut = (uint8_t)how;
	l->told = false;
	l->refuse = v->refuse;
	l->revision = v->revision;
	l->rule_line = v->rule_line;
	l->device = v->device;
}

static bool waits_for_requests(const struct flow_rec *r)
{
	return r && r->state == FLOW_REQUESTS && r->ident.app == APP_HTTP && !r->tcp->closed &&
	       !r->tcp->tunnel && !flow_tcp_in_body(r->tcp);
}

static void refuse(
	struct dataplane_worker *w, struct live *l, const struct flow *f, const struct verdict *v)
{
	struct flow_rec *r = flowtab_find(w->flows, f);

	if (l->cut == LIVE_CUT)
		return;
	if (r && r->flow.proto == IPPROTO_TCP && r->state == FLOW_PENDING) {
		livetab_remove(w->own->live.flows, l); /* its ports are another's now */
		return;
	}
	w->own->live.cut = true;
	if (waits_for_requests(r) && !l->by_hand) {
		set_cut(l, LIVE_ASKED, v);
		r->tcp->asked = true;
		return;
	}
	set_cut(l, LIVE_CUT, v);
	if (r && r->state != FLOW_REFUSED)
		cut_rec(w, r, v);
}

/* Refused a moment ago, and no longer. What was told to end is not begun again; what its next packet tells all of is judged
 * anew. */
static void restore(struct dataplane_worker *w, struct live *l, const struct flow *f)
{
	struct livetab *t = w->own->live.flows;
	struct flow_rec *r = flowtab_find(w->flows, f);

	if (l->cut == LIVE_ASKED) {
		l->cut = LIVE_RESTORED;
		if (r && r->tcp)
			r->tcp->asked = false;
	} else if (l->cut == LIVE_CUT &&
		   (l->first || (l->proto == IPPROTO_UDP && l->app != APP_QUIC)) &&
		   livetab_find(t, f) == l && !livetab_next(t, l)) {
		if (r && r->cut)
			flowtab_remove(w->flows, r);
		l->cut = LIVE_RESTORED;
	}
}

static bool goes_on(const struct live *l)
{
	return l->cut == LIVE_GOES_ON || l->cut == LIVE_RESTORED;
}

static void judge_again(struct dataplane_worker *w, struct live *l)
{
	struct flow f;
	struct ident i;
	struct verdict v;

	if (l->path == PATH_PROXY)
		return; /* proxy_judge_again() */
	w->counters.live_judged++;
	ask(w, l, &f, &i, &v);
	if (v.action == ACTION_BLOCK) {
		refuse(w, l, &f, &v);
		return;
	}
	l->rule_line = v.rule_line;
	l->revision = v.revision;
	l->device = v.device;
	if (!goes_on(l))
		restore(w, l, &f);
}

void flow_live_cut(struct dataplane_worker *w, struct live *l)
{
	struct verdict v = flow_live_by_hand(l);
	struct flow f;

	live_flow(l, &f);
	l->by_hand = true;
	refuse(w, l, &f, &v);
}

/* --- the kernel's table --- */

static uint8_t mark_of_cut(const struct live *l)
{
	return l->proto == IPPROTO_TCP && l->cut == LIVE_CUT ? MARK_CUT : MARK_ASKED;
}

/* Cut a moment ago, and still there: it lies still. A segment in its server's name, far from what the client waits for, makes
 * the client say where it stands, and that is answered as any packet of it (RFC 9293 3.10.7.4). */
static void probe(struct dataplane_worker *w, const struct live *l)
{
	uint8_t out[REFUSE_PACKET_MAX];
	uint32_t anywhere = (uint32_t)(w->now_ms * 2654435761u);
	struct flow_rec r = {.mark = 0};
	struct refuse_tcp t;
	size_t n;

	if (l->proto != IPPROTO_TCP || l->cut != LIVE_CUT || l->refuse == REFUSE_DROP || !w->inject)
		return;
	live_flow(l, &r.flow);
	if (!answer_may(w, &r.flow))
		return;
	t = (struct refuse_tcp){.src = l->dst,
		.dst = l->src,
		.sport = l->dport,
		.dport = l->sport,
		.seq = anywhere,
		.ack = anywhere};
	n = refuse_tcp_payload(&t, slice_of(NULL, 0), out, sizeof out);
	if (n)
		answer_send(w, &r, INJECT_TO_CLIENT, slice_of(out, n));
}

static void count(struct live *l, const struct conns_entry *e)
{
	bool corrected = !addr_eq(&l->src, &e->flow.src); /* its server spoke first */

	for (int i = 0; i < 2 && e->counted; i++) {
		uint64_t n = e->packets[corrected ? 1 - i : i];

		l->bytes[i] = e->bytes[corrected ? 1 - i : i];
		l->packets[i] = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
	}
}

/* What was cut has REFUSED. Decided at the next reading it was decided just then, by a rule or a packet that was on its way, or
 * the kernel did not take the change: cut again, as often as that is so. Decided after a reading that showed it refused it is
 * another flow by the same ports. */
static void show(struct dataplane_worker *w, struct live *l, const struct conns_entry *e)
{
	uint32_t mask = w->settings->mark_mask, conn = mark_of(mask, MARK_CONN), have;
	bool decided;

	have = (e->mark & conn) / (mask & -mask);
	decided = (have & MARK_ALLOWED) || have == MARK_TENTATIVE;
	if (l->unsure && l->proto == IPPROTO_TCP && !decided && !(have & MARK_REFUSED)) {
		livetab_remove(w->own->live.flows, l); /* it ended while no dataplane was there */
		return;
	}
	livetab_seen(w->own->live.flows, l);
	count(l, e);
	if (goes_on(l) || (!decided && !(have & MARK_REFUSED)))
		return; /* undecided: another connection by the same ports */
	if (decided && l->told && l->round - l->told_round > 1) {
		livetab_remove(w->own->live.flows, l);
		return;
	}
	if (decided) {
		conns_mark(w->conns, e, mark_of(mask, mark_of_cut(l)), conn);
		w->own->live.look_again = true;
		if (l->told)
			l->told_round = l->round;
	} else if (l->told && l->round - l->told_round == 1) {
		probe(w, l);
	}
	if (l->cut == LIVE_CUT)
		tell(w, l);
}

static void on_entry(void *user, const struct conns_entry *e)
{
	struct dataplane_worker *w = user;
	struct livetab *t = w->own->live.flows;
	const struct flow *f = &e->flow;
	struct flow back = {.src = f->dst,
		.dst = f->src,
		.sport = f->dport,
		.dport = f->sport,
		.proto = f->proto};
	struct live *l = livetab_find(t, f);

	if (e->ended)
		return;
	if (!l && f->proto == IPPROTO_UDP) /* its server spoke first (flow_udp_turn) */
		l = livetab_find(t, &back);
	for (struct live *next; l; l = next) {
		next = livetab_next(t, l);
		show(w, l, e);
	}
}

static void broken(struct live_work *k, int rc)
{
	if (!k->broken)
		log_warn("connection table: %s; what is refused now goes on until it is read",
			strerror(-rc));
	k->broken = k->cut = true;
}

static void read_begin(struct dataplane_worker *w)
{
	struct live_work *k = &w->own->live;
	int rc;

	if (k->reading || k->ageing)
		return; /* once more, then */
	k->round_ms = w->now_ms;
	k->round_us = 0;
	k->cut = k->look_again = false;
	if (!w->conns)
		return;
	rc = conns_read_begin(w->conns);
	if (rc != 0) {
		broken(k, rc);
		return;
	}
	livetab_round(k->flows);
	k->reading = true;
}

static void read_on(struct dataplane_worker *w)
{
	struct live_work *k = &w->own->live;
	int rc = conns_read(w->conns, SLICE_US, on_entry, w);

	k->reading = rc > 0;
	if (rc == 0) {
		k->ageing = true;
		k->broken = false;
		w->counters.live_rounds++;
		livetab_works(k->flows);
		k->at = 0;
	} else if (rc < 0) {
		broken(k, rc);
	}
}

/* --- in pieces --- */

static bool is_pressed(const struct dataplane_worker *w)
{
	const struct livetab *t = w->own->live.flows;

	return livetab_count(t) > livetab_max(t) / 4 * 3;
}

/* A table that changes its size while it is read may show one flow less: that is made sure of, where there is room. */
static bool is_gone(const struct dataplane_worker *w, const struct live *l)
{
	return l->path != PATH_PROXY &&
	       livetab_missed(w->own->live.flows, l) >= (is_pressed(w) ? 1 : 2);
}

/* True: all were. */
static bool walk(struct dataplane_worker *w)
{
	struct live_work *k = &w->own->live;
	uint64_t until = clock_mono_us() + SLICE_US;

	while (k->at < livetab_span(k->flows)) {
		struct live *l = livetab_at(k->flows, k->at++);

		if (l && k->ageing && is_gone(w, l))
			livetab_remove(k->flows, l);
		else if (l && k->ageing)
			k->look_again |= l->unsure;
		else if (l && k->judging)
			judge_again(w, l);
		if (k->at % BETWEEN_CLOCKS == 0 && clock_mono_us() >= until)
			return false;
	}
	return true;
}

static void turn(struct dataplane_worker *w)
{
	struct live_work *k = &w->own->live;
	uint64_t from = clock_mono_us(), took;

	if (k->judging) {
		k->judging = !walk(w);
		if (!k->judging && k->cut)
			read_begin(w);
	} else if (k->reading) {
		read_on(w);
	} else if (k->ageing) {
		k->ageing = !walk(w);
	}
	took = clock_mono_us() - from;
	k->round_us += took;
	w->counters.live_us += took;
	w->counters.live_slow += took > SLOW_US;
}

static bool busy(const struct live_work *k)
{
	return k->judging || k->reading || k->ageing;
}

static void on_turn(struct timer *t, uint64_t now_ms)
{
	struct dataplane_worker *w = t->user;

	turn(w);
	if (busy(&w->own->live))
		loop_timer_set(w->loop, t, now_ms);
}

static bool is_due(struct dataplane_worker *w)
{
	struct live_work *k = &w->own->live;
	int64_t now_s = (int64_t)(w->wall_ms / 1000), then_s = k->judged_s;

	if (k->adopted && w->now_ms >= w->own->start_ms + ADOPTED_MS) {
		k->adopted = false;
		k->generation = ~w->generation;
	}
	if (k->generation == w->generation && now_s == then_s)
		return false;
	k->judged_s = now_s;
	if (k->generation == w->generation)
		return now_s / 60 != then_s / 60 && image_hours_changed(w->image, then_s, now_s);
	k->generation = w->generation;
	return true;
}

static bool wants_reading(const struct dataplane_worker *w)
{
	const struct live_work *k = &w->own->live;
	uint64_t idle_ms = w->now_ms - k->round_ms;

	if (k->cut || k->look_again)
		return (k->cut && !k->broken) || idle_ms >= AGAIN_MS;
	return livetab_count(k->flows) > 0 && idle_ms >= ROUND_MS &&
	       idle_ms >= k->round_us * ROUND_SHARE / 1000;
}

void flow_live_sweep(struct dataplane_worker *w)
{
	struct live_work *k = &w->own->live;

	if (!w->image)
		return;
	if (is_due(w)) {
		w->judgements++;
		k->judging = true;
		k->ageing = false;
		k->at = 0;
	}
	if (!busy(k) && wants_reading(w))
		read_begin(w);
	if (busy(k) && w->loop)
		loop_timer_set(w->loop, &k->timer, w->now_ms);
	while (busy(k) && !w->loop) /* tests */
		turn(w);
}

int flow_live_init(struct dataplane_worker *w)
{
	struct live_work *k = &w->own->live;

	k->timer = (struct timer){.on_due = on_turn, .user = w};
	k->round_ms = w->now_ms;
	k->generation = w->generation;
	k->judged_s = (int64_t)(w->wall_ms / 1000);
	return flow_live_open(w);
}

void flow_live_fini(struct dataplane_worker *w)
{
	loop_timer_clear(&w->own->live.timer);
	livetab_free(w->own->live.flows);
}

/* --- packets of what was cut --- */

static struct flow_rec *rec_again(struct seen *s, const struct live *l)
{
	struct flow_rec *r = flowtab_add(s->w->flows, &s->flow, s->w->now_ms);

	if (!r)
		return NULL;
	live_ident(s->w->own->live.flows, l, &r->ident);
	r->mark = s->reply ? l->mark : s->p->mark & ~s->w->settings->mark_mask;
	r->verdict = (struct verdict){.action = ACTION_BLOCK,
		.refuse = l->refuse,
		.revision = l->revision,
		.list = NO_LIST,
		.device = NO_DEVICE};
	r->cut = true;
	flow_settle(s->w, r, FLOW_REFUSED);
	return r;
}

struct flow_rec *flow_live_recall(struct seen *s, struct flow_rec *r)
{
	struct livetab *t = s->w->own->live.flows;
	struct live *l;

	if (r && !r->cut)
		return r;
	for (l = livetab_find(t, &s->flow); l && goes_on(l); l = livetab_next(t, l))
		if (l->cut == LIVE_RESTORED) /* as if it had never been cut */
			s->conn = l->proto == IPPROTO_TCP && !l->first ? MARK_REQUESTS : 0;
	if (!l)
		return r;
	l->cut = LIVE_CUT; /* where its requests begin is forgotten with r */
	tell(s->w, l);
	return r ? r : rec_again(s, l);
}

/* The mark of a connection that has not been decided: what was cut has ended, and another one begins by the same ports. What
 * was queued before it was cut has the mark of then. */
static bool is_new(const struct seen *s)
{
	return s->conn == 0 || (s->k.proto == IPPROTO_TCP && s->conn == MARK_SYN_SEEN);
}

bool flow_live_packet(struct seen *s, struct flow_rec **r)
{
	if ((*r)->flow.path == PATH_OTHER)
		return false;
	if (is_new(s)) {
		flowtab_remove(s->w->flows, *r);
		*r = NULL;
		return false;
	}
	if (s->k.proto == IPPROTO_TCP && (s->k.flags & PACKET_RST) && s->k.payload.n == 0) {
		flow_pass(s, 0); /* so it ends */
		return true;
	}
	if (s->k.proto == IPPROTO_TCP)
		refusal_again(s, *r);
	else
		refusal_packet(s, *r);
	flow_drop(s);
	return true;
}

bool flow_live_end_asked(struct seen *s, struct flow_rec *r)
{
	struct live *l = livetab_find(s->w->own->live.flows, &r->flow);
	struct flow f;
	struct ident i;
	struct verdict v;

	if (!l)
		return false;
	ask(s->w, l, &f, &i, &v);
	if (v.action != ACTION_BLOCK) {
		r->tcp->asked = false;
		l->cut = LIVE_RESTORED;
		return false;
	}
	set_cut(l, LIVE_CUT, &v);
	cut_rec(s->w, r, &v);
	tell(s->w, l);
	refusal_again(s, r);
	flow_drop(s);
	return true;
}
