/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_policy_load.c - a policy with its lists and its time zone, from disk to an image.
 */
#include "load/policy_load.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "decide/image.h"

static char folder[] = "/tmp/durward-load-XXXXXX";

static void put(const char *name, const char *text, size_t n)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(file_write_atomic(path, slice_of(text, n), 0600), 0);
}

/* 2000 lines that are no names, and one that is */
static void put_junk(void)
{
	struct strbuf b = {0};

	for (int i = 0; i < 2000; i++)
		strbuf_fmt(&b, "%d words of nothing\n", i);
	strbuf_str(&b, "a.example\n");
	put("junk.txt", b.s, b.n);
	strbuf_fini(&b);
}

static int load(const char *text, bool check_only, struct policy_loaded *l)
{
	char path[128];
	struct policy_load_in in = {.path = path, .check_only = check_only, .revision = 7};

	put("policy", text, strlen(text));
	snprintf(path, sizeof path, "%s/policy", folder);
	return policy_load(&in, l);
}

static int setup(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	put("good.txt", "a.example\n# x\nb.example\n", 24);
	put("empty.txt", "# nothing\nlocalhost\n", 20);
	put("zero.txt", "a.example\n\0\n", 12);
	put("squid.txt", ".a.example\n*b.example\nc.example\n", 32);
	put("wild.txt", "*.a.example\n", 12);
	put("hosts.txt", "127.0.0.1 localhost\n0.0.0.0 a.example\n", 38);
	put_junk();
	return 0;
}

