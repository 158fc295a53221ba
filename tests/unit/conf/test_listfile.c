/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_listfile.c - lines of subscribed lists, real lists, and junk.
 */
#include "conf/listfile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static const struct {
	enum list_format format;
	const char *line;
	const char *name; /* of the first entry; NULL = none */
	enum name_scope scope;
	unsigned n, broken;
} cases[] = {
	{LIST_DOMAINS, "ads.example", "ads.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, "  ADS.Example.\t # x", "ads.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, "ads.example#x", "ads.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, "ads.example\r", "ads.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, "*.ads.example\nx.example", "ads.example", SCOPE_BELOW, 2, 0},
	{LIST_DOMAINS, "*.ads.example\n=x.example", "ads.example", SCOPE_BELOW, 2, 0},
	{LIST_DOMAINS, "*.ads.example\n.x.example", "ads.example", SCOPE_BELOW, 2, 0},
	/* a wildcard list */
	{LIST_DOMAINS, "*.ads.example", "ads.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, "*.Ads.example # x\n# y\nbroken\n*.x.example.\n", "ads.example",
		SCOPE_BELOW_AND_SELF, 2, 1},
	{LIST_HOSTS, "0.0.0.0 *.ads.example\n", "ads.example", SCOPE_BELOW_AND_SELF, 1, 0},
	/* Squid's form */
	{LIST_DOMAINS, ".ads.example", "ads.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, ".Ads.Example.\t# x", "ads.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, ".zip", "zip", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS,
		".b\xc3\xbc"
		"cher.example",
		"xn--bcher-kva.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, ".", NULL, 0, 0, 1},
	{LIST_DOMAINS, "..ads.example", NULL, 0, 0, 1},
	{LIST_DOMAINS, ".*.ads.example", NULL, 0, 0, 1},
	{LIST_DOMAINS, ".=ads.example", NULL, 0, 0, 1},
	{LIST_DOMAINS, ".192.0.2.1", NULL, 0, 0, 1},
	{LIST_HOSTS, "0.0.0.0 .ads.example", NULL, 0, 0, 1},
	/* a suffix of text, which no name can be */
	{LIST_DOMAINS, "*ads.example", NULL, 0, 0, 1},
	{LIST_DOMAINS, "*", NULL, 0, 0, 1},
	{LIST_DOMAINS, "*.", NULL, 0, 0, 1},
	{LIST_DOMAINS, "=ads.example", "ads.example", SCOPE_SELF, 1, 0},
	{LIST_DOMAINS, "*.zip\na.example", "zip", SCOPE_BELOW, 2, 0},
	{LIST_DOMAINS, "_x.r1---sn.example", "_x.r1---sn.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS,
		"b\xc3\xbc"
		"cher.example",
		"xn--bcher-kva.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS,
		"stra\xc3\x9f"
		"e.example",
		"xn--strae-oqa.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, "xn--bcher-kva.example", "xn--bcher-kva.example", SCOPE_BELOW_AND_SELF, 1,
		0},
	{LIST_DOMAINS, "xn--a.example", "xn--a.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, "xn--a-.blocked.example", "xn--a-.blocked.example", SCOPE_BELOW_AND_SELF, 1,
		0},
	{LIST_DOMAINS, "XN--ZZZZZZ.example", "xn--zzzzzz.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, "xn--n3h.example", "xn--n3h.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_DOMAINS, "\xe2\x98\x83.example", "xn--n3h.example", SCOPE_BELOW_AND_SELF, 1, 0},
	{LIST_HOSTS, "0.0.0.0 xn--a-.blocked.example", "xn--a-.blocked.example", SCOPE_SELF, 1, 0},
	{LIST_DOMAINS, "", NULL, 0, 0, 0},
	{LIST_DOMAINS, "# x", NULL, 0, 0, 0},
	{LIST_DOMAINS, "localhost", NULL, 0, 0, 1},
	{LIST_DOMAINS, "192.0.2.1", NULL, 0, 0, 1},
	{LIST_DOMAINS, "2001:db8::1", NULL, 0, 0, 1},
	{LIST_DOMAINS, "a.example b.example", NULL, 0, 0, 1},
	{LIST_DOMAINS, "||a.example^", NULL, 0, 0, 1},
	{LIST_DOMAINS, "! x", NULL, 0, 0, 1},
	{LIST_DOMAINS, "a..example", NULL, 0, 0, 1},
	{LIST_DOMAINS, "a.*.example", NULL, 0, 0, 1},
	{LIST_DOMAINS, "https://a.example/", NULL, 0, 0, 1},
	{LIST_DOMAINS, "a\xff.example", NULL, 0, 0, 1},
	{LIST_HOSTS, "0.0.0.0 ads.example", "ads.example", SCOPE_SELF, 1, 0},
	{LIST_HOSTS, "::1\tads.example b.example # x", "ads.example", SCOPE_SELF, 2, 0},
	{LIST_HOSTS, "127.0.0.1 *.ads.example a.example", "ads.example", SCOPE_BELOW, 2, 0},
	{LIST_HOSTS, "127.0.0.1 localhost", NULL, 0, 0, 1},
	{LIST_HOSTS, "fe80::1%lo0 localhost a.example", "a.example", SCOPE_SELF, 1, 1},
	{LIST_HOSTS, "0.0.0.0 0.0.0.0", NULL, 0, 0, 1},
	{LIST_HOSTS, "0.0.0.0", NULL, 0, 0, 1},
	{LIST_HOSTS, "ads.example", NULL, 0, 0, 1},
	{LIST_HOSTS, "0.0.0.0#ads.example", NULL, 0, 0, 1},
};

static void each_line_gives_its_entries(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct arena mem = {0};
		struct list_names l;

		assert_int_equal(
			listfile_parse(slice_str(cases[i].line), cases[i].format, &mem, &l), 0);
		if (l.n != cases[i].n || l.broken != cases[i].broken)
			print_error("case %zu: %s\n", i, cases[i].line);
		assert_int_equal(l.n, cases[i].n);
		assert_int_equal(l.broken, cases[i].broken);
		if (cases[i].name) {
			assert_string_equal(l.names[0].name, cases[i].name);
			assert_int_equal(l.names[0].scope, cases[i].scope);
			assert_int_equal(l.names[0].line, 1);
		}
		arena_fini(&mem);
	}
}

static void lines_are_counted_and_kept(void **state)
{
	const char *text = "\xef\xbb\xbf# x\r\n\r\na.example\r\nbroken\r\nb.example";
	struct arena mem = {0};
	struct list_names l;

	assert_int_equal(listfile_parse(slice_str(text), LIST_DOMAINS, &mem, &l), 0);
	assert_int_equal(l.lines, 5);
	assert_int_equal(l.broken, 1);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.names[0].line, 3);
	assert_int_equal(l.names[1].line, 5);
	arena_fini(&mem);
}

