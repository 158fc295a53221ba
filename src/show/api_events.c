/* SPDX-License-Identifier: GPL-3.0-or-later
 * api_events.c - the API of recorded decisions and the devices that made them.
 *
 * Owns: nothing. Thread: a worker. Fails: by the reply; a database that is not there gives an empty list.
 */
#include <errno.h>

#include "show_int.h"

struct page {
	struct strbuf *b;
	uint64_t last;
	size_t n;
};

static void add_row(void *page, const struct row *row)
{
	struct page *p = page;

	row_write(p->b, NULL, row);
	p->last = row->id;
	p->n++;
}

/* {"events":[...],"next":ID|null,"partial":bool,"version":N}: next goes into before=, or into after= where that was asked;
 * version is row_version(). */
void api_events(struct request *r)
{
	struct row_filter f = row_filter_any();
	struct page p = {.b = &r->reply.body};
	int rc;

	if (!row_filter_read(r, &f))
		return;
	if (f.limit == 0)
		f.limit = 100;
	jw_open(p.b, NULL, '{');
	jw_open(p.b, "events", '[');
	rc = controller_events(r->show->controller, &f, add_row, &p);
	if (rc < 0 && rc != -ENOENT && rc != -ETIMEDOUT) {
		strbuf_fini(p.b);
		reply_errno(r, rc, "the events' database");
		return;
	}
	jw_close(p.b, ']');
	if (p.n == f.limit || rc == -ETIMEDOUT)
		jw_uint(p.b, "next", p.last);
	else
		jw_null(p.b, "next");
	jw_bool(p.b, "partial", rc == -ETIMEDOUT);
	jw_int(p.b, "version", row_version());
	jw_close(p.b, '}');
	reply_json(r, 200);
}

static void add_device(void *buf, const struct controller_seen *s)
{
	struct strbuf *b = buf;
	char text[ADDR_TEXT], mac[MAC_TEXT];

	jw_open(b, NULL, '{');
	jw_text(b, "name", s->name[0] ? s->name : NULL);
	jw_text(b, "mac", s->has_mac ? mac_format(&s->mac, mac) : NULL);
	jw_text(b, "addr", addr_format(&s->addr, text));
	jw_time(b, "first", s->first_ms);
	jw_time(b, "last", s->last_ms);
	jw_uint(b, "allowed", s->allowed);
	jw_uint(b, "blocked", s->blocked);
	jw_close(b, '}');
}

void api_devices(struct request *r)
{
	struct strbuf *b = &r->reply.body;
	struct controller_status s;
	int rc;

	controller_status_get(r->show->controller, &s);
	jw_open(b, NULL, '{');
	jw_open(b, "devices", '[');
	rc = controller_devices(r->show->controller, s.now_ms - 7 * 86400000ull, add_device, b);
	if (rc < 0 && rc != -ENOENT && rc != -ETIMEDOUT) {
		strbuf_fini(b);
		reply_errno(r, rc, "the events' database");
		return;
	}
	jw_close(b, ']');
	jw_close(b, '}');
	reply_json(r, 200);
}
