/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_rule_id.c - a rule is known by an id that no edit elsewhere changes ("Exactly" 26).
 */
#include "conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEAD                                                                                       \
	"timezone Europe/Berlin\n"                                                                 \
	"fail open\n"                                                                              \
	"device phone mac a4:83:e7:10:22:31\n"                                                     \
	"person mia owns phone\n"                                                                  \
	"group kids mia\n"                                                                         \
	"group guests net 192.0.2.0/24\n"                                                          \
	"app youtube youtube.com\n"                                                                \
	"app games games.example\n"                                                                \
	"hours bedtime 20:30-07:00\n"                                                              \
	"hours work 08:00-12:00\n"
#define END "otherwise allow\n"

enum { TEXT = 64 };

/* The id of the rule whose line has `mark` behind it as a comment. */
static void id_of(const char *text, const char *mark, char id[static TEXT])
{
	struct arena mem = {0};
	struct diag d = {0};
	struct conf c;
	uint32_t line = 1;
	const char *at = strstr(text, mark);

	assert_non_null(at);
	for (const char *p = text; p < at; p++)
		line += *p == '\n';
	id[0] = 0;
	assert_true(conf_parse(slice_str(text), &mem, &c, &d));
	for (size_t b = 0; b < c.n_blocks; b++) {
		const struct conf_setting *s[] = {
			&c.blocks[b].no_name, &c.blocks[b].hidden_names, &c.blocks[b].evasive};

		for (size_t r = 0; r < c.blocks[b].n_rules; r++)
			if (c.blocks[b].rules[r].line == line)
				snprintf(id, TEXT, "%s", c.blocks[b].rules[r].id);
		for (size_t k = 0; k < 3; k++)
			if (s[k]->line == line)
				snprintf(id, TEXT, "%s", s[k]->id);
	}
	assert_true(id[0]);
	diag_fini(&d);
	arena_fini(&mem);
}

struct pair {
	const char *before, *after; /* the rule is marked with #! */
	bool same;
};

static void hold(const struct pair *p)
{
	char text[2048], a[TEXT], b[TEXT];

	snprintf(text, sizeof text, HEAD "%s\n" END, p->before);
	id_of(text, "#!", a);
	snprintf(text, sizeof text, HEAD "%s\n" END, p->after);
	id_of(text, "#!", b);
	if ((strcmp(a, b) == 0) != p->same)
		fail_msg("%s: %s\n%s: %s", a, p->before, b, p->after);
}

#define RULE "for kids\nblock youtube hours bedtime #!"
#define HOLD(...)                                                                                  \
	do {                                                                                       \
		static const struct pair pairs[] = {__VA_ARGS__};                                  \
		for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)                          \
			hold(&pairs[k]);                                                           \
	} while (0)

static void exactly_26_edits_above_and_moves_leave_the_id(void **state)
{
	HOLD({RULE, "\n\n# more\n" RULE, true}, {RULE, "for guests\nblock a.example\n" RULE, true},
		{RULE, "for kids\nallow a.example\nblock youtube hours bedtime #!", true},
		{RULE, "for kids\nallow a.example\n" RULE, true},
		{RULE, "for guests\nallow b.example\n" RULE "\nallow c.example", true},
		{RULE, "for KIDS\n\tBLOCK   YouTube hours Bedtime #!", true},
		{"for kids guests\nblock games #!", "for guests kids\nblock games #!", true});
}

static void exactly_26_reasons_ways_and_firmness_are_not_in_the_id(void **state)
{
	HOLD({RULE, "for kids\nblock youtube hours bedtime because \"Bedtime\" #!", true},
		{RULE, "for kids\nblock youtube firm hours bedtime #!", true},
		{RULE, "for kids\nblock youtube refuse reset hours bedtime #!", true});
}

