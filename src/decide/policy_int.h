/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy_int.h - the state of one walk through the policy, shared by the walk and its trace.
 *
 * Owns: nothing. Thread: the caller's.
 */
#ifndef DECIDE_POLICY_INT_H
#define DECIDE_POLICY_INT_H

#include "image_int.h"

struct walk {
	const struct image *img;
	const struct policy_live
		*live; /* step 1 of the order of evaluation asks it, once it holds anything */
	const struct policy_query *q;
	const struct trace *trace;
	struct verdict *out;
	uint8_t kind; /* enum ident_kind, as the policy sees it */
	bool named;   /* a readable name: rules by name can match */
	bool has_dst;
	int64_t wall_s; /* now, on the clock of the policy's zone */
	struct who who;
	struct domset names; /* set when named */
};

/* All of them do nothing without a trace. line: index into LINES. */
void walk_tell(const struct walk *w, enum trace_result r, uint32_t line);
void walk_say(const struct walk *w, enum trace_result r, uint32_t line, const char *text);
void walk_tell_who(const struct walk *w);
void walk_tell_name(const struct walk *w);

#endif
