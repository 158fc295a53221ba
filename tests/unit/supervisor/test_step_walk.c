/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_step_walk.c - thousands of random lives of a supervisor: whatever happens in whatever order, what must hold holds.
 *
 * The world keeps count of what exists (children, the script, the queues' holder) by the effects alone, so that it and the state
 * can be held against each other.
 */
#include "step_help.h"

#include <errno.h>

enum { LIVES = 2000, EVENTS = 3000 };

static struct world {
	bool alive[SUPERVISOR_KINDS], stuck[SUPERVISOR_KINDS];
	bool script, asked, opening, locking;
	bool bound, bind_failed;
	bool exited;
	uint64_t tick_ms, turn_ms, stopped_ms;
	uint32_t handed; /* listeners, by bits */
	unsigned spawned, unbinds, runs, kills, opened;
} w;

static uint64_t seed;

static unsigned any(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static bool one_in(unsigned n)
{
	return any(n) == 0;
}

/* --- effects on the world, and what is never among them --- */

static void seen_spawn(const struct supervisor_effect *f)
{
	assert_false(w.alive[f->child]); /* never two of one kind */
	assert_false(st.ending);
	assert_int_equal(st.phase, SUPERVISOR_RUNNING);
	w.alive[f->child] = true;
	w.spawned++;
}

static void seen_run(const struct supervisor_effect *f)
{
	assert_false(w.script); /* never two at a time */
	assert_int_equal(f->verb, st.verb);
	w.script = true;
	w.runs++;
}

static void seen_unbind(void)
{
	assert_true(st.fail_open);
	assert_false(st.child[SUPERVISOR_DATAPLANE].ready);
	assert_int_equal(st.plan.state, RULES_UP);
	w.bound = false;
	w.unbinds++;
}

static void seen_exit(void)
{
	assert_false(w.exited);
	assert_int_equal(st.phase, SUPERVISOR_OVER);
	for (unsigned k = 0; k < SUPERVISOR_KINDS; k++)
		assert_true(!w.alive[k] ||
			    w.stuck[k]); /* nobody is left behind but who cannot be ended */
	assert_false(w.script);
	w.exited = true;
}

static void seen(const struct supervisor_effect *f)
{
	switch (f->what) {
	case DO_TAKE_LOCK:
		w.locking = true;
		break;
	case DO_ASK:
		w.asked = true;
		break;
	case DO_DROP_ASK:
		w.asked = false;
		break;
	case DO_OPEN:
		w.opening = true;
		w.opened++;
		break;
	case DO_SPAWN:
		seen_spawn(f);
		break;
	case DO_KILL:
		assert_true(w.alive[f->child]);
		w.kills++;
		break;
	case DO_RUN:
		seen_run(f);
		break;
	case DO_KILL_RUN:
		assert_true(w.script);
		break;
	case DO_DROP_RUN:
		assert_true(w.script);
		w.script = false;
		break;
	case DO_BIND:
		assert_true(st.child[SUPERVISOR_DATAPLANE].ready);
		w.bound = true;
		w.bind_failed = false;
		break;
	case DO_UNBIND:
		seen_unbind();
		break;
	case DO_SAY:
		if (f->say == SAY_STUCK)
			w.stuck[f->child] = true;
		break;
	case DO_HAND:
		assert_false(w.handed >> f->n & 1); /* once */
		assert_int_equal(f->sends, st.child[SUPERVISOR_CONTROLLER].runs);
		w.handed |= 1u << f->n;
		break;
	case DO_EXIT:
		seen_exit();
		break;
	default:
		break;
	}
}

static bool something_is_awaited(void)
{
	return st.armed_ms || w.locking || w.asked || w.opening || st.phase == SUPERVISOR_RUNNING;
}

static void what_must_hold_holds(void)
{
	const struct supervisor_child *dataplane = &st.child[SUPERVISOR_DATAPLANE];

	for (unsigned k = 0; k < SUPERVISOR_KINDS; k++) {
		const struct supervisor_child *c = &st.child[k];

		assert_int_equal(c->runs, w.alive[k]);
		assert_false(c->runs && c->waits);
		assert_false(c->ready && (!c->runs || c->killed));
		assert_true(c->backoff_ms <= SUPERVISOR_BACKOFF_MAX_MS);
		assert_true(!c->waits || c->again_ms <= now + SUPERVISOR_BACKOFF_MAX_MS);
	}
	assert_int_equal(st.runs, w.script);
	assert_false(st.dataplane_works && (!dataplane->runs || dataplane->killed));
	assert_false(dataplane->ready && st.unbound && !w.bind_failed);
	assert_true(st.unbound || w.bound);
	assert_false(st.phase == SUPERVISOR_RUNNING && st.plan.runs != RUN_NOTHING && !st.runs);
	assert_false(st.announced && !st.ready_ms);
	assert_int_equal(w.handed, st.web_handed);
	assert_int_equal(st.web_handed & ~st.web_open, 0);
	assert_true(w.exited == (st.phase == SUPERVISOR_OVER));
	assert_true(w.exited || something_is_awaited()); /* it cannot be forgotten in a phase */
}

static void happens(struct supervisor_event e)
{

	step(e);
	for (unsigned i = 0; i < out.n; i++)
		seen(&out.all[i]);
	what_must_hold_holds();
}

/* --- what may happen --- */

static void answers(void)
{
	static const int errors[] = {0, 0, 0, 0, 0, -EAGAIN, -EAGAIN, -EALREADY};

	if (w.locking) {
		w.locking = false;
		happens((struct supervisor_event){.what = ON_LOCK, .status = errors[any(8)]});
	} else if (w.asked && one_in(3)) {
		w.asked = false;
		happens((struct supervisor_event){
			.what = ON_FAIL_SAID, .word = (enum boot_guard_word)any(3)});
	} else if (w.opening) {
		w.opening = false;
		happens((struct supervisor_event){
			.what = ON_OPENED, .status = one_in(20) ? -EBUSY : 0});
	}
}

static void script_does(void)
{
	static const int statuses[] = {0, 0, 0, 0, 0, 0, 1, 3, 5, -1};
	bool begun = !one_in(20);

	if (!w.script)
		return;
	if (begun)
		happens((struct supervisor_event){
			.what = ON_RUN_BEGUN, .sides = st.sides + one_in(10)});
	if (!w.script || (begun && one_in(3)))
		return; /* later */
	w.script = false;
	happens((struct supervisor_event){.what = ON_RUN_ENDED,
		.status = begun ? statuses[any(10)] : -1,
		.begun = begun,
		.strict = one_in(2)});
}

static void dies(enum supervisor_kind k)
{
	if (!w.alive[k])
		return;
	w.alive[k] = false;
	happens((struct supervisor_event){.what = ON_ENDED, .child = k});
}

static void child_does(enum supervisor_kind k)
{
	static const enum supervisor_on dataplanes[] = {
		ON_READY, ON_READY, ON_TAKEN, ON_SAID, ON_BROKEN};
	static const enum supervisor_on desks[] = {
		ON_READY, ON_IMAGE, ON_HEARD, ON_NO_POLICY, ON_SAID, ON_IMAGE, ON_READY};
	struct supervisor_event e = {.what = ON_SAID, .child = k};

	if (!w.alive[k])
		return;
	if (k == SUPERVISOR_DATAPLANE)
		e.what = dataplanes[any(5 - !one_in(60))];
	if (k == SUPERVISOR_CONTROLLER) {
		e.what = desks[any(7)];
		e.revision = st.revision + 1;
		e.fail_open = one_in(2);
		e.judges_all = one_in(2);
		e.bytes = (uint64_t)any(3) * SUPERVISOR_IMAGE_TICK_BYTES;
		if (e.what == ON_NO_POLICY && !one_in(20))
			e.what = ON_SAID;
	}
	happens(e);
}

static void something_else(void)
{
	static const enum supervisor_on others[] = {ON_RELOAD, ON_SIDES, ON_CHANGED, ON_ROUTE_FIXED,
		ON_NOT_HEARD, ON_LOCK, ON_OPENED, ON_FAIL_SAID, ON_BEGIN, ON_IMAGE_UNSENT};
	enum supervisor_on what = others[any(10)];

	/* answers that nobody asked for mean nothing */
	if ((what == ON_LOCK && w.locking) || (what == ON_OPENED && w.opening) ||
		(what == ON_FAIL_SAID && w.asked))
		return;
	happens((struct supervisor_event){
		.what = what, .sides = st.sides + 1, .child = SUPERVISOR_DATAPLANE});
}

static void listener(void)
{
	unsigned n = any(8);
	bool no_room = w.handed >> n & 1;

	if (st.ending || st.phase < SUPERVISOR_OPENING || (!no_room && st.web_open >> n & 1))
		return;
	if (no_room)
		w.handed &= ~(1u << n);
	happens((struct supervisor_event){
		.what = no_room ? ON_NOT_HANDED : ON_LISTENING, .listener = n});
}

static void rare(void)
{
	if (one_in(10)) {
		listener();
	} else if (one_in(4) && st.unbound == false && w.bound && st.phase == SUPERVISOR_RUNNING &&
		   st.child[SUPERVISOR_DATAPLANE].ready) {
		w.bind_failed = true;
		w.bound = false;
		happens((struct supervisor_event){.what = ON_BIND_FAILED});
	} else if (one_in(300) && st.phase == SUPERVISOR_RUNNING) {
		happens((struct supervisor_event){.what = ON_FAULT});
	} else if (one_in(400)) {
		happens((struct supervisor_event){.what = ON_STOP});
	}
}

static void time_goes_on(void)
{
	now += any(one_in(10) ? 3000 : 120);
	if (st.armed_ms && now >= st.armed_ms)
		happens((struct supervisor_event){.what = ON_TIME});
	if (st.phase == SUPERVISOR_RUNNING && now >= w.tick_ms) {
		w.tick_ms = now + SUPERVISOR_TICK_MS;
		happens((struct supervisor_event){.what = ON_TICK});
	}
	if (st.phase == SUPERVISOR_RUNNING && now >= w.turn_ms) {
		w.turn_ms = now + SUPERVISOR_TURN_MS;
		happens((struct supervisor_event){.what = ON_TURN,
			.idle = one_in(12) ? any(50) : 0,
			.changed = one_in(10),
			.longest_ms = one_in(2) ? 30000 : 5000});
	}
}

static void anything(void)
{
	switch (any(8)) {
	case 0:
	case 1:
		time_goes_on();
		break;
	case 2:
		answers();
		break;
	case 3:
		script_does();
		break;
	case 4:
	case 5:
		child_does((enum supervisor_kind)any(SUPERVISOR_KINDS));
		break;
	case 6:
		if (st.ready_ms ? one_in(4) : one_in(60))
			dies((enum supervisor_kind)any(SUPERVISOR_KINDS));
		else
			something_else();
		break;
	default:
		rare();
		break;
	}
}

/* Asked to end, it ends: in bounded time, even if script and children never do. */
static void it_ends(bool others_help)
{
	uint64_t asked = now;

	happens((struct supervisor_event){.what = ON_STOP});
	while (!w.exited) {
		if (w.locking || w.opening)
			answers(); /* these come at once, always: they are calls */
		if (others_help)
			anything();
		if (w.exited)
			break;
		if (st.armed_ms && !w.locking && !w.opening) {
			if (now < st.armed_ms)
				now = st.armed_ms;
			happens((struct supervisor_event){.what = ON_TIME});
		}
		/* its lock, the question, two runs or three, three children */
		assert_true(now <= asked + SUPERVISOR_ASK_MS +
					   4 * (SUPERVISOR_RUN_MS + SUPERVISOR_STUCK_MS) +
					   3 * (SUPERVISOR_STOP_MS + SUPERVISOR_STUCK_MS) + 60 * S);
	}
	happens((struct supervisor_event){.what = ON_TIME});
	assert_int_equal(out.n, 0);
}

static void a_random_life_breaks_no_rule(void **state)
{
	struct world all = {0};

	(void)state;
	for (unsigned life = 1; life <= LIVES; life++) {
		seed = 0x9e3779b97f4a7c15u * life;
		w = (struct world){.bound = true};
		new_one();
		st.guarded = one_in(2);
		happens((struct supervisor_event){.what = ON_BEGIN});
		for (unsigned i = 0; i < EVENTS && !w.exited; i++)
			anything();
		if (!w.exited)
			it_ends(one_in(2));
		all.spawned += w.spawned;
		all.unbinds += w.unbinds;
		all.runs += w.runs;
		all.kills += w.kills;
		all.opened += w.opened;
	}
	/* they went far enough to mean something */
	assert_true(all.opened > LIVES / 2);
	assert_true(all.spawned > 4 * LIVES);
	assert_true(all.runs > 4 * LIVES);
	assert_true(all.unbinds > LIVES / 4);
	assert_true(all.kills > LIVES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_random_life_breaks_no_rule)};

	return cmocka_run_group_tests_name("supervisor_step_walk", tests, NULL, NULL);
}
