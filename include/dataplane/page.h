/* SPDX-License-Identifier: GPL-3.0-or-later
 * page.h - the block page of a decision, the same on both paths.
 *
 * Owns: nothing; appends to *out. Thread: its worker's, in the turn of the decision (its time is in the reference).
 * Fails: as strbuf does.
 */
#ifndef DATAPLANE_PAGE_H
#define DATAPLANE_PAGE_H

#include "base/strbuf.h"
#include "dataplane/worker.h"
#include "decide/policy.h"

struct dataplane_page {
	const struct flow *flow;
	const struct ident *ident;
	const struct verdict *verdict;
	const struct policy_who *who;
	bool head; /* the method was HEAD */
};
void dataplane_page(
	const struct dataplane_worker *w, const struct dataplane_page *p, struct strbuf *out);

#endif
