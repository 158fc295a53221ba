/* SPDX-License-Identifier: GPL-3.0-or-later
 * An image answers what its policy says, is the same at any address, and never crashes a reader when it lies.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../../src/decide/image_int.h"
#include "base/clock.h"
#include "decide/home.h"

static void *block;
static size_t block_size;
static const struct image *img;

static int make(void **state)
{
	const char *why;
	assert_int_equal(policy_compile(&home_in, &block, &block_size), 0);
	return image_open(block, block_size, &img, &why);
}

static int drop(void **state)
{
	free(block);
	return 0;
}

/* 2026-11-23 (a Monday) 12:00 in Berlin */
enum { NOON = 1795431600 };

static struct policy_query query(const struct ident *id, int device, const char *dst)
{
	struct policy_query q = {.ident = id, .stage = STAGE_NAMED, .now_s = NOON};
	q.who.device = device;
	q.flow = (struct flow){.proto = IPPROTO_TCP, .dport = 443, .path = PATH_INSPECT};
	if (dst)
		assert_true(addr_parse(slice_str(dst), &q.flow.dst));
	return q;
}

static struct ident named(const char *name)
{
	struct ident id = {.kind = IDENT_NAME, .source = SOURCE_SNI, .app = APP_TLS};
	id.name_len = (uint8_t)strlen(name);
	memcpy(id.name, name, id.name_len + 1u);
	return id;
}

static void the_first_match_decides(void **state)
{
	static const struct {
		const char *name;
		int device;
		int64_t at;
		int action;
		uint32_t line;
		int list_line; /* 0 = no list */
	} cases[] = {
		{"x.malware.example", 0, NOON, ACTION_BLOCK, 12, 0},
		{"a.school.example", 0, NOON, ACTION_ALLOW, 14, 0},
		{"school.example", 0, NOON, ACTION_ALLOW, 23, 0},
		{"classroom.example", 0, NOON, ACTION_ALLOW, 14, 0},
		{"x.classroom.example", 0, NOON, ACTION_ALLOW, 23, 0},
		{"casino.example", 0, NOON, ACTION_BLOCK, 16, 3},
		{"www.casino.example", 0, NOON, ACTION_BLOCK, 16, 3},
		{"bet.casino.example", 0, NOON, ACTION_BLOCK, 16, 9},
		{"a.bet.casino.example", 0, NOON, ACTION_BLOCK, 16, 3},
		{"adult.test", 0, NOON, ACTION_ALLOW, 23, 0},
		{"x.adult.test", 0, NOON, ACTION_BLOCK, 16, 11},
		{"safe.adult.test", 0, NOON, ACTION_ALLOW, 23, 0},
		{"www.safe.adult.test", 0, NOON, ACTION_ALLOW, 23, 0},
		{"casino.example", 1, NOON, ACTION_ALLOW, 23, 0},
		{"other.example", 0, NOON + 9 * 3600, ACTION_BLOCK, 15, 0},
		{"a.school.example", 0, NOON + 9 * 3600, ACTION_ALLOW, 14, 0},
	};
	for (size_t k = 0; k < N(cases); k++) {
		struct ident id = named(cases[k].name);
		struct policy_query q = query(&id, cases[k].device, "198.51.100.2");
		struct verdict v;
		q.now_s = cases[k].at;
		policy_eval(img, &policy_live_none, &q, NULL, &v);
		assert_int_equal(v.action, cases[k].action);
		assert_int_equal(v.rule_line, cases[k].line);
		assert_int_equal(v.list_line, cases[k].list_line);
		assert_int_equal(v.list, cases[k].list_line ? 0 : NO_LIST);
	}
}

static void until_is_the_end_of_the_hours(void **state)
{
	struct ident id = named("other.example");
	struct policy_query q = query(&id, 0, NULL);
	struct verdict v;
	q.now_s = NOON + 9 * 3600;
	policy_eval(img, &policy_live_none, &q, NULL, &v);
	assert_int_equal(v.until_s, NOON + 19 * 3600);
}

/* 10 hours bedtime sun-thu 20:30-07:00; NOON is a day's, and the zone is none: 12:00 is 12:00. */
static void hours_change_at_their_edges_only(void **state)
{
	(void)state;
	int64_t begins = NOON + 8 * 3600 + 1800, ends = NOON + 19 * 3600;
	assert_false(image_hours_changed(img, begins - 60, begins - 1));
	assert_true(image_hours_changed(img, begins - 1, begins));
	assert_false(image_hours_changed(img, begins, ends - 1));
	assert_true(image_hours_changed(img, ends - 1, ends));
	assert_true(image_hours_changed(img, begins, begins - 60)); /* the clock was set */
}

