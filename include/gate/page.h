/* SPDX-License-Identifier: GPL-3.0-or-later
 * page.h - the block page of a decision, the same on both paths.
 *
 * Owns: nothing; appends to *out. Thread: its worker's, in the turn of the decision (its time is in the reference).
 * Fails: as strbuf does.
 */
#ifndef GATE_PAGE_H
#define GATE_PAGE_H

#include "base/strbuf.h"
#include "decide/policy.h"
#include "gate/worker.h"

struct gate_page {
	const struct flow *flow;
	const struct ident *ident;
	const struct verdict *verdict;
	const struct policy_who *who;
	bool head; /* the method was HEAD */
};
void gate_page(const struct gate_worker *w, const struct gate_page *p, struct strbuf *out);

#endif
