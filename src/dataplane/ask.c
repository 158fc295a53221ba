/* SPDX-License-Identifier: GPL-3.0-or-later
 * ask.c - fills in a query to the policy.
 *
 * Owns: nothing. Thread: its worker's. Fails: never.
 */
#include "dataplane/ask.h"

void dataplane_ask(const struct dataplane_worker *w, const struct policy_who *who,
	const struct flow *flow, const struct ident *ident, enum policy_stage stage,
	struct verdict *out)
{
	struct policy_query q = {.who = *who,
		.flow = *flow,
		.ident = ident,
		.stage = stage,
		.now_s = (int64_t)(w->wall_ms / 1000)};

	if (w->image)
		policy_eval(w->image, &policy_live_none, &q, NULL, out);
	else
		*out = (struct verdict){
			.action = w->settings->fail_open ? ACTION_ALLOW : ACTION_BLOCK,
			.by = BY_FAIL,
			.device = NO_DEVICE,
			.list = NO_LIST};
}
