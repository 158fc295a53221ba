/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_event_store.c - what is written is read back; the file stays bounded; a broken one is put aside.
 */
#include "record/folder.h"

#include <errno.h>

#include "base/file.h"
#include "record/event_store.h"
#include "record/query.h"

static const struct event_store_limits plenty = {.rows = 100000, .days = 30};
static struct row got[64];
static size_t n_got;

static void collect(void *user, const struct row *r)
{
	if (n_got < 64)
		got[n_got] = *r;
	n_got++;
}

static int ask(const struct row_filter *f)
{
	struct query *q;
	int rc;

	n_got = 0;
	assert_int_equal(query_open(in_folder("events.db"), &q), 0);
	rc = query_rows(q, f, collect, NULL);
	query_close(q);
	return rc;
}

static struct event_store *opened(struct event_store_limits limits)
{
	struct event_store *s = NULL;

	assert_int_equal(event_store_open(in_folder("events.db"), limits, &s), 0);
	return s;
}

static void a_row_comes_back_as_it_was(void **state)
{
	struct event_store *s = opened(plenty);
	struct row_filter any = row_filter_any();
	struct row in = row_of(5, "ads.example", ACTION_BLOCK);

	in.event.flow.has_mac = true;
	in.event.flow.mac = (struct mac){{2, 0, 0, 0, 0, 9}};
	in.event.verdict.list_line = 77;
	in.event.verdict.watch_line = 3;
	in.event.verdict.until_s = 1700003600;
	strcpy(in.watch, "watch block ads");
	strcpy(in.event.ident.alpn, "h2,http/1.1");
	assert_int_equal(event_store_write(s, &in, 1, NULL, 0), 0);
	assert_int_equal(ask(&any), 0);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].id, 5);
	assert_memory_equal(&got[0].event.flow, &in.event.flow, sizeof in.event.flow);
	assert_string_equal(got[0].event.ident.name, "ads.example");
	assert_string_equal(got[0].event.ident.alpn, "h2,http/1.1");
	assert_int_equal(got[0].event.verdict.list_line, 77);
	assert_int_equal(got[0].event.verdict.rule_line, 7);
	assert_int_equal(got[0].event.verdict.until_s, 1700003600);
	assert_string_equal(got[0].rule, "block ads");
	assert_string_equal(got[0].because, "Advertising");
	assert_string_equal(got[0].list, "ads");
	assert_string_equal(got[0].device, "mia-phone");
	assert_string_equal(got[0].watch, "watch block ads");
	assert_false(got[0].ended);
	event_store_close(s);
}

static void an_end_fills_in_bytes_and_duration(void **state)
{
	struct event_store *s = opened(plenty);
	struct row_filter any = row_filter_any();
	struct row in = row_of(1, "a.example", ACTION_ALLOW);
	struct event_store_end end = {
		.row_id = 1, .bytes_up = 10, .bytes_down = 20, .duration_ms = 30};

	assert_int_equal(event_store_write(s, &in, 1, &end, 1), 0);
	assert_int_equal(ask(&any), 0);
	assert_true(got[0].ended);
	assert_int_equal(got[0].event.bytes_up, 10);
	assert_int_equal(got[0].event.bytes_down, 20);
	assert_int_equal(got[0].event.duration_ms, 30);
	assert_int_equal(got[0].event.ident.packet, 3);
	event_store_close(s);
}

static void write_ten(struct event_store *s)
{
	struct row rows[10];

	for (int i = 0; i < 10; i++) {
		rows[i] = row_of((uint64_t)i + 1, i % 2 ? "odd.example" : "even.test",
			i < 5 ? ACTION_ALLOW : ACTION_BLOCK);
		rows[i].event.wall_ms += (uint64_t)i * 1000;
		if (i == 9)
			rows[i].device[0] = 0;
		strcpy(rows[i].rule_id, i < 3 ? "homework" : i < 6 ? "homework-2" : "");
		strcpy(rows[i].watch_id, i == 7 ? "homework" : "");
		rows[i].event.verdict.revision = (uint32_t)i;
	}
	assert_int_equal(event_store_write(s, rows, 10, NULL, 0), 0);
}

