/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_flows.c - the controller alone: live flows as the dataplane's table has them, whatever lies in it, and one of them cut.
 */
#include "show/backend.h"

#include <netinet/in.h>

#include "dataplane/livetab.h"

static struct livetab *table;
static struct live_map map;

static int setup(void **state)
{
	static const struct hash_key key = {1, 2};
	const char *why;
	int rc = backend_setup(state);

	assert_int_equal(live_map(backend.live_fd, true, 0, &map), 0);
	assert_int_equal(livetab_adopt(&table, &map, &key, &why), 0);
	return rc;
}

static int teardown(void **state)
{
	livetab_free(table);
	live_unmap(&map);
	return backend_teardown(state);
}

static struct live *add(uint16_t port, const char *name, uint64_t since_ms, uint64_t bytes)
{
	struct flow f = {.sport = port, .dport = 443, .proto = IPPROTO_TCP, .path = PATH_INSPECT};
	struct ident i = {.kind = IDENT_NAME, .source = SOURCE_SNI, .app = APP_TLS};
	struct live *l;

	f.src = addr_v4((uint8_t[]){192, 0, 2, 2});
	f.dst = addr_v4((uint8_t[]){198, 51, 100, 2});
	i.name_len = (uint8_t)strlen(name);
	memcpy(i.name, name, i.name_len);
	l = livetab_note(table, &f, &i);
	assert_non_null(l);
	l->since_ms = since_ms;
	l->bytes[1] = bytes;
	l->revision = 1;
	l->rule_line = 5;
	l->device = port % 2 ? 0 : NO_DEVICE;
	return l;
}

static uint64_t id_of(const struct live *l)
{
	return live_id(0, livetab_slot(table, l), l->born);
}

/* The names of a page, each with a space behind it. */
static void names(const struct got *g, char out[static 512])
{
	const struct json *flows = jr_get(g->json, "flows");

	out[0] = 0;
	for (size_t i = 0; i < jr_count(flows); i++) {
		strcat(out, jr_get_text(jr_at(flows, i), "name"));
		strcat(out, " ");
	}
}

static void page(const char *query, const char *want, double matching)
{
	char path[256], have[512];
	struct got g;

	snprintf(path, sizeof path, "/api/v1/flows?%s", query);
	g = ask(true, "GET", path, NULL, NULL);
	assert_int_equal(g.status, 200);
	names(&g, have);
	assert_string_equal(have, want);
	assert_true(jr_number(jr_get(g.json, "matching"), -1) == matching);
	got_fini(&g);
}

static void a_row_says_what_the_record_says(void **state)
{
	struct live *l = add(1, "one.example", 1000000, 77);
	const struct json *row;
	char id[24];
	struct got g;

	(void)state;
	l->packets[0] = 3;
	l->cut = LIVE_ASKED;
	snprintf(id, sizeof id, "%016llx", (unsigned long long)id_of(l));
	g = ask(true, "GET", "/api/v1/flows", NULL, NULL);
	row = jr_at(jr_get(g.json, "flows"), 0);
	assert_string_equal(jr_get_text(row, "id"), id);
	assert_string_equal(jr_get_text(row, "since"), "1970-01-01T00:16:40.000Z");
	assert_string_equal(jr_get_text(row, "who"), "phone");
	assert_string_equal(jr_get_text(row, "source"), "sni");
	assert_string_equal(jr_get_text(row, "dst"), "198.51.100.2");
	assert_string_equal(jr_get_text(row, "path"), "inspect");
	assert_string_equal(jr_get_text(row, "cut"), "next request");
	assert_string_equal(jr_get_text(jr_get(row, "rule"), "text"), "otherwise allow");
	assert_true(jr_number(jr_get(row, "bytes_down"), 0) == 77);
	assert_true(jr_number(jr_get(row, "packets_up"), 0) == 3);
	got_fini(&g);
	assert_int_equal(ask_status(false, "GET", "/api/v1/flows", NULL, NULL), 401);
}

static void filters_order_and_pages(void **state)
{
	(void)state;
	add(1, "one.example", 1000, 10);
	add(2, "two.example", 3000, 30);
	add(3, "three.example", 2000, 20);
	add(4, "four.example", 2000, 20)->cut = LIVE_CUT;
	page("", "two.example four.example three.example one.example ", 4);
	page("sort=bytes", "two.example four.example three.example one.example ", 4);
	page("limit=2&sort=bytes", "two.example four.example ", 4);
	page("limit=2&cursor=00000000000007d0-0000000400000003", "three.example one.example ", 4);
	page("name=THREE", "three.example ", 1);
	page("who=phone", "three.example one.example ", 2);
	page("who=unknown-devices&verdict=allow", "two.example ", 1);
	page("verdict=block", "four.example ", 1);
	page("rule=6", "", 0);
	page("path=inspect&limit=1", "two.example ", 4);
	page("path=proxy", "", 0);
	page("since=1970-01-01T00:00:02Z", "two.example four.example three.example ", 3);
}

