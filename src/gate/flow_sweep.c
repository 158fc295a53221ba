/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_sweep.c - what time does to flows: deadlines of hellos, held packets, idle entries.
 *
 * Each list is in the order of its clock, so only heads are looked at; held packets are found by walking PENDING, while
 * there are any.
 *
 * Owns: nothing. Thread: its worker's. Fails: never.
 */
#include "flow_int.h"

static void due_pending(struct gate_worker *w)
{
	struct flow_rec *r, *next;
	uint32_t deadline = w->settings->hello_deadline_ms;

	for (r = flowtab_oldest(w->flows, LIST_PENDING); r; r = next) {
		bool late = w->now_ms - r->born_ms >= deadline;

		next = r->next;
		if (late && r->tcp)
			flow_tcp_due(w, r, true);
		else if (late)
			flow_udp_due(w, r);
		else if (r->tcp && r->tcp->held && w->now_ms - r->tcp->held_ms >= HOLD_MS)
			flow_tcp_due(w, r, false);
		else if (w->own->held == 0)
			break;
	}
}

static void drop_idle(struct gate_worker *w, enum flow_list list, uint64_t idle_ms)
{
	struct flow_rec *r;

	while ((r = flowtab_oldest(w->flows, list)) && w->now_ms - r->last_ms >= idle_ms)
		flowtab_remove(w->flows, r);
}

void gate_sweep(struct gate_worker *w)
{
	due_pending(w);
	drop_idle(w, LIST_OTHER, IDLE_OTHER_MS);
	drop_idle(w, LIST_DECIDED, IDLE_DECIDED_MS);
}
