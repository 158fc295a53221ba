/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_rule_ids.c - the controller alone: what a rule decided is found by its id, over edits, moves and renames ("Exactly" 26).
 */
#include "show/backend.h"

#define HEAD "device phone mac 02:00:00:00:00:09\nfail open\n"
#define END  "otherwise allow\n"

static uint32_t revision(void)
{
	struct got g = ask(true, "GET", "/api/v1/policy", NULL, NULL);
	uint32_t n = (uint32_t)jr_number(jr_get(g.json, "revision"), 0);

	got_fini(&g);
	return n;
}

/* As the web UI saves: with the ETag of what it read. */
static void apply(const char *text)
{
	struct got g = ask(true, "GET", "/api/v1/policy", NULL, NULL);
	const char *etag = strcasestr(strbuf_text(&g.head), "etag: ");
	struct strbuf body = {0};
	char headers[256];

	assert_non_null(etag);
	snprintf(headers, sizeof headers, "%s|If-Match: %.*s", json_post,
		(int)strcspn(etag + 6, "\r\n"), etag + 6);
	got_fini(&g);
	jw_open(&body, NULL, '{');
	jw_text(&body, "text", text);
	jw_close(&body, '}');
	assert_int_equal(
		ask_status(true, "PUT", "/api/v1/policy/apply", headers, strbuf_text(&body)), 200);
	strbuf_fini(&body);
}

/* By hand: the file, then `durwardctl reload`. */
static void edit(const char *text)
{
	write_policy(text);
	assert_int_equal(ask_status(true, "POST", "/api/v1/reload", json_post, NULL), 200);
}

static unsigned pushed;
static void decide(uint32_t line, uint32_t watch_line)
{
	struct event e = event_of("www.ads.example", ACTION_BLOCK);

	e.verdict.rule_line = line;
	e.verdict.watch_line = watch_line;
	e.verdict.revision = revision();
	push(e);
	await_events(++pushed);
}

static size_t rows_of(const char *rule)
{
	char path[128];
	struct got g;
	size_t n;

	snprintf(path, sizeof path, "/api/v1/events?rule=%s", rule);
	g = ask(true, "GET", path, NULL, NULL);
	assert_int_equal(g.status, 200);
	n = jr_count(jr_get(g.json, "events"));
	got_fini(&g);
	return n;
}

/* Of the newest row: the id that was recorded, and the line of today. */
static int newest(char id[static 64])
{
	struct got g = ask(true, "GET", "/api/v1/events?limit=1", NULL, NULL);
	const struct json *row = jr_at(jr_get(g.json, "events"), 0);
	int line = (int)jr_number(jr_get(row, "rule_line"), 0);

	snprintf(id, 64, "%s", jr_get_text(row, "rule_id"));
	got_fini(&g);
	return line;
}

static int setup(void **state)
{
	pushed = 0;
	return backend_setup(state);
}

#define ADS "for everyone\nblock ads.example\n"

static void exactly_26_edits_above_and_moves_change_nothing(void **state)
{
	char id[64], again[64];

	apply(HEAD ADS END);
	decide(4, 0);
	assert_int_equal(newest(id), 4);
	assert_int_equal(strlen(id), 8);
	assert_int_equal(rows_of(id), 1);
	apply(HEAD "\n# more above\nfor everyone\nallow a.example\n" ADS END);
	assert_int_equal(newest(again), 8); /* the line of today's file */
	assert_string_equal(again, id);
	decide(8, 0);
	apply(HEAD "for everyone\nblock ads.example because \"x\" firm\nallow a.example\n" END);
	decide(4, 0);
	decide(5, 0); /* the other rule */
	assert_int_equal(rows_of(id), 3);
}

static void exactly_26_a_rename_by_the_api_takes_its_rows_along(void **state)
{
	char id[64], named[64];

	apply(HEAD ADS END);
	decide(4, 0);
	newest(id);
	apply(HEAD "for everyone\nblock ads.example as Adverts\n" END);
	decide(4, 0);
	assert_int_equal(newest(named), 4);
	assert_string_equal(named, "adverts");
	assert_int_equal(rows_of("adverts"), 2);
	assert_int_equal(rows_of("ADVERTS"), 2);
	assert_int_equal(rows_of(id), 2); /* the old id leads on */
	apply(HEAD "for everyone\nallow a.example\nblock ads.example as spots\n" END);
	decide(5, 0);
	assert_int_equal(rows_of("spots"), 3);
	assert_int_equal(rows_of("adverts"), 3);
	assert_int_equal(rows_of(id), 3);
	/* somebody else has the name now: his rows are not ours */
	apply(HEAD
		"for everyone\nblock b.example as adverts\nallow a.example\nblock ads.example as "
		"spots\n" END);
	decide(4, 0);
	assert_int_equal(rows_of("spots"), 3);
}

static void exactly_26_an_edit_by_the_api_takes_its_rows_along(void **state)
{
	char id[64], edited[64];

	apply(HEAD ADS END);
	decide(4, 0);
	newest(id);
	apply(HEAD "for everyone\nblock ads.example banners.example\n" END);
	decide(4, 0);
	newest(edited);
	assert_string_not_equal(id, edited);
	assert_int_equal(rows_of(edited), 2);
	assert_int_equal(rows_of(id), 2);
}

static void exactly_26_by_hand_a_changed_id_starts_anew(void **state)
{
	char id[64], edited[64];

	edit(HEAD ADS END);
	decide(4, 0);
	newest(id);
	edit(HEAD "for everyone\nblock ads.example banners.example\n" END);
	decide(4, 0);
	newest(edited);
	assert_int_equal(rows_of(edited), 1);
	assert_int_equal(rows_of(id), 1);
}

static void a_watch_line_is_found_by_its_id(void **state)
{
	char id[64];

	apply(HEAD "for everyone\nwatch block ads.example as try-it\nallow ads.example\n" END);
	decide(5, 4);
	newest(id);
	assert_int_equal(rows_of("try-it"), 1);
	assert_int_equal(rows_of(id), 1);
	assert_int_equal(rows_of("otherwise"), 0);
	decide(6, 0);
	assert_int_equal(rows_of("otherwise"), 1);
	assert_int_equal(rows_of("5"), 1); /* a line, as recorded */
}

#define IN_HOUSE(t) cmocka_unit_test_setup_teardown(t, setup, backend_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(exactly_26_edits_above_and_moves_change_nothing),
		IN_HOUSE(exactly_26_a_rename_by_the_api_takes_its_rows_along),
		IN_HOUSE(exactly_26_an_edit_by_the_api_takes_its_rows_along),
		IN_HOUSE(exactly_26_by_hand_a_changed_id_starts_anew),
		IN_HOUSE(a_watch_line_is_found_by_its_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
