/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_loop.c - the event loop, its timers, paced watches, and the shared ring.
 */
#include "base/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pace.h"
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

struct signalled {
	struct ring *ring;
	int fd, signals;
};

static void *produce_and_signal(void *user)
{
	struct signalled *s = user;
	uint64_t one = 1;

	for (uint64_t i = 0; i < MANY;) {
		struct item it = {i, ~i};

		if (!ring_push(s->ring, &it))
			continue;
		i++;
		if (!ring_is_awaited(s->ring))
			continue;
		s->signals++;
		assert_int_equal(write(s->fd, &one, sizeof one), sizeof one);
	}
	return NULL;
}

/* It sleeps without a time limit, so that a lost signal would hang it. */
static void a_reader_that_sleeps_is_woken_once(void **state)
{
	struct signalled s = {.fd = eventfd(0, EFD_CLOEXEC)};
	struct ring *out;
	uint64_t sum;
	pthread_t th;
	int fd, slept = 0;

	(void)state;
	assert_int_equal(ring_create(sizeof(struct item), 64, &fd), 0);
	assert_int_equal(ring_map(fd, sizeof(struct item), 64, &s.ring), 0);
	assert_int_equal(ring_map(fd, sizeof(struct item), 64, &out), 0);
	assert_false(ring_is_awaited(s.ring));
	assert_int_equal(pthread_create(&th, NULL, produce_and_signal, &s), 0);
	for (uint64_t i = 0; i < MANY;) {
		struct item it;

		if (ring_pop(out, &it)) {
			assert_int_equal(it.a, i);
			i++;
		} else if (ring_await(out)) {
			slept++;
			assert_int_equal(read(s.fd, &sum, sizeof sum), sizeof sum);
		}
	}
	pthread_join(th, NULL);
	assert_true(s.signals >= slept);
	assert_true(ring_await(out));
	assert_true(ring_is_awaited(s.ring));
	assert_false(ring_is_awaited(s.ring));
	ring_unmap(s.ring);
	ring_unmap(out);
	close(fd);
	close(s.fd);
}

static int readings;
static uint64_t reading_ms[4];

static void read_all(struct pace *p)
{
	char c;

	reading_ms[readings] = loop_now_ms(p->watch.loop);
	while (recv(p->fd, &c, 1, MSG_DONTWAIT) > 0)
		;
	readings++;
	if (readings == 4)
		pace_stop(p);
}

/* Turns until so many readings or `ms` are over. */
static void turns(struct loop *l, int until, uint64_t ms)
{
	uint64_t end = clock_mono_ms() + ms;

	while (readings < until && clock_mono_ms() < end)
		assert_int_equal(loop_turn(l, 20), 0);
}

static void a_paced_watch_rests_between_readings(void **state)
{
	struct pace p = {.pause_ms = 100, .on_ready = read_all};
	struct loop *l;
	int s[2];

	(void)state;
	readings = 0;
	pace_stop(&(struct pace){.fd = -1});
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
	assert_int_equal(loop_new(&l), 0);
	p.fd = s[0];
	assert_int_equal(pace_start(l, &p), 0);
	turns(l, 1, 50);
	assert_int_equal(readings, 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(write(s[1], "x", 1), 1);
		turns(l, i, 30000);
		assert_int_equal(readings, i);
		if (i > 1)
			assert_true(reading_ms[i - 1] - reading_ms[i - 2] >= p.pause_ms);
	}
	/* what is there when the pause ends is not lost; and it may stop itself */
	assert_int_equal(write(s[1], "xx", 2), 2);
	turns(l, 4, 30000);
	assert_int_equal(readings, 4);
	assert_int_equal(write(s[1], "x", 1), 1);
	turns(l, 5, 250);
	assert_int_equal(readings, 4);
	loop_free(l);
	close(s[0]);
	close(s[1]);
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
		cmocka_unit_test(a_paced_watch_rests_between_readings),
		cmocka_unit_test(a_reader_that_sleeps_is_woken_once),
		cmocka_unit_test(a_full_ring_drops_and_counts),
		cmocka_unit_test(a_lying_peer_costs_no_memory),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
