/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_recorder.c - events pushed into a ring reach the tail and the database; ends find their rows.
 */
#include "record/folder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/ring.h"
#include "record/query.h"
#include "record/recorder.h"

static struct ring *ring;
static int ring_fd, signal_fd;
static atomic_int news;

static void fill(void *user, struct row *row)
{
	char name[ROW_WORD] = "mia-phone";

	if (row->event.worker) /* so that a test has as many devices as it needs */
		snprintf(name, sizeof name, "device-%u", row->event.worker);
	row_text_set(row->device, sizeof row->device, name);
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
		.limits = {.rows = 10000, .days = 3650},
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
	if (ring_is_awaited(ring))
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
	if (n_got < 16)
		got[n_got] = *r;
	n_got++;
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

	for (int i = 0; i < RECORDER_TAIL + 10; i++) {
		struct event e = event_of("flood.example", ACTION_ALLOW);

		e.worker = (uint8_t)(1 + i / 500); /* nobody floods */
		push(e);
	}
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
	assert_non_null(strstr(c.failure, "not recorded"));
	assert_int_equal(recorder_tail(r, &any, 0, tail, 8, &next, &lost), 1);
	stop(r);
}

/* 20,000 decisions of one device: its first thousand are rows, the rest is one row, and nothing is lost. */
static void a_flood_is_counted(void **state)
{
	struct recorder *r = started(in_folder("events.db"));
	struct row_filter f = row_filter_any();
	struct event e = event_of("quiet.example", ACTION_ALLOW);
	uint64_t own = 0, counted = 0;
	struct recorder_counters c;
	struct query *q;

	e.worker = 1;
	push(e);
	for (int i = 0; i < 20000; i++) {
		struct event garbage = event_of("", ACTION_BLOCK);

		garbage.ident.kind = IDENT_EVASIVE;
		garbage.ident.anomaly = ANOMALY_BAD_RECORD;
		garbage.flow.sport = (uint16_t)i;
		for (int k = 0; !ring_push(ring, &garbage) && k < 60000; k++)
			usleep(1000);
	}
	for (int i = 0; i < 6000; i++) {
		recorder_counters(r, &c);
		if (c.blocked == 20000)
			break;
		usleep(10000);
	}
	assert_int_equal(c.blocked, 20000);
	stop(r);
	assert_int_equal(query_open(in_folder("events.db"), &q), 0);
	f.limit = 10000;
	n_got = 0;
	assert_int_equal(query_rows(q, &f, collect, NULL), 0);
	for (size_t i = 0; i < n_got && i < 16; i++)
		counted += got[i].count;
	own = n_got;
	assert_true(own >= 1001 && own < 1200); /* and two a second, however slow this machine is */
	assert_int_equal(own - 1 - 1 + counted, 20000);
	assert_int_equal(got[0].count, c.summed);
	assert_int_equal(got[0].event.ident.anomaly, ANOMALY_BAD_RECORD);
	assert_int_equal(got[0].event.flow.sport, 0);
	assert_true(got[0].last_ms >= got[0].event.wall_ms);
	query_close(q);
}

/* The file is not there at the start and has rows when it comes: none of them is overwritten. */
static void rows_of_a_file_that_comes_late_stay(void **state)
{
	struct recorder *r = started(in_folder("events.db"));
	struct row_filter any = row_filter_any();
	struct recorder_counters c;
	char away[600], path[600];
	struct query *q;

	for (int i = 0; i < 3; i++)
		push(event_of("first.example", ACTION_ALLOW));
	wait_for(r, 3);
	stop(r);
	snprintf(path, sizeof path, "%s", in_folder("events.db"));
	snprintf(away, sizeof away, "%s", in_folder("away.db"));
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* in its place: it cannot be opened */
	r = started(path);
	push(event_of("lost.example", ACTION_ALLOW));
	wait_for(r, 4);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename(away, path), 0);
	for (int i = 0; i < 6000; i++) {
		recorder_counters(r, &c);
		if (!c.failure[0])
			break;
		usleep(10000);
	}
	assert_string_equal(c.failure, "");
	push(event_of("later.example", ACTION_ALLOW));
	wait_for(r, c.last_id + 1);
	stop(r);
	n_got = 0;
	assert_int_equal(query_open(path, &q), 0);
	assert_int_equal(query_rows(q, &any, collect, NULL), 0);
	query_close(q);
	assert_true(n_got >= 4); /* "lost" may have been written after all, with a busy machine */
	assert_string_equal(got[0].event.ident.name, "later.example");
	for (size_t i = n_got - 3; i < n_got; i++)
		assert_string_equal(got[i].event.ident.name, "first.example");
}

static void wild_bytes_from_the_dataplane_are_bounded(void **state)
{
	struct recorder *r = started(in_folder("events.db"));
	struct row_filter any = row_filter_any();
	uint64_t next, lost;
	struct row tail[8];
	struct event e = event_of("x", ACTION_ALLOW);

	memset(e.ident.name, 'a', sizeof e.ident.name);
	memset(e.ident.alpn, 'a', sizeof e.ident.alpn);
	e.ident.kind = e.ident.anomaly = e.ident.app = e.verdict.action = e.flow.path = 255;
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
		IN_FOLDER(a_flood_is_counted),
		IN_FOLDER(rows_of_a_file_that_comes_late_stay),
		IN_FOLDER(wild_bytes_from_the_dataplane_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