static void texts_are_inside(void **state)
{
	assert_string_equal(image_line_text(img, 14), "allow school");
	assert_string_equal(image_line_because(img, 15), "Bedtime");
	assert_string_equal(image_line_text(img, 23), "otherwise allow");
	assert_string_equal(image_line_text(img, 99), "");
	assert_string_equal(image_list_name(img, 0), "adult");
	assert_string_equal(image_list_name(img, NO_LIST), "");
	assert_string_equal(image_device_name(img, 1), "printer");
	assert_int_equal(image_revision(img), 7);
	assert_true(image_fail_open(img));
	assert_true(image_judges_all(img));
	assert_int_equal(image_count_rules(img), 7);
}

static void who_is_found_by_mac_before_address(void **state)
{
	struct policy_who who = {.has_mac = true, .mac = home_mac[0], .device = -1};
	const char *names[8];
	who.addrs[who.n_addrs++] = home_addr[0];
	/* mia's phone with the printer's address: mia's, and in the net group of that address */
	assert_int_equal(policy_who_names(img, &who, names, 8), 5);
	assert_string_equal(names[0], "mia-phone");
	assert_string_equal(names[1], "mia");
	assert_string_equal(names[2], "kids");
	assert_string_equal(names[3], "office");
	assert_string_equal(names[4], "all");
	who.mac.b[0] ^= 1;
	assert_int_equal(policy_who_names(img, &who, names, 8), 3);
	assert_string_equal(names[0], "printer");
	who.addrs[0].b[15] = 41;
	assert_int_equal(policy_who_names(img, &who, names, 8), 3);
	assert_string_equal(names[0], "unknown-devices");
	who.addrs[0].b[15] = 200;
	assert_int_equal(policy_who_names(img, &who, names, 8), 1);
	/* by its v6 address the printer is still in the net group of its v4 address */
	who.addrs[0] = home_addr[1];
	assert_int_equal(policy_who_names(img, &who, names, 8), 3);
	assert_string_equal(names[1], "office");
}

static void a_name_of_the_policy_is_found(void **state)
{
	struct policy_found f;
	policy_find_who(img, slice_str("MIA"), &f);
	assert_int_equal(f.kind, 1 + WHO_PERSON);
	assert_int_equal(f.n_devices, 1);
	policy_find_who(img, slice_str("all"), &f);
	assert_int_equal(f.n_devices, 2);
	assert_true(f.has_addr);
	char text[ADDR_TEXT];
	assert_string_equal(addr_format(&f.addr, text), "192.0.2.1");
	policy_find_who(img, slice_str("nobody"), &f);
	assert_int_equal(f.kind, 0);
}

static void flows_without_a_name(void **state)
{
	static const struct {
		int kind, app, proto, path, stage;
		const char *dst;
		int device, action;
		uint32_t line;
		bool tcp;
	} cases[] = {
		{IDENT_NONE, APP_TLS, IPPROTO_TCP, PATH_INSPECT, STAGE_NAMED, "198.51.100.2", 0,
			ACTION_ALLOW, 23, false},
		{IDENT_NONE, APP_QUIC, IPPROTO_UDP, PATH_INSPECT, STAGE_NAMED, "198.51.100.2", 0,
			ACTION_BLOCK, 22, true},
		{IDENT_NOT_PROTO, 0, IPPROTO_UDP, PATH_INSPECT, STAGE_NAMED, "198.51.100.2", 0,
			ACTION_ALLOW, 23, false},
		{IDENT_EVASIVE, APP_TLS, IPPROTO_TCP, PATH_INSPECT, STAGE_NAMED, "198.51.100.2", 0,
			ACTION_BLOCK, 0, false},
		{IDENT_EVASIVE, APP_TLS, IPPROTO_TCP, PATH_INSPECT, STAGE_NAMED, "203.0.113.9", 0,
			ACTION_BLOCK, 21, false},
		{0, 0, IPPROTO_ICMPV6, PATH_OTHER, STAGE_FIRST, "2001:db8::1", 0, ACTION_BLOCK, 21,
			false},
		{0, 0, IPPROTO_TCP, PATH_OTHER, STAGE_FIRST, "192.0.2.77", -1, ACTION_BLOCK, 18,
			false},
		{0, 0, IPPROTO_TCP, PATH_OTHER, STAGE_FIRST, "192.168.9.9", -1, ACTION_BLOCK, 18,
			false},
		{0, 0, IPPROTO_TCP, PATH_OTHER, STAGE_FIRST, "198.51.100.2", -1, ACTION_ALLOW, 23,
			false},
		{0, 0, IPPROTO_TCP, PATH_INSPECT, STAGE_FIRST, "192.168.9.9", -1, ACTION_WAIT, 0,
			false},
	};
	for (size_t k = 0; k < N(cases); k++) {
		struct ident id = {.kind = (uint8_t)cases[k].kind, .app = (uint8_t)cases[k].app};
		struct policy_query q = query(&id, cases[k].device, cases[k].dst);
		struct verdict v;
		q.flow.proto = (uint8_t)cases[k].proto;
		q.flow.path = (uint8_t)cases[k].path;
		q.stage = cases[k].stage;
		policy_eval(img, &policy_live_none, &q, NULL, &v);
		assert_int_equal(v.action, cases[k].action);
		assert_int_equal(v.rule_line, cases[k].line);
		assert_int_equal(v.tcp_instead, cases[k].tcp);
	}
}