static void filters_find_the_same_rows_in_memory_and_on_disk(void **state)
{
	struct event_store *s = opened(plenty);
	struct row_filter f[11];

	write_ten(s);
	for (int i = 0; i < 11; i++)
		f[i] = row_filter_any();
	f[1].action = ACTION_BLOCK;
	strcpy(f[2].name, "odd");
	f[3].after = 4;
	f[4].before = 4;
	f[5].since_ms = 1700000003000u, f[5].until_ms = 1700000005000u;
	f[6].unknown_device = true;
	f[7].n_devices = 2, strcpy(f[7].devices[0], "nobody"), strcpy(f[7].devices[1], "mia-phone");
	f[8].has_addr = true, f[8].addr = addr_v4("\xc0\x00\x02\x63");
	strcpy(f[9].rule_id, "homework");
	f[10] = f[9]; /* it was homework-2 below revision 5 */
	f[10].n_was = 1, strcpy(f[10].was[0].id, "homework-2"), f[10].was[0].before = 5;
	static const size_t expected[11] = {10, 5, 5, 6, 3, 2, 1, 9, 0, 4, 6};

	for (int i = 0; i < 11; i++) {
		assert_int_equal(ask(&f[i]), 0);
		assert_int_equal(n_got, expected[i]);
		for (size_t k = 0; k < n_got; k++)
			assert_true(row_matches(&got[k], &f[i]));
	}
	assert_int_equal(ask(&f[3]), 0);
	assert_int_equal(got[0].id, 5); /* after: oldest first */
	assert_int_equal(ask(&f[4]), 0);
	assert_int_equal(got[0].id, 3); /* else newest first */
	f[0].limit = 3;
	assert_int_equal(ask(&f[0]), 0);
	assert_int_equal(n_got, 3);
	event_store_close(s);
}

static void hostile_names_are_only_data(void **state)
{
	struct event_store *s = opened(plenty);
	struct row in = row_of(1, "'); DROP TABLE event;--", ACTION_BLOCK);
	struct row_filter f = row_filter_any();

	strcpy(f.name, "'); DROP");
	assert_int_equal(event_store_write(s, &in, 1, NULL, 0), 0);
	assert_int_equal(ask(&f), 0);
	assert_int_equal(n_got, 1);
	assert_string_equal(got[0].event.ident.name, in.event.ident.name);
	event_store_close(s);
}

static void rows_and_days_bound_the_file(void **state)
{
	struct event_store *s = opened((struct event_store_limits){.rows = 4, .days = 30});
	struct row_filter any = row_filter_any();

	write_ten(s);
	assert_int_equal(event_store_prune(s, 1700000000000u), 0);
	assert_int_equal(ask(&any), 0);
	assert_int_equal(n_got, 4);
	assert_int_equal(event_store_prune(s, 1700000008500u + 30u * 86400000ull), 0);
	assert_int_equal(ask(&any), 0);
	assert_int_equal(n_got, 1);
	event_store_close(s);
}

/* --- whose rows go first --- */

static uint64_t next_id;

/* n rows of a client: a name, or "" and the last byte of its address; written and pruned in batches. */
static void write_rows(struct event_store *s, const char *device, uint8_t address, int n)
{
	struct row rows[50];

	while (n > 0) {
		int k;

		for (k = 0; k < 50 && n > 0; k++, n--) {
			rows[k] = row_of(++next_id, "a.example", ACTION_BLOCK);
			snprintf(rows[k].device, sizeof rows[k].device, "%s", device);
			rows[k].event.flow.src.b[15] = address;
		}
		assert_int_equal(event_store_write(s, rows, (size_t)k, NULL, 0), 0);
		assert_int_equal(event_store_prune(s, 1700000000000u), 0);
	}
}

static size_t rows_of(const char *device, uint8_t address)
{
	struct row_filter f = row_filter_any();

	f.limit = 10000;
	if (device[0])
		f.n_devices = 1, snprintf(f.devices[0], ROW_WORD, "%s", device);
	else
		f.unknown_device = f.has_addr = true, f.addr = event_of("", 0).flow.src,
		f.addr.b[15] = address;
	assert_int_equal(ask(&f), 0);
	return n_got;
}

