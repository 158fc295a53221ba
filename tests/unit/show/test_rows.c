/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_rows.c - every row of tbl/event_columns.h makes its way: struct row, events.db, struct row, JSON.
 */
#include "record/folder.h"

#include "../../../src/show/show_int.h"
#include "record/event_store.h"
#include "record/query.h"

struct column {
	const char *name, *stored;
	size_t offset, size;
	unsigned limit;
	const char *member, *form;
};
static const struct column columns[] = {
#define EVENT_COLUMN(since, column, stored, field, limit, member, form, help)                      \
	{#column, #stored, offsetof(struct row, field), sizeof(((struct row *)0)->field), limit,   \
		member, #form},
#define EVENT_MEMBER(since, member, form, help)
#include "tbl/event_columns.h"
#undef EVENT_COLUMN
#undef EVENT_MEMBER
};
static const struct {
	const char *name;
	bool hidden;
} members[] = {
#define EVENT_COLUMN(since, column, stored, field, limit, member, form, help)                      \
	{member, strcmp(#form, "part") == 0 || strcmp(#form, "hidden") == 0},
#define EVENT_MEMBER(since, member, form, help) {member, false},
#include "tbl/event_columns.h"
#undef EVENT_COLUMN
#undef EVENT_MEMBER
};
enum { COLUMNS = sizeof columns / sizeof *columns, MEMBERS = sizeof members / sizeof *members };

static bool is(const struct column *c, const char *stored)
{
	return strcmp(c->stored, stored) == 0;
}

/* Gives a column one of two values, neither of them empty but for FLAG and KEY. */
static void set(struct row *r, const struct column *c, size_t i, bool other)
{
	char *field = (char *)r + c->offset, text[ROW_WORD];

	if (is(c, "NUMBER")) {
		row_number_set(r, c->offset, c->size, 2 + i + other * COLUMNS);
	} else if (is(c, "FLAG")) {
		row_number_set(r, c->offset, c->size, !other);
	} else if (is(c, "KEY")) {
		uint64_t v = row_number(r, c->offset, c->size), top = c->limit - 1;
		row_number_set(r, c->offset, c->size, other && v == top ? top - 1 : top);
	} else if (is(c, "TEXT") || is(c, "SHARED")) {
		snprintf(text, sizeof text, "%s-%d", c->name, other);
		row_text_set(field, c->size, text);
	} else if (is(c, "ADDR") || is(c, "MAC")) {
		memset(field, (int)(2 + i + other * COLUMNS), c->size);
	}
	r->event.ident.name_len = (uint8_t)strlen(r->event.ident.name);
}

/* A row that has something in every column, and each JSON member of it is not null; with `but`, one column of it differs
 * (COLUMNS: none). */
static void make(struct row *r, uint64_t id, size_t but)
{
	memset(r, 0, sizeof *r);
	r->id = id;
	r->event.flow.has_mac = true;
	r->event.verdict.device = NO_DEVICE;
	r->event.verdict.list = NO_LIST;
	r->rule_today = 9;
	for (size_t i = 0; i < COLUMNS; i++)
		set(r, &columns[i], i, false);
	r->event.flow.path = PATH_INSPECT; /* where what was odd is of a packet */
	if (but < COLUMNS)
		set(r, &columns[but], but, true);
}

static struct row got[COLUMNS + 2];
static void collect(void *user, const struct row *r)
{
	assert_in_range(r->id, 1, COLUMNS + 1);
	got[r->id] = *r;
}

static struct json *json_of(const struct row *r)
{
	struct strbuf b = {0};
	struct json *j;

	row_write(&b, NULL, r);
	j = jr_parse(slice_of(b.s, b.n));
	assert_non_null(j);
	strbuf_fini(&b);
	return j;
}

static char *text_of(const struct json *row, const char *member)
{
	struct strbuf b = {0};

	jr_print(jr_get(row, member), &b);
	return strbuf_take(&b);
}

/* Row 1 has everything, row i + 2 the other value of column i. */
static void every_column_comes_back_as_it_was(void **state)
{
	static struct row in[COLUMNS + 1];
	struct row_filter any = row_filter_any();
	struct event_store *s;
	struct query *q;

	for (size_t i = 0; i <= COLUMNS; i++)
		make(&in[i], i + 1, i ? i - 1 : COLUMNS);
	any.limit = COLUMNS + 1;
	assert_int_equal(
		event_store_open(in_folder("events.db"), (struct event_store_limits){1000, 30}, &s),
		0);
	assert_int_equal(event_store_write(s, in, COLUMNS + 1, NULL, 0), 0);
	assert_int_equal(query_open(in_folder("events.db"), &q), 0);
	assert_int_equal(query_rows(q, &any, collect, NULL), 0);
	query_close(q);
	event_store_close(s);
	for (size_t i = 0; i <= COLUMNS; i++) {
		for (size_t k = 0; k < COLUMNS; k++)
			if (memcmp((char *)&got[i + 1] + columns[k].offset,
				    (char *)&in[i] + columns[k].offset, columns[k].size) != 0)
				fail_msg("%s of row %zu", columns[k].name, i + 1);
		in[i].rule_today = 0; /* never kept */
		assert_memory_equal(&got[i + 1], &in[i], sizeof in[i]);
	}
}

static void every_member_is_written(void **state)
{
	struct row r;
	struct json *j;
	size_t n = 0;

	make(&r, 1, COLUMNS);
	j = json_of(&r);
	for (size_t i = 0; i < MEMBERS; i++) {
		if (members[i].hidden)
			continue;
		n++;
		if (jr_is_null(jr_get(j, members[i].name)))
			fail_msg("%s is null", members[i].name);
	}
	assert_true(n > 30);
	jr_free(j);
}

/* What a column holds shows in its member, and what is hidden nowhere. */
static void every_column_shows_in_its_member(void **state)
{
	struct row row;
	struct json *j, *full;

	make(&row, 1, COLUMNS);
	full = json_of(&row);
	for (size_t i = 0; i < COLUMNS; i++) {
		bool hidden = strcmp(columns[i].form, "hidden") == 0;
		const char *member = hidden ? NULL : columns[i].member;
		char *before, *after;

		if (is(&columns[i], "ID"))
			continue;
		make(&row, 1, is(&columns[i], "CLASS") ? COLUMNS : i);
		j = json_of(&row);
		before = member ? text_of(full, member) : NULL;
		after = member ? text_of(j, member) : NULL;
		if (member && strcmp(before, after) == 0)
			fail_msg("%s does not show in %s: %s", columns[i].name, member, after);
		free(before);
		free(after);
		if (hidden) {
			struct strbuf a = {0}, b = {0};

			jr_print(full, &a);
			jr_print(j, &b);
			assert_string_equal(strbuf_text(&a), strbuf_text(&b));
			strbuf_fini(&a);
			strbuf_fini(&b);
		}
		jr_free(j);
	}
	jr_free(full);
}

static const char *type_of(const struct json *v)
{
	return jr_is_object(v) ? "object"
	       : jr_is_bool(v) ? "boolean"
	       : jr_text(v)    ? "string"
			       : "integer";
}

static void the_schema_says_what_is_written(void **state)
{
	struct row full,
		empty = {.id = 1, .count = 2}; /* a sum of decisions that have nothing in common */
	struct strbuf b = {0};
	struct json *schema, *j, *nothing;
	const struct json *properties;
	int newest = 0;

	row_schema(&b, NULL);
	schema = jr_parse(slice_of(b.s, b.n));
	strbuf_fini(&b);
	assert_non_null(schema);
	properties = jr_get(schema, "properties");
	make(&full, 1, COLUMNS);
	empty.event.wall_ms = 1700000000000u;
	j = json_of(&full);
	nothing = json_of(&empty);
	for (size_t i = 0; i < MEMBERS; i++) {
		const struct json *p = jr_get(properties, members[i].name);
		int since = (int)jr_number(jr_get(p, "x-since"), 0);

		if (members[i].hidden)
			continue;
		assert_string_equal(jr_get_text(p, "type"), type_of(jr_get(j, members[i].name)));
		if (jr_true(jr_get(p, "nullable")) != jr_is_null(jr_get(nothing, members[i].name)))
			fail_msg("%s: null, or not", members[i].name);
		assert_true(jr_get_text(p, "description")[0] && since > 0);
		newest = since > newest ? since : newest;
	}
	assert_true(newest <= row_version());
	assert_int_equal(jr_number(jr_get(schema, "x-version"), 0), row_version());
	jr_free(j);
	jr_free(nothing);
	jr_free(schema);
}

/* The contract, written out: a member may be added here, and none taken away or changed. */
static void the_names_stay(void **state)
{
	static const char want[] =
		"{\"id\":5,\"time\":\"2023-11-14T22:13:20.000Z\",\"count\":1,\"last\":null,"
		"\"reference\":\"32YF-WNM0-1720\",\"who\":\"mia-phone\",\"mac\":null,"
		"\"src\":\"192.0.2.2\",\"sport\":40000,\"dst\":\"198.51.100.2\",\"dport\":443,"
		"\"proto\":\"tcp\",\"path\":\"inspect\",\"app\":\"tls\",\"name\":\"ads.example\","
		"\"kind\":\"name\",\"source\":\"sni\",\"anomaly\":null,\"anomaly_text\":null,"
		"\"anomaly_at\":null,\"ech\":false,\"alpn\":null,\"verdict\":\"block\",\"by\":"
		"\"rule\","
		"\"tcp_instead\":false,\"rule\":{\"line\":7,\"text\":\"block ads\"},"
		"\"rule_id\":\"0a1b2c3d\",\"rule_line\":9,\"because\":\"Advertising\",\"list\":{"
		"\"name\":\"ads\","
		"\"line\":77},"
		"\"watch\":{\"line\":3,\"text\":\"watch block "
		"ads\"},\"watch_id\":\"try\",\"watch_verdict\":\"block\","
		"\"revision\":3,\"until\":\"2023-11-14T23:13:20.000Z\",\"bytes_up\":10,"
		"\"bytes_down\":20,\"duration_ms\":30}";
	struct row r = row_of(5, "ads.example", ACTION_BLOCK);
	struct strbuf b = {0};

	r.event.verdict.list_line = 77;
	r.event.verdict.watch_line = 3;
	r.event.verdict.watch_action = ACTION_BLOCK;
	r.event.verdict.until_s = 1700003600;
	row_text_set(r.rule_id, sizeof r.rule_id, "0a1b2c3d");
	row_text_set(r.watch_id, sizeof r.watch_id, "try");
	r.rule_today = 9;
	row_text_set(r.watch, sizeof r.watch, "watch block ads");
	r.ended = true;
	r.event.bytes_up = 10, r.event.bytes_down = 20, r.event.duration_ms = 30;
	row_write(&b, NULL, &r);
	assert_string_equal(strbuf_text(&b), want);
	strbuf_fini(&b);
}

#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, folder_make, folder_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(every_column_comes_back_as_it_was),
		cmocka_unit_test(every_member_is_written),
		cmocka_unit_test(every_column_shows_in_its_member),
		cmocka_unit_test(the_schema_says_what_is_written),
		cmocka_unit_test(the_names_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
