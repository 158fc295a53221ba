/* SPDX-License-Identifier: GPL-3.0-or-later
 * query.c - reading the events' database.
 *
 * Each call opens a connection of its own (a tenth of a millisecond): the writer may have renamed a broken file aside
 * since the last one. A query that takes longer than QUERY_MS gives what it has found and -ETIMEDOUT.
 * Owns: a path. Thread: any. Fails: -errno.
 */
#include "record/query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "columns_int.h"

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

static void write_rule(struct strbuf *sql, const struct row_filter *f)
{
	strbuf_str(sql, " AND (:rule_id IN (e.rule_id,e.watch_id)");
	for (size_t i = 0; i < f->n_was; i++)
		strbuf_fmt(sql, " OR (:was%zu IN (e.rule_id,e.watch_id) AND e.revision<:before%zu)",
			i, i);
	strbuf_char(sql, ')');
}

/* The WHERE of a filter; its :words are bound by bind_filter(). */
static void write_where(struct strbuf *sql, const struct row_filter *f)
{
	if (f->action >= 0)
		strbuf_str(sql, " AND e.action=:action");
	if (f->watched)
		strbuf_str(sql, " AND e.watch_line<>0");
	if (f->name[0])
		strbuf_str(sql, " AND instr(e.name,:name)>0");
	if (f->has_addr)
		strbuf_str(sql, " AND e.src=:src");
	if (f->has_mac)
		strbuf_str(sql, " AND e.mac=:mac");
	if (f->rule_line)
		strbuf_str(sql, " AND e.rule_line=:rule_line");
	if (f->rule_id[0])
		write_rule(sql, f);
	if (f->has_sport)
		strbuf_str(sql, " AND e.sport=:sport");
	if (f->since_ms)
		strbuf_str(sql, " AND e.wall_ms>=:since");
	if (f->until_ms)
		strbuf_str(sql, " AND e.wall_ms<:until");
	if (f->after)
		strbuf_str(sql, " AND e.id>:after");
	if (f->before)
		strbuf_str(sql, " AND e.id<:before");
	if (f->unknown_device)
		strbuf_str(sql, " AND e.device=0");
	if (f->n_devices) {
		strbuf_str(sql, " AND e.device IN (SELECT id FROM text WHERE s IN (");
		for (size_t i = 0; i < f->n_devices; i++)
			strbuf_fmt(sql, "%s:device%zu", i ? "," : "", i);
		strbuf_str(sql, "))");
	}
	strbuf_fmt(sql, " ORDER BY e.id %s LIMIT :limit", f->after ? "ASC" : "DESC");
}

/* What the statement does not ask for is passed over. */
static void bind_number(sqlite3_stmt *st, const char *word, uint64_t v)
{
	int at = sqlite3_bind_parameter_index(st, word);

	if (at)
		sqlite3_bind_int64(st, at, (int64_t)v);
}

static void bind_text(sqlite3_stmt *st, const char *word, const char *text)
{
	int at = sqlite3_bind_parameter_index(st, word);

	if (at)
		sql_bind_text(st, at, text);
}

static void bind_blob(sqlite3_stmt *st, const char *word, const void *bytes, size_t n)
{
	int at = sqlite3_bind_parameter_index(st, word);

	if (at)
		sqlite3_bind_blob(st, at, bytes, (int)n, SQLITE_STATIC);
}

static void bind_filter(sqlite3_stmt *st, const struct row_filter *f)
{
	uint32_t limit = f->limit ? f->limit : LIMIT_DEFAULT;
	char word[32];

	bind_number(st, ":action", (uint64_t)f->action);
	bind_text(st, ":name", f->name);
	bind_blob(st, ":src", f->addr.b, sizeof f->addr.b);
	bind_blob(st, ":mac", f->mac.b, sizeof f->mac.b);
	bind_number(st, ":rule_line", f->rule_line);
	bind_text(st, ":rule_id", f->rule_id);
	for (size_t i = 0; i < f->n_was; i++) {
		snprintf(word, sizeof word, ":was%zu", i);
		bind_text(st, word, f->was[i].id);
		snprintf(word, sizeof word, ":before%zu", i);
		bind_number(st, word, f->was[i].before);
	}
	bind_number(st, ":sport", f->sport);
	bind_number(st, ":since", f->since_ms);
	bind_number(st, ":until", f->until_ms);
	bind_number(st, ":after", f->after);
	bind_number(st, ":before", f->before);
	bind_number(st, ":limit", limit < LIMIT_MAX ? limit : LIMIT_MAX);
	for (size_t i = 0; i < f->n_devices; i++) {
		snprintf(word, sizeof word, ":device%zu", i);
		bind_text(st, word, f->devices[i]);
	}
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
	columns_select(&sql);
	write_where(&sql, f);
	rc = sqlite3_prepare_v2(db, strbuf_text(&sql), -1, &st, NULL);
	if (rc == SQLITE_OK) {
		bind_filter(st, f);
		while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
			columns_read(st, &row);
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
		sql_column_blob(st, 0, d.addr.b, sizeof d.addr.b);
		d.has_mac = sql_column_blob(st, 1, d.mac.b, sizeof d.mac.b);
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
