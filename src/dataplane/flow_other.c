/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_other.c - judges every flow that is neither inspected nor proxied by client, address, protocol and port.
 *
 * The first packet decides, and the mark carries the decision. The flow table is needed only for packets that were queued before
 * the mark was saved, and so that repeated packets of a refused sender are not judged, recorded and answered each time.
 *
 * Owns: nothing. Thread: its worker's. Fails: never. See: durward-policy(5) "RULES".
 */
#include <netinet/in.h>

#include "flow_int.h"

static bool stale(const struct seen *s, const struct flow_rec *r)
{
	bool syn = s->flow.proto == IPPROTO_TCP && !s->reply &&
		   (s->k.flags & (PACKET_SYN | PACKET_ACK)) == PACKET_SYN;

	return r->verdict.revision != image_revision(s->w->image) ||
	       (syn && r->state == FLOW_ALLOWED) || s->w->now_ms - r->born_ms >= IDLE_OTHER_MS;
}

static void carry_out(struct seen *s, struct flow_rec *r)
{
	if (r->state == FLOW_ALLOWED) {
		flow_pass(s, MARK_ALLOWED);
		return;
	}
	refusal_packet(s, r);
	flow_drop(s);
}

void flow_other_packet(struct seen *s, struct flow_rec *r)
{
	if (r && stale(s, r)) {
		flowtab_remove(s->w->flows, r);
		r = NULL;
	}
	if (!r) {
		r = flow_begin(s);
		if (!r)
			return;
		r->ident.kind = IDENT_NOT_PROTO;
		flow_judge(s->w, &r->flow, &r->ident, STAGE_FIRST, &r->verdict);
		flow_settle(
			s->w, r, r->verdict.action == ACTION_BLOCK ? FLOW_REFUSED : FLOW_ALLOWED);
		if (r->state == FLOW_ALLOWED)
			flow_live_note(s->w, r, true);
		else
			flow_live_forget(s->w, r);
	}
	carry_out(s, r);
}
