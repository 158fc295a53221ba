/* SPDX-License-Identifier: GPL-3.0-or-later
 * rows.c - a recorded event as JSON, and the filter words of a query string.
 *
 * Owns: nothing. Thread: any. Fails: by filling the reply.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/iso8601.h"
#include "model/reference.h"
#include "show_int.h"

/* --- JSON --- */

void row_write_line(struct strbuf *b, const char *key, uint32_t line, const char *text)
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

void row_write_flow(struct strbuf *b, const struct row *r)
{
	const struct flow *f = &r->event.flow;
	char text[ADDR_TEXT], mac[MAC_TEXT], proto[16];
	bool sum = r->count > 1; /* what differs among its decisions is null */

	jw_text(b, "who", r->device[0] ? r->device : NULL);
	jw_text(b, "mac", f->has_mac ? mac_format(&f->mac, mac) : NULL);
	jw_text(b, "src", sum && addr_is_zero(&f->src) ? NULL : addr_format(&f->src, text));
	jw_uint(b, "sport", f->sport);
	jw_text(b, "dst", sum && addr_is_zero(&f->dst) ? NULL : addr_format(&f->dst, text));
	jw_uint(b, "dport", f->dport);
	jw_text(b, "proto", flow_proto_key(f->proto, proto));
	jw_text(b, "path", flow_path_key(f->path));
}

/* Which of the client's packets, or on the proxy path requests, showed what was odd. */
static void write_anomaly_at(struct strbuf *b, const struct ident *i, uint8_t path)
{
	bool request = path == PATH_PROXY;
	char text[24];

	snprintf(text, sizeof text, "%s %u", request ? "request" : "packet", i->packet);
	jw_text(b, "anomaly_at",
		i->anomaly && i->packet && (!request || i->app == APP_HTTP) ? text : NULL);
}

void row_write_ident(struct strbuf *b, const struct ident *i, uint8_t path)
{
	jw_text(b, "app", app_proto_key(i->app));
	jw_text(b, "name", i->name[0] ? i->name : NULL);
	jw_text(b, "kind", ident_kind_key(i->kind));
	jw_text(b, "source", ident_source_key(i->source));
	jw_text(b, "anomaly", i->anomaly ? anomaly_key(i->anomaly) : NULL);
	jw_text(b, "anomaly_text", i->anomaly ? anomaly_text(i->anomaly) : NULL);
	write_anomaly_at(b, i, path);
	jw_bool(b, "ech", i->ech);
	jw_text(b, "alpn", i->alpn[0] ? i->alpn : NULL);
}

static void write_verdict(struct strbuf *b, const struct row *r)
{
	const struct verdict *v = &r->event.verdict;

	jw_text(b, "verdict", action_key(v->action));
	jw_text(b, "by", decided_by_key(v->by));
	jw_bool(b, "tcp_instead", v->tcp_instead);
	row_write_line(b, "rule", v->rule_line, r->rule);
	jw_text(b, "because", r->because[0] ? r->because : NULL);
	if (r->list[0]) {
		jw_open(b, "list", '{');
		jw_text(b, "name", r->list);
		jw_uint(b, "line", v->list_line);
		jw_close(b, '}');
	} else {
		jw_null(b, "list");
	}
	row_write_line(b, "watch", v->watch_line, r->watch);
	jw_text(b, "watch_verdict", v->watch_line ? action_key(v->watch_action) : NULL);
	jw_uint(b, "revision", v->revision);
	jw_time(b, "until", v->until_s * 1000);
}

static void write_end(struct strbuf *b, const struct row *r)
{
	if (!r->ended) {
		jw_null(b, "bytes_up");
		jw_null(b, "bytes_down");
		jw_null(b, "duration_ms");
		return;
	}
	jw_uint(b, "bytes_up", r->event.bytes_up);
	jw_uint(b, "bytes_down", r->event.bytes_down);
	jw_uint(b, "duration_ms", r->event.duration_ms);
}

void row_write(struct strbuf *b, const char *key, const struct row *r)
{
	char reference[REFERENCE_TEXT];

	jw_open(b, key, '{');
	jw_uint(b, "id", r->id);
	jw_time(b, "time", r->event.wall_ms);
	jw_uint(b, "count", r->count > 1 ? r->count : 1);
	jw_time(b, "last", r->count > 1 ? r->last_ms : 0);
	jw_text(b, "reference", reference_write(r->event.wall_ms, r->event.flow.sport, reference));
	row_write_flow(b, r);
	row_write_ident(b, &r->event.ident, r->event.flow.path);
	write_verdict(b, r);
	write_end(b, r);
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
		reply_problem(r, 400, "Not a number", "%s= takes a number up to %llu", name,
			(unsigned long long)max);
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
		reply_problem(r, 400, "Not a moment",
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
		reply_problem(
			r, 400, "No such verdict", "verdict= takes allow, block, watch or any");
		return false;
	}
	return true;
}

static bool read_who(struct request *r, struct row_filter *f)
{
	const char *who = request_arg(r, "who");

	if (!who || !*who || controller_filter_who(r->show->controller, slice_str(who), f))
		return true;
	reply_problem(r, 400, "Nobody of that name",
		"who= takes an address, a MAC, unknown-devices, or a device, person or group with "
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
		reply_problem(r, 400, "Not a reference",
			"reference= takes the twelve letters and digits of a block page");
		return false;
	}
	f->has_sport = true;
	f->until_ms = f->since_ms + 1;
	return true;
}

bool row_filter_read(struct request *r, struct row_filter *f)
{
	uint64_t limit = 0, line = 0, max_id = INT64_MAX;

	read_name(r, f);
	if (!read_verdict(r, f) || !read_who(r, f) || !read_number(r, "after", max_id, &f->after) ||
		!read_number(r, "before", max_id, &f->before) ||
		!read_number(r, "limit", 1000, &limit) ||
		!read_number(r, "rule", UINT32_MAX, &line) ||
		!read_moment(r, "since", &f->since_ms) || !read_moment(r, "until", &f->until_ms) ||
		!read_reference(r, f))
		return false;
	f->limit = (uint32_t)limit;
	f->rule_line = (uint32_t)line;
	return true;
}
