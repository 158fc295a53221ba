/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_ledger.c - revisions, secrets and sessions survive a restart.
 */
#include "record/folder.h"

#include <errno.h>

#include "record/ledger.h"

static struct ledger *opened(void)
{
	struct ledger *l = NULL;

	assert_int_equal(ledger_open(in_folder("durward.db"), &l), 0);
	return l;
}

static void the_same_text_is_the_same_revision(void **state)
{
	struct ledger *l = opened();
	struct ledger_revision last;
	struct strbuf text = {0};
	uint32_t n = 0;

	assert_int_equal(ledger_last(l, &last), -ENOENT);
	assert_int_equal(ledger_add(l, slice_str("otherwise allow\n"), false, "file", 5, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ledger_add(l, slice_str("otherwise allow\n"), false, "file", 6, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ledger_add(l, slice_str("otherwise block\n"), false, "web", 7, &n), 0);
	assert_int_equal(n, 2);
	ledger_close(l);
	l = opened();
	assert_int_equal(ledger_last(l, &last), 0);
	assert_int_equal(last.number, 2);
	assert_string_equal(last.actor, "web");
	assert_int_equal(ledger_text(l, 1, &text), 0);
	assert_string_equal(strbuf_text(&text), "otherwise allow\n");
	assert_int_equal(ledger_text(l, 9, &text), -ENOENT);
	assert_int_equal(ledger_add(l, slice_str("otherwise block\n"), true, "file", 8, &n), 0);
	assert_int_equal(n, 3); /* its lists may have changed */
	strbuf_reset(&text);
	assert_int_equal(ledger_text(l, 3, &text), 0);
	assert_string_equal(strbuf_text(&text), "otherwise block\n");
	assert_int_equal(ledger_remove(l, 3), 0);
	assert_int_equal(ledger_remove(l, 2), 0);
	assert_int_equal(ledger_last(l, &last), 0);
	assert_int_equal(last.number, 1);
	strbuf_fini(&text);
	ledger_close(l);
}

static void secrets_are_replaced_and_removed(void **state)
{
	struct ledger *l = opened();
	struct strbuf v = {0};

	assert_int_equal(ledger_secret(l, "password", &v), -ENOENT);
	assert_int_equal(ledger_secret_set(l, "password", "one"), 0);
	assert_int_equal(ledger_secret_set(l, "password", "two"), 0);
	assert_int_equal(ledger_secret(l, "password", &v), 0);
	assert_string_equal(strbuf_text(&v), "two");
	assert_int_equal(ledger_secret_set(l, "password", NULL), 0);
	strbuf_reset(&v);
	assert_int_equal(ledger_secret(l, "password", &v), -ENOENT);
	strbuf_fini(&v);
	ledger_close(l);
}

static void sessions_are_bounded(void **state)
{
	struct ledger *l = opened();
	struct ledger_session s = {0};

	for (uint64_t i = 0; i < 70; i++) {
		snprintf(s.digest, sizeof s.digest, "%064llu", (unsigned long long)i);
		s.born_ms = s.seen_ms = i;
		assert_int_equal(ledger_session_put(l, &s), 0);
	}
	assert_int_equal(ledger_session_get(l, s.digest, &s), 0);
	assert_int_equal(s.seen_ms, 69);
	snprintf(s.digest, sizeof s.digest, "%064llu", 0ull);
	assert_int_equal(ledger_session_get(l, s.digest, &s), -ENOENT);
	assert_int_equal(ledger_session_drop(l, NULL), 0);
	snprintf(s.digest, sizeof s.digest, "%064llu", 69ull);
	assert_int_equal(ledger_session_get(l, s.digest, &s), -ENOENT);
	ledger_close(l);
}

#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, folder_make, folder_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(the_same_text_is_the_same_revision),
		IN_FOLDER(secrets_are_replaced_and_removed),
		IN_FOLDER(sessions_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
