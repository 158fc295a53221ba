/* SPDX-License-Identifier: GPL-3.0-or-later
 * main_loop.c - the controller's main thread: opens everything, then messages of the supervisor until STOP or its end.
 *
 * Nothing the controller lacks stops it but the control socket: without a database it decides and shows, without a policy
 * file it says so, without the web it records.
 * Owns: struct controller. Thread: the caller's. Fails: exit status 1 with the reason in the log.
 */
#include "controller_int.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum { HEART_MS = 500, NETS_MS = 30000, SEND_MS = 5000 };

int main_loop_send(struct controller *d, const struct message *m, int fd)
{
	int rc = -EAGAIN;

	pthread_mutex_lock(&d->send_lock);
	for (int waited = 0; rc == -EAGAIN && waited <= SEND_MS; waited += 100) {
		struct pollfd p = {.fd = d->in.control, .events = POLLOUT};
		rc = message_send(d->in.control, m, fd);
		if (rc == -EAGAIN)
			poll(&p, 1, 100);
	}
	pthread_mutex_unlock(&d->send_lock);
	return rc;
}

static void on_heart(struct timer *t, uint64_t now_ms)
{
	struct controller *d = t->user;
	struct message m = {.type = MESSAGE_HEARTBEAT};

	message_send(d->in.control, &m, -1); /* a full socket: the supervisor has enough of them */
	loop_timer_set(d->loop, t, now_ms + HEART_MS);
}

/* The gateway's own networks changed: `local-networks` is compiled again. */
static void on_nets(struct timer *t, uint64_t now_ms)
{
	static struct cidr before[LOCAL_NETS];
	static size_t n_before = SIZE_MAX;
	struct cidr now[LOCAL_NETS];
	struct controller *d = t->user;
	size_t n;

	memset(now, 0, sizeof now);
	n = local_nets(now, LOCAL_NETS);
	if (n_before != SIZE_MAX && (n != n_before || memcmp(now, before, sizeof now) != 0)) {
		log_note("the gateway's networks changed; the policy is compiled again");
		policy_store_want(d);
	}
	memcpy(before, now, sizeof before);
	n_before = n;
	loop_timer_set(d->loop, t, now_ms + NETS_MS);
}

static void take_listener(struct controller *d, int fd)
{
	int rc = atomic_load(&d->front_end_runs) ? d->in.front_end->listen(d->front_end, fd)
						 : -EINVAL;

	if (rc == 0)
		return;
	log_error("a web listener that came late cannot be used: %s", strerror(-rc));
	close(fd);
}

/* Once: the supervisor waits for it before it says that it is ready. */
static void tell_heard(struct controller *d)
{
	struct message m = {.type = MESSAGE_HEARD};

	if (!d->heard)
		d->heard = message_send(d->in.control, &m, -1) == 0;
}

static void take_message(struct controller *d, const struct message *m)
{
	switch (m->type) {
	case MESSAGE_RELOAD:
		policy_store_want(d);
		break;
	case MESSAGE_STOP:
		loop_stop(d->loop);
		break;
	case MESSAGE_TAKEN:
		policy_store_taken(d, m->revision);
		break;
	case MESSAGE_STATUS:
		pthread_mutex_lock(&d->lock);
		d->supervisor = *m;
		d->supervisor_seen = true;
		pthread_mutex_unlock(&d->lock);
		if (!m->starting)
			tell_heard(d);
		break;
	default:
		log_warn("a message of type %u is not for the controller", m->type);
	}
}

static void on_control(struct watch *w, uint32_t events)
{
	struct controller *d = w->user;
	struct message m;
	int fd, rc;

	while ((rc = message_recv(w->fd, &m, &fd)) == 0) {
		if (m.type == MESSAGE_LISTENER && fd >= 0) {
			take_listener(d, fd);
			continue;
		}
		if (fd >= 0)
			close(fd);
		take_message(d, &m);
	}
	if (rc == -EAGAIN)
		return;
	if (rc != -EPIPE)
		log_error("the supervisor's socket: %s", strerror(-rc));
	loop_stop(d->loop); /* without a supervisor there is nobody to work for */
}

/* --- opening --- */

