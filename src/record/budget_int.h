/* SPDX-License-Identifier: GPL-3.0-or-later
 * budget_int.h - how many rows of its own a client gets, and the sums of what is above. Private to record/.
 *
 * A client is a named device, or else a MAC, or else an address (IPv6: its /64). Its first BUDGET_FIRST decisions are rows
 * of their own, then BUDGET_MINUTE a minute; clients without a name have BUDGET_STRANGERS_FIRST and _MINUTE together as
 * well, for one machine can be any number of them. What is above is added to a sum by verdict, rule and anomaly, which
 * becomes one row after BUDGET_SUM_MS; nothing is left uncounted. Memory is fixed: where there is no room for one
 * client's sums it is a sum of several clients.
 * Owns: its tables. Thread: one at a time. Fails: only at making.
 */
#ifndef RECORD_BUDGET_INT_H
#define RECORD_BUDGET_INT_H

#include "model/row.h"

enum {
	BUDGET_FIRST = 1000,
	BUDGET_MINUTE = 120,
	BUDGET_STRANGERS_FIRST = 4000,
	BUDGET_STRANGERS_MINUTE = 600,
	BUDGET_SUM_MS = 30000,
	BUDGET_CLIENT_SUMS = 8, /* of one client at a time */
};

struct budget;
struct budget *budget_new(void); /* NULL: out of memory */
void budget_free(struct budget *b);
/* True: it is a row of its own. False: it was counted. now_ms is monotonic. */
bool budget_take(struct budget *b, const struct row *row, uint64_t now_ms);
/* The next sum that is due, or any with `all`, as a row without id. False: there is none. */
bool budget_due(struct budget *b, uint64_t now_ms, bool all, struct row *out);

#endif
