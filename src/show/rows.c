/* SPDX-License-Identifier: GPL-3.0-or-later
 * rows.c - writes a recorded event and the schema of its JSON, and reads the filter words of a query string.
 *
 * Owns: nothing. Thread: any. Fails: by filling the reply. See: tbl/event_columns.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/iso8601.h"
#include "conf/schema.h"
#include "model/reference.h"
#include "show_int.h"

/* --- JSON: the members are rows of tbl/event_columns.h, how each is written is below --- */

struct form;
struct member {
	const char *name;
	int since;
	const struct form *form;
	size_t offset,
		size; /* bytes, of its field in struct row; 0 for one that is made of others */
	const char *help;
};

struct form {
	void (*write)(struct strbuf *b, const struct row *r,
		const struct member *m); /* NULL: not shown, or by another member */
	const char *type, *format;	 /* of JSON schema; format NULL: none */
	bool may_be_null;
};

static const char *text_of(const struct row *r, const struct member *m)
{
	return (const char *)r + m->offset;
}

static uint64_t number_of(const struct row *r, const struct member *m)
{
	return row_number(r, m->offset, m->size);
}

static void write_number(struct strbuf *b, const struct row *r, const struct member *m)
{
	jw_uint(b, m->name, number_of(r, m));
}

static void write_flag(struct strbuf *b, const struct row *r, const struct member *m)
{
	jw_bool(b, m->name, number_of(r, m) != 0);
}

static void write_text(struct strbuf *b, const struct row *r, const struct member *m)
{
	const char *text = text_of(r, m);

	jw_text(b, m->name, text[0] ? text : NULL);
}

static void write_moment(struct strbuf *b, const struct row *r, const struct member *m)
{
	jw_time(b, m->name, number_of(r, m));
}

static void write_until(struct strbuf *b, const struct row *r, const struct member *m)
{
	jw_time(b, m->name, number_of(r, m) * 1000);
}

static void write_count(struct strbuf *b, const struct row *r, const struct member *m)
{
	jw_uint(b, m->name, r->count > 1 ? r->count : 1);
}

static void write_last(struct strbuf *b, const struct row *r, const struct member *m)
{
	jw_time(b, m->name, r->count > 1 ? r->last_ms : 0);
}

static void write_reference(struct strbuf *b, const struct row *r, const struct member *m)
{
	char text[REFERENCE_TEXT];

	jw_text(b, m->name, reference_write(r->event.wall_ms, r->event.flow.sport, text));
}

static void write_mac(struct strbuf *b, const struct row *r, const struct member *m)
{
	const struct flow *f = &r->event.flow;
	char text[MAC_TEXT];

	jw_text(b, m->name, f->has_mac ? mac_format(&f->mac, text) : NULL);
}

/* What differs among the decisions of a sum is null. */
static void write_address(struct strbuf *b, const struct row *r, const struct member *m)
{
	const struct addr *a = (const void *)text_of(r, m);
	char text[ADDR_TEXT];

	jw_text(b, m->name, r->count > 1 && addr_is_zero(a) ? NULL : addr_format(a, text));
}

static void write_protocol(struct strbuf *b, const struct row *r, const struct member *m)
{
	char text[16];

	jw_text(b, m->name, flow_proto_key(r->event.flow.proto, text));
}

#define KEY_FORM(name_, key_of)                                                                    \
	static void write_##name_(struct strbuf *b, const struct row *r, const struct member *m)   \
	{                                                                                          \
		jw_text(b, m->name, key_of(number_of(r, m)));                                      \
	}
KEY_FORM(path, flow_path_key)
KEY_FORM(app, app_proto_key)
KEY_FORM(kind, ident_kind_key)
KEY_FORM(source, ident_source_key)
KEY_FORM(action, action_key)
KEY_FORM(by, decided_by_key)
#undef KEY_FORM

static void write_anomaly(struct strbuf *b, const struct row *r, const struct member *m)
{
	jw_text(b, m->name, r->event.ident.anomaly ? anomaly_key(r->event.ident.anomaly) : NULL);
}

static void write_anomaly_text(struct strbuf *b, const struct row *r, const struct member *m)
{
	jw_text(b, m->name, r->event.ident.anomaly ? anomaly_text(r->event.ident.anomaly) : NULL);
}

/* Which of the client's packets, or on the proxy path requests, showed what was odd. */
static void write_anomaly_at(struct strbuf *b, const struct row *r, const struct member *m)
{
	const struct ident *i = &r->event.ident;
	bool request = r->event.flow.path == PATH_PROXY;
	char text[24];

	snprintf(text, sizeof text, "%s %u", request ? "request" : "packet", i->packet);
	jw_text(b, m->name,
		i->anomaly && i->packet && (!request || i->app == APP_HTTP) ? text : NULL);
}

static void write_line(struct strbuf *b, const char *key, uint32_t line, const char *text)
{
	if (!line) {
		jw_null(b, key);
		return;
	}
	jw_open(b, key, '{');
	jw_uint(b, "line", line);
	jw_text(b, "text", text);
	jw_close(b, '}');
}