static void set_paths(struct controller *d)
{
	const char *dir = d->in.state_dir;

	snprintf(d->events_path, sizeof d->events_path, "%s/events.db", dir);
	snprintf(d->admin_store_path, sizeof d->admin_store_path, "%s/durward.db", dir);
	snprintf(d->image_path, sizeof d->image_path, "%s/image.good", dir);
	snprintf(d->good_path, sizeof d->good_path, "%s/policy.good", dir);
	snprintf(d->numbers_path, sizeof d->numbers_path, "%s/numbers", dir);
	snprintf(d->good_lists, sizeof d->good_lists, "%s/good-lists", dir);
}

static void on_news(void *controller)
{
	struct controller *d = controller;

	if (atomic_load(&d->front_end_runs))
		d->in.front_end->wake(d->front_end);
}

static int start_recorder(struct controller *d)
{
	struct recorder_in in = {.rings = d->in.rings,
		.n_rings = d->in.n_rings,
		.ring_signal = d->in.ring_signal,
		.conntrack = d->in.conntrack,
		.db_path = d->events_path,
		.limits = {.rows = d->in.events_rows, .days = d->in.events_days},
		.fill = controller_fill_row,
		.news = on_news,
		.user = d};

	return recorder_start(&in, &d->recorder);
}

static int start_loop(struct controller *d)
{
	int rc = loop_new(&d->loop);

	d->control = (struct watch){.fd = d->in.control, .on_event = on_control, .user = d};
	d->heart = (struct timer){.on_due = on_heart, .user = d};
	d->nets = (struct timer){.on_due = on_nets, .user = d};
	if (rc == 0)
		rc = fd_set_nonblock(d->in.control);
	if (rc == 0)
		rc = loop_add(d->loop, &d->control, EPOLLIN);
	if (rc == 0)
		rc = loop_timer_set(d->loop, &d->heart, clock_mono_ms() + HEART_MS);
	if (rc == 0)
		rc = loop_timer_set(d->loop, &d->nets, clock_mono_ms() + NETS_MS);
	if (rc == 0)
		neighbours_start(d);
	return rc;
}

static int start_face(struct controller *d)
{
	int rc;

	if (!d->in.front_end)
		return 0;
	rc = d->in.front_end->start(d, &d->in, &d->front_end);
	if (rc < 0)
		log_error("the web and the API do not run: %s", strerror(-rc));
	atomic_store(&d->front_end_runs, rc == 0);
	return 0;
}

static int open_all(struct controller *d)
{
	int rc = start_loop(d);

	if (rc < 0)
		return rc;
	rc = revisions_open(d);
	if (rc == 0)
		rc = query_open(d->events_path, &d->query);
	if (rc == 0)
		rc = start_recorder(d);
	controller_flows_open(d);
	if (rc == 0)
		rc = start_face(d);
	return rc;
}

static void close_all(struct controller *d)
{
	atomic_store(&d->front_end_runs, false);
	policy_store_stop(d);
	recorder_stop(d->recorder); /* before the front end: it calls wake() */
	if (d->front_end)
		d->in.front_end->stop(d->front_end);
	query_close(d->query);
	admin_store_close(d->admin_store);
	numbers_close(d->numbers);
	strbuf_fini(&d->unkept_text);
	controller_snapshots_fini(d);
	controller_flows_close(d);
	list_facts_fini(&d->policy.lists);
	neighbours_stop(d);
	loop_free(d->loop);
	pthread_cond_destroy(&d->policy_wanted);
	pthread_cond_destroy(&d->taken);
	pthread_mutex_destroy(&d->policy_lock);
	pthread_mutex_destroy(&d->send_lock);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static void cond_init_monotonic(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

int controller_main(const struct controller_in *in)
{
	struct message ready = {.type = MESSAGE_READY};
	struct controller *d = calloc(1, sizeof *d);
	int rc;

	if (!d)
		return 1;
	umask(0077);
	d->in = *in;
	d->neigh_fd = -1;
	d->start_ms = clock_wall_ms();
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->send_lock, NULL);
	pthread_mutex_init(&d->policy_lock, NULL);
	cond_init_monotonic(&d->policy_wanted);
	cond_init_monotonic(&d->taken);
	set_paths(d);
	rc = open_all(d);
	if (rc == 0)
		rc = main_loop_send(d, &ready, -1);
	if (rc == 0)
		rc = policy_store_start(d);
	if (rc == 0)
		rc = loop_run(d->loop);
	if (rc < 0)
		log_error("cannot go on: %s", strerror(-rc));
	close_all(d);
	return rc < 0;
}
