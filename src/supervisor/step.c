/* SPDX-License-Identifier: GPL-3.0-or-later
 * step.c - what happens while the supervisor runs: children, the dataplane's workers, policies, readiness; and who takes which event.
 *
 *   (fail closed: rules) -> open everything -> controller -> (image) -> dataplane -> (ready) -> rules -> READY=1 -> watch
 *
 * In `fail open` rules come last: before the first packet is queued, the dataplane has dropped its rights and holds a policy. In `fail
 * closed` they come first as well, and packets wait for the dataplane.
 *
 * Time is counted in turns and ticks, not by the clock, where a child's silence is held against it: on a machine that is
 * stopped, or too busy to run us, none passes. A dataplane that is killed for nothing costs more than one that hangs for a second
 * longer; so after each kill the hang_threshold doubles, for a while.
 *
 * Owns: nothing; pure. Thread: see step.h. Fails: never.
 */
#include "supervisor/step.h"

#include <assert.h>

#include "step_int.h"

struct supervisor_effect *step_add(struct step *s, enum supervisor_do what)
{
	struct supervisor_effects *out = s->out;
	struct supervisor_effect *f;

	assert(out->n < SUPERVISOR_EFFECTS);
	f = &out->all[out->n < SUPERVISOR_EFFECTS ? out->n++ : SUPERVISOR_EFFECTS - 1];
	*f = (struct supervisor_effect){.what = what};
	return f;
}

void step_say_of(struct step *s, enum supervisor_say say, enum supervisor_kind child, uint32_t n)
{
	struct supervisor_effect *f = step_add(s, DO_SAY);

	f->say = say;
	f->child = child;
	f->n = n;
}

void step_say(struct step *s, enum supervisor_say say, uint32_t n, uint32_t m)
{
	struct supervisor_effect *f = step_add(s, DO_SAY);

	f->say = say;
	f->n = n;
	f->m = m;
}

static void tell_failsafe(struct step *s)
{
	step_add(s, DO_TELL_FAILSAFE)->mode = s->st->fail_open ? 'o' : 'c';
}

/* --- children --- */

void step_spawn(struct step *s, enum supervisor_kind child)
{
	struct supervisor_child *c = &s->st->child[child];

	c->runs = true;
	c->ready = c->killed = c->waits = false;
	c->idle = 0;
	c->started_ms = s->e->now_ms;
	step_add(s, DO_SPAWN)->child = child;
	if (child == SUPERVISOR_FAILSAFE)
		tell_failsafe(s);
}

void step_kill(struct step *s, enum supervisor_kind child)
{
	struct supervisor_child *c = &s->st->child[child];

	if (!c->runs)
		return;
	c->killed = true;
	c->ready = false;
	c->idle = 0;
	if (child == SUPERVISOR_DATAPLANE)
		s->st->dataplane_works = false;
	step_add(s, DO_KILL)->child = child;
}

static void gateless_since(struct supervisor_state *st, uint64_t ms)
{
	if (st->dataplane_gone_ms == 0)
		st->dataplane_gone_ms = ms ? ms : 1;
}

static void child_gone(struct supervisor_state *st, enum supervisor_kind child)
{
	struct supervisor_child *c = &st->child[child];

	c->runs = c->ready = c->killed = false;
	if (child == SUPERVISOR_DATAPLANE)
		st->dataplane_works = st->image_due = false;
}

/* At once the first time; a child that dies again and again waits a little longer each time. */
static void ended(struct step *s)
{
	struct supervisor_state *st = s->st;
	struct supervisor_child *c = &st->child[s->e->child];

	if (!c->runs)
		return;
	child_gone(st, s->e->child);
	if (st->phase != SUPERVISOR_RUNNING) {
		step_gone(s);
		return;
	}
	if (s->e->child == SUPERVISOR_DATAPLANE)
		gateless_since(st, s->e->now_ms);
	if (!st->ready_ms && s->e->child != SUPERVISOR_FAILSAFE) {
		step_end(s, 1);
		return;
	}
	if (s->e->now_ms - c->started_ms < SUPERVISOR_QUICK_MS)
		c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : SUPERVISOR_BACKOFF_MS;
	if (c->backoff_ms > SUPERVISOR_BACKOFF_MAX_MS)
		c->backoff_ms = SUPERVISOR_BACKOFF_MAX_MS;
	c->waits = true;
	c->again_ms = s->e->now_ms + c->backoff_ms;
	step_add(s, DO_TELL_STATUS);
}

