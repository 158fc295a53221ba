/* SPDX-License-Identifier: GPL-3.0-or-later
 * throttle.h - how fast passwords and tokens may be guessed.
 *
 * Three bounds. A client is an IPv4 address or a whole IPv6 /64, for a machine picks any address of its own /64: after
 * THROTTLE_FREE wrong guesses it waits 1, 2, 4 ... 60 s. All clients together have THROTTLE_BURST wrong guesses, and
 * one more every THROTTLE_STEP_MS. An address that has been right once stands for itself, so that neighbours' guesses
 * do not lock its owner out. The table is of fixed size.
 *
 * A guess is charged when it is admitted, not when it turns out wrong: guesses side by side gain nothing.
 * Owns: nothing. Thread: one at a time. Fails: never. Times: monotonic ms. See: reliability.md 7 (Auth).
 */
#ifndef SHOW_THROTTLE_H
#define SHOW_THROTTLE_H

#include "base/addr.h"

enum {
	THROTTLE_ROWS = 256,
	THROTTLE_FREE = 4,
	THROTTLE_WAIT_MAX_S = 60,
	THROTTLE_BURST = 64,
	THROTTLE_STEP_MS = 2000,
};
enum throttle_end { THROTTLE_RIGHT, THROTTLE_WRONG, THROTTLE_UNTOLD /* nothing was learnt */ };

struct throttle_row {
	struct addr from; /* its /64 for IPv6, unless proven */
	bool used, proven;
	unsigned failures;
	uint64_t until_ms, last_ms;
};
struct throttle { /* {0} is ready */
	struct throttle_row rows[THROTTLE_ROWS];
	uint64_t all_ms; /* the time up to which the guesses of all are used up */
};

/* 0: he may guess, and it is charged until throttle_settle(); else the seconds to wait. */
unsigned throttle_admit(struct throttle *t, const struct addr *peer, uint64_t now_ms);
void throttle_settle(
	struct throttle *t, const struct addr *peer, uint64_t now_ms, enum throttle_end end);

#endif
