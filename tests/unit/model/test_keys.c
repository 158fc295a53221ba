/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_keys.c - every enum has its key, and a number outside has "?".
 */
#include <setjmp.h>
#include <stdarg.h>

#include "model/event.h"
#include "model/mark.h"

#include <cmocka.h>

static void every_row_has_its_key(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(ident_kind_key(IDENT_OPAQUE), "opaque");
	assert_string_equal(
		ident_kind_words(IDENT_NOT_PROTO), "not a protocol that carries a name");
	assert_string_equal(ident_source_key(SOURCE_QUIC), "quic");
	assert_string_equal(app_proto_key(APP_DTLS), "dtls");
	assert_string_equal(anomaly_key(ANOMALY_SILENT), "silent");
	assert_string_equal(anomaly_text(ANOMALY_NOTHING), "nothing odd");
	assert_string_equal(action_key(ACTION_WAIT), "wait");
	assert_string_equal(refuse_key(REFUSE_PAGE), "page");
	assert_string_equal(decided_by_key(BY_SELF), "self");
	assert_string_equal(decided_by_key(BY_HAND), "hand");
	assert_string_equal(flow_path_key(PATH_PROXY), "proxy");
	assert_string_equal(flow_proto_key(IPPROTO_ICMPV6, buf), "icmpv6");
	assert_string_equal(flow_proto_key(132, buf), "132");
}

static void numbers_outside_are_question_marks(void **state)
{
	(void)state;
	assert_string_equal(ident_kind_key(IDENT_KINDS), "?");
	assert_string_equal(anomaly_text(ANOMALIES), "?");
	assert_string_equal(action_key((enum action)77), "?");
	assert_string_equal(flow_path_key((enum flow_path)77), "?");
}

static void marks_stay_inside_their_mask(void **state)
{
	(void)state;
	assert_int_equal(mark_of(0xff000000, MARK_REPLY), 0x01000000);
	assert_int_equal(mark_of(0xff000000, MARK_REFUSED), 0x80000000);
	assert_int_equal(mark_of(0x0000ff00, MARK_OWN | MARK_NOTRACK), 0x0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_its_key),
		cmocka_unit_test(numbers_outside_are_question_marks),
		cmocka_unit_test(marks_stay_inside_their_mask),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
