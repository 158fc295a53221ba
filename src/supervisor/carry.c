/* SPDX-License-Identifier: GPL-3.0-or-later
 * carry.c - carries out what supervisor_step() says, and takes it what that came to.
 *
 * What happens while a step's effects are carried out waits in a small ring, so that each step sees the state that the last
 * one left.
 *
 * Owns: nothing. Thread: the supervisor's. Fails: never; a failure is an event.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor_int.h"

static void post_child(struct supervisor *su, enum supervisor_on what, enum supervisor_kind child)
{
	supervisor_post(su, (struct supervisor_event){.what = what, .child = child});
}

static void post_status(struct supervisor *su, enum supervisor_on what, int status)
{
	supervisor_post(su, (struct supervisor_event){.what = what, .status = status});
}

static void spawn(struct supervisor *su, struct child *c)
{
	int rc = child_start(c);

	if (rc == 0)
		return;
	log_error("cannot start the %s: %s", c->role, strerror(-rc));
	post_child(su, ON_SPAWN_FAILED, c->kind);
}

static void send_image(struct supervisor *su)
{
	struct message m = {.type = MESSAGE_IMAGE,
		.revision = su->st.revision,
		.fail_open = su->st.fail_open,
		.judges_all = su->st.judges_all};

	if (su->image_fd < 0 || child_send(&su->child[SUPERVISOR_DATAPLANE], &m, su->image_fd) != 0)
		post_child(su, ON_IMAGE_UNSENT, SUPERVISOR_DATAPLANE);
}

static void tell(struct supervisor *su, enum supervisor_kind child, struct message m)
{
	child_send(&su->child[child], &m, -1);
}

static void tell_failsafe(struct supervisor *su, char mode)
{
	if (su->failsafe_pipe >= 0 && write(su->failsafe_pipe, &mode, 1) != 1)
		log_warn("failsafe does not listen: %s", strerror(errno));
}

static void ready(struct supervisor *su)
{
	if (notify("READY=1\nSTATUS=filtering") == -EAGAIN)
		supervisor_post(su, (struct supervisor_event){.what = ON_NOT_HEARD});
	else
		log_note("ready: filtering, policy revision %u", su->st.revision);
}

static void arm(struct supervisor *su, uint64_t at_ms)
{
	if (at_ms == 0)
		loop_timer_clear(&su->due);
	else if (loop_timer_set(su->loop, &su->due, at_ms) != 0)
		supervisor_post(su, (struct supervisor_event){.what = ON_FAULT});
}

static void route(struct supervisor *su, bool counts)
{
	if (force_route_fix(su) && counts)
		supervisor_post(su, (struct supervisor_event){.what = ON_ROUTE_FIXED});
}

static void leave(struct supervisor *su)
{
	if (su->lock_fd >= 0)
		close_api(su);
	loop_stop(su->loop);
}

/* The start, the end and the children. */
static bool carry_process(struct supervisor *su, const struct supervisor_effect *f)
{
	switch (f->what) {
	case DO_TAKE_LOCK:
		first_lock(su, f->last);
		return true;
	case DO_ASK:
		first_ask(su);
		return true;
	case DO_DROP_ASK:
		first_drop(su);
		return true;
	case DO_OPEN:
		post_status(su, ON_OPENED, open_all(su));
		return true;
	case DO_WATCH:
		if (supervisor_watch(su) != 0)
			supervisor_post(su, (struct supervisor_event){.what = ON_FAULT});
		return true;
	case DO_SPAWN:
		spawn(su, &su->child[f->child]);
		return true;
	case DO_STOP:
		tell(su, f->child, (struct message){.type = MESSAGE_STOP});
		return true;
	case DO_KILL:
		child_kill(&su->child[f->child]);
		return true;
	case DO_EXIT:
		leave(su);
		return true;
	default:
		return false;
	}
}

/* Queues and rules. */
static bool carry_rules(struct supervisor *su, const struct supervisor_effect *f)
{
	switch (f->what) {
	case DO_BIND:
		if (force_queues(su, true) != 0)
			supervisor_post(su, (struct supervisor_event){.what = ON_BIND_FAILED});
		return true;
	case DO_UNBIND:
		force_queues(su, false);
		return true;
	case DO_PROBE:
		if (probe_send(su))
			supervisor_post(su, (struct supervisor_event){.what = ON_CHANGED});
		return true;
	case DO_PROBE_RESET:
		probe_reset(su);
		return true;
	case DO_RUN:
		keeper_run(su, f->verb);
		return true;
	case DO_KILL_RUN:
		keeper_kill(su);
		return true;
	case DO_DROP_RUN:
		keeper_drop(su);
		return true;
	case DO_ROUTE:
		route(su, f->counts);
		return true;
	default:
		return false;
	}
}

/* Words to others. */
static void carry_words(struct supervisor *su, const struct supervisor_effect *f)
{
	switch (f->what) {
	case DO_SEND_IMAGE:
		send_image(su);
		break;
	case DO_TELL_TAKEN:
		tell(su, SUPERVISOR_CONTROLLER,
			(struct message){.type = MESSAGE_TAKEN, .revision = f->revision});
		break;
	case DO_TELL_RELOAD:
		tell(su, SUPERVISOR_CONTROLLER, (struct message){.type = MESSAGE_RELOAD});
		break;
	case DO_TELL_FAILSAFE:
		tell_failsafe(su, f->mode);
		break;
	case DO_TELL_STATUS:
		supervisor_tell_status(su);
		break;
	case DO_HAND:
		web_hand(su, f->n, f->sends);
		break;
	case DO_READY:
		ready(su);
		break;
	case DO_ALIVE:
		notify("WATCHDOG=1"); /* one that is lost is followed by another */
		break;
	case DO_STOPPING:
		notify("STOPPING=1");
		break;
	case DO_SAY:
		supervisor_say(su, f);
		break;
	case DO_ARM:
		arm(su, f->at_ms);
		break;
	default:
		break;
	}
}

static void one_step(struct supervisor *su, const struct supervisor_event *e)
{
	struct supervisor_effects out;

	supervisor_step(&su->st, e, &out);
	for (unsigned i = 0; i < out.n; i++)
		if (!carry_process(su, &out.all[i]) && !carry_rules(su, &out.all[i]))
			carry_words(su, &out.all[i]);
	if (su->st.phase == SUPERVISOR_RUNNING)
		keeper_show(su);
}

void supervisor_post(struct supervisor *su, struct supervisor_event e)
{
	e.now_ms = clock_mono_ms();
	assert(su->n_waiting <
		EVENTS_WAITING); /* an effect makes one at most, and a step few effects */
	su->waiting[(su->first_waiting + su->n_waiting++) % EVENTS_WAITING] = e;
	if (su->stepping)
		return;
	su->stepping = true;
	while (su->n_waiting) {
		e = su->waiting[su->first_waiting];
		su->first_waiting = (su->first_waiting + 1) % EVENTS_WAITING;
		su->n_waiting--;
		one_step(su, &e);
	}
	su->stepping = false;
}

static void on_due(struct timer *t, uint64_t now_ms)
{
	(void)now_ms;
	supervisor_post(t->user, (struct supervisor_event){.what = ON_TIME});
}

void supervisor_carry_open(struct supervisor *su)
{
	su->due = (struct timer){.on_due = on_due, .user = su};
}