static void watch_is_counted_and_the_walk_goes_on(void **state)
{
	struct policy_query q = query(NULL, 1, "198.51.100.2");
	struct verdict v;
	q.flow.dport = 25;
	q.flow.path = PATH_OTHER;
	q.stage = STAGE_FIRST;
	policy_eval(img, &policy_live_none, &q, NULL, &v);
	assert_int_equal(v.rule_line, 21);
	assert_int_equal(v.watch_line, 20);
	assert_int_equal(v.watch_action, ACTION_BLOCK);
}

static void T30_ech_hides_only_behind_a_known_outer_name(void **state)
{
	struct ident id = named("cloudflare-ech.com");
	struct policy_query q = query(&id, 0, NULL);
	struct verdict v;
	id.ech = true;
	q.now_s = NOON;
	home_blocks[3].hidden_names =
		(struct conf_setting){ANSWER_BLOCK, 24, "hidden-names block", "hidden"};
	void *other;
	size_t n;
	const struct image *i;
	const char *why;
	assert_int_equal(policy_compile(&home_in, &other, &n), 0);
	assert_int_equal(image_open(other, n, &i, &why), 0);
	policy_eval(i, &policy_live_none, &q, NULL, &v);
	assert_int_equal(v.action, ACTION_BLOCK);
	assert_int_equal(v.rule_line, 24);
	id = named("www.example.com");
	id.ech = true;
	policy_eval(i, &policy_live_none, &q, NULL, &v);
	assert_int_equal(v.action, ACTION_ALLOW);
	home_blocks[3].hidden_names = (struct conf_setting){0};
	free(other);
}

/* --- an image that lies --- */

static void ask_everything(const struct image *i, uint64_t salt)
{
	static const char *const names[] = {"a.school.example", "casino.example", "x.adult.test",
		"cloudflare-ech.com", "malware.example"};
	const char *out[64];
	for (int k = 0; k < 40; k++) {
		struct ident id = named(names[k % 5]);
		struct verdict v;
		id.kind = (uint8_t)(k % 7 ? IDENT_NAME : k % IDENT_KINDS);
		id.ech = k & 1;
		struct policy_query q = query(&id, k % 4 - 1, k % 3 ? "192.168.1.1" : NULL);
		q.now_s += (int64_t)(salt % 700000) + k * 3600;
		q.flow.path = (uint8_t)(k % 3);
		q.stage = k % 5 ? STAGE_NAMED : STAGE_FIRST;
		q.who.addrs[q.who.n_addrs++] = home_addr[k & 1];
		policy_eval(i, &policy_live_none, &q, NULL, &v);
		policy_who_names(i, &q.who, out, 64);
		(void)strlen(image_line_text(i, v.rule_line));
		(void)strlen(image_line_because(i, v.rule_line));
		assert_true(strlen(image_line_id(i, v.rule_line)) < IMAGE_RULE_ID);
		(void)strlen(image_list_name(i, v.list));
		(void)strlen(image_device_name(i, v.device));
	}
	struct policy_found f;
	policy_find_who(i, slice_str("all"), &f);
}

