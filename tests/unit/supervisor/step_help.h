/* SPDX-License-Identifier: GPL-3.0-or-later
 * step_help.h - a supervisor's state, a clock, and rows of "this happened, that is done".
 */
#ifndef STEP_HELP_H
#define STEP_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/step.h"

#include <cmocka.h>

enum { LONGEST = 30000, S = 1000 };

static struct supervisor_state st;
static struct supervisor_effects out;
static uint64_t now;

static inline void step(struct supervisor_event e)
{
	e.now_ms = now;
	supervisor_step(&st, &e, &out);
	assert_true(out.n < SUPERVISOR_EFFECTS);
}

static inline const struct supervisor_effect *did(enum supervisor_do what)
{
	for (unsigned i = 0; i < out.n; i++)
		if (out.all[i].what == what)
			return &out.all[i];
	return NULL;
}

static inline bool did_child(enum supervisor_do what, enum supervisor_kind child)
{
	for (unsigned i = 0; i < out.n; i++)
		if (out.all[i].what == what && out.all[i].child == child)
			return true;
	return false;
}

static inline bool said(enum supervisor_say say)
{
	for (unsigned i = 0; i < out.n; i++)
		if (out.all[i].what == DO_SAY && out.all[i].say == say)
			return true;
	return false;
}

static inline bool runs(enum rules_verb verb)
{
	const struct supervisor_effect *f = did(DO_RUN);

	return f && f->verb == verb;
}

/* --- what happens --- */

static inline void on(enum supervisor_on what)
{
	step((struct supervisor_event){.what = what});
}

static inline void of(enum supervisor_on what, enum supervisor_kind child)
{
	step((struct supervisor_event){.what = what, .child = child});
}

static inline void status(enum supervisor_on what, int n)
{
	step((struct supervisor_event){.what = what, .status = n});
}

static inline void word(enum boot_guard_word w)
{
	step((struct supervisor_event){.what = ON_FAIL_SAID, .word = w});
}

/* The script began (and saw the interfaces as they were), and ended. */
static inline void ran(int exit_status)
{
	step((struct supervisor_event){.what = ON_RUN_BEGUN, .sides = st.sides});
	step((struct supervisor_event){.what = ON_RUN_ENDED, .status = exit_status, .begun = true});
}

static inline void policy(uint32_t revision, bool fail_open)
{
	step((struct supervisor_event){.what = ON_IMAGE,
		.child = SUPERVISOR_CONTROLLER,
		.revision = revision,
		.fail_open = fail_open,
		.judges_all = true,
		.bytes = 1000});
}

static inline void taken(void)
{
	step((struct supervisor_event){
		.what = ON_TAKEN, .child = SUPERVISOR_DATAPLANE, .revision = st.revision});
}

static inline void turn(unsigned quiet)
{
	now += SUPERVISOR_TURN_MS;
	step((struct supervisor_event){.what = ON_TURN, .idle = quiet, .longest_ms = LONGEST});
}

static inline void tick(void)
{
	now += SUPERVISOR_TICK_MS;
	on(ON_TICK);
}

/* Ticks in which both speak. */
static inline void ticks(unsigned n)
{
	while (n--) {
		of(ON_SAID, SUPERVISOR_DATAPLANE);
		of(ON_SAID, SUPERVISOR_CONTROLLER);
		tick();
	}
}

/* The clock goes to what was armed. */
static inline void wait_for_it(void)
{
	assert_true(st.armed_ms > 0);
	if (now < st.armed_ms)
		now = st.armed_ms;
	on(ON_TIME);
}

/* --- states --- */

static inline void new_one(void)
{
	st = (struct supervisor_state){0};
	now = 100 * S;
}

static inline void lock_it(void)
{
	on(ON_BEGIN);
	status(ON_LOCK, 0);
}

/* RUNNING: with `fail closed` its first rules are up. */
static inline void open_it(bool fail_open)
{
	lock_it();
	word(fail_open ? BOOT_GUARD_OPEN : BOOT_GUARD_CLOSED);
	if (!fail_open)
		ran(0);
	status(ON_OPENED, 0);
}

/* Ready, and said so. */
static inline void ready_it(bool fail_open)
{
	open_it(fail_open);
	of(ON_READY, SUPERVISOR_CONTROLLER);
	policy(1, fail_open);
	of(ON_READY, SUPERVISOR_DATAPLANE);
	ran(0);
	taken();
	of(ON_HEARD, SUPERVISOR_CONTROLLER);
	ticks(10); /* it lives for longer than SUPERVISOR_QUICK_MS */
	of(ON_SAID, SUPERVISOR_DATAPLANE);
	of(ON_SAID, SUPERVISOR_CONTROLLER);
	turn(0);
	while (st.runs) /* the first check */
		ran(0);
}

static inline int set_new(void **state)
{
	(void)state;
	new_one();
	return 0;
}

static inline int set_open(void **state)
{
	(void)state;
	new_one();
	ready_it(true);
	return 0;
}

static inline int set_closed(void **state)
{
	(void)state;
	new_one();
	ready_it(false);
	return 0;
}

#endif
