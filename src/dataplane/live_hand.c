/* SPDX-License-Identifier: GPL-3.0-or-later
 * live_hand.c - the table of live flows, but for the judging: what an earlier dataplane left, what somebody cuts, the relays.
 *
 * Owns: nothing. Thread: its worker's. Fails: by result.
 */
#include "base/log.h"
#include "flow_int.h"

enum { FLOWS = 65536 }; /* where the settings say nothing, and no map is there */

int flow_live_open(struct dataplane_worker *w)
{
	struct live_work *k = &w->own->live;
	const char *why = NULL;
	int rc;

	if (!w->live_map.head)
		return livetab_new(&k->flows,
			w->settings->flows_max ? w->settings->flows_max : FLOWS,
			&w->settings->hash_key);
	rc = livetab_adopt(&k->flows, &w->live_map, &w->settings->hash_key, &why);
	if (why)
		log_warn("live flows of the dataplane before, worker %u: %s; they are thrown away, "
			 "and "
			 "what was allowed goes on until it ends",
			w->index, why);
	if (rc != 0)
		return rc;
	k->adopted = k->look_again = livetab_count(k->flows) > 0;
	if (!k->adopted)
		livetab_works(k->flows); /* nothing in it can do harm */
	else
		log_info("worker %u: %u live flows of the dataplane before", w->index,
			livetab_count(k->flows));
	return 0;
}

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
