/* SPDX-License-Identifier: GPL-3.0-or-later
 * log.c - `durwardctl log [-n N] [FILTER...]`: prints recorded decisions, oldest first, the last N of those that match.
 *
 * -j: one JSON object a line. Owns: the pages it fetched. Thread: one. Fails: exit statuses of ctl/ctl.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_int.h"

enum { LOG_DEFAULT = 50, LOG_MAX = 1000000, PAGE = 1000 };

struct pages {
	struct json **page;
	size_t n, cap, rows;
};

static bool add_page(struct pages *p, struct json *j)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct json **grown = realloc(p->page, cap * sizeof *grown);
		if (!grown)
			return false;
		p->page = grown;
		p->cap = cap;
	}
	p->page[p->n++] = j;
	p->rows += jr_count(jr_get(j, "events"));
	return true;
}

/* Newest first, page by page. */
static int fetch(struct ctl *c, const char *filter, size_t want, struct pages *p)
{
	struct strbuf path = {0};
	double before = 0;
	int status = EXIT_OK;

	while (status == EXIT_OK && p->rows < want) {
		size_t left = want - p->rows;
		struct json *j = NULL;
		strbuf_reset(&path);
		strbuf_fmt(&path, "/api/v1/events?limit=%zu&%s", left < PAGE ? left : PAGE, filter);
		if (before > 0)
			strbuf_fmt(&path, "&before=%.0f", before);
		status = ctl_get(c, strbuf_text(&path), &j);
		if (status == EXIT_OK && !add_page(p, j))
			status = EXIT_FAILED;
		before = jr_number(jr_get(j, "next"), 0);
		if (before <= 0 || strstr(filter, "after="))
			break;
	}
	strbuf_fini(&path);
	return status;
}

static void print_all(const struct ctl *c, const struct pages *p, bool oldest_first)
{
	for (size_t i = p->n; i-- > 0;) {
		const struct json *rows = jr_get(p->page[i], "events");
		size_t n = jr_count(rows);
		for (size_t k = 0; k < n; k++)
			ctl_print_row(c, jr_at(rows, oldest_first ? k : n - 1 - k));
	}
}

int ctl_log(struct ctl *c, int argc, char **argv)
{
	struct strbuf filter = {0};
	struct pages p = {0};
	unsigned long want = LOG_DEFAULT;
	int first = 1, status;

	if (argc > 1 && strcmp(argv[1], "-n") == 0) {
		char *end = NULL;
		want = argc > 2 ? strtoul(argv[2], &end, 10) : 0;
		if (!end || *end || want == 0 || want > LOG_MAX)
			return ctl_usage(argv[0], "-n takes a number from 1 to 1000000");
		first = 3;
	}
	if (!ctl_filter(argc - first, argv + first, &filter)) {
		strbuf_fini(&filter);
		return EXIT_USAGE;
	}
	status = fetch(c, strbuf_text(&filter), want, &p);
	print_all(c, &p, strstr(strbuf_text(&filter), "after=") != NULL);
	for (size_t i = 0; i < p.n; i++)
		jr_free(p.page[i]);
	free(p.page);
	strbuf_fini(&filter);
	if (fflush(stdout) != 0)
		status = EXIT_FAILED;
	return status;
}
