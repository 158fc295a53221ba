/* SPDX-License-Identifier: GPL-3.0-or-later
 * loop.c - an epoll loop with timers.
 *
 * Timers stand in a binary heap by due time; each knows its slot, so clearing one costs O(log n). During a turn the loop keeps
 * its batch of events, and removing a watch empties the places of that watch in the batch. So no event of a watch that was
 * removed, or freed inside a callback, is ever delivered.
 *
 * Owns: its epoll and event descriptors. Thread: its own; loop_wake() any. Fails: 0 or -errno.
 */
#include "base/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

enum { BATCH = 64 };

struct loop {
	int epfd, wakefd;
	uint64_t now_ms;
	atomic_bool stop;
	struct epoll_event batch[BATCH];
	int batch_n;
	struct timer **heap; /* heap[0] is due first */
	uint32_t n, cap;
};

int loop_new(struct loop **out)
{
	struct loop *l = calloc(1, sizeof *l);
	struct epoll_event ev = {.events = EPOLLIN};
	int err = 0;

	if (!l)
		return -ENOMEM;
	l->wakefd = -1;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd >= 0)
		l->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wakefd < 0 || epoll_ctl(l->epfd, EPOLL_CTL_ADD, l->wakefd, &ev) < 0) {
		err = -errno;
		loop_free(l);
		return err;
	}
	l->now_ms = clock_mono_ms();
	*out = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->epfd >= 0)
		close(l->epfd);
	if (l->wakefd >= 0)
		close(l->wakefd);
	for (uint32_t i = 0; i < l->n; i++)
		l->heap[i]->slot = 0;
	free(l->heap);
	free(l);
}

int loop_add(struct loop *l, struct watch *w, uint32_t epoll_events)
{
	struct epoll_event ev = {.events = epoll_events, .data.ptr = w};

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, w->fd, &ev) < 0)
		return -errno;
	w->loop = l;
	return 0;
}

int loop_mod(struct watch *w, uint32_t epoll_events)
{
	struct epoll_event ev = {.events = epoll_events, .data.ptr = w};

	if (!w->loop)
		return -ENOENT;
	return epoll_ctl(w->loop->epfd, EPOLL_CTL_MOD, w->fd, &ev) < 0 ? -errno : 0;
}

void loop_del(struct watch *w)
{
	struct loop *l = w->loop;

	if (!l)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = 0; i < l->batch_n; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
	w->loop = NULL;
}

static void place(struct loop *l, uint32_t i, struct timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void sift_up(struct loop *l, uint32_t i, struct timer *t)
{
	while (i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms) {
		place(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(l, i, t);
}

static void sift_down(struct loop *l, uint32_t i, struct timer *t)
{
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= l->n)
			break;
		if (child + 1 < l->n && l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
			child++;
		if (l->heap[child]->due_ms >= t->due_ms)
			break;
		place(l, i, l->heap[child]);
		i = child;
	}
	place(l, i, t);
}

/* puts t, whose key may be anything, where it belongs, starting at slot i */
static void settle(struct loop *l, uint32_t i, struct timer *t)
{
	if (i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms)
		sift_up(l, i, t);
	else
		sift_down(l, i, t);
}

int loop_timer_set(struct loop *l, struct timer *t, uint64_t due_ms)
{
	if (due_ms == 0)
		due_ms = 1;
	if (t->slot) {
		t->due_ms = due_ms;
		settle(l, t->slot - 1, t);
		return 0;
	}
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 64;
		struct timer **heap = realloc(l->heap, cap * sizeof *heap);

		if (!heap)
			return -ENOMEM;
		l->heap = heap;
		l->cap = cap;
	}
	t->loop = l;
	t->due_ms = due_ms;
	sift_up(l, l->n++, t);
	return 0;
}

void loop_timer_clear(struct timer *t)
{
	struct loop *l = t->loop;
	struct timer *last;

	if (!t->slot)
		return;
	last = l->heap[--l->n];
	if (last != t)
		settle(l, t->slot - 1, last);
	t->slot = 0;
	t->due_ms = 0;
}

uint64_t loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

static int wait_ms(const struct loop *l, int max)
{
	uint64_t left;

	if (l->n == 0)
		return max;
	if (l->heap[0]->due_ms <= l->now_ms)
		return 0;
	left = l->heap[0]->due_ms - l->now_ms;
	if (max >= 0 && left > (uint64_t)max)
		return max;
	return left > 3600000 ? 3600000 : (int)left;
}

/* A callback may arm timers that are due at once: those wait for the next turn, so the number run is bounded. */
static void run_timers(struct loop *l)
{
	uint32_t limit = l->n;

	while (limit-- && l->n && l->heap[0]->due_ms <= l->now_ms) {
		struct timer *t = l->heap[0];

		loop_timer_clear(t);
		t->on_due(t, l->now_ms);
	}
}

static void run_events(struct loop *l)
{
	bool woken = false;
	uint64_t junk;

	for (int i = 0; i < l->batch_n; i++) {
		struct watch *w = l->batch[i].data.ptr;

		if (w)
			w->on_event(w, l->batch[i].events);
		else
			woken = true; /* or a removed watch: then one needless read */
	}
	l->batch_n = 0;
	if (woken && read(l->wakefd, &junk, sizeof junk) < 0) {
		/* EAGAIN: nobody woke us */
	}
}

int loop_turn(struct loop *l, int max_wait_ms)
{
	uint64_t now;
	int n;

	/* for how long to wait only: a timer may come a tick late */
	now = clock_mono_coarse_ms();
	if (now > l->now_ms)
		l->now_ms = now;
	n = epoll_wait(l->epfd, l->batch, BATCH, wait_ms(l, max_wait_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	l->batch_n = n < 0 ? 0 : n;
	l->now_ms = clock_mono_ms();
	run_timers(l);
	run_events(l);
	return 0;
}

int loop_run(struct loop *l)
{
	int err = 0;

	while (!err && !atomic_load(&l->stop))
		err = loop_turn(l, -1);
	atomic_store(&l->stop, false);
	return err;
}

void loop_stop(struct loop *l)
{
	atomic_store(&l->stop, true);
	loop_wake(l);
}

void loop_wake(struct loop *l)
{
	uint64_t one = 1;

	if (write(l->wakefd, &one, sizeof one) < 0) {
		/* EAGAIN: it is awake already */
	}
}
