/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_good_lists.c - a list that goes bad keeps its last good copy, and says so.
 */
#include "load/policy_load.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "decide/image.h"

static char folder[64], good[80];

static const char *at(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void put(const char *name, struct slice text)
{
	assert_int_equal(file_write_atomic(at(name), text, 0600), 0);
}

/* n names, one a line */
static void put_names(const char *name, int n)
{
	struct strbuf b = {0};

	for (int i = 0; i < n; i++)
		strbuf_fmt(&b, "n%d.example\n", i);
	put(name, slice_of(b.s ? b.s : "", b.n));
	strbuf_fini(&b);
}

static const char policy[] = "fail open\nlist adult adult.txt format domains\nfor everyone\n  "
			     "block adult\notherwise allow\n";

enum mode { RELOAD, CHECK, OFFLINE };

static int load_text(const char *text, const char *accept, enum mode mode, struct policy_loaded *l)
{
	struct slice s = slice_str(text);
	char path[128];
	struct policy_load_in in = {.path = path,
		.text = &s,
		.good_dir = good,
		.accept = accept,
		.check_only = mode == CHECK,
		.as_it_is = mode == OFFLINE};
	int rc;

	snprintf(path, sizeof path, "%s/policy", folder);
	rc = policy_load(&in, l);
	if (rc == 0 && mode == RELOAD)
		policy_load_keep(l, good);
	return rc;
}

static int load(const char *accept, struct policy_loaded *l)
{
	return load_text(policy, accept, RELOAD, l);
}

static size_t copies(void)
{
	DIR *d = opendir(good);
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* A good load with so many names, and nothing to say. */
static void expect_good(const char *accept, size_t names)
{
	struct policy_loaded l;

	assert_int_equal(load(accept, &l), 0);
	assert_int_equal(l.lists.n, 1);
	assert_int_equal(l.lists.all[0].names, names);
	assert_false(l.lists.all[0].kept);
	assert_null(l.lists.all[0].why);
	assert_int_equal(l.lists.all[0].failure, 0);
	assert_true(l.lists.all[0].good_ms > 0);
	policy_loaded_fini(&l);
	assert_int_equal(copies(), 1);
}

/* A load that keeps so many names, and says why at the list's file (line 2, column 12). */
static void expect_kept(const char *accept, size_t names, const char *why)
{
	struct policy_loaded l;

	assert_int_equal(load(accept, &l), 0);
	assert_int_equal(l.lists.all[0].names, names);
	assert_true(l.lists.all[0].kept);
	if (!strstr(l.lists.all[0].why, why))
		fail_msg("%s: %s", why, l.lists.all[0].why);
	assert_int_equal(l.diag.n, 1);
	assert_int_equal(l.diag.entries[0].level, DIAG_WARNING);
	assert_int_equal(l.diag.entries[0].line, 2);
	assert_int_equal(l.diag.entries[0].column, 12);
	assert_non_null(strstr(l.diag.entries[0].text, why));
	assert_non_null(strstr(l.diag.entries[0].text, "stays in force"));
	assert_non_null(l.image);
	policy_loaded_fini(&l);
	assert_int_equal(copies(), 1);
}

static int make(void **state)
{
	snprintf(folder, sizeof folder, "/tmp/durward-good-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(good, sizeof good, "%s/good-lists", folder);
	put_names("adult.txt", 100);
	return 0;
}

static void empty_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
}

static int drop(void **state)
{
	empty_folder(good);
	empty_folder(folder);
	return 0;
}

static void less_than_half_is_not_taken(void **state)
{
	expect_good(NULL, 100);
	put_names("adult.txt", 50);
	expect_good(NULL, 50);
	put_names("adult.txt", 24);
	expect_kept(NULL, 50, "has shrunk from 50 names to 24");
	expect_good("Adult", 24);
	expect_good(NULL, 24);
	put_names("adult.txt", 0);
	expect_kept(NULL, 24, "from 24 names to 0");
	put_names("adult.txt", 13);
	expect_good(NULL, 13); /* back to half and more: nothing to accept */
	put_names("adult.txt", 1);
	expect_good("*", 1);
}

static void what_is_no_list_is_not_taken(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *why;
	} cases[] = {
		{"<!DOCTYPE html>\n<title>404</title>\n", 35, "it is a web page"},
		{"\xef\xbb\xbf \r\n<html>", 12, "it is a web page"},
		{"n1.example\n\0\n", 13, "NUL"},
		{"n1.example\n\1\2\3\4\5\6\n", 18, "control characters"},
		{"nothing here\n", 13, "from 100 names to 0"},
	};

	expect_good(NULL, 100);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		put("adult.txt", slice_of(cases[i].text, cases[i].n));
		expect_kept(NULL, 100, cases[i].why);
	}
	unlink(at("adult.txt"));
	expect_kept(NULL, 100, "cannot be read: No such file");
	expect_kept("*", 100, "cannot be read: No such file"); /* there is nothing to accept */
	assert_int_equal(mkdir(at("adult.txt"), 0700), 0);
	expect_kept(NULL, 100, "it is no file");
	assert_int_equal(rmdir(at("adult.txt")), 0);
	put_names("adult.txt", 60);
	expect_good(NULL, 60);
}

