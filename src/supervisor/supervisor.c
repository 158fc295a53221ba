/* SPDX-License-Identifier: GPL-3.0-or-later
 * supervisor.c - what happens to the supervisor, as events: messages, deaths, ticks, signals; and the first and last line.
 *
 * What follows from an event, step.c says, and carry.c does it.
 *
 * Owns: struct supervisor. Thread: one. Fails: exit status. See: docs/design/processes.md.
 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "netsetup/priv.h"
#include "supervisor_int.h"

enum { MESSAGES_AT_ONCE = 16 };

static struct message status_of(const struct supervisor *su)
{
	const struct supervisor_state *st = &su->st;
	const struct child *dataplane = &su->child[SUPERVISOR_DATAPLANE];

	return (struct message){.type = MESSAGE_STATUS,
		.revision = st->revision,
		.fail_open = st->fail_open,
		.judges_all = st->judges_all,
		.starting = st->ready_ms == 0,
		.rules = (uint8_t)rules_plan_shown(&st->plan),
		.rules_by_hand = st->plan.by_hand,
		.rules_fixed = st->fixed,
		.dataplane_hangs = st->hangs,
		.dataplane_pid = st->child[SUPERVISOR_DATAPLANE].ready ? dataplane->pid : 0,
		.controller_pid = su->child[SUPERVISOR_CONTROLLER].pid,
		.failsafe_pid = su->child[SUPERVISOR_FAILSAFE].pid,
		.dataplane_restarts = st->child[SUPERVISOR_DATAPLANE].restarts,
		.controller_restarts = st->child[SUPERVISOR_CONTROLLER].restarts,
		.start_wall_ms = su->start_wall_ms,
		.counters = su->counters,
		.problems = su->problems};
}

void supervisor_tell_status(struct supervisor *su)
{
	struct message m = status_of(su);

	if (su->st.child[SUPERVISOR_CONTROLLER].ready)
		child_send(&su->child[SUPERVISOR_CONTROLLER], &m, -1);
}

/* --- messages --- */

static void take_image(struct supervisor *su, const struct message *m, int fd)
{
	struct supervisor_event e = {.what = ON_IMAGE,
		.child = SUPERVISOR_CONTROLLER,
		.revision = m->revision,
		.fail_open = m->fail_open,
		.judges_all = m->judges_all};
	struct stat st;

	if (su->image_fd >= 0)
		close(su->image_fd);
	su->image_fd = fd;
	if (fstat(fd, &st) == 0)
		e.bytes = (uint64_t)st.st_size;
	supervisor_post(su, e);
}

/* What a message of this child means; ON_SAID: no more than that it is there. */
static enum supervisor_on meaning(const struct child *c, const struct message *m)
{
	bool dataplane = c->kind == SUPERVISOR_DATAPLANE,
	     controller = c->kind == SUPERVISOR_CONTROLLER;

	switch ((enum message_type)m->type) {
	case MESSAGE_READY:
		return ON_READY;
	case MESSAGE_TAKEN:
		return dataplane ? ON_TAKEN : ON_SAID;
	case MESSAGE_HEARD:
		return controller ? ON_HEARD : ON_SAID;
	case MESSAGE_NO_POLICY:
		return controller ? ON_NO_POLICY : ON_SAID;
	case MESSAGE_HEARTBEAT:
	case MESSAGE_IMAGE:
	case MESSAGE_CUT:
		return ON_SAID;
	default:
		log_warn("the %s sent a message of type %u", c->role, m->type);
		return ON_SAID;
	}
}

static void on_message(struct child *c, const struct message *m, int fd)
{
	struct supervisor *su = c->supervisor;

	if (m->type == MESSAGE_IMAGE && c->kind == SUPERVISOR_CONTROLLER && fd >= 0) {
		take_image(su, m, fd);
		return;
	}
	if (m->type == MESSAGE_HEARTBEAT && c->kind == SUPERVISOR_DATAPLANE)
		su->counters = m->counters;
	if (m->type == MESSAGE_CUT && c->kind == SUPERVISOR_CONTROLLER)
		child_send(&su->child[SUPERVISOR_DATAPLANE],
			&(struct message){.type = MESSAGE_CUT, .flow = m->flow}, -1);
	supervisor_post(
		su, (struct supervisor_event){
			    .what = meaning(c, m), .child = c->kind, .revision = m->revision});
	if (fd >= 0)
		close(fd);
}