static void named_devices_outlive_strangers(void **state)
{
	struct event_store *s = opened((struct event_store_limits){.rows = 1000, .days = 30});

	next_id = 0;
	write_rows(s, "mia-phone", 2, 200);
	write_rows(s, "tv", 3, 400);
	for (int i = 0; i < 255; i++) /* as many addresses as it likes */
		write_rows(s, "", (uint8_t)i, 20);
	assert_int_equal(rows_of("mia-phone", 0), 200);
	assert_int_equal(rows_of("tv", 0), 400);
	write_rows(s, "tv", 3,
		2000); /* takes what is free, then from the strangers, then from itself */
	assert_int_equal(rows_of("mia-phone", 0), 200);
	assert_int_equal(rows_of("tv", 0), 550);
	event_store_close(s);
}

static void one_stranger_pushes_out_few_of_the_others(void **state)
{
	struct event_store *s = opened((struct event_store_limits){.rows = 1000, .days = 30});

	next_id = 0;
	for (int i = 1; i <= 8; i++)
		write_rows(s, "", (uint8_t)i, 50);
	write_rows(s, "", 77, 5000);
	size_t others = 0;

	for (int i = 1; i <= 8; i++)
		others += rows_of("", (uint8_t)i);
	assert_true(others >= 350); /* one of the eight may share its class */
	event_store_close(s);
}

/* --- one connection writes and checkpoints --- */

static struct strbuf file_of(const char *name)
{
	struct strbuf b = {0};

	assert_int_equal(file_read(in_folder(name), 64 << 20, &b), 0);
	return b;
}

static void assert_same(const char *name, const struct strbuf *before)
{
	struct strbuf now = file_of(name);

	assert_int_equal(now.n, before->n);
	assert_memory_equal(now.s, before->s, now.n);
	strbuf_fini(&now);
}

static void readers_leave_file_and_wal_alone(void **state)
{
	struct event_store *s = opened(plenty);
	struct row_filter any = row_filter_any();
	struct strbuf db, wal;

	next_id = 0;
	write_rows(s, "tv", 3, 300);
	db = file_of("events.db");
	wal = file_of("events.db-wal");
	assert_true(wal.n > 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask(&any), 0);
	assert_same("events.db", &db);
	assert_same("events.db-wal", &wal);
	event_store_close(s);
	/* as after a kill of the writer: the reader is the only one, and the last to close */
	assert_int_equal(file_write_atomic(in_folder("events.db"), slice_of(db.s, db.n), 0600), 0);
	assert_int_equal(
		file_write_atomic(in_folder("events.db-wal"), slice_of(wal.s, wal.n), 0600), 0);
	assert_int_equal(ask(&any), 0);
	assert_int_equal(n_got, 100);
	assert_same("events.db", &db);
	assert_same("events.db-wal", &wal);
	strbuf_fini(&db);
	strbuf_fini(&wal);
}

static void a_second_writer_is_refused(void **state)
{
	struct event_store *s = opened(plenty), *second = NULL;

	assert_int_equal(event_store_open(in_folder("events.db"), plenty, &second), -EBUSY);
	event_store_close(s);
	s = opened(plenty);
	event_store_close(s);
}

static void ids_go_on_after_a_restart(void **state)
{
	struct event_store *s = opened(plenty);

	write_ten(s);
	event_store_close(s);
	s = opened(plenty);
	assert_int_equal(event_store_last_id(s), 10);
	event_store_close(s);
}

static void a_broken_file_is_put_aside(void **state)
{
	FILE *f = fopen(in_folder("events.db"), "w");
	struct row_filter any = row_filter_any();

	for (int i = 0; i < 4096; i++)
		fputs("junk", f);
	fclose(f);
	struct event_store *s = opened(plenty);
	write_ten(s);
	assert_int_equal(ask(&any), 0);
	assert_int_equal(n_got, 10);
	assert_true(count_files("broken-") >= 1);
	event_store_close(s);
}

