/* SPDX-License-Identifier: GPL-3.0-or-later
 * ask.h - asks the policy about a flow, for both paths of a worker.
 *
 * Owns: nothing. Thread: its worker's. Fails: never; without an image `fail` answers (by BY_FAIL).
 */
#ifndef DATAPLANE_ASK_H
#define DATAPLANE_ASK_H

#include "dataplane/worker.h"

/* ident: NULL at STAGE_FIRST. */
void dataplane_ask(const struct dataplane_worker *w, const struct policy_who *who,
	const struct flow *flow, const struct ident *ident, enum policy_stage stage,
	struct verdict *out);

#endif
