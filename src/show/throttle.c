/* SPDX-License-Identifier: GPL-3.0-or-later
 * throttle.c - how fast passwords and tokens may be guessed.
 *
 * Owns: nothing. Thread: one at a time; pure. Fails: never. See: the door.
 */
#include "show/throttle.h"

static struct addr client_of(const struct addr *peer)
{
	struct addr a = *peer;

	if (!addr_is_v4(&a))
		memset(a.b + 8, 0, 8);
	return a;
}

static bool is_row_of(const struct throttle_row *r, const struct addr *peer)
{
	struct addr client = client_of(peer);

	return r->used && addr_eq(&r->from, r->proven ? peer : &client);
}

/* His own row where he has proven himself, else his client's; NULL: none yet. */
static struct throttle_row *find(struct throttle *t, const struct addr *peer)
{
	struct throttle_row *found = NULL;

	for (size_t i = 0; i < THROTTLE_ROWS; i++) {
		struct throttle_row *r = &t->rows[i];

		if (is_row_of(r, peer) && (!found || r->proven))
			found = r;
	}
	return found;
}

/* An empty row, or the one whose loss frees nobody: no wait before a wait, unproven before proven, then the oldest. */
static uint64_t worth(const struct throttle_row *r, uint64_t now_ms)
{
	uint64_t age = now_ms - r->last_ms, young = age >> 60 ? 0 : (UINT64_C(1) << 60) - age;

	return r->used ? young + ((uint64_t)r->proven << 61) +
				 ((uint64_t)(r->until_ms > now_ms) << 62)
		       : 0;
}

static struct throttle_row *make(struct throttle *t, struct addr from, bool proven, uint64_t now_ms)
{
	struct throttle_row *least = &t->rows[0];

	for (size_t i = 1; i < THROTTLE_ROWS; i++)
		if (worth(&t->rows[i], now_ms) < worth(least, now_ms))
			least = &t->rows[i];
	*least = (struct throttle_row){
		.used = true, .proven = proven, .from = from, .last_ms = now_ms};
	return least;
}

static unsigned seconds_left(uint64_t until_ms, uint64_t now_ms)
{
	return until_ms > now_ms ? (unsigned)((until_ms - now_ms + 999) / 1000) : 0;
}

static void charge(struct throttle_row *r, uint64_t now_ms)
{
	unsigned wait_s = 0;

	if (++r->failures >= THROTTLE_FREE) {
		unsigned over = r->failures - THROTTLE_FREE;

		wait_s = over < 6 ? 1u << over : THROTTLE_WAIT_MAX_S;
	}
	r->until_ms = wait_s ? now_ms + (uint64_t)wait_s * 1000 : 0;
	r->last_ms = now_ms;
}

unsigned throttle_admit(struct throttle *t, const struct addr *peer, uint64_t now_ms)
{
	struct throttle_row *r = find(t, peer);
	uint64_t burst_ms = (uint64_t)THROTTLE_BURST * THROTTLE_STEP_MS;
	unsigned wait_s = r ? seconds_left(r->until_ms, now_ms) : 0;

	if (wait_s)
		return wait_s;
	if (!r || !r->proven) {
		if (t->all_ms < now_ms)
			t->all_ms = now_ms;
		if (t->all_ms + THROTTLE_STEP_MS > now_ms + burst_ms)
			return seconds_left(t->all_ms + THROTTLE_STEP_MS - burst_ms, now_ms);
		t->all_ms += THROTTLE_STEP_MS;
	}
	charge(r ? r : make(t, client_of(peer), false, now_ms), now_ms);
	return 0;
}

/* The charge is taken back. */
static void forgive(struct throttle *t, struct throttle_row *r)
{
	if (r->failures)
		r->failures--;
	r->until_ms = 0;
	if (!r->proven && t->all_ms >= THROTTLE_STEP_MS)
		t->all_ms -= THROTTLE_STEP_MS;
}

void throttle_settle(
	struct throttle *t, const struct addr *peer, uint64_t now_ms, enum throttle_end end)
{
	struct throttle_row *r = end == THROTTLE_WRONG ? NULL : find(t, peer);

	if (r)
		forgive(t, r);
	if (end != THROTTLE_RIGHT)
		return;
	if (r && addr_is_v4(peer))
		r->proven = true;
	else if (!r || !r->proven)
		r = make(t, *peer, true, now_ms);
	r->failures = 0;
	r->until_ms = 0;
	r->last_ms = now_ms;
}