static int teardown(void **state)
{
	const char *names[] = {"policy", "good.txt", "empty.txt", "zero.txt", "junk.txt",
		"squid.txt", "wild.txt", "hosts.txt", "image.good"};
	char path[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static const char good[] = "timezone Europe/Berlin\nfail open\nlist l good.txt format domains\n"
			   "hours h 08:00-09:00\nfor everyone\nblock l hours h\notherwise allow\n";

static void a_good_policy_becomes_an_image(void **state)
{
	struct policy_loaded l;
	const struct image *img;
	const char *why;

	assert_int_equal(load(good, false, &l), 0);
	assert_int_equal(l.diag.n, 0);
	assert_string_equal(l.timezone, "Europe/Berlin");
	assert_true(l.fail_open);
	assert_int_equal(l.text.n, strlen(good));
	assert_int_equal(image_open(l.image, l.image_size, &img, &why), 0);
	assert_int_equal(image_revision(img), 7);
	assert_true(image_count_names(img) >= 2);
	policy_loaded_fini(&l);
}

static void a_check_makes_no_image(void **state)
{
	struct policy_loaded l;

	assert_int_equal(load(good, true, &l), 0);
	assert_null(l.image);
	policy_loaded_fini(&l);
}

static const struct {
	const char *text;
	int want;
	enum diag_level level;
	unsigned line, column;
	const char *piece;
} cases[] = {
	{"fail open\nlist l good.txt format domains\nlist m none.txt format hosts\notherwise "
	 "allow\n",
		-EINVAL, DIAG_ERROR, 3, 8, "none.txt cannot be read: No such file"},
	{"fail open\nlist l . format domains\notherwise allow\n", -EINVAL, DIAG_ERROR, 2, 8,
		"it is no file"},
	{"fail open\nlist l zero.txt format domains\notherwise allow\n", -EINVAL, DIAG_ERROR, 2, 8,
		"it is not text"},
	{"fail open\nlist l empty.txt format domains\notherwise allow\n", 0, DIAG_WARNING, 2, 6,
		"has no entry (2 lines, 1 of them broken)"},
	{"fail open\nlist l squid.txt format domains\notherwise allow\n", 0, DIAG_WARNING, 2, 8,
		"list 'l': 1 of 3 lines are broken and skipped; the first is line 2 (a star"},
	{"fail open\nlist l hosts.txt format domains\notherwise allow\n", 0, DIAG_WARNING, 2, 6,
		"has no entry (2 lines, 2 of them broken)"},
	{"fail open\nlist l wild.txt format domains\notherwise allow\n", 0, DIAG_WARNING, 2, 8,
		"list 'l' is a wildcard list"},
	{"fail open\nlist l junk.txt format domains\notherwise allow\n", -EINVAL, DIAG_ERROR, 2, 8,
		"is no list: 2000 of its 2001 lines are broken"},
	{"fail open\ntimezone Europe/Belrin\notherwise allow\n", -EINVAL, DIAG_ERROR, 2, 10,
		"the nearest is 'Europe/Berlin'"},
	{"fail open\ntimezone london\notherwise allow\n", -EINVAL, DIAG_ERROR, 2, 10,
		"the nearest is 'Europe/London'"},
	{"fail open\ntimezone zone.tab\notherwise allow\n", -EINVAL, DIAG_ERROR, 2, 10,
		"no time zone"},
	{"fail open\ntimezone Europe\notherwise allow\n", -EINVAL, DIAG_ERROR, 2, 10,
		"no time zone"},
};

static void errors_outside_the_text_have_a_place_in_it(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct policy_loaded l;

		assert_int_equal(load(cases[i].text, false, &l), cases[i].want);
		assert_int_equal(l.diag.n, 1);
		assert_int_equal(l.diag.entries[0].level, cases[i].level);
		assert_int_equal(l.diag.entries[0].line, cases[i].line);
		assert_int_equal(l.diag.entries[0].column, cases[i].column);
		assert_non_null(strstr(l.diag.entries[0].text, cases[i].piece));
		assert_int_equal(l.image != NULL, cases[i].want == 0);
		policy_loaded_fini(&l);
	}
}

/* Nothing to say of a list that has all its lines, though a hosts file names its machine, too. */
static void a_whole_list_is_no_warning(void **state)
{
	struct policy_loaded l;

	assert_int_equal(
		load("fail open\nlist l hosts.txt format hosts\nlist m good.txt format domains\n"
		     "otherwise allow\n",
			true, &l),
		0);
	assert_int_equal(l.diag.n, 0);
	assert_int_equal(l.lists.all[0].names, 1);
	policy_loaded_fini(&l);
}

static void every_error_is_told_at_once(void **state)
{
	struct policy_loaded l;

	assert_int_equal(load("timezone Mars/Phobos\nlist l none.txt format domains\nfor evryone\n"
			      "blok l\n",
				 false, &l),
		-EINVAL);
	assert_int_equal(l.diag.errors, 5);
	assert_int_equal(l.diag.entries[0].line, 1);
	assert_int_equal(l.diag.entries[1].line, 2);
	policy_loaded_fini(&l);
}

/* "Exactly" 26: by hand, a changed id starts anew, and the check says so. */
static void a_rule_with_another_id_than_in_force_is_told(void **state)
{
	struct policy_loaded l;
	char path[128], image[128];
	struct policy_load_in in = {.path = path, .check_only = true, .in_force = image};
	static const char old[] = "fail open\nfor everyone\nallow a.example\nblock b.example\n"
				  "otherwise allow\n";
	static const char edited[] = "fail open\nfor everyone\n\nallow a.example\n"
				     "block b.example c.example\notherwise allow\n";

	snprintf(path, sizeof path, "%s/policy", folder);
	snprintf(image, sizeof image, "%s/image.good", folder);
	assert_int_equal(load(old, false, &l), 0);
	put("image.good", l.image, l.image_size);
	policy_loaded_fini(&l);
	assert_int_equal(policy_load(&in, &l), 0); /* the same */
	assert_int_equal(l.diag.n, 0);
	policy_loaded_fini(&l);
	put("policy", edited, strlen(edited));
	assert_int_equal(policy_load(&in, &l), 0);
	assert_null(l.image);
	assert_int_equal(l.diag.n, 1);
	assert_int_equal(l.diag.entries[0].level, DIAG_WARNING);
	assert_int_equal(l.diag.entries[0].line, 5);
	assert_non_null(strstr(l.diag.entries[0].text, "(line 4 of the policy in force)"));
	policy_loaded_fini(&l);
	put("image.good", "no image", 8);
	assert_int_equal(policy_load(&in, &l), 0);
	assert_int_equal(l.diag.n, 0);
	policy_loaded_fini(&l);
}

static void no_file_is_one_error(void **state)
{
	struct policy_load_in in = {.path = "/nonexistent/policy"};
	struct policy_loaded l;

	assert_int_equal(policy_load(&in, &l), -EINVAL);
	assert_int_equal(l.diag.errors, 1);
	policy_loaded_fini(&l);
	in.path = "/tmp";
	assert_int_equal(policy_load(&in, &l), -EINVAL);
	policy_loaded_fini(&l);
}

static void a_text_stands_for_the_file(void **state)
{
	struct slice text = slice_str("fail closed\notherwise block\n");
	struct policy_load_in in = {.path = "/nonexistent/policy", .text = &text};
	struct policy_loaded l;

	assert_int_equal(policy_load(&in, &l), 0);
	assert_false(l.fail_open);
	assert_true(l.judges_all);
	policy_loaded_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_policy_becomes_an_image),
		cmocka_unit_test(a_check_makes_no_image),
		cmocka_unit_test(errors_outside_the_text_have_a_place_in_it),
		cmocka_unit_test(a_whole_list_is_no_warning),
		cmocka_unit_test(every_error_is_told_at_once),
		cmocka_unit_test(a_rule_with_another_id_than_in_force_is_told),
		cmocka_unit_test(no_file_is_one_error),
		cmocka_unit_test(a_text_stands_for_the_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
