/* SPDX-License-Identifier: GPL-3.0-or-later
 * loop.h - an epoll loop with timers; one per thread.
 *
 * Owns: its epoll descriptor and the registrations, never the descriptors registered.
 * Thread: the one that runs it; only loop_wake() may be called from others.
 * Fails: 0 or -errno.
 *
 * A `struct watch` is embedded in the owner's struct; its callback may remove any watch, its own included, during a
 * turn (events of removed watches are not delivered). A `struct timer` is embedded likewise.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct watch {
	int fd; /* -1 = not registered */
	void (*on_event)(struct watch *w, uint32_t epoll_events);
	void *user;
	struct loop *loop;
};
struct timer {
	uint64_t due_ms; /* monotonic; 0 = not armed */
	void (*on_due)(struct timer *t, uint64_t now_ms);
	void *user;
	struct loop *loop;
	uint32_t slot; /* place in the heap + 1, 0 = not armed */
};

int loop_new(struct loop **out);
void loop_free(struct loop *l); /* NULL is fine */
int loop_add(struct loop *l, struct watch *w,
	uint32_t epoll_events); /* w->fd, on_event set by the caller */
int loop_mod(struct watch *w, uint32_t epoll_events);
void loop_del(struct watch *w); /* tolerates one never added; does not close the fd */
int loop_timer_set(struct loop *l, struct timer *t, uint64_t due_ms); /* re-arms if armed */
void loop_timer_clear(struct timer *t);
uint64_t loop_now_ms(const struct loop *l); /* monotonic, read once per turn */
int loop_turn(struct loop *l,
	int max_wait_ms);     /* one turn: waits, timers, events; 0 or -errno (never -EINTR) */
int loop_run(struct loop *l); /* turns until loop_stop() */
void loop_stop(struct loop *l);
void loop_wake(struct loop *l); /* any thread */

#endif
