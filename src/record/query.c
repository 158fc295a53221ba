/* SPDX-License-Identifier: GPL-3.0-or-later
 * query.c - reading the events' database.
 *
 * Each call opens a connection of its own (a tenth of a millisecond): the writer may have renamed a broken file aside
 * since the last one. A query that takes longer than QUERY_MS gives what it has found and -ETIMEDOUT.
 * Owns: a path. Thread: any. Fails: -errno.
 */
#include "record/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "sql_int.h"

enum { QUERY_MS = 4000, LIMIT_DEFAULT = 100, LIMIT_MAX = 10000, STEPS = 20000 };

struct query {
	char *path;
};

int query_open(const char *path, struct query **out)
{
	struct query *q = calloc(1, sizeof *q);

	if (!q || !(q->path = strdup(path))) {
		free(q);
		return -ENOMEM;
	}
	*out = q;
	return 0;
}

void query_close(struct query *q)
{
	if (q)
		free(q->path);
	free(q);
}

static int too_late(void *deadline)
{
	return clock_mono_ms() > *(uint64_t *)deadline;
}

static int open_now(struct query *q, uint64_t *deadline, sqlite3 **db)
{
	int rc;

	if (access(q->path, F_OK) < 0)
		return -ENOENT;
	rc = sql_open_read(q->path, db);
	if (rc < 0)
		return rc;
	*deadline = clock_mono_ms() + QUERY_MS;
	sqlite3_progress_handler(*db, STEPS, too_late, deadline);
	return 0;
}

static const char select_rows[] =
	"SELECT e.id, e.wall_ms, e.action, e.by, e.refuse, e.tcp_instead, d.s, e.mac, e.src, "
	"e.sport,"
	" e.dst, e.dport, e.proto, e.path, e.app, e.kind, e.source, e.odd, e.ech, e.name, e.alpn,"
	" e.rule_line, r.s, b.s, l.s, e.list_line, e.watch_line, e.watch_action, w.s, e.revision,"
	" e.until_s, e.ended, e.up, e.down, e.duration, e.packet, e.count, e.last_ms FROM event e"
	" LEFT JOIN text d ON d.id=e.device LEFT JOIN text r ON r.id=e.rule"
	" LEFT JOIN text b ON b.id=e.because LEFT JOIN text l ON l.id=e.list"
	" LEFT JOIN text w ON w.id=e.watch WHERE 1";

/* The WHERE of a filter; ?N are bound by bind_filter() in the same order. */
static void write_where(struct strbuf *sql, const struct row_filter *f)
{
	if (f->action >= 0)
		strbuf_str(sql, " AND e.action=?1");
	if (f->watched)
		strbuf_str(sql, " AND e.watch_line<>0");
	if (f->name[0])
		strbuf_str(sql, " AND instr(e.name,?2)>0");
	if (f->has_addr)
		strbuf_str(sql, " AND e.src=?3");
	if (f->has_mac)
		strbuf_str(sql, " AND e.mac=?4");
	if (f->rule_line)
		strbuf_str(sql, " AND e.rule_line=?5");
	if (f->has_sport)
		strbuf_fmt(sql, " AND e.sport=%u", f->sport);
	if (f->since_ms)
		strbuf_str(sql, " AND e.wall_ms>=?6");
	if (f->until_ms)
		strbuf_str(sql, " AND e.wall_ms<?7");
	if (f->after)
		strbuf_str(sql, " AND e.id>?8");
	if (f->before)
		strbuf_str(sql, " AND e.id<?9");
	if (f->unknown_device)
		strbuf_str(sql, " AND e.device=0");
	if (f->n_devices) {
		strbuf_str(sql, " AND e.device IN (SELECT id FROM text WHERE s IN (");
		for (size_t i = 0; i < f->n_devices; i++)
			strbuf_fmt(sql, "%s?%zu", i ? "," : "", 11 + i);
		strbuf_str(sql, "))");
	}
	strbuf_fmt(sql, " ORDER BY e.id %s LIMIT ?10", f->after ? "ASC" : "DESC");
}

static void bind_filter(sqlite3_stmt *st, const struct row_filter *f)
{
	uint32_t limit = f->limit ? f->limit : LIMIT_DEFAULT;

	sqlite3_bind_int(st, 1, f->action);
	sqlite3_bind_text(st, 2, f->name, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 3, f->addr.b, sizeof f->addr.b, SQLITE_STATIC);
	sqlite3_bind_blob(st, 4, f->mac.b, sizeof f->mac.b, SQLITE_STATIC);
	sqlite3_bind_int64(st, 5, f->rule_line);
	sqlite3_bind_int64(st, 6, (int64_t)f->since_ms);
	sqlite3_bind_int64(st, 7, (int64_t)f->until_ms);
	sqlite3_bind_int64(st, 8, (int64_t)f->after);
	sqlite3_bind_int64(st, 9, (int64_t)f->before);
	sqlite3_bind_int64(st, 10, limit < LIMIT_MAX ? limit : LIMIT_MAX);
	for (size_t i = 0; i < f->n_devices; i++)
		sqlite3_bind_text(st, (int)(11 + i), f->devices[i], -1, SQLITE_STATIC);
}

static bool column_blob(sqlite3_stmt *st, int at, void *to, size_t n)
{
	if ((size_t)sqlite3_column_bytes(st, at) != n)
		return false;
	memcpy(to, sqlite3_column_blob(st, at), n);
	return true;
}

static unsigned column_key(sqlite3_stmt *st, int at, int limit)
{
	int v = sqlite3_column_int(st, at);

	return v >= 0 && v < limit ? (unsigned)v : 0;
}