static void on_control(struct watch *w, uint32_t events)
{
	struct child *c = w->user;
	struct message m;
	int fd, rc = 0;

	for (int i = 0; i < MESSAGES_AT_ONCE && c->control.fd >= 0; i++) {
		rc = message_recv(c->control.fd, &m, &fd);
		if (rc != 0)
			break;
		on_message(c, &m, fd);
	}
	if (rc == -EPROTO) {
		log_error("the %s sent something that is no message: killed", c->role);
		supervisor_post(c->supervisor,
			(struct supervisor_event){.what = ON_BROKEN, .child = c->kind});
	} else if (rc == -EPIPE || (events & (EPOLLHUP | EPOLLERR))) {
		loop_del(&c->control); /* its pidfd will say the rest */
	}
}

/* --- deaths, ticks, signals --- */

static void log_death(const struct child *c, pid_t pid, int status)
{
	if (c->supervisor->st.ending)
		return;
	if (WIFSIGNALED(status))
		log_warn("the %s (pid %d) was ended by signal %d", c->role, (int)pid,
			WTERMSIG(status));
	else
		log_warn("the %s (pid %d) ended with status %d", c->role, (int)pid,
			WEXITSTATUS(status));
}

static void on_ended(struct watch *w, uint32_t events)
{
	struct child *c = w->user;
	pid_t pid = c->pid;
	int status = 0;

	(void)events;
	if (!child_reap(c, &status))
		return;
	log_death(c, pid, status);
	supervisor_post(
		c->supervisor, (struct supervisor_event){.what = ON_ENDED, .child = c->kind});
}

static void tick(struct timer *t, uint64_t now)
{
	struct supervisor *su = t->user;

	loop_timer_set(su->loop, t, now + SUPERVISOR_TICK_MS);
	supervisor_post(su, (struct supervisor_event){.what = ON_TICK});
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct supervisor *su = w->user;
	struct signalfd_siginfo si;

	(void)events;
	while (read(w->fd, &si, sizeof si) == sizeof si) {
		bool reload = si.ssi_signo == SIGHUP;

		if (!su->st.ending)
			log_note(reload ? "reload asked for" : "ending in order");
		supervisor_post(
			su, (struct supervisor_event){.what = reload ? ON_RELOAD : ON_STOP});
	}
}

static int watch_signals(struct supervisor *su)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -errno;
	su->signals = (struct watch){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
		.on_event = on_signal,
		.user = su};
	if (su->signals.fd < 0)
		return -errno;
	return loop_add(su->loop, &su->signals, EPOLLIN);
}

/* --- the first and last line --- */

int supervisor_watch(struct supervisor *su)
{
	struct priv_drop keep = {.keep = PRIV_CAPS_SUPERVISOR};
	int rc = priv_drop(&keep);

	if (rc != 0) {
		log_error("cannot drop what the supervisor does not need: %s", strerror(-rc));
		return rc;
	}
	su->tick = (struct timer){.on_due = tick, .user = su};
	links_start(su);
	rc = loop_timer_set(su->loop, &su->tick, clock_mono_ms() + SUPERVISOR_TICK_MS);
	if (rc == 0)
		rc = web_start(su, clock_mono_ms());
	return rc ? rc : watchdog_start(su, clock_mono_ms());
}

static void children_init(struct supervisor *su)
{
	static const char *const roles[SUPERVISOR_KINDS] = {"dataplane", "controller", "failsafe"};

	for (unsigned i = 0; i < SUPERVISOR_KINDS; i++)
		su->child[i] = (struct child){.role = roles[i],
			.kind = (enum supervisor_kind)i,
			.supervisor = su,
			.ended = {.fd = -1, .on_event = on_ended, .user = &su->child[i]},
			.control = {.fd = -1, .on_event = on_control, .user = &su->child[i]},
			.killer = {.fd = -1}};
}

static int begin(struct supervisor *su)
{
	int rc = loop_new(&su->loop);

	if (rc != 0)
		return rc;
	children_init(su);
	keeper_open(su);
	first_open(su);
	supervisor_carry_open(su);
	rc = watch_signals(su);
	return rc ? rc : open_check(su);
}

int supervisor_main(const struct settings *s, bool guarded)
{
	struct supervisor *su = calloc(1, sizeof *su);
	int rc;

	if (!su)
		return 1;
	su->s = s;
	su->st.guarded = guarded;
	su->image_fd = su->failsafe_pipe = su->lock_fd = su->alone_fd = -1;
	su->conntrack_fd = su->lsm_fd = -1;
	su->start_wall_ms = clock_wall_ms();
	rc = begin(su);
	if (rc == 0) {
		supervisor_post(su, (struct supervisor_event){.what = ON_BEGIN});
		rc = loop_run(su->loop);
		if (rc != 0)
			log_error("cannot go on: %s", strerror(-rc));
	}
	rc = rc ? 1 : su->st.status;
	loop_free(su->loop);
	free(su);
	return rc;
}
