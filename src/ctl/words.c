/* SPDX-License-Identifier: GPL-3.0-or-later
 * words.c - prints decisions as lines for people, and turns FILTER words into a query.
 *
 * Strangers choose host names, so no byte that could move the cursor reaches the terminal.
 * Owns: nothing. Thread: one. Fails: by exit status.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/iso8601.h"
#include "ctl_int.h"
#include "model/reference.h"

void ctl_safe(struct strbuf *b, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool c1 = *p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0; /* U+0080..9F: controls too */
		strbuf_char(b, *p < 0x20 || *p == 0x7f || c1 ? '?' : (char)*p);
		p += c1;
	}
}

const char *ctl_paint(const struct ctl *c, const char *code)
{
	return c->color ? code : "";
}

/* "21:04:33" of today, else "11-23 21:04:33", local time. */
void ctl_add_time(struct strbuf *b, const char *iso)
{
	int64_t utc_s;
	time_t t, now = time(NULL);
	struct tm at, today;
	char text[32];

	if (!iso8601_parse(slice_str(iso), &utc_s)) {
		strbuf_str(b, "--:--:--");
		return;
	}
	t = (time_t)utc_s;
	localtime_r(&t, &at);
	localtime_r(&now, &today);
	strftime(text, sizeof text,
		at.tm_yday == today.tm_yday && at.tm_year == today.tm_year ? "%H:%M:%S"
									   : "%m-%d %H:%M:%S",
		&at);
	strbuf_str(b, text);
}

static void add_verdict(const struct ctl *c, const struct json *row, struct strbuf *b)
{
	const char *v = jr_get_text(row, "verdict");
	bool block = strcmp(v, "block") == 0;

	strbuf_fmt(b, "  %s%-5s%s", ctl_paint(c, block ? "\033[1;31m" : "\033[32m"),
		block ? "BLOCK" : "allow", ctl_paint(c, "\033[0m"));
}

static void add_target(const struct json *row, struct strbuf *b)
{
	const char *name = jr_get_text(row, "name"), *app = jr_get_text(row, "app");
	bool known = app[0] && strcmp(app, "unknown") != 0;
	double port = jr_number(jr_get(row, "dport"), 0);

	strbuf_str(b, "  ");
	ctl_safe(b, name[0] ? name : jr_get_text(row, "dst"));
	if (!name[0] && !jr_get_text(row, "dst")[0])
		strbuf_str(b, "several sites");
	strbuf_fmt(b, "  %s", known ? app : jr_get_text(row, "proto"));
	if (port > 0)
		strbuf_fmt(b, "/%.0f", port);
	if (!jr_get_text(row, "anomaly_text")[0])
		return;
	strbuf_fmt(b, " (%s", jr_get_text(row, "anomaly_text"));
	if (jr_get_text(row, "anomaly_at")[0])
		strbuf_fmt(b, ", %s", jr_get_text(row, "anomaly_at"));
	strbuf_char(b, ')');
}

/* By which the rule is known when its line is another one. */
static void add_id(struct strbuf *b, const struct json *row, const char *key)
{
	if (!jr_get_text(row, key)[0])
		return;
	strbuf_str(b, " (rule ");
	ctl_safe(b, jr_get_text(row, key));
	strbuf_char(b, ')');
}

/* "line 4", of the file as it was, and where the rule stands today. */
static void add_line(struct strbuf *b, const struct json *row, const struct json *rule)
{
	double line = jr_number(jr_get(rule, "line"), 0);
	double today = jr_number(jr_get(row, "rule_line"), 0);

	strbuf_fmt(b, "  line %.0f", line);
	if (today > 0 && today != line)
		strbuf_fmt(b, ", now %.0f", today);
	strbuf_str(b, ": ");
}

static void add_reason(const struct json *row, struct strbuf *b)
{
	const struct json *rule = jr_get(row, "rule"), *list = jr_get(row, "list"),
			  *watch = jr_get(row, "watch");

	if (rule && !jr_is_null(rule)) {
		add_line(b, row, rule);
		ctl_safe(b, jr_get_text(rule, "text"));
		add_id(b, row, "rule_id");
	} else {
		strbuf_fmt(b, "  by %s", jr_get_text(row, "by"));
	}
	if (list && !jr_is_null(list)) {
		strbuf_str(b, " [");
		ctl_safe(b, jr_get_text(list, "name"));
		strbuf_fmt(b, ":%.0f]", jr_number(jr_get(list, "line"), 0));
	}
	if (watch && !jr_is_null(watch)) {
		strbuf_fmt(b, "  (watch line %.0f would %s)", jr_number(jr_get(watch, "line"), 0),
			jr_get_text(row, "watch_verdict"));
		add_id(b, row, "watch_id");
	}
}

