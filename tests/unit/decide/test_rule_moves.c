/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_rule_moves.c - which rule of the next policy a rule is, when its id is another ("Exactly" 26).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decide/policy_text.h"
#include "decide/rule_moves.h"

#define HEAD "fail open\ngroup kids net 192.0.2.0/24\ngroup guests net 198.51.100.0/24\n"
#define END  "otherwise allow\n"

/* "4>5 7>6": lines of rules that go on under another id. */
static void moves_are(const char *old, const char *now, const char *want)
{
	struct policy_text a, b;
	struct rule_move *m;
	struct strbuf said = {0};
	char text[2048];
	size_t n;

	snprintf(text, sizeof text, HEAD "%s" END, old);
	policy_text_open(&a, text, NULL);
	snprintf(text, sizeof text, HEAD "%s" END, now);
	policy_text_open(&b, text, NULL);
	assert_int_equal(rule_moves(a.image, b.image, &m, &n), 0);
	for (size_t k = 0; k < n; k++) {
		assert_string_equal(m[k].was, image_line_id(a.image, m[k].was_line));
		assert_string_equal(m[k].is, image_line_id(b.image, m[k].is_line));
		strbuf_fmt(&said, "%s%u>%u", k ? " " : "", m[k].was_line, m[k].is_line);
	}
	assert_string_equal(strbuf_text(&said), want);
	strbuf_fini(&said);
	free(m);
	free(a.bytes);
	free(b.bytes);
}

#define KIDS "for kids\n"
#define A    "block a.example\n"
#define B    "block b.example\n"
#define C    "block c.example\n"

static void exactly_26_what_keeps_its_id_does_not_move(void **state)
{
	moves_are(KIDS A B C, KIDS A B C, "");
	moves_are(KIDS A B C, KIDS C "allow x.example\n" A B, "");
	moves_are(KIDS A "block b.example as b\n", KIDS "allow b.example firm as b\n" A, "");
	moves_are(KIDS A B, "", "");
	moves_are("", KIDS A B, "");
}

static void exactly_26_a_rule_that_is_named_or_renamed_goes_on(void **state)
{
	moves_are(KIDS A B C, KIDS A "block b.example as b\n" C, "6>6");
	moves_are(KIDS A "block b.example as b\n", KIDS "block b.example as bee\n" A, "6>5");
	moves_are(KIDS "block b.example as b\n" A, KIDS A B, "5>6");
}

static void exactly_26_an_edit_in_its_place_goes_on(void **state)
{
	moves_are(KIDS A B C, KIDS A "block b.example d.example\n" C, "6>6");
	moves_are(KIDS A B C, KIDS A "watch block b.example\n" C, "6>6");
	moves_are(KIDS A B C, KIDS A "allow b.example because \"x\"\n" C, "6>6");
	moves_are(KIDS A B, "for kids guests\n" A B, "5>5 6>6");
	moves_are(KIDS A B C, KIDS "allow x.example\n" A "block d.example\n" C, "6>7");
}

static void exactly_26_another_rule_in_its_place_is_another(void **state)
{
	moves_are(KIDS A B C, KIDS A "allow d.example\n" C, ""); /* verb and WHATs */
	moves_are(KIDS A B C, KIDS A C, "");
	moves_are(KIDS A B C, KIDS A "block d.example\nblock e.example\n" C, ""); /* which? */
	moves_are(KIDS A B C, KIDS A C "block d.example\n", "");
	moves_are(KIDS A B, "for guests\nallow x.example\nallow y.example\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_26_what_keeps_its_id_does_not_move),
		cmocka_unit_test(exactly_26_a_rule_that_is_named_or_renamed_goes_on),
		cmocka_unit_test(exactly_26_an_edit_in_its_place_goes_on),
		cmocka_unit_test(exactly_26_another_rule_in_its_place_is_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