/* What every hosts file says of its machine is no loss; the first line that is one is named. */
static void losses_are_told_apart(void **state)
{
	static const struct {
		enum list_format format;
		const char *text;
		unsigned broken, own, first;
		const char *why;
	} lists[] = {
		{LIST_HOSTS,
			"127.0.0.1 localhost\n::1 LocalHost ip6-loopback\nff00::0 ip6-mcastprefix\n"
			"0.0.0.0 0.0.0.0\n0.0.0.0 a.example\n",
			4, 4, 0, NULL},
		{LIST_HOSTS, "127.0.0.1 localhost\n127.0.1.1 localhost mybox\nmybox\n", 3, 1, 2,
			"a single label"},
		{LIST_HOSTS, "a.example\n", 1, 0, 1, "no address at its front"},
		{LIST_HOSTS, "0.0.0.0\n", 1, 0, 1, "an address alone"},
		{LIST_DOMAINS, "localhost\na.example\n192.0.2.1\nx\n", 3, 1, 3, "an address"},
		{LIST_DOMAINS, "a.example\n*b.example\n", 1, 0, 2,
			"a star that does not stand for whole labels at its front"},
		{LIST_DOMAINS, "0.0.0.0 a.example\n", 1, 0, 1, "more than one word"},
		{LIST_DOMAINS, "||a.example^\n", 1, 0, 1, "no name of a site"},
	};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		struct arena mem = {0};
		struct list_names l;

		assert_int_equal(
			listfile_parse(slice_str(lists[i].text), lists[i].format, &mem, &l), 0);
		assert_int_equal(l.broken, lists[i].broken);
		assert_int_equal(l.own, lists[i].own);
		assert_int_equal(l.first_broken, lists[i].first);
		if (lists[i].why)
			assert_string_equal(l.broken_why, lists[i].why);
		else
			assert_null(l.broken_why);
		assert_false(l.wildcard);
		arena_fini(&mem);
	}
}

static void nul_bytes_are_no_text(void **state)
{
	struct arena mem = {0};
	struct list_names l;

	assert_int_equal(
		listfile_parse(slice_of("a.example\0", 10), LIST_DOMAINS, &mem, &l), -EILSEQ);
	arena_fini(&mem);
}

static void the_limit_of_memory_is_met(void **state)
{
	struct arena mem = {.limit = 100000};
	struct strbuf b = {0};
	struct list_names l;

	for (int i = 0; i < 20000; i++)
		strbuf_fmt(&b, "a%d.example\n", i);
	assert_int_equal(listfile_parse(slice_of(b.s, b.n), LIST_DOMAINS, &mem, &l), -ENOMEM);
	strbuf_fini(&b);
	arena_fini(&mem);
}