static void add_end(const struct json *row, struct strbuf *b)
{
	if (jr_is_null(jr_get(row, "duration_ms")))
		return;
	strbuf_fmt(b, "  %.0f up %.0f down %.1f s", jr_number(jr_get(row, "bytes_up"), 0),
		jr_number(jr_get(row, "bytes_down"), 0),
		jr_number(jr_get(row, "duration_ms"), 0) / 1000);
}

/* Many decisions in one row, and what they have in common. */
static void add_count(const struct json *row, struct strbuf *b)
{
	double count = jr_number(jr_get(row, "count"), 1);

	if (count < 2)
		return;
	strbuf_fmt(b, "  %.0f times until ", count);
	ctl_add_time(b, jr_get_text(row, "last"));
}

static void add_row(const struct ctl *c, const struct json *row, struct strbuf *b)
{
	const char *who = jr_get_text(row, "who");

	ctl_add_time(b, jr_get_text(row, "time"));
	add_verdict(c, row, b);
	strbuf_str(b, "  ");
	ctl_safe(b, who[0] ? who : jr_get_text(row, "src"));
	if (!who[0] && !jr_get_text(row, "src")[0])
		strbuf_str(b, "several devices");
	add_target(row, b);
	add_count(row, b);
	add_reason(row, b);
	add_end(row, b);
}

void ctl_print_row(const struct ctl *c, const struct json *row)
{
	struct strbuf b = {0};

	if (c->json)
		jr_print(row, &b);
	else
		add_row(c, row, &b);
	puts(strbuf_text(&b));
	strbuf_fini(&b);
}

/* --- filters --- */

static void add_pair(struct strbuf *q, const char *key, size_t key_len, const char *value)
{
	if (q->n)
		strbuf_char(q, '&');
	strbuf_add(q, slice_of(key, key_len));
	strbuf_char(q, '=');
	api_escape(q, value);
}

static bool is_key(const char *word, size_t n)
{
	static const char *const keys[] = {"name", "who", "verdict", "rule", "since", "until",
		"after", "before", "reference", "path", "sort"};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (strlen(keys[i]) == n && strncmp(keys[i], word, n) == 0)
			return true;
	return false;
}

static const char *verdict_of(const char *word)
{
	if (strcmp(word, "blocked") == 0 || strcmp(word, "block") == 0)
		return "block";
	if (strcmp(word, "allowed") == 0 || strcmp(word, "allow") == 0)
		return "allow";
	return strcmp(word, "watched") == 0 ? "watch" : NULL;
}

/* As a block page shows it. Without the dashes it may be a device's name: then it is said with reference=. */
static bool is_reference(const char *word)
{
	uint64_t ms;
	uint16_t port;

	return strlen(word) == REFERENCE_TEXT - 1 && word[4] == '-' && word[9] == '-' &&
	       reference_read(slice_str(word), &ms, &port);
}

bool ctl_filter(int argc, char **argv, struct strbuf *q)
{
	for (int i = 0; i < argc; i++) {
		const char *w = argv[i], *equals = strchr(w, '=');
		struct addr a;
		struct mac m;

		if (w[0] == '-') {
			fprintf(stderr, "durwardctl: no such option: %s\n", w);
			return false;
		}
		if (equals && is_key(w, (size_t)(equals - w)))
			add_pair(q, w, (size_t)(equals - w), equals + 1);
		else if (verdict_of(w))
			add_pair(q, "verdict", 7, verdict_of(w));
		else if (is_reference(w))
			add_pair(q, "reference", 9, w);
		else if (addr_parse(slice_str(w), &a) || mac_parse(slice_str(w), &m) ||
			 !strchr(w, '.'))
			add_pair(q, "who", 3, w);
		else
			add_pair(q, "name", 4, w);
	}
	return true;
}

int ctl_get(struct ctl *c, const char *path, struct json **out)
{
	struct api_answer a;
	int status;

	api_call(c, "GET", path, NULL, &a);
	status = api_report(c, &a);
	*out = status == EXIT_OK ? jr_parse(slice_of(a.body.s, a.body.n)) : NULL;
	if (status == EXIT_OK && !*out) {
		fprintf(stderr, "durwardctl: the daemon's answer is not JSON\n");
		status = EXIT_FAILED;
	}
	api_answer_fini(&a);
	return status;
}
