/* SPDX-License-Identifier: GPL-3.0-or-later
 * pace.c - paced watches: one-shot for epoll, armed again by a timer.
 *
 * One-shot, for an error (ENOBUFS) is reported for whatever a watch waits, and would spin.
 *
 * Owns: nothing. Thread: the loop's. Fails: see the header. See: epoll_ctl(2), EPOLLONESHOT.
 */
#include "base/pace.h"

static void arm(struct timer *t, uint64_t now_ms)
{
	struct pace *p = t->user;

	/* not now: a little later */
	if (loop_mod(&p->watch, EPOLLIN | EPOLLONESHOT) != 0)
		loop_timer_set(t->loop, t, now_ms + p->pause_ms);
}

static void on_event(struct watch *w, uint32_t events)
{
	struct pace *p = w->user;

	p->on_ready(p);
	if (!w->loop)
		return; /* stopped */
	/* no memory: at once */
	if (loop_timer_set(w->loop, &p->timer, loop_now_ms(w->loop) + p->pause_ms) != 0)
		loop_mod(w, EPOLLIN | EPOLLONESHOT);
}

int pace_start(struct loop *l, struct pace *p)
{
	p->watch = (struct watch){.fd = p->fd, .on_event = on_event, .user = p};
	p->timer = (struct timer){.on_due = arm, .user = p, .loop = l};
	return loop_add(l, &p->watch, EPOLLIN | EPOLLONESHOT);
}

void pace_stop(struct pace *p)
{
	loop_timer_clear(&p->timer);
	loop_del(&p->watch);
}
