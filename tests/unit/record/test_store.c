/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_store.c - what is written is read back; the file stays bounded; a broken one is put aside.
 */
#include "record/folder.h"

#include <errno.h>

#include "record/query.h"
#include "record/store.h"

static const struct store_limits plenty = {.rows = 100000, .days = 30};
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

static struct store *opened(struct store_limits limits)
{
	struct store *s = NULL;

	assert_int_equal(store_open(in_folder("events.db"), limits, &s), 0);
	return s;
}

static void a_row_comes_back_as_it_was(void **state)
{
	struct store *s = opened(plenty);
	struct row_filter any = row_filter_any();
	struct row in = row_of(5, "ads.example", ACTION_BLOCK);

	in.event.flow.has_mac = true;
	in.event.flow.mac = (struct mac){{2, 0, 0, 0, 0, 9}};
	in.event.verdict.list_line = 77;
	in.event.verdict.watch_line = 3;
	in.event.verdict.until_s = 1700003600;
	strcpy(in.watch, "watch block ads");
	strcpy(in.event.ident.alpn, "h2,http/1.1");
	assert_int_equal(store_write(s, &in, 1, NULL, 0), 0);
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
	store_close(s);
}

static void an_end_fills_in_bytes_and_duration(void **state)
{
	struct store *s = opened(plenty);
	struct row_filter any = row_filter_any();
	struct row in = row_of(1, "a.example", ACTION_ALLOW);
	struct store_end end = {.row_id = 1, .bytes_up = 10, .bytes_down = 20, .duration_ms = 30};

	assert_int_equal(store_write(s, &in, 1, &end, 1), 0);
	assert_int_equal(ask(&any), 0);
	assert_true(got[0].ended);
	assert_int_equal(got[0].event.bytes_up, 10);
	assert_int_equal(got[0].event.bytes_down, 20);
	assert_int_equal(got[0].event.duration_ms, 30);
	assert_int_equal(got[0].event.ident.packet, 3);
	store_close(s);
}

static void write_ten(struct store *s)
{
	struct row rows[10];

	for (int i = 0; i < 10; i++) {
		rows[i] = row_of((uint64_t)i + 1, i % 2 ? "odd.example" : "even.test",
			i < 5 ? ACTION_ALLOW : ACTION_BLOCK);
		rows[i].event.wall_ms += (uint64_t)i * 1000;
		if (i == 9)
			rows[i].device[0] = 0;
	}
	assert_int_equal(store_write(s, rows, 10, NULL, 0), 0);
}

static void filters_find_the_same_rows_in_memory_and_on_disk(void **state)
{
	struct store *s = opened(plenty);
	struct row_filter f[9];

	write_ten(s);
	for (int i = 0; i < 9; i++)
		f[i] = row_filter_any();
	f[1].action = ACTION_BLOCK;
	strcpy(f[2].name, "odd");
	f[3].after = 4;
	f[4].before = 4;
	f[5].since_ms = 1700000003000u, f[5].until_ms = 1700000005000u;
	f[6].unknown_device = true;
	f[7].n_devices = 2, strcpy(f[7].devices[0], "nobody"), strcpy(f[7].devices[1], "mia-phone");
	f[8].has_addr = true, f[8].addr = addr_v4("\xc0\x00\x02\x63");
	static const size_t expected[9] = {10, 5, 5, 6, 3, 2, 1, 9, 0};

	for (int i = 0; i < 9; i++) {
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
	store_close(s);
}

static void hostile_names_are_only_data(void **state)
{
	struct store *s = opened(plenty);
	struct row in = row_of(1, "'); DROP TABLE event;--", ACTION_BLOCK);
	struct row_filter f = row_filter_any();

	strcpy(f.name, "'); DROP");
	assert_int_equal(store_write(s, &in, 1, NULL, 0), 0);
	assert_int_equal(ask(&f), 0);
	assert_int_equal(n_got, 1);
	assert_string_equal(got[0].event.ident.name, in.event.ident.name);
	store_close(s);
}

static void rows_and_days_bound_the_file(void **state)
{
	struct store *s = opened((struct store_limits){.rows = 4, .days = 30});
	struct row_filter any = row_filter_any();

	write_ten(s);
	assert_int_equal(store_prune(s, 1700000000000u), 0);
	assert_int_equal(ask(&any), 0);
	assert_int_equal(n_got, 4);
	assert_int_equal(store_prune(s, 1700000008500u + 30u * 86400000ull), 0);
	assert_int_equal(ask(&any), 0);
	assert_int_equal(n_got, 1);
	store_close(s);
}

static void ids_go_on_after_a_restart(void **state)
{
	struct store *s = opened(plenty);

	write_ten(s);
	store_close(s);
	s = opened(plenty);
	assert_int_equal(store_last_id(s), 10);
	store_close(s);
}

static void a_broken_file_is_put_aside(void **state)
{
	FILE *f = fopen(in_folder("events.db"), "w");
	struct row_filter any = row_filter_any();

	for (int i = 0; i < 4096; i++)
		fputs("junk", f);
	fclose(f);
	struct store *s = opened(plenty);
	write_ten(s);
	assert_int_equal(ask(&any), 0);
	assert_int_equal(n_got, 10);
	assert_true(count_files("broken-") >= 1);
	store_close(s);
}

static void no_folder_and_no_database_are_said(void **state)
{
	struct row_filter any = row_filter_any();
	struct store *s;

	assert_int_equal(store_open("/nonexistent/events.db", plenty, &s), -EACCES);
	assert_int_equal(ask(&any), -ENOENT);
}

static struct query_device seen[4];
static size_t n_seen;
static void collect_device(void *user, const struct query_device *d)
{
	seen[n_seen++] = *d;
}

static void devices_are_counted_by_mac(void **state)
{
	struct store *s = opened(plenty);
	struct row rows[3] = {row_of(1, "a.test", ACTION_ALLOW), row_of(2, "b.test", ACTION_BLOCK),
		row_of(3, "c.test", ACTION_ALLOW)};
	struct query *q;

	for (int i = 0; i < 2; i++) {
		rows[i].event.flow.has_mac = true;
		rows[i].event.flow.mac = (struct mac){{2, 0, 0, 0, 0, 9}};
	}
	rows[1].event.flow.src.b[15] = 77;
	rows[2].event.wall_ms -= 1000;
	assert_int_equal(store_write(s, rows, 3, NULL, 0), 0);
	assert_int_equal(query_open(in_folder("events.db"), &q), 0);
	assert_int_equal(query_devices(q, 0, collect_device, NULL), 0);
	assert_int_equal(n_seen, 2);
	assert_true(seen[0].has_mac);
	assert_int_equal(seen[0].addr.b[15], 77);
	assert_int_equal(seen[0].allowed, 1);
	assert_int_equal(seen[0].blocked, 1);
	query_close(q);
	store_close(s);
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
		IN_FOLDER(ids_go_on_after_a_restart),
		IN_FOLDER(a_broken_file_is_put_aside),
		IN_FOLDER(no_folder_and_no_database_are_said),
		IN_FOLDER(devices_are_counted_by_mac),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