static void every_end_is_survived(void **state)
{
	const char *text = "0.0.0.0 b\xc3\xbc"
			   "cher.example *.x =y.z # c\r\n127.0.0.1 xn--a.b";

	for (size_t n = 0; n <= strlen(text); n++) {
		uint8_t *exact = malloc(n + 1);
		struct arena mem = {0};
		struct list_names l;

		memcpy(exact, text, n);
		assert_int_equal(listfile_parse(slice_of(exact, n), LIST_HOSTS, &mem, &l), 0);
		assert_int_equal(listfile_parse(slice_of(exact, n), LIST_DOMAINS, &mem, &l), 0);
		arena_fini(&mem);
		free(exact);
	}
}

/* Junk that is text: long words, no dots, broken UTF-8. */
static void junk_is_skipped_in_time(void **state)
{
	enum { N = 8 << 20 };
	uint8_t *junk = malloc(N);
	struct arena mem = {.limit = 64 << 20};
	struct list_names l;
	uint32_t x = 1;
	clock_t start;

	for (size_t i = 0; i < N; i++) {
		x = x * 1664525 + 1013904223;
		junk[i] = (uint8_t)(x >> 24);
		if (junk[i] == 0)
			junk[i] = '\n';
	}
	junk[0] = '\n'; /* it is '<', the beginning of a page */
	assert_int_equal(listfile_parse(slice_of(junk, N), LIST_DOMAINS, &mem, &l), -EILSEQ);
	assert_string_equal(l.not_text, "it holds control characters");
	for (size_t i = 0; i < N; i++)
		junk[i] = junk[i] < 0x20 || junk[i] == 0x7f ? '\n' : junk[i];
	start = clock();
	assert_int_equal(listfile_parse(slice_of(junk, N), LIST_DOMAINS, &mem, &l), 0);
	assert_true((clock() - start) / CLOCKS_PER_SEC < 5);
	assert_true(l.broken > 10000);
	arena_fini(&mem);
	free(junk);
}

static void what_is_no_text_is_refused(void **state)
{
	static const struct {
		const char *text;
		int want;
	} texts[] = {
		{"<html>\n", -EILSEQ},
		{"\xef\xbb\xbf\r\n\t <!DOCTYPE html>\na.example\n", -EILSEQ},
		{"\x1f\x8b\x08\x01\x02\x03", -EILSEQ},
		{"a.example\n<b>\n", 0}, /* a broken line, as ever */
		{"# caf\xe9 in Latin-1\na.example\n", 0},
		{"a.example\n\x1a", 0}, /* the end of a file in DOS */
		{"", 0},
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct arena mem = {0};
		struct list_names l;

		assert_int_equal(listfile_parse(slice_str(texts[i].text), LIST_DOMAINS, &mem, &l),
			texts[i].want);
		assert_int_equal(l.not_text != NULL, texts[i].want != 0);
		arena_fini(&mem);
	}
}

static void read_real(const char *path, enum list_format format, size_t at_least, size_t broken)
{
	struct strbuf text = {0};
	struct arena mem = {0};
	struct list_names l;

	assert_int_equal(file_read(path, 64 << 20, &text), 0);
	assert_int_equal(listfile_parse(slice_of(text.s, text.n), format, &mem, &l), 0);
	print_message("%s: %zu names, %llu of %llu lines broken\n", path, l.n,
		(unsigned long long)l.broken, (unsigned long long)l.lines);
	assert_true(l.n >= at_least);
	assert_true(l.broken <= broken);
	strbuf_fini(&text);
	arena_fini(&mem);
}

static void real_lists_are_read(void **state)
{
	const char *folder = getenv("DURWARD_LISTS");
	char path[256];

	if (!folder)
		folder = "../shared/lists";
	snprintf(path, sizeof path, "%s/README.md", folder);
	if (access(path, R_OK) != 0)
		skip();
	snprintf(path, sizeof path, "%s/stevenblack.domains.txt", folder);
	read_real(path, LIST_DOMAINS, 140000, 100);
	snprintf(path, sizeof path, "%s/adguarddns.hosts.txt", folder);
	read_real(path, LIST_HOSTS, 120000, 100);
	snprintf(path, sizeof path, "%s/ut1/gambling/domains", folder);
	read_real(path, LIST_DOMAINS, 1000, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_gives_its_entries),
		cmocka_unit_test(lines_are_counted_and_kept),
		cmocka_unit_test(losses_are_told_apart),
		cmocka_unit_test(nul_bytes_are_no_text),
		cmocka_unit_test(the_limit_of_memory_is_met),
		cmocka_unit_test(every_end_is_survived),
		cmocka_unit_test(junk_is_skipped_in_time),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(real_lists_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
