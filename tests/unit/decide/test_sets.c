/* SPDX-License-Identifier: GPL-3.0-or-later
 * Networks become ranges that hold exactly their addresses; a name in very many sets is found in each.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../../src/decide/image_int.h"
#include "decide/compile.h"

static bool in(const char *nets, const char *address)
{
	struct cidr c[16];
	struct img_range r[32];
	struct addr a;
	size_t n = 0;
	while (*nets) {
		size_t len = strcspn(nets, " ");
		assert_true(cidr_parse(slice_of(nets, len), &c[n++]));
		nets += len + (nets[len] == ' ');
	}
	assert_true(addr_parse(slice_str(address), &a));
	return cidrset_has(r, cidrset_build(c, n, r), &a);
}

static void ranges_hold_exactly_their_nets(void **state)
{
	static const struct {
		const char *nets, *address;
		bool in;
	} cases[] = {
		{"192.0.2.0/24", "192.0.2.0", true},
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/24", "192.0.1.255", false},
		{"192.0.2.9", "192.0.2.9", true},
		{"198.51.100.0/25 192.0.2.0/24 198.51.100.128/25", "198.51.100.200", true},
		{"198.51.100.0/24 198.51.100.0/28 192.0.2.0/24", "198.51.100.200", true},
		{"0.0.0.0/0", "203.0.113.1", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "::1", true},
		{"::/0", "203.0.113.1", false},
		{"::/0 192.0.2.0/24", "192.0.2.1", true},
		{"::/0 192.0.2.0/24", "192.0.3.1", false},
		{"2001:db8::/33", "2001:db8:8000::", false},
		{"2001:db8::/33", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", true},
		{"", "192.0.2.1", false},
	};
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
		assert_int_equal(in(cases[k].nets, cases[k].address), cases[k].in);
}

/* 300 apps that all list the same name: more than a look-up holds at once. */
static void a_name_in_very_many_sets_is_in_each(void **state)
{
	enum { APPS = 300 };
	struct conf_name name = {"busy.example", SCOPE_BELOW_AND_SELF, 1};
	struct conf_app *apps = calloc(APPS, sizeof *apps);
	struct conf_what *whats = calloc(APPS, sizeof *whats);
	struct conf_rule *rules = calloc(APPS, sizeof *rules);
	for (uint32_t k = 0; k < APPS; k++) {
		apps[k] = (struct conf_app){.name = "app", .names = &name, .n_names = 1};
		whats[k] = (struct conf_what){.kind = WHAT_APP, .index = k};
		rules[k] = (struct conf_rule){.line = k + 2,
			.id = "watched",
			.watch = true,
			.text = "watch block app",
			.block = true,
			.whats = &whats[k],
			.n_whats = 1};
	}
	rules[APPS - 1].watch = false; /* the last one decides */
	struct conf_who everyone = {.kind = WHO_EVERYONE};
	struct conf_block block = {.pos = {1, 1, 1},
		.text = "for everyone",
		.who = &everyone,
		.n_who = 1,
		.rules = rules,
		.n_rules = APPS};
	struct conf conf = {.apps = apps,
		.n_apps = APPS,
		.blocks = &block,
		.n_blocks = 1,
		.otherwise_line = APPS + 2,
		.otherwise_text = "otherwise allow"};
	struct compile_in in = {.conf = &conf};
	const struct image *i;
	const char *why;
	void *bytes;
	size_t n;
	assert_int_equal(policy_compile(&in, &bytes, &n), 0);
	assert_int_equal(image_open(bytes, n, &i, &why), 0);
	struct ident id = {.kind = IDENT_NAME, .name_len = 14, .name = "a.busy.example"};
	struct policy_query q = {.ident = &id, .stage = STAGE_NAMED, .who.device = -1};
	struct verdict v;
	policy_eval(i, &policy_live_none, &q, NULL, &v);
	assert_int_equal(v.rule_line, APPS + 1);
	assert_int_equal(v.watch_line, 2);
	free(bytes);
	free(rules);
	free(whats);
	free(apps);
}

static void an_empty_policy_has_its_last_word(void **state)
{
	struct conf conf = {.otherwise_block = true,
		.otherwise_line = 1,
		.otherwise_text = "otherwise block",
		.otherwise_because = "Closed"};
	struct compile_in in = {.conf = &conf};
	const struct image *i;
	const char *why;
	void *bytes;
	size_t n;
	assert_int_equal(policy_compile(&in, &bytes, &n), 0);
	assert_int_equal(image_open(bytes, n, &i, &why), 0);
	assert_true(image_judges_all(i));
	assert_false(image_fail_open(i));
	struct policy_query q = {.stage = STAGE_FIRST, .who.device = -1};
	struct verdict v;
	policy_eval(i, &policy_live_none, &q, NULL, &v);
	assert_int_equal(v.action, ACTION_BLOCK);
	assert_int_equal(v.by, BY_OTHERWISE);
	assert_string_equal(image_line_because(i, v.rule_line), "Closed");
	free(bytes);
}

static void groups_that_contain_each_other_are_refused(void **state)
{
	struct conf_who a = {.kind = WHO_GROUP, .index = 1}, b = {.kind = WHO_GROUP, .index = 0};
	struct conf_group groups[] = {{.name = "a", .members = &a, .n_members = 1},
		{.name = "b", .members = &b, .n_members = 1}};
	struct conf conf = {.groups = groups, .n_groups = 2};
	struct compile_in in = {.conf = &conf};
	void *bytes;
	size_t n;
	assert_int_equal(policy_compile(&in, &bytes, &n), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_hold_exactly_their_nets),
		cmocka_unit_test(a_name_in_very_many_sets_is_in_each),
		cmocka_unit_test(an_empty_policy_has_its_last_word),
		cmocka_unit_test(groups_that_contain_each_other_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
