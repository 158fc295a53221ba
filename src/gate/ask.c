/* SPDX-License-Identifier: GPL-3.0-or-later
 * ask.c - fills in a policy query.
 *
 * Owns: nothing. Thread: its worker's. Fails: never.
 */
#include "gate/ask.h"

#include "conf/idn.h"

/* An A-label that stands for nothing matches no rule by name (policy.md "Exactly" 20). */
static bool is_bad_alabel(const struct ident *i)
{
	char out[NAME_TEXT];
	uint8_t n;

	if (!i || i->kind != IDENT_NAME || !memmem(i->name, i->name_len, "xn--", 4))
		return false;
	return idn_canonical(slice_of(i->name, i->name_len), out, &n) == IDN_BAD_ALABEL;
}

void gate_ask(const struct gate_worker *w, const struct policy_who *who, const struct flow *flow,
	const struct ident *ident, enum policy_stage stage, struct verdict *out)
{
	struct policy_query q = {.who = *who,
		.flow = *flow,
		.ident = ident,
		.bad_alabel = is_bad_alabel(ident),
		.stage = stage,
		.now_s = (int64_t)(w->wall_ms / 1000)};

	if (w->image)
		policy_eval(w->image, &q, NULL, out);
	else
		*out = (struct verdict){
			.action = w->settings->fail_open ? ACTION_ALLOW : ACTION_BLOCK,
			.by = BY_FAIL,
			.device = NO_DEVICE,
			.list = NO_LIST};
}
