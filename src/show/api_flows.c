/* SPDX-License-Identifier: GPL-3.0-or-later
 * api_flows.c - live flows: a page of them, and one of them cut.
 *
 * Owns: nothing. Thread: a worker. Fails: by the reply.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/flows.h"
#include "show_int.h"

enum { LIMIT = 100, CUT_MS = 5000 };

struct page {
	struct strbuf *b;
	const struct controller_flows_filter *f;
	uint64_t last_key, last_id;
	uint32_t n;
};

static const char *cut_key(uint8_t cut)
{
	static const char *const keys[] = {
		[LIVE_GOES_ON] = "no", [LIVE_ASKED] = "next request", [LIVE_CUT] = "now"};

	return keys[cut];
}

/* Members that a live flow and an event have alike. */
static const char *const as_in_events[] = {"who", "mac", "src", "sport", "dst", "dport", "proto",
	"path", "app", "name", "kind", "source", "anomaly", "anomaly_text", "anomaly_at", "ech",
	"alpn", "rule", "rule_id", "rule_line", "because", "revision"};

static void add_flow(void *page, const struct controller_flow *f)
{
	struct page *p = page;
	const struct event *e = &f->row.event;
	bool relay = e->flow.path == PATH_PROXY;
	char id[24];

	snprintf(id, sizeof id, "%016llx", (unsigned long long)f->id);
	jw_open(p->b, NULL, '{');
	jw_text(p->b, "id", id);
	jw_time(p->b, "since", e->wall_ms);
	row_write_members(p->b, &f->row, as_in_events, sizeof as_in_events / sizeof *as_in_events);
	jw_uint(p->b, "bytes_up", e->bytes_up);
	jw_uint(p->b, "bytes_down", e->bytes_down);
	if (relay) {
		jw_null(p->b, "packets_up");
		jw_null(p->b, "packets_down");
	} else {
		jw_uint(p->b, "packets_up", f->packets[0]);
		jw_uint(p->b, "packets_down", f->packets[1]);
	}
	jw_text(p->b, "cut", cut_key(f->cut));
	jw_bool(p->b, "by_hand", e->verdict.by == BY_HAND);
	jw_close(p->b, '}');
	p->last_key = controller_flow_key(f, p->f->by_bytes);
	p->last_id = f->id;
	p->n++;
}

/* --- the filter --- */

static bool read_path(struct request *r, struct controller_flows_filter *f)
{
	const char *text = request_arg(r, "path");

	f->path = -1;
	if (!text || strcmp(text, "any") == 0)
		return true;
	for (int i = PATH_OTHER; i <= PATH_PROXY; i++)
		if (strcmp(text, flow_path_key((enum flow_path)i)) == 0)
			f->path = i;
	if (f->path < 0)
		reply_problem(r, 400, "path= takes inspect, proxy, other or any");
	return f->path >= 0;
}

static bool read_sort(struct request *r, struct controller_flows_filter *f)
{
	const char *text = request_arg(r, "sort");

	f->by_bytes = text && strcmp(text, "bytes") == 0;
	if (!text || f->by_bytes || strcmp(text, "newest") == 0)
		return true;
	reply_problem(r, 400, "sort= takes newest or bytes");
	return false;
}

static bool read_hex(const char *text, char end, uint64_t *out, const char **rest)
{
	char *at;

	if (!text || strspn(text, "0123456789abcdef") != 16 || text[16] != end)
		return false;
	*out = strtoull(text, &at, 16);
	*rest = text + 17;
	return true;
}

/* "KEY-ID", in hexadecimal: where the page before ended. */
static bool read_cursor(struct request *r, struct controller_flows_filter *f)
{
	const char *text = request_arg(r, "cursor"), *rest = text;

	f->more = text != NULL;
	if (!text || (read_hex(text, '-', &f->last_key, &rest) &&
			     read_hex(rest, '\0', &f->last_id, &rest)))
		return true;
	reply_problem(r, 400, "cursor= takes what `next` of the page before said");
	return false;
}

static bool read_filter(struct request *r, struct controller_flows_filter *f)
{
	static const char *const others[] = {"after", "before", "reference"};

	*f = (struct controller_flows_filter){.row = row_filter_any()};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (request_arg(r, others[i])) {
			reply_problem(r, 400, "%s= is of recorded decisions: GET /api/v1/events",
				others[i]);
			return false;
		}
	if (!row_filter_read(r, &f->row) || !read_path(r, f) || !read_sort(r, f) ||
		!read_cursor(r, f))
		return false;
	if (f->row.limit == 0)
		f->row.limit = LIMIT;
	return true;
}

/* --- routes --- */

/* {"flows":[...],"matching":N,"next":CURSOR|null} */
void api_flows(struct request *r)
{
	struct controller_flows_filter f;
	struct page p = {.b = &r->reply.body, .f = &f};
	char next[40];
	uint64_t matching;
	int rc;

	if (!read_filter(r, &f))
		return;
	jw_open(p.b, NULL, '{');
	jw_open(p.b, "flows", '[');
	rc = controller_flows(r->show->controller, &f, add_flow, &p, &matching);
	if (rc < 0) {
		strbuf_fini(p.b);
		reply_problem(r, 503, "%s",
			rc == -ENODEV ? "the dataplane has not begun its table" : strerror(-rc));
		return;
	}
	jw_close(p.b, ']');
	jw_uint(p.b, "matching", matching);
	snprintf(next, sizeof next, "%016llx-%016llx", (unsigned long long)p.last_key,
		(unsigned long long)p.last_id);
	jw_text(p.b, "next", p.n == f.row.limit ? next : NULL);
	jw_close(p.b, '}');
	reply_json(r, 200);
}

void api_flow_cut(struct request *r)
{
	const char *rest, *slash = strrchr(r->path, '/');
	char actor[64] = "web";
	uint64_t id;
	int rc;

	if (!read_hex(slash ? slash + 1 : NULL, '\0', &id, &rest)) {
		reply_problem(r, 400, "not the id of a flow; GET /api/v1/flows shows them");
		return;
	}
	if (r->local)
		snprintf(actor, sizeof actor, "socket, uid %u", r->uid);
	rc = controller_flow_cut(r->show->controller, id, actor, CUT_MS);
	if (rc == 0)
		reply_empty(r);
	else if (rc == -ENOENT)
		reply_problem(r, 404, "this flow has ended");
	else
		reply_problem(r, 503, "the dataplane has not done it: %s", strerror(-rc));
}