static uint64_t dice(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void corruption_is_seen_or_harmless(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15ull;
	uint8_t *copy = malloc(block_size); /* exact size: a reader that strays is caught by ASan */
	size_t opened = 0;
	for (int round = 0; round < 20000; round++) {
		const struct image *i;
		const char *why;
		memcpy(copy, block, block_size);
		for (uint64_t n = 1 + dice(&seed) % 4; n > 0; n--) {
			size_t at = 8 + dice(&seed) % (block_size - 8);
			copy[at] = dice(&seed) & 1 ? (uint8_t)dice(&seed) : 0xff;
		}
		struct image *head = (struct image *)copy;
		assert_true(round % 100 || image_open(copy, block_size, &i, &why) != 0 ||
			    memcmp(copy, block, block_size) == 0);
		head->version = IMAGE_VERSION;
		head->size = (uint32_t)block_size;
		head->checksum = image_checksum(head, block_size);
		if (image_open(copy, block_size, &i, &why) == 0) {
			ask_everything(i, dice(&seed));
			opened++;
		}
	}
	print_message("%zu of 20000 corrupted images opened, all harmless\n", opened);
	free(copy);
}

/* An id is told beside the line; one that has no room in an event, or a rule without one, is no image's. */
static void rules_are_known_by_ids(void **state)
{
	struct conf_rule *rule = &home_rules_kids[2];
	const char *was = rule->id, *why = "";
	static char longest[IMAGE_RULE_ID];
	const struct image *i;
	void *bytes;
	size_t n;

	(void)state;
	assert_string_equal(image_line_id(img, 16), "rule-16");
	assert_string_equal(image_line_id(img, 22), "setting-22");
	assert_string_equal(image_line_id(img, home_conf.otherwise_line), "otherwise");
	assert_string_equal(image_line_id(img, 13), ""); /* for kids */
	assert_string_equal(image_line_id(img, 0), "");
	memset(longest, 'x', IMAGE_RULE_ID - 1);
	const char *const ids[] = {
		longest, "", "0123456789012345678901234567890123456789012345678901234567890123"};
	for (size_t k = 0; k < N(ids); k++) {
		rule->id = ids[k];
		assert_int_equal(policy_compile(&home_in, &bytes, &n), 0);
		assert_int_equal(image_open(bytes, n, &i, &why), k == 0 ? 0 : -EINVAL);
		free(bytes);
	}
	rule->id = was;
}

static void every_cut_is_seen(void **state)
{
	const struct image *i;
	const char *why;
	for (size_t n = 0; n < block_size; n++)
		assert_int_not_equal(image_open(block, n, &i, &why), 0);
}

/* Printed, not asserted: times are the machine's. */
static void a_million_names(void **state)
{
	enum { MANY = 1000000 };
	struct conf_name *names = calloc(MANY, sizeof *names);
	char(*text)[24] = calloc(MANY, sizeof *text);
	for (uint32_t k = 0; k < MANY; k++) {
		snprintf(text[k], sizeof text[k], "h%u.d%u.example", k, k % 997);
		names[k] = (struct conf_name){text[k], SCOPE_BELOW_AND_SELF, k + 1};
	}
	struct list_names list = {.names = names, .n = MANY};
	struct compile_in in = home_in;
	in.lists = &list;
	void *big;
	size_t n;
	const struct image *i;
	const char *why;
	uint64_t t0 = clock_mono_ms();
	assert_int_equal(policy_compile(&in, &big, &n), 0);
	uint64_t t1 = clock_mono_ms();
	assert_int_equal(image_open(big, n, &i, &why), 0);
	uint64_t t2 = clock_mono_ms();
	uint32_t hits = 0;
	for (uint32_t k = 0; k < 200000; k++) {
		struct ident id = named(text[k * 5]);
		struct policy_query q = query(&id, 0, NULL);
		struct verdict v;
		policy_eval(i, &policy_live_none, &q, NULL, &v);
		hits += v.list_line == k * 5 + 1;
	}
	uint64_t t3 = clock_mono_ms();
	assert_int_equal(hits, 200000);
	print_message("1,000,000 names: compile %d ms, open %d ms, %zu MB, %d ns an evaluation\n",
		(int)(t1 - t0), (int)(t2 - t1), n >> 20, (int)((t3 - t2) * 5));
	free(big);
	free(text);
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_match_decides),
		cmocka_unit_test(until_is_the_end_of_the_hours),
		cmocka_unit_test(hours_change_at_their_edges_only),
		cmocka_unit_test(texts_are_inside),
		cmocka_unit_test(who_is_found_by_mac_before_address),
		cmocka_unit_test(a_name_of_the_policy_is_found),
		cmocka_unit_test(flows_without_a_name),
		cmocka_unit_test(watch_is_counted_and_the_walk_goes_on),
		cmocka_unit_test(T30_ech_hides_only_behind_a_known_outer_name),
		cmocka_unit_test(corruption_is_seen_or_harmless),
		cmocka_unit_test(rules_are_known_by_ids),
		cmocka_unit_test(every_cut_is_seen),
		cmocka_unit_test(a_million_names),
	};
	return cmocka_run_group_tests(tests, make, drop);
}
