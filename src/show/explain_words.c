/* SPDX-License-Identifier: GPL-3.0-or-later
 * explain_words.c - formats an answer of explain for a person at a terminal.
 *
 *     block  www.casino.example  for mia-phone (mia, kids)
 *       by   line 16: block adult (rule 2f1c09ab)
 *       list adult, line 3
 *       walk ...
 *
 *     partly blocked  youtube, an app of 3 names  for mia-phone (mia, kids)
 *       block  line 16: block youtube (rule 71d8804e)
 *              youtube.com ytimg.com
 *       allow  line 12: allow youtubei.googleapis.com (rule tube)
 *              youtubei.googleapis.com
 *
 * Owns: nothing. Thread: any. Fails: false for a text that is no answer.
 */
#include "show/explain.h"

#include "show/json.h"

static const char *str(const struct json *o, const char *key)
{
	return jr_get_text(o, key);
}

static int num(const struct json *o, const char *key)
{
	return (int)jr_number(jr_get(o, key), 0);
}

static void put(struct strbuf *out, const char *s)
{
	strbuf_str(out, s); /* names and lines of the file: text already checked by its parser */
}

static void put_asked(struct strbuf *out, const struct json *o)
{
	const struct json *what = jr_get(o, "what");
	const char *name = str(o, "name"), *kind = str(what, "kind");
	strbuf_fmt(out, "%s  ", jr_true(jr_get(o, "mixed")) ? "partly blocked" : str(o, "verdict"));
	if (*kind)
		strbuf_fmt(out, "%s, %s %s of %d name%s", str(what, "word"),
			*kind == 'a' ? "an" : "a", kind, num(what, "names"),
			num(what, "names") == 1 ? "" : "s");
	else
		put(out, *name ? name : "a flow without a name");
}

static void put_head(struct strbuf *out, const struct json *o)
{
	const struct json *who = jr_get(o, "who"), *flow = jr_get(o, "flow");
	put_asked(out, o);
	strbuf_fmt(out, "  %s", str(flow, "proto"));
	if (num(flow, "port"))
		strbuf_fmt(out, "/%d%s", num(flow, "port"),
			jr_true(jr_get(flow, "port_assumed")) ? " (assumed)" : "");
	if (*str(flow, "to"))
		strbuf_fmt(out, " to %s", str(flow, "to"));
	put(out, "  for ");
	for (size_t k = 0; k < jr_count(who); k++) {
		const char *name_of = jr_text(jr_at(who, k));
		put(out, k == 0 ? "" : k == 1 ? " (" : ", ");
		put(out, name_of ? name_of : "");
	}
	put(out, jr_count(who) > 1 ? ")\n" : "\n");
}

/* The line of today's file, and the id by which the rule on it is known. */
static void put_line(struct strbuf *out, const struct json *rule)
{
	if (jr_is_null(rule))
		put(out, "no line of the file");
	else
		strbuf_fmt(out, "line %d: %s (rule %s)", num(rule, "line"), str(rule, "text"),
			str(rule, "id"));
}

static void put_rule(struct strbuf *out, const struct json *o)
{
	const struct json *rule = jr_get(o, "rule"), *list = jr_get(o, "list");
	const struct json *watch = jr_get(o, "watch");
	put(out, "  by       ");
	put_line(out, rule);
	put(out, "\n");
	if (!jr_is_null(list))
		strbuf_fmt(out, num(list, "line") ? "  list     %s, line %d\n" : "  list     %s\n",
			str(list, "name"), num(list, "line"));
	if (*str(o, "because"))
		strbuf_fmt(out, "  because  %s\n", str(o, "because"));
	if (*str(o, "until"))
		strbuf_fmt(out, "  until    %s\n", str(o, "until"));
	if (jr_true(jr_get(o, "tcp_instead")))
		put(out, "  so       refused as QUIC, so that the client tries TCP\n");
	if (!jr_is_null(watch))
		strbuf_fmt(out, "  watched  line %d would %s (rule %s)\n", num(watch, "line"),
			str(watch, "verdict"), str(watch, "id"));
}

/* Of an app or a set: which of its names meet which line. */
static void put_parts(struct strbuf *out, const struct json *o)
{
	const struct json *parts = jr_get(o, "parts");
	for (size_t k = 0; jr_count(parts) > 1 && k < jr_count(parts); k++) {
		const struct json *p = jr_at(parts, k), *rule = jr_get(p, "rule");
		const struct json *names = jr_get(p, "names");
		strbuf_fmt(out, "  %-8s ", str(p, "verdict"));
		put_line(out, rule);
		put(out, "\n          ");
		for (size_t i = 0; i < jr_count(names); i++)
			strbuf_fmt(out, " %s", jr_text(jr_at(names, i)));
		put(out, "\n");
	}
	if (num(jr_get(o, "what"), "not_asked"))
		strbuf_fmt(out, "  besides  %d more names, not asked for\n",
			num(jr_get(o, "what"), "not_asked"));
}

static void put_walk(struct strbuf *out, const struct json *o)
{
	const struct json *steps = jr_get(o, "trace");
	for (size_t k = 0; k < jr_count(steps); k++) {
		const struct json *step = jr_at(steps, k);
		strbuf_fmt(out, "  %-8s %-10s ", k == 0 ? "walk" : "", str(step, "step"));
		if (num(step, "line"))
			strbuf_fmt(out, "%d: ", num(step, "line"));
		strbuf_fmt(out, "%s\n", str(step, "text"));
	}
}

static bool put_one(struct strbuf *out, const struct json *o)
{
	if (!*str(o, "verdict"))
		return false;
	put_head(out, o);
	if (jr_count(jr_get(o, "parts")) > 1)
		put_parts(out, o);
	else
		put_rule(out, o);
	strbuf_fmt(out, "  at       %s\n", str(o, "at"));
	put_walk(out, o);
	return true;
}

bool explain_words(const char *json, struct strbuf *out)
{
	struct json *all = jr_parse(slice_str(json));
	size_t n = jr_count(all);
	bool ok = n > 0 || put_one(out, all);
	for (size_t k = 0; ok && k < n; k++)
		ok = put_one(out, jr_at(all, k));
	jr_free(all);
	return ok;
}

bool explain_is_blocked(const char *json, bool *blocked)
{
	struct json *all = jr_parse(slice_str(json));
	size_t n = jr_count(all);
	const char *verdict = jr_get_text(all, "verdict");
	bool ok = n > 0 || *verdict;
	*blocked = strcmp(verdict, "block") == 0;
	for (size_t k = 0; k < n; k++)
		*blocked |= strcmp(jr_get_text(jr_at(all, k), "verdict"), "block") == 0;
	jr_free(all);
	return ok;
}

void explain_failure(const char *why, struct strbuf *out)
{
	jw_open(out, NULL, '{');
	jw_text(out, "error", why);
	jw_close(out, '}');
}