static void without_a_copy_it_is_an_error(void **state)
{
	struct policy_loaded l;

	unlink(at("adult.txt"));
	assert_int_equal(load(NULL, &l), -EINVAL);
	assert_int_equal(l.diag.errors, 1);
	assert_int_equal(l.diag.entries[0].line, 2);
	assert_int_equal(l.diag.entries[0].column, 12);
	policy_loaded_fini(&l);
	put("adult.txt", slice_str("<html>"));
	assert_int_equal(load("*", &l), -EINVAL);
	assert_int_equal(l.diag.errors, 1);
	policy_loaded_fini(&l);
	assert_int_equal(copies(), 0);
}

static void what_is_not_in_force_is_no_copy(void **state)
{
	struct policy_loaded l;

	assert_int_equal(load_text(policy, NULL, CHECK, &l), 0);
	policy_loaded_fini(&l);
	assert_int_equal(copies(), 0);
	/* another error in the file: the list is good, and yet not in force */
	assert_int_equal(
		load_text("list adult adult.txt format domains\n", NULL, RELOAD, &l), -EINVAL);
	policy_loaded_fini(&l);
	assert_int_equal(copies(), 0);
}

static void another_file_is_another_list(void **state)
{
	static const char moved[] = "fail open\nlist adult small.txt format domains\n"
				    "for everyone\n  block adult\notherwise allow\n";
	struct policy_loaded l;

	expect_good(NULL, 100);
	put_names("small.txt", 3);
	assert_int_equal(load_text(moved, NULL, RELOAD, &l), 0);
	assert_int_equal(l.diag.n, 0);
	assert_int_equal(l.lists.all[0].names, 3);
	policy_loaded_fini(&l);
	assert_int_equal(copies(), 1); /* the old file's copy is gone with the old statement */
}

static void a_check_says_what_a_reload_would(void **state)
{
	struct policy_loaded l;

	expect_good(NULL, 100);
	put_names("adult.txt", 3);
	assert_int_equal(load_text(policy, NULL, CHECK, &l), 0);
	assert_int_equal(l.diag.warnings, 1);
	assert_non_null(strstr(l.diag.entries[0].text, "stays in force"));
	policy_loaded_fini(&l);
	assert_int_equal(load_text(policy, NULL, OFFLINE, &l), 0);
	assert_int_equal(l.lists.all[0].names, 3); /* as it is */
	assert_false(l.lists.all[0].kept);
	assert_int_equal(l.diag.warnings, 1);
	assert_non_null(strstr(l.diag.entries[0].text, "--accept-lists adult"));
	policy_loaded_fini(&l);
	expect_kept(NULL, 100, "from 100 names to 3");
}

static void accepting_a_list_that_is_none_is_said(void **state)
{
	struct policy_loaded l;

	expect_good(NULL, 100);
	put_names("adult.txt", 3);
	assert_int_equal(load("adlut", &l), 0);
	assert_int_equal(l.diag.warnings, 2);
	assert_non_null(strstr(l.diag.entries[0].text, "there is no list 'adlut'"));
	assert_true(l.lists.all[0].kept);
	policy_loaded_fini(&l);
}

static void a_damaged_copy_is_no_copy(void **state)
{
	struct strbuf text = {0};
	struct policy_loaded l;

	expect_good(NULL, 100);
	assert_int_equal(load(NULL, &l), 0);
	assert_int_equal(file_read(l.lists.all[0].copy, 1 << 20, &text), 0);
	text.s[text.n - 4] ^= 1;
	assert_int_equal(file_write_atomic(l.lists.all[0].copy, slice_of(text.s, text.n), 0600), 0);
	strbuf_fini(&text);
	policy_loaded_fini(&l);
	put_names("adult.txt", 3);
	expect_good(NULL, 3);
}

static void no_room_for_copies_stops_nothing(void **state)
{
	struct policy_loaded l;

	put("good-lists", slice_str("a file where the folder should be"));
	assert_int_equal(load(NULL, &l), 0);
	assert_int_equal(l.lists.all[0].names, 100);
	assert_true(l.lists.all[0].failure < 0);
	policy_loaded_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(less_than_half_is_not_taken, make, drop),
		cmocka_unit_test_setup_teardown(what_is_no_list_is_not_taken, make, drop),
		cmocka_unit_test_setup_teardown(without_a_copy_it_is_an_error, make, drop),
		cmocka_unit_test_setup_teardown(what_is_not_in_force_is_no_copy, make, drop),
		cmocka_unit_test_setup_teardown(another_file_is_another_list, make, drop),
		cmocka_unit_test_setup_teardown(a_check_says_what_a_reload_would, make, drop),
		cmocka_unit_test_setup_teardown(accepting_a_list_that_is_none_is_said, make, drop),
		cmocka_unit_test_setup_teardown(a_damaged_copy_is_no_copy, make, drop),
		cmocka_unit_test_setup_teardown(no_room_for_copies_stops_nothing, make, drop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
