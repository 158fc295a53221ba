/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_doctor_rules.c - marks that routing rules look at, and what is told when a rule needs the very bits that are ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../src/ctl/doctor_rules.c"

static char said[512], fixed[512];
static enum finding weight;

void doctor_say(
	struct doctor *d, enum finding f, const char *what, const char *fix, const char *fmt, ...)
{
	va_list ap;

	weight = f;
	snprintf(fixed, sizeof fixed, "%s", fix);
	va_start(ap, fmt);
	vsnprintf(said, sizeof said, fmt, ap);
	va_end(ap);
}

int doctor_output(const char *const *argv, struct strbuf *out)
{
	return -1;
}

static void marks_of_routing_rules(void **state)
{
	static const char rules[] = "0:	from all lookup local\n"
				    "100:	from all fwmark 0x1/0xff lookup dsl\n"
				    "4480:	from all fwmark 0x8000000/0x8000000 lookup 4480\n"
				    "5209:	not from all fwmark 0xca6c lookup 51820\n"
				    "32766:	from all lookup main\n";

	assert_int_equal(marks_of_lines(rules, 4480), 0xcaff);
	assert_int_equal(marks_of_lines(rules, 1), 0x800caff);
	assert_int_equal(marks_of_lines("", 4480), 0);
	assert_int_equal(marks_of_lines("1:	from all fwmark", 4480), 0);
}

static void every_kind_has_words_and_a_weight(void **state)
{
	struct doctor d = {.settings_path = "/etc/durward/settings"};
	struct telling t = {.d = &d, .free_mask = 0x00ff0000};

	for (enum foreign_kind k = FOREIGN_CONNMARK; k < FOREIGN_NAT; k++) {
		struct foreign f = {.kind = k, .rule = "iptables -A X", .fix = "iptables -R X"};
		said[0] = 0, weight = FINDING_OK;
		tell(&t, &f);
		assert_true(weight > FINDING_OK);
		assert_non_null(strstr(said, "(iptables -A X)"));
		assert_string_equal(fixed, "iptables -R X");
	}
	assert_true(t.any);
}

static void a_rule_that_needs_our_bits(void **state)
{
	struct doctor d = {.settings_path = "/etc/durward/settings"};
	struct telling t = {.d = &d, .free_mask = 0x00ff0000};
	struct foreign f = {.kind = FOREIGN_CONNMARK, .rule = "r", .fix = ""};

	tell(&t, &f);
	assert_string_equal(fixed,
		"sed -i '/^mark-mask/d' /etc/durward/settings; echo 'mark-mask 0x00ff0000' "
		">>/etc/durward/settings; systemctl restart durward");
	t.free_mask = 0;
	tell(&t, &f);
	assert_non_null(strstr(fixed, "no 8 neighbouring ones are free"));
	/* a redirection is no question of marks */
	f.kind = FOREIGN_TAKES_WEB;
	tell(&t, &f);
	assert_string_equal(fixed, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_of_routing_rules),
		cmocka_unit_test(every_kind_has_words_and_a_weight),
		cmocka_unit_test(a_rule_that_needs_our_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
