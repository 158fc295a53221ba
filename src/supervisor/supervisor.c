/* SPDX-License-Identifier: GPL-3.0-or-later
 * supervisor.c - start order, messages, deaths and the end.
 *
 *   (fail closed: rules) -> open everything -> controller -> (image) -> dataplane -> (ready) -> rules -> READY=1 -> watch
 *
 * In `fail open` rules come last: before the first packet is queued, the dataplane has dropped its rights and holds a policy.
 * In `fail closed` they come first as well, and packets wait for the dataplane: nothing passes unjudged (force.c).
 *
 * Owns: struct supervisor. Thread: one. Fails: exit status. See: house.md 1; reliability.md 2.
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

enum {
	TICK_MS = 500,
	HANG_TICKS =
		8, /* no heartbeat for so long: killed (of the dataplane's workers: watchdog.c) */
	IMAGE_TICK_BYTES =
		8
		<< 20, /* so much of a new image may take a dataplane's main thread another tick */
	BACKOFF_MAX_MS = 5000,
	START_MS = 60000, /* for the controller's first image */
	STOP_MS = 3000,
};

void supervisor_end(struct supervisor *su, int status)
{
	if (su->ending)
		return;
	su->ending = true;
	su->status = status;
	loop_stop(su->loop);
}

static struct message status_of(const struct supervisor *su)
{
	return (struct message){.type = MESSAGE_STATUS,
		.revision = su->revision,
		.fail_open = su->fail_open,
		.judges_all = su->judges_all,
		.starting = su->ready_ms == 0,
		.rules = (uint8_t)rules_plan_shown(&su->plan),
		.rules_by_hand = su->plan.by_hand,
		.rules_fixed = su->rules_fixed,
		.dataplane_hangs = su->dataplane_hangs,
		.dataplane_pid = su->dataplane.ready ? su->dataplane.pid : 0,
		.controller_pid = su->controller.pid,
		.failsafe_pid = su->failsafe.pid,
		.dataplane_restarts = su->dataplane.restarts,
		.controller_restarts = su->controller.restarts,
		.start_wall_ms = su->start_wall_ms,
		.counters = su->counters,
		.problems = su->problems};
}

void supervisor_tell_status(struct supervisor *su)
{
	struct message m = status_of(su);

	if (su->controller.ready)
		child_send(&su->controller, &m, -1);
}

static void tell_failsafe(struct supervisor *su, char mode)
{
	if (su->failsafe_pipe >= 0 && write(su->failsafe_pipe, &mode, 1) != 1)
		log_warn("failsafe does not listen: %s", strerror(errno));
}

static void start(struct child *c)
{
	int rc = child_start(c);

	if (rc != 0) {
		log_error("cannot start the %s: %s", c->role, strerror(-rc));
		supervisor_end(c->supervisor, 1);
	}
}

static void send_image(struct supervisor *su)
{
	struct message m = {.type = MESSAGE_IMAGE,
		.revision = su->revision,
		.fail_open = su->fail_open,
		.judges_all = su->judges_all};

	if (su->image_fd >= 0 && child_send(&su->dataplane, &m, su->image_fd) == 0)
		su->image_due = true;
}

static void take_image(struct supervisor *su, const struct message *m, int fd)
{
	if (su->image_fd >= 0)
		close(su->image_fd);
	su->image_fd = fd;
	su->revision = m->revision;
	su->fail_open = m->fail_open;
	su->judges_all = m->judges_all;
	log_note("policy revision %u: fail %s%s", su->revision, su->fail_open ? "open" : "closed",
		su->judges_all ? "" : ", no rule refuses flows without a name");
	if (su->dataplane.pid == 0 && su->dataplane.again.slot == 0)
		start(&su->dataplane);
	else
		send_image(su);
	if (force_is_stale(su))
		keeper_wish(su);
	tell_failsafe(su, su->fail_open ? 'o' : 'c');
}

static void announce(struct supervisor *su)
{
	if (su->announced)
		return;
	su->announced = true;
	notify("READY=1\nSTATUS=filtering");
	log_note("ready: filtering, policy revision %u", su->revision);
}

/* Who was told READY=1 may ask `durwardctl status` in the same moment: so the controller hears of it first. */
void supervisor_ready(struct supervisor *su)
{
	const struct rules_plan *p = &su->plan;
	bool up = p->state == RULES_UP && !p->wished && p->runs != RUN_UP && !force_is_stale(su);

	if (su->ready_ms || !su->dataplane_works || !(up || p->by_hand))
		return;
	su->ready_ms = clock_mono_ms();
	supervisor_tell_status(su);
}

static void dataplane_ready(struct supervisor *su)
{
	su->dataplane_gone_ms = 0;
	send_image(su);
	if (su->unbound && force_queues(su, true) == 0)
		su->unbound = false;
	su->hold = false;
	if (!su->plan.by_hand && (su->plan.state != RULES_UP || force_is_stale(su)))
		keeper_wish(su);
	supervisor_tell_status(su);
}

