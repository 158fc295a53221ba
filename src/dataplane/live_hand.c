/* SPDX-License-Identifier: GPL-3.0-or-later
 * live_hand.c - the table of live flows, for who is not the inspect path: what somebody cuts, and the relays.
 *
 * Owns: nothing. Thread: its worker's. Fails: by result.
 */
#include "flow_int.h"

struct verdict flow_live_by_hand(const struct live *l)
{
	return (struct verdict){.action = ACTION_BLOCK,
		.by = BY_HAND,
		.device = l->device,
		.list = NO_LIST,
		.revision = l->revision};
}

struct live *dataplane_live_get(struct dataplane_worker *w, uint64_t id)
{
	return (uint8_t)(id >> 24) == w->index
		       ? livetab_born(w->own->live.flows, id & 0xffffff, (uint32_t)(id >> 32))
		       : NULL;
}

bool dataplane_live_cut(struct dataplane_worker *w, uint64_t id)
{
	struct live *l = dataplane_live_get(w, id);

	if (!l || l->path == PATH_PROXY)
		return false;
	flow_live_cut(w, l);
	return true;
}

/* The same ports may be another connection's by now, while the earlier one has not heard of its end: that one's number is
 * nobody's then. */
uint64_t dataplane_live_relay(struct dataplane_worker *w, uint64_t before, const struct event *e)
{
	struct livetab *t = w->own->live.flows;
	struct live *known = dataplane_live_get(w, before),
		    *l = livetab_note(t, &e->flow, &e->ident);

	if (!l)
		return 0;
	if (l != known)
		livetab_renew(t, l, w->wall_ms);
	l->rule_line = e->verdict.rule_line;
	l->revision = e->verdict.revision;
	l->device = e->verdict.device;
	return live_id(w->index, livetab_slot(t, l), l->born);
}

void dataplane_live_forget(struct dataplane_worker *w, uint64_t id)
{
	struct live *l = dataplane_live_get(w, id);

	if (l)
		livetab_remove(w->own->live.flows, l);
}