static void no_folder_and_no_database_are_said(void **state)
{
	struct row_filter any = row_filter_any();
	struct event_store *s;

	assert_int_equal(event_store_open("/nonexistent/events.db", plenty, &s), -EACCES);
	assert_int_equal(ask(&any), -ENOENT);
}

static struct query_device seen[4];
static size_t n_seen;
static void collect_device(void *user, const struct query_device *d)
{
	if (n_seen < 4)
		seen[n_seen] = *d;
	n_seen++;
}

static void devices_are_counted_by_mac(void **state)
{
	struct event_store *s = opened(plenty);
	struct row rows[3] = {row_of(1, "a.test", ACTION_ALLOW), row_of(2, "b.test", ACTION_BLOCK),
		row_of(3, "c.test", ACTION_ALLOW)};
	struct query *q;

	for (int i = 0; i < 2; i++) {
		rows[i].event.flow.has_mac = true;
		rows[i].event.flow.mac = (struct mac){{2, 0, 0, 0, 0, 9}};
	}
	rows[1].event.flow.src.b[15] = 77;
	rows[2].event.wall_ms -= 1000;
	assert_int_equal(event_store_write(s, rows, 3, NULL, 0), 0);
	assert_int_equal(query_open(in_folder("events.db"), &q), 0);
	assert_int_equal(query_devices(q, 0, collect_device, NULL), 0);
	assert_int_equal(n_seen, 2);
	assert_true(seen[0].has_mac);
	assert_int_equal(seen[0].addr.b[15], 77);
	assert_int_equal(seen[0].allowed, 1);
	assert_int_equal(seen[0].blocked, 1);
	query_close(q);
	event_store_close(s);
}

/* Twelve thousand addresses later the named device is the first of the list. */
static void strangers_do_not_push_a_named_device_out_of_the_list(void **state)
{
	struct event_store *s = opened(plenty);
	struct row r = row_of(1, "a.test", ACTION_ALLOW), rows[500];
	struct query *q;

	assert_int_equal(event_store_write(s, &r, 1, NULL, 0), 0);
	for (uint64_t id = 2; id < 12002; id += 500) {
		for (size_t i = 0; i < 500; i++) {
			uint32_t n = (uint32_t)(id + i);

			rows[i] = row_of(id + i, "b.test", ACTION_BLOCK);
			rows[i].device[0] = 0;
			rows[i].event.wall_ms += id;
			memcpy(rows[i].event.flow.src.b + 12, &n, sizeof n);
		}
		assert_int_equal(event_store_write(s, rows, 500, NULL, 0), 0);
	}
	assert_int_equal(event_store_prune(s, 1700000000000u), 0);
	n_seen = 0;
	assert_int_equal(query_open(in_folder("events.db"), &q), 0);
	assert_int_equal(query_devices(q, 0, collect_device, NULL), 0);
	assert_int_equal(n_seen, 500);
	assert_string_equal(seen[0].name, "mia-phone");
	assert_string_equal(seen[1].name, "");
	query_close(q);
	event_store_close(s);
}

#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, folder_make, folder_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_row_comes_back_as_it_was),
		IN_FOLDER(an_end_fills_in_bytes_and_duration),
		IN_FOLDER(filters_find_the_same_rows_in_memory_and_on_disk),
		IN_FOLDER(hostile_names_are_only_data),
		IN_FOLDER(rows_and_days_bound_the_file),
		IN_FOLDER(named_devices_outlive_strangers),
		IN_FOLDER(one_stranger_pushes_out_few_of_the_others),
		IN_FOLDER(readers_leave_file_and_wal_alone),
		IN_FOLDER(a_second_writer_is_refused),
		IN_FOLDER(ids_go_on_after_a_restart),
		IN_FOLDER(a_broken_file_is_put_aside),
		IN_FOLDER(no_folder_and_no_database_are_said),
		IN_FOLDER(devices_are_counted_by_mac),
		IN_FOLDER(strangers_do_not_push_a_named_device_out_of_the_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
