/* SPDX-License-Identifier: GPL-3.0-or-later
 * watch.c - `durwardctl watch [FILTER...]`: prints decisions as they happen, until Ctrl-C.
 *
 * -j: one JSON object a line. Owns: nothing. Thread: one. Fails: 3 when the daemon goes away.
 */
#include <stdio.h>
#include <string.h>

#include "ctl_int.h"

struct watcher {
	const struct ctl *c;
	char event[16]; /* of the block being read */
};

static void take_data(struct watcher *w, struct slice text)
{
	struct json *j = jr_parse(text);

	if (strcmp(w->event, "events") == 0)
		for (size_t i = jr_count(j); i-- > 0;) /* newest first in a batch */
			ctl_print_row(w->c, jr_at(j, i));
	else if (strcmp(w->event, "lagged") == 0)
		fprintf(stderr,
			"durwardctl: too fast to show: events %.0f to %.0f are in the log\n",
			jr_number(jr_get(j, "from"), 0), jr_number(jr_get(j, "to"), 0));
	jr_free(j);
}

static bool take_line(void *user, struct slice line)
{
	struct watcher *w = user;

	if (line.n > 7 && memcmp(line.p, "event: ", 7) == 0)
		snprintf(w->event, sizeof w->event, "%.*s", (int)(line.n - 7),
			(const char *)line.p + 7);
	else if (line.n > 6 && memcmp(line.p, "data: ", 6) == 0)
		take_data(w, slice_of(line.p + 6, line.n - 6));
	return fflush(stdout) == 0; /* a closed pipe ends the watch */
}

int ctl_watch(struct ctl *c, int argc, char **argv)
{
	struct watcher w = {.c = c};
	struct strbuf path = {0}, filter = {0};
	int status = EXIT_USAGE;

	if (ctl_filter(argc - 1, argv + 1, &filter)) {
		strbuf_str(&path, "/api/v1/stream?topics=events");
		if (filter.n)
			strbuf_fmt(&path, "&%s", strbuf_text(&filter));
		status = api_stream(c, strbuf_text(&path), take_line, &w);
	}
	strbuf_fini(&filter);
	strbuf_fini(&path);
	return status;
}