static void write_rule(struct strbuf *b, const struct row *r, const struct member *m)
{
	write_line(b, m->name, r->event.verdict.rule_line, r->rule);
}

static void write_rule_line(struct strbuf *b, const struct row *r, const struct member *m)
{
	if (r->rule_today)
		jw_uint(b, m->name, r->rule_today);
	else
		jw_null(b, m->name);
}

static void write_watch(struct strbuf *b, const struct row *r, const struct member *m)
{
	write_line(b, m->name, r->event.verdict.watch_line, r->watch);
}

static void write_watch_verdict(struct strbuf *b, const struct row *r, const struct member *m)
{
	const struct verdict *v = &r->event.verdict;

	jw_text(b, m->name, v->watch_line ? action_key(v->watch_action) : NULL);
}

static void write_list(struct strbuf *b, const struct row *r, const struct member *m)
{
	if (!r->list[0]) {
		jw_null(b, m->name);
		return;
	}
	jw_open(b, m->name, '{');
	jw_text(b, "name", r->list);
	jw_uint(b, "line", r->event.verdict.list_line);
	jw_close(b, '}');
}

static void write_once_ended(struct strbuf *b, const struct row *r, const struct member *m)
{
	if (r->ended)
		write_number(b, r, m);
	else
		jw_null(b, m->name);
}

#define FORM(name, type, format, may_be_null)                                                      \
	static const struct form form_##name = {write_##name, type, format, may_be_null}
FORM(number, "integer", "int64", false);
FORM(flag, "boolean", NULL, false);
FORM(text, "string", NULL, true);
FORM(moment, "string", "date-time", false);
FORM(until, "string", "date-time", true);
FORM(count, "integer", "int64", false);
FORM(last, "string", "date-time", true);
FORM(reference, "string", NULL, false);
FORM(mac, "string", NULL, true);
FORM(address, "string", NULL, true);
FORM(protocol, "string", NULL, false);
FORM(path, "string", NULL, false);
FORM(app, "string", NULL, false);
FORM(kind, "string", NULL, false);
FORM(source, "string", NULL, false);
FORM(action, "string", NULL, false);
FORM(by, "string", NULL, false);
FORM(anomaly, "string", NULL, true);
FORM(anomaly_text, "string", NULL, true);
FORM(anomaly_at, "string", NULL, true);
FORM(rule, "object", NULL, true);
FORM(rule_line, "integer", "int64", true);
FORM(list, "object", NULL, true);
FORM(watch, "object", NULL, true);
FORM(watch_verdict, "string", NULL, true);
FORM(once_ended, "integer", "int64", true);
#undef FORM
static const struct form form_part, form_hidden; /* nothing of their own */

static const struct member members[] = {
#define EVENT_COLUMN(since, column, stored, field, limit, member, form, help)                      \
	{member, since, &form_##form, offsetof(struct row, field),                                 \
		sizeof(((struct row *)0)->field), help},
#define EVENT_MEMBER(since, member, form, help) {member, since, &form_##form, 0, 0, help},
#include "tbl/event_columns.h"
#undef EVENT_COLUMN
#undef EVENT_MEMBER
};
enum { MEMBERS = sizeof members / sizeof *members };

void row_write(struct strbuf *b, const char *key, const struct row *r)
{
	jw_open(b, key, '{');
	for (int i = 0; i < MEMBERS; i++)
		if (members[i].form->write)
			members[i].form->write(b, r, &members[i]);
	jw_close(b, '}');
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

void row_write_members(struct strbuf *b, const struct row *r, const char *const *names, size_t n)
{
	for (int i = 0; i < MEMBERS; i++)
		if (members[i].form->write && is_one_of(members[i].name, names, n))
			members[i].form->write(b, r, &members[i]);
}

int row_version(void)
{
	int version = 0;

	for (int i = 0; i < MEMBERS; i++)
		version = members[i].since > version ? members[i].since : version;
	return version;
}

static void write_property(struct strbuf *b, const struct member *m)
{
	jw_open(b, m->name, '{');
	jw_text(b, "type", m->form->type);
	if (m->form->format)
		jw_text(b, "format", m->form->format);
	if (m->form->may_be_null)
		jw_bool(b, "nullable", true);
	jw_text(b, "description", m->help);
	jw_int(b, "x-since", m->since);
	jw_close(b, '}');
}

void row_schema(struct strbuf *b, const char *key)
{
	jw_open(b, key, '{');
	jw_text(b, "type", "object");
	jw_int(b, "x-version", row_version());
	jw_open(b, "properties", '{');
	for (int i = 0; i < MEMBERS; i++)
		if (members[i].form->write)
			write_property(b, &members[i]);
	jw_close(b, '}');
	jw_close(b, '}');
}

/* --- the filter --- */

static bool read_number(struct request *r, const char *name, uint64_t max, uint64_t *out)
{
	const char *text = request_arg(r, name);
	unsigned long long v;
	char *end;

	if (!text)
		return true;
	v = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || v > max) {
		reply_problem(
			r, 400, "%s= takes a number up to %llu", name, (unsigned long long)max);
		return false;
	}
	*out = v;
	return true;
}