static void spawn_those_due(struct step *s)
{
	for (unsigned i = 0; i < SUPERVISOR_KINDS; i++) {
		struct supervisor_child *c = &s->st->child[i];

		if (!c->waits || s->e->now_ms < c->again_ms)
			continue;
		c->restarts++;
		step_spawn(s, (enum supervisor_kind)i);
	}
}

static void dataplane_ready(struct step *s)
{
	struct supervisor_state *st = s->st;

	st->dataplane_gone_ms = 0;
	if (st->has_image) {
		st->image_due = true;
		step_add(s, DO_SEND_IMAGE);
	}
	if (st->unbound) {
		st->unbound = false;
		step_add(s, DO_BIND);
	}
	st->hold = false;
	if (!st->plan.by_hand && (st->plan.state != RULES_UP || supervisor_is_stale(st)))
		step_rules_wish(s);
	step_add(s, DO_TELL_STATUS);
}

static void ready(struct step *s)
{
	struct supervisor_child *c = &s->st->child[s->e->child];

	if (!c->runs || c->killed)
		return; /* it said so before it was killed */
	c->ready = true;
	c->backoff_ms = 0;
	if (s->e->child == SUPERVISOR_DATAPLANE)
		dataplane_ready(s);
	else
		step_add(s, DO_TELL_STATUS);
}

/* --- the web's listeners --- */

/* Those that came late go to the controller that runs as well; where none does, the next one inherits them. */
static void hand(struct step *s)
{
	struct supervisor_state *st = s->st;
	uint32_t due = st->web_open & ~st->web_handed;

	for (uint32_t i = 0; due >> i; i++) {
		struct supervisor_effect *f;

		if (!(due >> i & 1))
			continue;
		st->web_handed |= 1u << i;
		f = step_add(s, DO_HAND);
		f->n = i;
		f->sends = st->child[SUPERVISOR_CONTROLLER].runs;
		return; /* one a step: the list of effects is short */
	}
}

static void listener(struct step *s)
{
	uint32_t bit = 1u << (s->e->listener & 31);

	if (s->st->ending)
		return;
	if (s->e->what == ON_LISTENING) {
		s->st->web_open |= bit;
		hand(s);
	} else {
		s->st->web_handed &= ~bit; /* tried again at the next tick */
	}
}

/* --- policies --- */

static void image(struct step *s)
{
	struct supervisor_state *st = s->st;
	const struct supervisor_child *dataplane = &st->child[SUPERVISOR_DATAPLANE];

	st->has_image = true;
	st->revision = s->e->revision;
	st->fail_open = s->e->fail_open;
	st->judges_all = s->e->judges_all;
	st->image_ticks = (unsigned)(s->e->bytes / SUPERVISOR_IMAGE_TICK_BYTES);
	step_say(s, SAY_POLICY, 0, 0);
	if (!dataplane->runs && !dataplane->waits) {
		step_spawn(s, SUPERVISOR_DATAPLANE);
	} else if (dataplane->runs) {
		st->image_due = true;
		step_add(s, DO_SEND_IMAGE);
	}
	if (supervisor_is_stale(st))
		step_rules_wish(s);
	tell_failsafe(s);
}

static void taken(struct step *s)
{
	if (!s->st->child[SUPERVISOR_DATAPLANE].runs || s->st->child[SUPERVISOR_DATAPLANE].killed)
		return;
	s->st->dataplane_works = true;
	s->st->image_due = false;
	step_add(s, DO_TELL_TAKEN)->revision = s->e->revision;
	step_ready(s);
}

/* Who was told READY=1 may ask `durwardctl status` in the same moment: so the controller hears of it first. */
void step_ready(struct step *s)
{
	struct supervisor_state *st = s->st;
	const struct rules_plan *p = &st->plan;
	bool up =
		p->state == RULES_UP && !p->wished && p->runs != RUN_UP && !supervisor_is_stale(st);

	if (st->ready_ms || !st->dataplane_works || !(up || p->by_hand))
		return;
	st->ready_ms = s->e->now_ms ? s->e->now_ms : 1;
	step_add(s, DO_TELL_STATUS);
}

static void announce(struct step *s)
{
	if (s->st->announced || !s->st->ready_ms)
		return;
	s->st->announced = true;
	step_add(s, DO_READY);
}

/* --- hangs --- */