static void many_are_sorted(void **state)
{
	double before = 0;
	struct got g;

	(void)state;
	for (uint32_t i = 0; i < LIVE_FLOWS; i++)
		add((uint16_t)(i + 1), "many.example", 1 + i * 7919 % 3001, i * 104729 % 2999);
	for (int k = 0; k < 2; k++) {
		g = ask(true, "GET",
			k ? "/api/v1/flows?limit=1000&sort=bytes" : "/api/v1/flows?limit=1000",
			NULL, NULL);
		assert_int_equal(jr_count(jr_get(g.json, "flows")), 1000);
		for (size_t i = 0; i < 1000 && k; i++) {
			const struct json *row = jr_at(jr_get(g.json, "flows"), i);
			double now = jr_number(jr_get(row, "bytes_down"), -1);

			assert_true(i == 0 || now <= before);
			before = now;
		}
		got_fini(&g);
	}
}

static void noise_in_the_table_harms_nobody(void **state)
{
	(void)state;
	srand(3);
	for (int round = 0; round < 60; round++) {
		for (uint16_t p = 1; p < 30; p++)
			add(p, "noise.example", 1000, 1);
		for (int k = 0; k < 300; k++)
			((uint8_t *)map.head)[sizeof *map.head +
					      (size_t)rand() % (4096 + 30 * sizeof(struct live))] =
				(uint8_t)rand();
		assert_int_equal(ask_status(true, "GET", "/api/v1/flows", NULL, NULL), 200);
		memset(map.at, 0, 40 * sizeof(struct live));
		livetab_free(table);
		live_clear(&map);
		assert_int_equal(livetab_adopt(&table, &map, &(struct hash_key){1, 2},
					 &(const char *){NULL}),
			0);
	}
	map.head->magic = 1;
	assert_int_equal(ask_status(true, "GET", "/api/v1/flows", NULL, NULL), 503);
}

static char cut_path[64];

static void *cut(void *status)
{
	*(long *)status = ask_status(true, "DELETE", cut_path, NULL, NULL);
	return NULL;
}

static void cutting_waits_for_the_dataplane(void **state)
{
	struct live *l = add(1, "one.example", 1000, 10);
	pthread_t thread;
	struct message m;
	long status = 0;

	(void)state;
	snprintf(cut_path, sizeof cut_path, "/api/v1/flows/%016llx", (unsigned long long)id_of(l));
	assert_int_equal(ask_status(false, "DELETE", cut_path, "X-Durward: 1", NULL), 401);
	pthread_create(&thread, NULL, cut, &status);
	assert_int_equal(await(MESSAGE_CUT, &m), -1);
	assert_true(m.flow == id_of(l));
	l->by_hand = true;
	l->cut = LIVE_CUT;
	pthread_join(thread, NULL);
	assert_int_equal(status, 204);
	livetab_remove(table, l);
	assert_int_equal(ask_status(true, "DELETE", cut_path, NULL, NULL), 404);
	add(1, "two.example", 1000, 10); /* in the same place */
	assert_int_equal(ask_status(true, "DELETE", cut_path, NULL, NULL), 404);
	assert_int_equal(ask_status(true, "DELETE", "/api/v1/flows/x", NULL, NULL), 400);
	assert_int_equal(ask_status(true, "DELETE", "/api/v1/flows/", NULL, NULL), 404);
	assert_int_equal(ask_status(true, "DELETE", "/api/v1/flows/a/b", NULL, NULL), 404);
	assert_int_equal(ask_status(true, "GET", cut_path, NULL, NULL), 405);
}

static void a_dataplane_that_does_nothing_is_said(void **state)
{
	struct live *l = add(1, "one.example", 1000, 10);

	(void)state;
	snprintf(cut_path, sizeof cut_path, "/api/v1/flows/%016llx", (unsigned long long)id_of(l));
	assert_int_equal(ask_status(true, "DELETE", cut_path, NULL, NULL), 503);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_says_what_the_record_says),
		TEST(filters_order_and_pages),
		TEST(many_are_sorted),
		TEST(noise_in_the_table_harms_nobody),
		TEST(cutting_waits_for_the_dataplane),
		TEST(a_dataplane_that_does_nothing_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
