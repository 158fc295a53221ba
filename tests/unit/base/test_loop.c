/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_loop.c - the event loop, its timers, and the shared ring.
 */
#include "base/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ring.h"

#include <cmocka.h>

static int calls, last;

static void note_due(struct timer *t, uint64_t now_ms)
{
	assert_true(now_ms >= (uint64_t)(uintptr_t)t->user);
	assert_true((int)(uintptr_t)t->user >= last);
	last = (int)(uintptr_t)t->user;
	calls++;
}

static void timers_come_in_order(void **state)
{
	struct timer t[200] = {0};
	struct loop *l;

	(void)state;
	calls = last = 0;
	assert_int_equal(loop_new(&l), 0);
	for (size_t i = 0; i < 200; i++) {
		uint64_t due = 1 + (i * 7919) % 211;

		t[i].on_due = note_due;
		t[i].user = (void *)(uintptr_t)due;
		assert_int_equal(loop_timer_set(l, &t[i], 100000000 + i), 0);
		assert_int_equal(loop_timer_set(l, &t[i], due), 0);
	}
	for (size_t i = 0; i < 200; i += 3)
		loop_timer_clear(&t[i]);
	assert_int_equal(loop_turn(l, 0), 0);
	assert_int_equal(calls, 200 - 67);
	assert_int_equal(t[1].slot, 0);
	loop_timer_clear(&t[1]);
	loop_free(l);
}

static void stop_now(struct timer *t, uint64_t now_ms)
{
	(void)now_ms;
	loop_stop(t->loop);
}

static void a_timer_waits_its_time(void **state)
{
	struct timer t = {.on_due = stop_now};
	struct loop *l;
	uint64_t start = clock_mono_ms();

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	loop_timer_set(l, &t, start + 20);
	assert_int_equal(loop_run(l), 0);
	assert_true(clock_mono_ms() - start >= 20);
	loop_free(l);
}

static struct watch *pair[2];

static void remove_both(struct watch *w, uint32_t events)
{
	(void)w;
	assert_true(events & EPOLLIN);
	calls++;
	for (int i = 0; i < 2; i++) {
		loop_del(pair[i]);
		free(pair[i]); /* the other's event is in the same batch */
	}
}

static void a_removed_watch_is_never_called(void **state)
{
	struct loop *l;
	int fds[2];

	(void)state;
	calls = 0;
	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int i = 0; i < 2; i++) {
		pair[i] = calloc(1, sizeof *pair[i]);
		pair[i]->fd = fds[i];
		pair[i]->on_event = remove_both;
		assert_int_equal(write(fds[1 - i], "x", 1), 1);
		assert_int_equal(loop_add(l, pair[i], EPOLLIN), 0);
	}
	assert_int_equal(loop_turn(l, 1000), 0);
	assert_int_equal(loop_turn(l, 0), 0);
	assert_int_equal(calls, 1);
	close(fds[0]);
	close(fds[1]);
	loop_free(l);
}

static void *stop_from_outside(void *l)
{
	usleep(5000);
	loop_stop(l);
	return NULL;
}

static void another_thread_can_stop_it(void **state)
{
	struct loop *l;
	pthread_t th;

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(pthread_create(&th, NULL, stop_from_outside, l), 0);
	assert_int_equal(loop_run(l), 0);
	pthread_join(th, NULL);
	loop_free(l);
}

struct item {
	uint64_t a, b;
};
enum { MANY = 20000 };

static void *produce(void *ring)
{
	for (uint64_t i = 0; i < MANY;) {
		struct item it = {i, ~i};

		if (ring_push(ring, &it))
			i++;
	}
	return NULL;
}

static void a_ring_keeps_order_between_threads(void **state)
{
	struct ring *in, *out;
	pthread_t th;
	int fd;

	(void)state;
	assert_int_equal(ring_create(sizeof(struct item), 64, &fd), 0);
	assert_int_equal(ring_map(fd, sizeof(struct item), 64, &in), 0);
	assert_int_equal(ring_map(fd, sizeof(struct item), 64, &out), 0);
	assert_int_equal(pthread_create(&th, NULL, produce, in), 0);
	for (uint64_t i = 0; i < MANY;) {
		struct item it;

		if (!ring_pop(out, &it))
			continue;
		assert_int_equal(it.a, i);
		assert_int_equal(it.b, ~i);
		i++;
	}
	pthread_join(th, NULL);
	ring_unmap(in);
	ring_unmap(out);
	close(fd);
}

static void a_full_ring_drops_and_counts(void **state)
{
	struct ring *r;
	struct item it = {0};
	int fd;

	(void)state;
	assert_int_equal(ring_create(sizeof it, 4, &fd), 0);
	assert_int_equal(ring_map(fd, sizeof it, 4, &r), 0);
	for (it.a = 0; it.a < 6; it.a++)
		assert_int_equal(ring_push(r, &it), it.a < 4);
	assert_int_equal(ring_dropped(r), 2);
	for (uint64_t i = 0; i < 4; i++) {
		assert_true(ring_pop(r, &it));
		assert_int_equal(it.a, i);
	}
	assert_false(ring_pop(r, &it));
	ring_unmap(r);
	assert_int_not_equal(ring_map(fd, sizeof it, 8, &r), 0);
	assert_int_not_equal(ring_map(fd, 8, 4, &r), 0);
	assert_int_not_equal(ring_create(16, 3, &fd), 0);
	assert_int_not_equal(ftruncate(fd, 0), 0);
	close(fd);
}

static void a_lying_peer_costs_no_memory(void **state)
{
	struct ring *r;
	struct item it;
	uint64_t nonsense = ~0ull / 2;
	int fd;

	(void)state;
	assert_int_equal(ring_create(sizeof it, 4, &fd), 0);
	assert_int_equal(ring_map(fd, sizeof it, 4, &r), 0);
	for (off_t at = 16; at < 256; at += 8)
		assert_int_equal(pwrite(fd, &nonsense, 8, at), 8);
	nonsense = 3;
	assert_int_equal(pwrite(fd, &nonsense, 8, 64), 8); /* head < tail */
	for (int i = 0; i < 20; i++) {
		ring_push(r, &(struct item){0});
		ring_pop(r, &it);
	}
	ring_unmap(r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_come_in_order),
		cmocka_unit_test(a_timer_waits_its_time),
		cmocka_unit_test(a_removed_watch_is_never_called),
		cmocka_unit_test(another_thread_can_stop_it),
		cmocka_unit_test(a_ring_keeps_order_between_threads),
		cmocka_unit_test(a_full_ring_drops_and_counts),
		cmocka_unit_test(a_lying_peer_costs_no_memory),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