/* The dataplane's main thread checks a new image, however large, before its next heartbeat; its workers do not wait for that. */
static void watch_silence(struct step *s, enum supervisor_kind child, unsigned limit)
{
	struct supervisor_child *c = &s->st->child[child];
	uint64_t silent_ms;

	if (!c->runs || !c->ready || ++c->idle < limit)
		return;
	silent_ms = (uint64_t)c->idle * SUPERVISOR_TICK_MS;
	step_say_of(s, SAY_HANGS_SILENT, child, (uint32_t)silent_ms);
	if (child == SUPERVISOR_DATAPLANE)
		gateless_since(
			s->st, s->e->now_ms > silent_ms ? s->e->now_ms - silent_ms : s->e->now_ms);
	step_kill(s, child);
}

static void tick(struct step *s)
{
	struct supervisor_state *st = s->st;
	const struct supervisor_child *controller = &st->child[SUPERVISOR_CONTROLLER];

	watch_silence(s, SUPERVISOR_DATAPLANE,
		SUPERVISOR_HANG_TICKS + (st->image_due ? st->image_ticks : 0));
	watch_silence(s, SUPERVISOR_CONTROLLER, SUPERVISOR_HANG_TICKS);
	if (!st->ready_ms && s->e->now_ms > controller->started_ms + SUPERVISOR_START_MS) {
		step_say(s, SAY_NO_READY, SUPERVISOR_START_MS / 1000, 0);
		step_end(s, 1);
		return;
	}
	if (st->ready_ms && s->e->now_ms > st->ready_ms + SUPERVISOR_TICK_MS)
		announce(s); /* a controller that is dead just now keeps nobody waiting */
	/* not the controller: packets do not notice its death, so the service manager must not end us for it */
	if (st->child[SUPERVISOR_DATAPLANE].ready)
		step_add(s, DO_ALIVE);
	step_add(s, DO_TELL_STATUS);
	hand(s);
}

static void watch_workers(struct step *s)
{
	struct supervisor_state *st = s->st;
	uint64_t idle_since_ms = (uint64_t)s->e->idle * SUPERVISOR_TURN_MS;

	if (!st->dataplane_works || st->unbound) {
		step_add(s, DO_PROBE_RESET);
		return;
	}
	if (st->hang_threshold == 0 || s->e->now_ms > st->hung_ms + SUPERVISOR_CALM_MS)
		st->hang_threshold = SUPERVISOR_HANG_TURNS;
	if (s->e->idle < st->hang_threshold) {
		step_add(s, DO_PROBE);
		return;
	}
	step_say(s, SAY_HANGS_WORKER, (uint32_t)idle_since_ms, s->e->worker);
	gateless_since(
		st, s->e->now_ms > idle_since_ms ? s->e->now_ms - idle_since_ms : s->e->now_ms);
	st->hung_ms = s->e->now_ms;
	st->hang_threshold = st->hang_threshold * 2 > SUPERVISOR_HANG_TURNS_MAX
				     ? SUPERVISOR_HANG_TURNS_MAX
				     : st->hang_threshold * 2;
	st->hangs++;
	step_kill(s, SUPERVISOR_DATAPLANE);
}

/* --queue-bypass acts only on a queue that nobody holds. */
static void watch_dataplane_gone(struct step *s)
{
	struct supervisor_state *st = s->st;

	if (!st->dataplane_gone_ms || !st->fail_open || st->unbound ||
		s->e->now_ms <= st->dataplane_gone_ms + SUPERVISOR_GATELESS_MS ||
		st->plan.state != RULES_UP)
		return;
	st->unbound = true;
	step_say(s, SAY_UNBOUND, 0, 0);
	step_add(s, DO_UNBIND);
}

static void turn(struct step *s)
{
	struct supervisor_state *st = s->st;

	watch_workers(s);
	watch_dataplane_gone(s);
	if (st->unbound &&
		st->child[SUPERVISOR_DATAPLANE].ready) { /* they could not be taken again */
		st->unbound = false;
		step_add(s, DO_BIND);
	}
	if (s->e->changed)
		st->plan.suspect = true;
	st->longest_ms = s->e->longest_ms;
	step_rules_next(s);
	if (s->e->now_ms < st->route_ms + SUPERVISOR_ROUTE_MS)
		return;
	st->route_ms = s->e->now_ms;
	if (!st->plan.suspect)
		step_route(s);
}

/* --- who takes what --- */

