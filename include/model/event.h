/* SPDX-License-Identifier: GPL-3.0-or-later
 * event.h - one thing that happened to a flow, as it goes from the dataplane to the controller through a ring.
 *
 * Fixed size, no pointer, no text but the name. Owns: nothing. Thread: any.
 */
#ifndef MODEL_EVENT_H
#define MODEL_EVENT_H

#include "base/layout.h"
#include "model/flow.h"
#include "model/ident.h"
#include "model/verdict.h"

enum event_kind {
	EVENT_DECISION, /* a verdict was carried out; one HTTP request each on a keep-alive connection */
	EVENT_END,	/* proxy path: the relay ended; bytes and duration are set */
};

struct event {
	uint8_t kind; /* enum event_kind */
	uint8_t worker;
	WIDE uint64_t
		id; /* of the decision, unique in one run: worker << 56 | counter; END names the decision it ends */
	WIDE uint64_t wall_ms; /* UTC */
	struct flow flow;
	struct ident ident;
	struct verdict verdict;
	WIDE uint64_t bytes_up, bytes_down; /* END: from, to the client (payload) */
	uint32_t duration_ms;		    /* END */
};
LAYOUT_AT(struct event, id, 8);
LAYOUT_AT(struct event, flow, 24);
LAYOUT_AT(struct event, ident, 70);
LAYOUT_AT(struct event, verdict, 368);
LAYOUT_AT(struct event, bytes_up, 408);
LAYOUT(struct event, 432);

enum { EVENT_RING_ITEMS = 8192 };

#endif