static void exactly_26_what_a_rule_is_about_is_in_the_id(void **state)
{
	HOLD({RULE, "for kids\nblock games hours bedtime #!", false},
		{RULE, "for kids\nblock youtube games hours bedtime #!", false},
		{RULE, "for kids\nblock youtube hours work #!", false},
		{RULE, "for kids\nblock youtube #!", false},
		{RULE, "for kids\nallow youtube hours bedtime #!", false},
		{RULE, "for kids\nwatch block youtube hours bedtime #!", false},
		{RULE, "for guests\nblock youtube hours bedtime #!", false},
		{RULE, "for kids guests\nblock youtube hours bedtime #!", false});
}

static void exactly_26_the_nth_of_equals_counts_from_the_top(void **state)
{
	HOLD({"for kids\nblock games #!\nblock games", "for kids\nblock games\nblock games #!",
		     false},
		{"for kids\nblock games\nblock games #!",
			"for kids\nallow a.example\nblock games\nfor guests\nblock games\nfor "
			"kids\nblock games #!",
			true},
		/* the first goes, the second is the first now */
		{"for kids\nblock games #!\nblock games", "for kids\nblock games firm #!", true});
}

static void exactly_26_as_keeps_the_id_over_any_change(void **state)
{
	char id[TEXT];

	HOLD({"for kids\nblock youtube as fun #!",
		     "for guests\nwatch allow games hours work as Fun #!", true},
		{"for kids\nblock youtube as fun #!", "for kids\nblock youtube #!", false});
	id_of(HEAD "for kids\nblock youtube as Fun #!\n" END, "#!", id);
	assert_string_equal(id, "fun");
}

static void settings_have_ids_too(void **state)
{
	HOLD({"for kids\nno-name tcp #!", "for kids\nallow a.example\nno-name block #!", true},
		{"for kids\nno-name tcp #!", "for guests\nno-name tcp #!", false},
		{"for kids\nno-name block #!", "for kids\nhidden-names block #!", false});
}

/* What is recorded under an id is found by it in the next version, too. */
static void the_hash_is_the_same_for_ever(void **state)
{
	static const struct {
		const char *text, *id;
	} known[] = {
		{HEAD RULE "\n" END, "0160b6fe"},
		{HEAD "for kids guests\nblock a.example net 192.0.2.0/24 #!\n" END, "2678d293"},
		{HEAD "for kids\nblock games\nblock games #!\n" END, "892e8de6"},
		{HEAD "for everyone\nno-name tcp #!\n" END, "829be23c"},
	};
	char id[TEXT];

	for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
		id_of(known[k].text, "#!", id);
		assert_string_equal(id, known[k].id);
	}
}

/* A hundred thousand equals are counted, not compared. */
static void many_equals_are_read_in_time(void **state)
{
	struct strbuf b = {0};
	struct arena m = {0};
	struct diag d = {0};
	struct conf c;

	strbuf_str(&b, "fail open\nfor everyone\n");
	for (int i = 0; i < 100000; i++)
		strbuf_str(&b, "watch block a.example\n");
	strbuf_str(&b, END);
	assert_true(conf_parse(slice_of(b.s, b.n), &m, &c, &d));
	for (size_t i = 1; i < 1000; i++)
		assert_string_not_equal(c.blocks[0].rules[0].id, c.blocks[0].rules[i].id);
	strbuf_fini(&b);
	diag_fini(&d);
	arena_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_26_edits_above_and_moves_leave_the_id),
		cmocka_unit_test(exactly_26_reasons_ways_and_firmness_are_not_in_the_id),
		cmocka_unit_test(exactly_26_what_a_rule_is_about_is_in_the_id),
		cmocka_unit_test(exactly_26_the_nth_of_equals_counts_from_the_top),
		cmocka_unit_test(exactly_26_as_keeps_the_id_over_any_change),
		cmocka_unit_test(settings_have_ids_too),
		cmocka_unit_test(the_hash_is_the_same_for_ever),
		cmocka_unit_test(many_equals_are_read_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