static void of_child(struct step *s)
{
	struct supervisor_state *st = s->st;

	st->child[s->e->child].idle = 0;
	switch (s->e->what) {
	case ON_BROKEN:
		step_kill(s, s->e->child);
		break;
	case ON_READY:
		ready(s);
		break;
	case ON_IMAGE:
		image(s);
		break;
	case ON_IMAGE_UNSENT:
		st->image_due = false;
		break;
	case ON_TAKEN:
		taken(s);
		break;
	case ON_HEARD:
		announce(s);
		break;
	case ON_NO_POLICY:
		if (st->has_image)
			break;
		step_say(s, SAY_NO_POLICY, 0, 0);
		step_end(s, 1);
		break;
	default:
		break;
	}
}

static void of_rules(struct step *s)
{
	struct supervisor_state *st = s->st;

	switch (s->e->what) {
	case ON_CHANGED:
		st->plan.suspect = true;
		step_rules_next(s);
		break;
	case ON_ROUTE_FIXED:
		step_route_fixed(s);
		break;
	case ON_SIDES:
		st->sides = s->e->sides;
		if (st->plan.state == RULES_UP)
			step_rules_wish(s);
		break;
	case ON_BIND_FAILED:
		st->unbound = true; /* tried again a turn later */
		break;
	default:
		break;
	}
}

static void while_running(struct step *s)
{
	switch (s->e->what) {
	case ON_TICK:
		tick(s);
		break;
	case ON_TURN:
		turn(s);
		break;
	case ON_FAULT:
		step_end(s, 1);
		break;
	case ON_NOT_HEARD:
		s->st->announced = false; /* told again at the next tick */
		break;
	case ON_RELOAD:
		step_add(s, DO_TELL_RELOAD);
		break;
	case ON_CHANGED:
	case ON_ROUTE_FIXED:
	case ON_SIDES:
	case ON_BIND_FAILED:
		of_rules(s);
		break;
	default:
		of_child(s);
		break;
	}
}

static void on_time(struct step *s)
{
	step_run_late(s);
	if (s->st->phase == SUPERVISOR_RUNNING)
		spawn_those_due(s);
	else if (s->st->due_ms && s->e->now_ms >= s->st->due_ms)
		step_phase_late(s);
}

/* In every phase. */
static void take(struct step *s)
{
	switch (s->e->what) {
	case ON_BEGIN:
	case ON_LOCK:
	case ON_FAIL_SAID:
	case ON_OPENED:
		step_start(s);
		break;
	case ON_TIME:
		on_time(s);
		break;
	case ON_STOP:
		step_end(s, 0);
		break;
	case ON_RUN_BEGUN:
		step_run_begun(s);
		break;
	case ON_RUN_ENDED:
		if (s->st->runs)
			step_run_ended(s, s->e->status);
		break;
	case ON_ENDED:
		ended(s);
		break;
	case ON_LISTENING:
	case ON_NOT_HANDED:
		listener(s);
		break;
	case ON_SPAWN_FAILED:
		child_gone(s->st, s->e->child);
		step_end(s, 1);
		break;
	default:
		if (s->st->phase == SUPERVISOR_RUNNING)
			while_running(s);
		break;
	}
}

static void earlier(uint64_t *due, uint64_t ms)
{
	if (ms && (*due == 0 || ms < *due))
		*due = ms;
}

static void arm(struct step *s)
{
	struct supervisor_state *st = s->st;
	uint64_t due = 0;

	if (st->phase == SUPERVISOR_OVER)
		return;
	earlier(&due, st->due_ms);
	if (st->runs)
		earlier(&due, st->run_ms);
	for (unsigned i = 0; i < SUPERVISOR_KINDS; i++)
		if (st->child[i].waits)
			earlier(&due, st->child[i].again_ms ? st->child[i].again_ms : 1);
	if (due != st->armed_ms)
		step_add(s, DO_ARM)->at_ms = due;
	st->armed_ms = due;
}

void supervisor_step(struct supervisor_state *st, const struct supervisor_event *e,
	struct supervisor_effects *out)
{
	struct step s = {.st = st, .e = e, .out = out};

	out->n = 0;
	if (st->phase == SUPERVISOR_OVER)
		return;
	if (e->what == ON_TIME)
		st->armed_ms = 0; /* that one is spent */
	take(&s);
	if (st->phase == SUPERVISOR_RUNNING)
		rules_plan_storms(&st->plan, e->now_ms);
	arm(&s);
}
