/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_recorder.c - events pushed into a ring reach the tail and the database; ends find their rows.
 */
#include "record/folder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "base/ring.h"
#include "record/query.h"
#include "record/recorder.h"

static struct ring *ring;
static int ring_fd, signal_fd;
static atomic_int news;

static void fill(void *user, struct row *row)
{
	row_text_set(row->device, sizeof row->device, "mia-phone");
}

static void on_news(void *user)
{
	atomic_fetch_add(&news, 1);
}

static struct recorder *started(const char *db)
{
	struct recorder *r = NULL;
	struct recorder_in in = {.rings = &ring_fd,
		.n_rings = 1,
		.conntrack = -1,
		.db_path = db,
		.limits = {.rows = 10000, .days = 30},
		.fill = fill,
		.news = on_news};

	assert_int_equal(ring_create(sizeof(struct event), EVENT_RING_ITEMS, &ring_fd), 0);
	assert_int_equal(ring_map(ring_fd, sizeof(struct event), EVENT_RING_ITEMS, &ring), 0);
	in.ring_signal = signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(recorder_start(&in, &r), 0);
	return r;
}

static void stop(struct recorder *r)
{
	recorder_stop(r);
	ring_unmap(ring);
	close(ring_fd);
	close(signal_fd);
}

static void push(struct event e)
{
	uint64_t one = 1;

	assert_true(ring_push(ring, &e));
	assert_int_equal(write(signal_fd, &one, sizeof one), sizeof one);
}

static struct recorder_counters wait_for(struct recorder *r, uint64_t last_id)
{
	struct recorder_counters c;

	for (int i = 0; i < 6000; i++) {
		recorder_counters(r, &c);
		if (c.last_id >= last_id)
			break;
		usleep(10000);
	}
	return c;
}

static struct row got[16];
static size_t n_got;
static void collect(void *user, const struct row *r)
{
	got[n_got++] = *r;
}

static void events_reach_tail_and_database(void **state)
{
	struct recorder *r = started(in_folder("events.db"));
	struct row_filter any = row_filter_any();
	struct event e = event_of("a.example", ACTION_ALLOW);
	uint64_t next, lost;
	struct row tail[8];
	struct query *q;

	e.flow.path = PATH_PROXY;
	push(e);
	push(event_of("<img src=x>", ACTION_BLOCK));
	e.kind = EVENT_END, e.bytes_up = 5, e.bytes_down = 6, e.duration_ms = 7;
	push(e);
	struct recorder_counters c = wait_for(r, 2);
	assert_int_equal(c.last_id, 2);
	assert_int_equal(c.allowed, 1);
	assert_int_equal(c.blocked, 1);
	assert_int_equal(recorder_tail(r, &any, 0, tail, 8, &next, &lost), 2);
	assert_int_equal(next, 2);
	assert_int_equal(lost, 0);
	assert_string_equal(tail[1].device, "mia-phone");
	stop(r);
	assert_true(atomic_load(&news) >= 1);
	n_got = 0;
	assert_int_equal(query_open(in_folder("events.db"), &q), 0);
	assert_int_equal(query_rows(q, &any, collect, NULL), 0);
	query_close(q);
	assert_int_equal(n_got, 2);
	assert_true(got[1].ended);
	assert_int_equal(got[1].event.bytes_down, 6);
}

static void a_reader_that_falls_behind_is_told(void **state)
{
	struct recorder *r = started(in_folder("events.db"));
	struct row_filter any = row_filter_any();
	uint64_t next, lost;
	struct row tail[8];

	for (int i = 0; i < RECORDER_TAIL + 10; i++)
		push(event_of("flood.example", ACTION_ALLOW));
	wait_for(r, RECORDER_TAIL + 10);
	assert_int_equal(recorder_tail(r, &any, 0, tail, 8, &next, &lost), 8);
	assert_int_equal(lost, 10);
	assert_int_equal(tail[0].id, 11);
	stop(r);
}

static void without_a_database_rows_are_counted_lost_and_still_shown(void **state)
{
	struct recorder *r = started("/nonexistent/events.db");
	struct row_filter any = row_filter_any();
	struct recorder_counters c;
	uint64_t next, lost;
	struct row tail[8];

	push(event_of("a.example", ACTION_ALLOW));
	wait_for(r, 1);
	for (int i = 0; i < 6000; i++) {
		recorder_counters(r, &c);
		if (c.lost_store > 0)
			break;
		usleep(10000);
	}
	assert_int_equal(c.lost_store, 1);
	assert_non_null(strstr(c.trouble, "not recorded"));
	assert_int_equal(recorder_tail(r, &any, 0, tail, 8, &next, &lost), 1);
	stop(r);
}

static void wild_bytes_from_the_gate_are_bounded(void **state)
{
	struct recorder *r = started(in_folder("events.db"));
	struct row_filter any = row_filter_any();
	uint64_t next, lost;
	struct row tail[8];
	struct event e = event_of("x", ACTION_ALLOW);

	memset(e.ident.name, 'a', sizeof e.ident.name);
	memset(e.ident.alpn, 'a', sizeof e.ident.alpn);
	e.ident.kind = e.ident.odd = e.ident.app = e.verdict.action = e.flow.path = 255;
	push(e);
	wait_for(r, 1);
	assert_int_equal(recorder_tail(r, &any, 0, tail, 8, &next, &lost), 1);
	assert_int_equal(strlen(tail[0].event.ident.name), NAME_TEXT - 1);
	assert_int_equal(tail[0].event.ident.kind, 0);
	assert_int_equal(tail[0].event.verdict.action, ACTION_BLOCK);
	stop(r);
}

#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, folder_make, folder_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(events_reach_tail_and_database),
		IN_FOLDER(a_reader_that_falls_behind_is_told),
		IN_FOLDER(without_a_database_rows_are_counted_lost_and_still_shown),
		IN_FOLDER(wild_bytes_from_the_gate_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
