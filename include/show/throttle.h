/* SPDX-License-Identifier: GPL-3.0-or-later
 * throttle.h - limits how fast passwords and tokens can be guessed, so that nobody's guesses lock others out.
 *
 *   an address    after THROTTLE_FREE wrong guesses it waits 1, 2, 4 ... 60 s
 *   its /64       (IPv6: a machine picks any address of its own) THROTTLE_NET_BURST guesses, and one more every
 *                 THROTTLE_NET_STEP_MS; one address that guesses on and on does not use them up
 *   all           there is a budget for each number of wrong guesses of an address: addresses that guess much compete
 *                 with each other. The budgets of the first tries hold THROTTLE_FIRST_BURST addresses: as long as fewer guess at
 *                 once, a newcomer's first tries are free. Together never more than one guess every
 *                 THROTTLE_FIRST_STEP_MS for each of the first tries, and one every THROTTLE_STEP_MS for all others
 *
 * An address that has been right once meets the first bound only. The table has a fixed size.
 *
 * A guess is charged when it is admitted, not when it turns out wrong: guesses side by side gain nothing.
 * Owns: nothing. Thread: one at a time. Fails: never. Times: monotonic ms. See: durward-api(7) "Who may ask".
 */
#ifndef SHOW_THROTTLE_H
#define SHOW_THROTTLE_H

#include "base/addr.h"

enum {
	THROTTLE_ROWS = 2048,
	THROTTLE_FREE = 4,
	THROTTLE_WAIT_MAX_S = 60,
	THROTTLE_NET_BURST = 16,
	THROTTLE_NET_STEP_MS = 4000,
	THROTTLE_FIRST_BURST = 1024,
	THROTTLE_FIRST_STEP_MS = 1000,
	THROTTLE_BURST = 64,
	THROTTLE_STEP_MS = 2000,
};
enum throttle_end { THROTTLE_RIGHT, THROTTLE_WRONG, THROTTLE_UNTOLD /* nothing was learnt */ };

struct throttle_row {
	struct addr from;
	bool used, proven;
	bool net; /* of a /64: until_ms is its budget's */
	unsigned failures;
	uint64_t until_ms, last_ms;
};
struct throttle { /* {0} is ready */
	struct throttle_row rows[THROTTLE_ROWS];
	/* the time up to which a budget is used up: the first tries', and all others' */
	uint64_t all_ms[THROTTLE_FREE + 1];
};

/* 0: the client may guess, and the guess is charged until throttle_settle(); else the seconds to wait, 1 or more. */
unsigned throttle_admit(struct throttle *t, const struct addr *peer, uint64_t now_ms);
void throttle_settle(
	struct throttle *t, const struct addr *peer, uint64_t now_ms, enum throttle_end end);

#endif