/* A moment: ISO 8601 with offset, or "15m", "2h", "7d" ago. */
static bool read_moment(struct request *r, const char *name, uint64_t *out_ms)
{
	const char *text = request_arg(r, name);
	struct controller_status st;
	int64_t utc_s;
	unsigned long long n;
	char *end;

	if (!text)
		return true;
	if (iso8601_parse(slice_str(text), &utc_s) && utc_s > 0) {
		*out_ms = (uint64_t)utc_s * 1000;
		return true;
	}
	n = strtoull(text, &end, 10);
	controller_status_get(r->show->controller, &st);
	n *= *end == 's' ? 1 : *end == 'm' ? 60 : *end == 'h' ? 3600 : *end == 'd' ? 86400 : 0;
	if (*text < '0' || *text > '9' || n == 0 || end[1] || n > st.now_ms / 1000) {
		reply_problem(r, 400,
			"%s= takes 2026-11-23T20:00:00Z (a + is written %%2B) or 15m, 2h, 7d ago",
			name);
		return false;
	}
	*out_ms = st.now_ms - n * 1000;
	return true;
}

static bool read_verdict(struct request *r, struct row_filter *f)
{
	const char *v = request_arg(r, "verdict");

	if (!v || strcmp(v, "any") == 0)
		return true;
	if (strcmp(v, "allow") == 0)
		f->action = ACTION_ALLOW;
	else if (strcmp(v, "block") == 0)
		f->action = ACTION_BLOCK;
	else if (strcmp(v, "watch") == 0)
		f->watched = true;
	else {
		reply_problem(r, 400, "verdict= takes allow, block, watch or any");
		return false;
	}
	return true;
}

static bool read_who(struct request *r, struct row_filter *f)
{
	const char *who = request_arg(r, "who");

	if (!who || !*who || controller_filter_who(r->show->controller, slice_str(who), f))
		return true;
	reply_problem(r, 400,
		"nobody of that name: who= takes an address, a MAC, unknown-devices, or a device, "
		"person or group with "
		"devices of the policy in force");
	return false;
}

/* Names are held in lower case. */
static void read_name(struct request *r, struct row_filter *f)
{
	const char *name = request_arg(r, "name");

	row_text_set(f->name, sizeof f->name, name ? name : "");
	for (char *p = f->name; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
}

/* What a block page said: one moment and one port. */
static bool read_reference(struct request *r, struct row_filter *f)
{
	const char *text = request_arg(r, "reference");

	if (!text)
		return true;
	if (!reference_read(slice_str(text), &f->since_ms, &f->sport)) {
		reply_problem(
			r, 400, "reference= takes the twelve letters and digits of a block page");
		return false;
	}
	f->has_sport = true;
	f->until_ms = f->since_ms + 1;
	return true;
}

/* As conf/ makes and takes them: 8 hexadecimal digits, or a name with a letter in it. */
static bool is_rule_id(const char *text, size_t n)
{
	bool letter = n == 8 && strspn(text, "0123456789") == n;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i], small = c | 0x20;

		if ((small >= 'a' && small <= 'z') || c >= 0x80)
			letter = true;
		else if (!(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return letter && n < ROW_WORD;
}

/* The line of a rule, or its id. Up to seven digits are a line: a policy has fewer than ten million. */
static bool read_rule(struct request *r, struct row_filter *f)
{
	enum { LINE_DIGITS = 7 };
	const char *text = request_arg(r, "rule");
	size_t n = text ? strlen(text) : 0;
	char id[ROW_WORD] = {0};
	uint64_t line = 0;

	if (!text)
		return true;
	if (n <= LINE_DIGITS && strspn(text, "0123456789") == n) {
		if (!read_number(r, "rule", UINT32_MAX, &line))
			return false;
		f->rule_line = (uint32_t)line;
		return true;
	}
	if (!is_rule_id(text, n)) {
		reply_problem(r, 400,
			"rule= takes a line of the policy, or a rule's id: letters, digits, - and "
			"_");
		return false;
	}
	word_fold(slice_of(text, n), (uint8_t *)id);
	controller_filter_rule(r->show->controller, id, f);
	return true;
}

bool row_filter_read(struct request *r, struct row_filter *f)
{
	uint64_t limit = 0, max_id = INT64_MAX;

	read_name(r, f);
	if (!read_verdict(r, f) || !read_who(r, f) || !read_number(r, "after", max_id, &f->after) ||
		!read_number(r, "before", max_id, &f->before) ||
		!read_number(r, "limit", 1000, &limit) || !read_rule(r, f) ||
		!read_moment(r, "since", &f->since_ms) || !read_moment(r, "until", &f->until_ms) ||
		!read_reference(r, f))
		return false;
	f->limit = (uint32_t)limit;
	return true;
}
