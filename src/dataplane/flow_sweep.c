/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_sweep.c - what time does to flows: deadlines of hellos, idle entries.
 *
 * Each list is in the order of its clock, so only heads are looked at.
 *
 * Owns: nothing. Thread: its worker's. Fails: never.
 */
#include "flow_int.h"
#include "intercept/conns.h"

static void due_pending(struct dataplane_worker *w)
{
	struct flow_rec *r;

	while ((r = flowtab_oldest(w->flows, LIST_PENDING)) &&
		w->now_ms - r->born_ms >= w->settings->hello_deadline_ms) {
		if (r->tcp)
			flow_tcp_due(w, r);
		else
			flow_udp_due(w, r);
	}
}

/* What the table alone knows: where a request begins, what was said before a hello; of a UDP flow, which marks cannot tell from a new one, that half a
 * hello passed. */
static bool may_go_on(const struct dataplane_worker *w, const struct flow_rec *r)
{
	if (r->udp)
		return quic_ident_pending(r->udp->quic) &&
		       w->now_ms - r->udp->heard_ms < QUIC_HALF_IDLE_MS;
	return r->tcp &&
	       (r->list == LIST_PREAMBLE || r->state == FLOW_REQUESTS || r->tcp->tunnel) &&
	       w->now_ms - r->tcp->heard_ms < IDLE_REQUESTS_MS;
}

static void end(struct dataplane_worker *w, struct flow_rec *r)
{
	if (flow_tcp_is_attempt(r))
		flow_record(w, &r->flow, &r->ident, &r->verdict);
	flowtab_remove(w->flows, r);
}

static void drop_idle(struct dataplane_worker *w, enum flow_list list, uint64_t idle_ms)
{
	struct flow_rec *r;

	while ((r = flowtab_oldest(w->flows, list)) && w->now_ms - r->last_ms >= idle_ms)
		if (may_go_on(w, r))
			flowtab_use(w->flows, r, list, w->now_ms);
		else
			end(w, r);
}

static void count_failures(struct dataplane_worker *w)
{
	struct nfq_stats q;

	if (w->conns)
		w->counters.marks_failed = conns_failed(w->conns);
	if (!w->nfq)
		return;
	nfq_stats(w->nfq, &q);
	w->counters.nfq_overruns = q.overruns;
	w->counters.nfq_errors = q.errors;
	w->counters.verdicts_failed = q.verdicts_failed;
}

void dataplane_sweep(struct dataplane_worker *w)
{
	count_failures(w);
	answer_again(w);
	flow_held_sweep(w);
	due_pending(w);
	drop_idle(w, LIST_OTHER, IDLE_REFUSED_MS);
	drop_idle(w, LIST_DECIDED, IDLE_DECIDED_MS);
	drop_idle(w, LIST_PREAMBLE, IDLE_DECIDED_MS);
	flow_live_sweep(w);
}
