/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_schema.c - the table of words: the manual agrees with it, and slips find their word.
 */
#include "conf/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "conf/conf.h"

#define MANUAL "docs/man/durward-policy.5"
#define BEGIN  ".\\\" BEGIN: written from include/tbl/policy_words.h"
#define END    ".\\\" END\n"

static const struct {
	unsigned roles;
	const char *title;
} sections[] = {
	{ROLE_STATEMENT, "Statements"},
	{ROLE_VERB, "Rules, inside a block"},
	{ROLE_SETTING, "Settings, inside a block"},
	{ROLE_OPTION, "Options of a rule, in any order, once each"},
	{ROLE_WHO, "WHO, besides the names of devices, persons and groups"},
	{ROLE_WHAT, "WHAT, besides names, apps and lists"},
	{ROLE_BUILTIN, "Built-in sets, which a definition of the same name replaces"},
	{ROLE_FORMAT, "FORMAT of a list"},
	{ROLE_REFUSE_VALUE, "Ways of refusing"},
};

static void render(struct strbuf *b)
{
	for (size_t s = 0; s < sizeof sections / sizeof *sections; s++) {
		strbuf_fmt(b, ".Ss %s\n.Bd -literal\n", sections[s].title);
		for (size_t i = 0; i < WORDS; i++)
			if (schema_words[i].role & sections[s].roles && !schema_words[i].later)
				strbuf_fmt(b, "%s\n    %s\n", schema_words[i].grammar,
					schema_words[i].help);
		strbuf_str(b, ".Ed\n");
	}
	strbuf_str(b, ".Ss Not yet\nWords of later versions, which are an error in this one:\n.Bd "
		      "-literal\n");
	for (size_t i = 0; i < WORDS; i++)
		if (schema_words[i].later)
			strbuf_fmt(b, "%-16s %s\n", schema_words[i].word, schema_words[i].help);
	strbuf_str(b, ".Ed\n");
}

static void the_manual_says_what_the_table_says(void **state)
{
	struct strbuf page = {0}, want = {0}, now = {0};
	const char *from, *to;

	assert_int_equal(file_read(MANUAL, 1 << 20, &page), 0);
	from = strstr(page.s, BEGIN);
	assert_non_null(from);
	from = strchr(from, '\n') + 1;
	to = strstr(from, END);
	assert_non_null(to);
	render(&want);
	if (getenv("DURWARD_WRITE")) {
		strbuf_add(&now, slice_of(page.s, (size_t)(from - page.s)));
		strbuf_str(&now, want.s);
		strbuf_str(&now, to);
		assert_int_equal(file_write_atomic(MANUAL, slice_of(now.s, now.n), 0644), 0);
	} else {
		assert_true(
			slice_eq(slice_of(from, (size_t)(to - from)), slice_of(want.s, want.n)));
	}
	strbuf_fini(&page);
	strbuf_fini(&want);
	strbuf_fini(&now);
}

/* The first example of the manual, as a reader would copy it. */
static void the_example_of_the_manual_has_no_error(void **state)
{
	struct strbuf page = {0};
	struct arena mem = {0};
	struct diag d = {0};
	const char *from, *to;
	struct conf c;

	assert_int_equal(file_read(MANUAL, 1 << 20, &page), 0);
	from = strstr(page.s, ".Bd -literal\n");
	assert_non_null(from);
	from = strchr(from, '\n') + 1;
	to = strstr(from, ".Ed\n");
	assert_non_null(to);
	conf_parse(slice_of(from, (size_t)(to - from)), &mem, &c, &d);
	for (size_t i = 0; i < d.n; i++)
		print_error("line %u: %s\n", d.entries[i].line, d.entries[i].text);
	assert_int_equal(d.n, 0);
	strbuf_fini(&page);
	diag_fini(&d);
	arena_fini(&mem);
}

static const struct {
	const char *a, *b;
	unsigned distance;
} pairs[] = {
	{"block", "block", 0},
	{"Block", "bLOCK", 0},
	{"blcok", "block", 1},
	{"blok", "block", 1},
	{"", "abc", 3},
	{"kitten", "sitting", 3},
	{"\xc3\x84hre", "\xc3\xa4hre", 0},
};

static void distances_are_as_known(void **state)
{
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct slice a = slice_str(pairs[i].a), b = slice_str(pairs[i].b);

		assert_int_equal(word_distance(a, b, 10), pairs[i].distance);
		assert_int_equal(word_distance(b, a, 10), pairs[i].distance);
		if (pairs[i].distance)
			assert_int_equal(
				word_distance(a, b, pairs[i].distance - 1), pairs[i].distance);
		assert_int_equal(word_eq(a, b), pairs[i].distance == 0);
	}
}

static void words_are_found_by_role_and_without_case(void **state)
{
	assert_int_equal(schema_find(slice_str("HOURS"), ROLE_OPTION)->id, WORD_OPT_HOURS);
	assert_int_equal(schema_find(slice_str("hours"), ROLE_STATEMENT)->id, WORD_ST_HOURS);
	assert_null(schema_find(slice_str("hour"), ~0u));
	assert_null(schema_find(slice_str("open"), ROLES_KEYWORD));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manual_says_what_the_table_says),
		cmocka_unit_test(the_example_of_the_manual_has_no_error),
		cmocka_unit_test(distances_are_as_known),
		cmocka_unit_test(words_are_found_by_role_and_without_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