static void on_message(struct child *c, const struct message *m, int fd)
{
	struct supervisor *su = c->supervisor;

	c->idle = 0;
	switch ((enum message_type)m->type) {
	case MESSAGE_READY:
		c->ready = true;
		c->backoff_ms = 0;
		if (c == &su->dataplane)
			dataplane_ready(su);
		else
			supervisor_tell_status(su);
		break;
	case MESSAGE_HEARTBEAT:
		if (c == &su->dataplane)
			su->counters = m->counters;
		break;
	case MESSAGE_IMAGE:
		if (c == &su->controller && fd >= 0) {
			take_image(su, m, fd);
			return;
		}
		break;
	case MESSAGE_TAKEN:
		if (c == &su->dataplane) {
			su->dataplane_works = true;
			su->image_due = false;
			child_send(&su->controller, m, -1);
			supervisor_ready(su);
		}
		break;
	case MESSAGE_CUT:
		if (c == &su->controller) {
			struct message cut = {.type = MESSAGE_CUT, .flow = m->flow};

			child_send(&su->dataplane, &cut, -1);
		}
		break;
	case MESSAGE_HEARD:
		if (c == &su->controller && su->ready_ms)
			announce(su);
		break;
	case MESSAGE_NO_POLICY:
		if (c == &su->controller && su->image_fd < 0) {
			log_error("no policy can be put in force: fix the file above, then start "
				  "again");
			supervisor_end(su, 1);
		}
		break;
	default:
		log_warn("the %s sent a message of type %u", c->role, m->type);
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void on_control(struct watch *w, uint32_t events)
{
	struct child *c = w->user;
	struct message m;
	int fd, rc = 0;

	for (int i = 0; i < 16 && c->control.fd >= 0; i++) {
		rc = message_recv(c->control.fd, &m, &fd);
		if (rc != 0)
			break;
		on_message(c, &m, fd);
	}
	if (rc == -EPROTO) {
		log_error("the %s sent something that is no message: killed", c->role);
		child_kill(c);
	} else if (rc == -EPIPE || (events & (EPOLLHUP | EPOLLERR))) {
		loop_del(&c->control); /* its pidfd will say the rest */
	}
}

static void log_death(const struct child *c, int status)
{
	if (WIFSIGNALED(status))
		log_warn("the %s (pid %d) was ended by signal %d", c->role, (int)c->pid,
			WTERMSIG(status));
	else
		log_warn("the %s (pid %d) ended with status %d", c->role, (int)c->pid,
			WEXITSTATUS(status));
}

static void again(struct timer *t, uint64_t now_ms)
{
	struct child *c = t->user;

	(void)now_ms;
	c->restarts++;
	start(c);
	if (c == &c->supervisor->failsafe)
		tell_failsafe(c->supervisor, c->supervisor->fail_open ? 'o' : 'c');
}

static void on_ended(struct watch *w, uint32_t events)
{
	struct child *c = w->user;
	struct supervisor *su = c->supervisor;
	uint64_t now = loop_now_ms(su->loop);
	int status = 0;

	(void)events;
	if (waitpid(c->pid, &status, WNOHANG) <= 0)
		return;
	log_death(c, status);
	loop_del(&c->ended);
	loop_del(&c->control);
	close(c->ended.fd);
	close(c->control.fd);
	c->ended.fd = c->control.fd = -1;
	c->pid = 0;
	c->ready = false;
	if (c == &su->dataplane)
		su->dataplane_works = su->image_due = false;
	if (c == &su->dataplane && su->dataplane_gone_ms == 0)
		su->dataplane_gone_ms = now;
	if (!su->ready_ms && c != &su->failsafe) {
		supervisor_end(su, 1);
		return;
	}
	/* at once the first time; a child that dies again and again waits a little longer each time */
	if (now - c->started_ms < 2000)
		c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : 20;
	if (c->backoff_ms > BACKOFF_MAX_MS)
		c->backoff_ms = BACKOFF_MAX_MS;
	if (loop_timer_set(su->loop, &c->again, now + c->backoff_ms) != 0)
		supervisor_end(su, 1);
	supervisor_tell_status(su);
}

/* The dataplane's main thread checks a new image, however large, before its next heartbeat; its workers do not wait for that. */
static unsigned image_ticks(const struct supervisor *su)
{
	struct stat st;

	if (!su->image_due || su->image_fd < 0 || fstat(su->image_fd, &st) != 0)
		return 0;
	return (unsigned)(st.st_size / IMAGE_TICK_BYTES);
}

/* In turns of our own: while the machine does not run us, what they said waits to be read. */
static void watch_hang(struct supervisor *su, struct child *c, unsigned limit, uint64_t now)
{
	if (c->pid == 0 || !c->ready || ++c->idle < limit)
		return;
	log_error("the %s has said nothing for %u ms: killed", c->role, c->idle * TICK_MS);
	if (c == &su->dataplane && su->dataplane_gone_ms == 0)
		su->dataplane_gone_ms = now - c->idle * TICK_MS;
	c->idle = 0;
	child_kill(c);
}

static void tick(struct timer *t, uint64_t now)
{
	struct supervisor *su = t->user;

	watch_hang(su, &su->dataplane, HANG_TICKS + image_ticks(su), now);
	watch_hang(su, &su->controller, HANG_TICKS, now);
	if (!su->ready_ms && now > su->controller.started_ms + START_MS) {
		log_error("not ready after %d seconds", START_MS / 1000);
		supervisor_end(su, 1);
	}
	if (su->ready_ms && now > su->ready_ms + TICK_MS)
		announce(su); /* a controller that is dead just now keeps nobody waiting */
	/* not the controller: packets do not notice its death, so the service manager must not end us for it */
	if (su->dataplane.ready)
		notify("WATCHDOG=1");
	supervisor_tell_status(su);
	loop_timer_set(su->loop, t, now + TICK_MS);
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct supervisor *su = w->user;
	struct signalfd_siginfo si;
	struct message reload = {.type = MESSAGE_RELOAD};

	(void)events;
	while (read(w->fd, &si, sizeof si) == sizeof si) {
		if (si.ssi_signo == SIGHUP) {
			log_note("reload asked for");
			child_send(&su->controller, &reload, -1);
		} else if (si.ssi_signo != SIGCHLD) {
			log_note("ending in order");
			supervisor_end(su, 0);
		}
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

static void child_init(struct supervisor *su, struct child *c, const char *role)
{
	c->role = role;
	c->supervisor = su;
	c->ended = (struct watch){.fd = -1, .on_event = on_ended, .user = c};
	c->control = (struct watch){.fd = -1, .on_event = on_control, .user = c};
	c->again = (struct timer){.on_due = again, .user = c};
}

static int begin(struct supervisor *su)
{
	struct priv_drop keep = {.keep = PRIV_CAPS_SUPERVISOR};
	int rc = loop_new(&su->loop);

	if (rc != 0)
		return rc;
	child_init(su, &su->dataplane, "dataplane");
	child_init(su, &su->controller, "controller");
	child_init(su, &su->failsafe, "failsafe");
	keeper_open(su);
	rc = watch_signals(su);
	if (rc == 0)
		rc = open_all(su);
	if (rc != 0)
		return rc;
	start(&su->failsafe);
	tell_failsafe(su, su->fail_open ? 'o' : 'c');
	start(&su->controller);
	rc = priv_drop(&keep);
	if (rc != 0)
		log_error("cannot drop what the supervisor does not need: %s", strerror(-rc));
	su->tick = (struct timer){.on_due = tick, .user = su};
	links_start(su);
	if (rc == 0)
		rc = loop_timer_set(su->loop, &su->tick, clock_mono_ms() + TICK_MS);
	if (rc == 0)
		rc = web_start(su, clock_mono_ms());
	return rc ? rc : watchdog_start(su, clock_mono_ms());
}

/* In order: rules first, so that nothing is queued for a dataplane that is going. */
static void finish(struct supervisor *su, bool in_order)
{
	if (su->lock_fd < 0)
		return; /* another one's: its rules and children are not ours to end */
	notify("STOPPING=1");
	keeper_end(su);
	if (in_order && su->guarded && !su->fail_open) {
		force_hold(su);
		log_note("fail closed: the rules stay, nothing new passes, until the boot guard "
			 "goes");
	} else if (in_order) {
		force_down(su);
	} else if (su->plan.state == RULES_UP) {
		force_failed(su);
	} else {
		force_leave(su);
	}
	child_stop(&su->dataplane, STOP_MS);
	child_stop(&su->controller, STOP_MS);
	tell_failsafe(su, 'q');
	child_stop(&su->failsafe, STOP_MS);
	close_api(su);
}

int supervisor_main(const struct settings *s, bool guarded)
{
	struct supervisor *su = calloc(1, sizeof *su);
	int rc;

	if (!su)
		return 1;
	su->s = s;
	su->guarded = guarded;
	su->image_fd = su->failsafe_pipe = su->lock_fd = su->alone_fd = -1;
	su->conntrack_fd = su->lsm_fd = -1;
	su->start_wall_ms = clock_wall_ms();
	rc = begin(su);
	if (rc == 0) {
		loop_run(su->loop);
		finish(su, su->status == 0);
		rc = su->status;
	} else {
		finish(su, false);
		rc = 1;
	}
	loop_free(su->loop);
	free(su);
	return rc;
}