static void read_flow(sqlite3_stmt *st, struct flow *f)
{
	f->has_mac = column_blob(st, 7, f->mac.b, sizeof f->mac.b);
	column_blob(st, 8, f->src.b, sizeof f->src.b);
	f->sport = (uint16_t)sqlite3_column_int(st, 9);
	column_blob(st, 10, f->dst.b, sizeof f->dst.b);
	f->dport = (uint16_t)sqlite3_column_int(st, 11);
	f->proto = (uint8_t)sqlite3_column_int(st, 12);
	f->path = (uint8_t)column_key(st, 13, PATH_PROXY + 1);
}

static void read_ident(sqlite3_stmt *st, struct ident *i)
{
	i->app = (uint8_t)column_key(st, 14, APP_PROTOS);
	i->kind = (uint8_t)column_key(st, 15, IDENT_KINDS);
	i->source = (uint8_t)column_key(st, 16, IDENT_SOURCES);
	i->anomaly = (uint8_t)column_key(st, 17, ANOMALIES);
	i->ech = sqlite3_column_int(st, 18) != 0;
	sql_column_text(st, 19, i->name, sizeof i->name);
	i->name_len = (uint8_t)strlen(i->name);
	sql_column_text(st, 20, i->alpn, sizeof i->alpn);
	i->packet = (uint16_t)sqlite3_column_int(st, 35);
}

static void read_verdict(sqlite3_stmt *st, struct verdict *v)
{
	v->action = (uint8_t)column_key(st, 2, ACTION_WAIT + 1);
	v->by = (uint8_t)column_key(st, 3, BY_HAND + 1);
	v->refuse = (uint8_t)column_key(st, 4, REFUSE_PAGE + 1);
	v->tcp_instead = sqlite3_column_int(st, 5) != 0;
	v->device = NO_DEVICE;
	v->list = NO_LIST;
	v->rule_line = (uint32_t)sqlite3_column_int64(st, 21);
	v->list_line = (uint32_t)sqlite3_column_int64(st, 25);
	v->watch_line = (uint32_t)sqlite3_column_int64(st, 26);
	v->watch_action = (uint8_t)column_key(st, 27, ACTION_WAIT + 1);
	v->revision = (uint32_t)sqlite3_column_int64(st, 29);
	v->until_s = (uint64_t)sqlite3_column_int64(st, 30);
}

static void read_row(sqlite3_stmt *st, struct row *r)
{
	memset(r, 0, sizeof *r);
	r->id = (uint64_t)sqlite3_column_int64(st, 0);
	r->event.wall_ms = (uint64_t)sqlite3_column_int64(st, 1);
	read_verdict(st, &r->event.verdict);
	sql_column_text(st, 6, r->device, sizeof r->device);
	read_flow(st, &r->event.flow);
	read_ident(st, &r->event.ident);
	sql_column_text(st, 22, r->rule, sizeof r->rule);
	sql_column_text(st, 23, r->because, sizeof r->because);
	sql_column_text(st, 24, r->list, sizeof r->list);
	sql_column_text(st, 28, r->watch, sizeof r->watch);
	r->ended = sqlite3_column_int(st, 31) != 0;
	r->event.bytes_up = (uint64_t)sqlite3_column_int64(st, 32);
	r->event.bytes_down = (uint64_t)sqlite3_column_int64(st, 33);
	r->event.duration_ms = (uint32_t)sqlite3_column_int64(st, 34);
	r->count = (uint32_t)sqlite3_column_int64(st, 36);
	r->last_ms = (uint64_t)sqlite3_column_int64(st, 37);
}

int query_rows(struct query *q, const struct row_filter *f,
	void (*each)(void *user, const struct row *r), void *user)
{
	struct strbuf sql = {0};
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	uint64_t deadline;
	struct row row;
	int rc = open_now(q, &deadline, &db);

	if (rc < 0)
		return rc;
	strbuf_str(&sql, select_rows);
	write_where(&sql, f);
	rc = sqlite3_prepare_v2(db, strbuf_text(&sql), -1, &st, NULL);
	if (rc == SQLITE_OK) {
		bind_filter(st, f);
		while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
			read_row(st, &row);
			each(user, &row);
		}
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	strbuf_fini(&sql);
	return sql_error(rc);
}

int query_devices(struct query *q, uint64_t since_ms,
	void (*each)(void *user, const struct query_device *d), void *user)
{
	static const char sql[] =
		"SELECT addr, mac, name, first_ms, last_ms, allowed, blocked FROM seen "
		"WHERE last_ms>=? ORDER BY name='', last_ms DESC LIMIT 500";
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	uint64_t deadline;
	int rc = open_now(q, &deadline, &db);

	if (rc < 0)
		return rc;
	rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		sqlite3_bind_int64(st, 1, (int64_t)since_ms);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		struct query_device d = {0};
		if ((rc = sqlite3_step(st)) != SQLITE_ROW)
			break;
		column_blob(st, 0, d.addr.b, sizeof d.addr.b);
		d.has_mac = column_blob(st, 1, d.mac.b, sizeof d.mac.b);
		sql_column_text(st, 2, d.name, sizeof d.name);
		d.first_ms = (uint64_t)sqlite3_column_int64(st, 3);
		d.last_ms = (uint64_t)sqlite3_column_int64(st, 4);
		d.allowed = (uint64_t)sqlite3_column_int64(st, 5);
		d.blocked = (uint64_t)sqlite3_column_int64(st, 6);
		each(user, &d);
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	return sql_error(rc);
}
