/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_tail.c - the newest rows: what is put in comes out again, texts and all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/record/tail_int.h"

#include <cmocka.h>

enum { ROWS = 64 };

/* A row of which each part tells its id; texts repeat or not. */
static struct row row_of(uint64_t id)
{
	struct row r = {.id = id, .count = (uint32_t)(id % 3), .last_ms = id * 3};
	struct event *e = &r.event;

	e->kind = EVENT_DECISION;
	e->worker = (uint8_t)(id % 4);
	e->id = id * 5;
	e->wall_ms = id * 7;
	memset(&e->flow.src, (int)id, sizeof e->flow.src);
	e->flow.sport = (uint16_t)id;
	e->flow.has_mac = true;
	e->flow.mac.b[5] = (uint8_t)id;
	e->verdict.rule_line = (uint32_t)id;
	e->verdict.until_s = id;
	e->ident.kind = IDENT_NAME;
	e->ident.app = APP_TLS;
	e->ident.ech = id % 2;
	e->ident.packet = (uint16_t)(id % 9);
	snprintf(e->ident.name, sizeof e->ident.name, "host%u.example", (unsigned)(id % 5));
	e->ident.name_len = (uint8_t)strlen(e->ident.name);
	strcpy(e->ident.alpn, "h2,http/1.1");
	strcpy(r.device, id % 2 ? "kitchen" : "");
	memset(r.rule, 'r', id % 4 ? 30 : sizeof r.rule - 1);
	memset(r.because, 'b', id % 7 ? 0 : sizeof r.because - 1);
	snprintf(r.watch, sizeof r.watch, "%u", id % 11 ? 0 : (unsigned)id);
	snprintf(r.list, sizeof r.list, "list%u", (unsigned)(id % 3));
	return r;
}

static void expect(const struct tail *t, uint64_t id)
{
	struct row r = row_of(id), got;

	memset(&got, 'x', sizeof got);
	assert_true(tail_get(t, id, &got));
	assert_int_equal(got.id, id);
	assert_int_equal(got.count, r.count);
	assert_int_equal(got.last_ms, r.last_ms);
	assert_int_equal(got.event.id, r.event.id);
	assert_int_equal(got.event.worker, r.event.worker);
	assert_int_equal(got.event.wall_ms, r.event.wall_ms);
	assert_memory_equal(&got.event.flow, &r.event.flow, sizeof r.event.flow);
	assert_int_equal(got.event.verdict.rule_line, r.event.verdict.rule_line);
	assert_int_equal(got.event.verdict.until_s, r.event.verdict.until_s);
	assert_memory_equal(&got.event.ident, &r.event.ident, sizeof r.event.ident);
	assert_string_equal(got.device, r.device);
	assert_string_equal(got.list, r.list);
	assert_string_equal(got.rule, r.rule);
	assert_string_equal(got.because, r.because);
	assert_string_equal(got.watch, r.watch);
}

static void the_newest_stay(void **state)
{
	struct tail *t = tail_new(ROWS);
	struct row got;

	(void)state;
	assert_non_null(t);
	assert_int_equal(tail_first(t), 1);
	for (uint64_t id = 1; id <= 1000; id++) {
		struct row r = row_of(id);

		tail_put(t, &r);
		assert_int_equal(tail_first(t), id > ROWS ? id - ROWS + 1 : 1);
		expect(t, id);
		expect(t, tail_first(t));
		assert_false(tail_get(t, tail_first(t) - 1, &got));
		assert_false(tail_get(t, id + 1, &got));
	}
	for (uint64_t id = tail_first(t); id <= 1000; id++)
		expect(t, id);
	tail_free(t);
	tail_free(NULL);
}

static void an_end_is_noted(void **state)
{
	struct tail *t = tail_new(ROWS);
	struct row r = row_of(1);

	(void)state;
	tail_put(t, &r);
	tail_end(t, &(struct event_store_end){
			    .row_id = 1, .bytes_up = 10, .bytes_down = 20, .duration_ms = 30});
	tail_end(t, &(struct event_store_end){.row_id = 2, .bytes_up = 10});
	assert_true(tail_get(t, 1, &r));
	assert_true(r.ended);
	assert_int_equal(r.event.bytes_up, 10);
	assert_int_equal(r.event.bytes_down, 20);
	assert_int_equal(r.event.duration_ms, 30);
	tail_free(t);
}

static void other_ids_begin_anew(void **state)
{
	struct tail *t = tail_new(ROWS);
	struct row r = row_of(1);

	(void)state;
	tail_put(t, &r);
	tail_clear(t, 500);
	assert_int_equal(tail_first(t), 500);
	assert_false(tail_get(t, 1, &r));
	r = row_of(500);
	tail_put(t, &r);
	expect(t, 500);
	r = row_of(7000); /* a gap */
	tail_put(t, &r);
	assert_int_equal(tail_first(t), 7000);
	expect(t, 7000);
	assert_false(tail_get(t, 500, &r));
	tail_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_stay),
		cmocka_unit_test(an_end_is_noted),
		cmocka_unit_test(other_ids_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
