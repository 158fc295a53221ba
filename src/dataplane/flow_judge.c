/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_judge.c - asks the policy about a flow, records the verdict, and keeps the counts of the flow table.
 *
 * Owns: nothing. Thread: its worker's. Fails: never; without a policy `fail` answers.
 * See: docs/design/decision.md "First packet and name".
 */
#include "base/ring.h"
#include "dataplane/ask.h"
#include "flow_int.h"
#include "who/devices.h"
#include "who/neigh.h"

bool flow_fail_open(const struct dataplane_worker *w)
{
	return w->image ? image_fail_open(w->image) : w->settings->fail_open;
}

uint64_t dataplane_event_id(struct dataplane_worker *w)
{
	return (uint64_t)w->index << 56 | ++w->event_id;
}

void dataplane_event_push(struct dataplane_worker *w, const struct event *e)
{
	struct event out = *e;

	if (!w->ring)
		return;
	out.worker = w->index;
	out.wall_ms = w->wall_ms;
	if (!ring_push(w->ring, &out))
		w->counters.events_lost++;
}

void flow_record(struct dataplane_worker *w, const struct flow *f, const struct ident *i,
	const struct verdict *v)
{
	struct event e = {.kind = EVENT_DECISION, .flow = *f, .verdict = *v};

	if (i)
		e.ident = *i;
	else
		e.ident.kind = IDENT_NOT_PROTO;
	e.id = dataplane_event_id(w);
	if (v->action == ACTION_BLOCK)
		w->counters.refused++;
	else
		w->counters.allowed++;
	dataplane_event_push(w, &e);
}

void flow_who(struct dataplane_worker *w, const struct flow *f, struct policy_who *who)
{
	struct addr siblings[DEVICE_ADDRS];
	size_t n = 0;

	*who = (struct policy_who){.device = -1,
		.outside = f->outside,
		.has_mac = f->has_mac,
		.mac = f->mac,
		.n_addrs = 1};
	who->addrs[0] = f->src;
	if (f->outside && w->neigh)
		who->has_mac = neigh_find(w->neigh, &f->dst, &who->mac);
	if (!w->devices || f->outside)
		return;
	if (!who->has_mac)
		who->has_mac = w->neigh ? neigh_find(w->neigh, &f->src, &who->mac)
					: devices_mac_of(w->devices, &f->src, &who->mac);
	if (who->has_mac)
		n = devices_addrs_of(w->devices, &who->mac, siblings);
	for (size_t i = 0; i < n && who->n_addrs < WHO_ADDRS; i++)
		if (!addr_eq(&siblings[i], &f->src))
			who->addrs[who->n_addrs++] = siblings[i];
}

void flow_judge_fail(struct dataplane_worker *w, const struct flow *f, const struct ident *i,
	bool open, struct verdict *v)
{
	*v = (struct verdict){.action = open ? ACTION_ALLOW : ACTION_BLOCK,
		.by = BY_FAIL,
		.device = NO_DEVICE,
		.list = NO_LIST,
		.revision = w->image ? image_revision(w->image) : 0};
	flow_record(w, f, i, v);
}

static void ask(struct dataplane_worker *w, const struct flow *f, const struct ident *i,
	enum policy_stage stage, struct verdict *v)
{
	struct policy_who who;

	flow_who(w, f, &who);
	dataplane_ask(w, &who, f, stage == STAGE_NAMED ? i : NULL, stage, v);
}

void flow_judge(struct dataplane_worker *w, const struct flow *f, const struct ident *i,
	enum policy_stage stage, struct verdict *v)
{
	ask(w, f, i, stage, v);
	flow_record(w, f, i, v);
}

/* Judged like any other flow whose name could not be read; one record a tenth of a second tells of it. */
void flow_overload(struct seen *s)
{
	struct dataplane_worker *w = s->w;
	struct ident i = {.kind = IDENT_EVASIVE, .anomaly = ANOMALY_OVERLOAD};
	struct verdict v;

	w->counters.overload++;
	ask(w, &s->flow, &i, STAGE_NAMED, &v);
	if (w->now_ms >= w->own->overload_ms) {
		w->own->overload_ms = w->now_ms + 100;
		flow_record(w, &s->flow, &i, &v);
	}
	if (v.action == ACTION_BLOCK) {
		flow_drop(s); /* it may come again when there is room */
		return;
	}
	flow_live_note_overload(s, &i);
	flow_pass(s, MARK_ALLOWED);
}

struct flow_rec *flow_begin(struct seen *s)
{
	struct dataplane_worker *w = s->w;
	bool own = s->flow.has_mac;
	struct flow_rec *r;

	/* where the server speaks first, no packet of the client is at hand to say it */
	if (!own && w->neigh && !s->outside)
		s->flow.has_mac = neigh_find(w->neigh, &s->flow.src, &s->flow.mac);
	r = flowtab_add(w->flows, &s->flow, w->now_ms);
	if (!r) {
		flow_overload(s);
		return NULL;
	}
	if (!s->reply)
		r->mark = s->p->mark & ~w->settings->mark_mask;
	w->counters.flows++;
	if (own && w->devices)
		devices_packet_learned(w->devices, &s->flow.src, &s->flow.mac);
	return r;
}

void flow_settle(struct dataplane_worker *w, struct flow_rec *r, enum flow_state state)
{
	r->state = (uint8_t)state;
	/* what waits for the other half of a hello must not be forgotten, whatever the flow is otherwise: it is not pushed out by
	 * decided ones, and its client pays for it */
	if (r->udp && quic_ident_pending(r->udp->quic)) {
		flowtab_use(w->flows, r, LIST_PREAMBLE, w->now_ms);
		return;
	}
	/* refused flows and first packets are cheap to judge again: they are the first to go */
	flowtab_use(w->flows, r,
		state == FLOW_REFUSED || r->flow.path == PATH_OTHER ? LIST_OTHER : LIST_DECIDED,
		w->now_ms);
}
