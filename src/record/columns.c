/* SPDX-License-Identifier: GPL-3.0-or-later
 * columns.c - a row's way into the table `event` and out of it, column by column.
 *
 * Owns: nothing. Thread: any. Fails: -errno, of the caller's number() only. See: tbl/event_columns.h.
 */
#include "columns_int.h"

#include <string.h>

enum stored {
	STORED_ID,
	STORED_NUMBER,
	STORED_FLAG,
	STORED_KEY,
	STORED_TEXT,
	STORED_SHARED,
	STORED_ADDR,
	STORED_MAC,
	STORED_CLASS
};

#define SQL_ID	   "INTEGER PRIMARY KEY"
#define SQL_NUMBER "INTEGER"
#define SQL_FLAG   "INTEGER"
#define SQL_KEY	   "INTEGER"
#define SQL_TEXT   "TEXT"
#define SQL_SHARED "INTEGER"
#define SQL_ADDR   "BLOB"
#define SQL_MAC	   "BLOB"
#define SQL_CLASS  "INTEGER NOT NULL DEFAULT 0"

const struct sql_column event_columns[] = {
#define EVENT_COLUMN(since, column, stored, field, limit, member, form, help)                      \
	{#column, SQL_##stored, since},
#define EVENT_MEMBER(since, member, form, help)
#include "tbl/event_columns.h"
#undef EVENT_COLUMN
	{NULL, NULL, 0}};

/* Where in struct row a column's value is; in the order of event_columns. */
static const struct place {
	enum stored stored;
	size_t offset, size; /* bytes */
	unsigned limit;	     /* of a key, exclusive */
} places[] = {
#define EVENT_COLUMN(since, column, stored, field, limit, member, form, help)                      \
	{STORED_##stored, offsetof(struct row, field), sizeof(((struct row *)0)->field), limit},
#include "tbl/event_columns.h"
#undef EVENT_COLUMN
#undef EVENT_MEMBER
};
enum { COLUMNS = sizeof places / sizeof *places };

/* --- writing --- */

void columns_insert(struct strbuf *sql)
{
	strbuf_str(sql, "INSERT INTO event(");
	sql_names(sql, event_columns);
	strbuf_str(sql, ") VALUES(?");
	for (int i = 1; i < COLUMNS; i++)
		strbuf_str(sql, ",?");
	strbuf_char(sql, ')');
}

static void bind_class(sqlite3_stmt *st, int at, const struct row *r)
{
	const struct flow *f = &r->event.flow;

	sqlite3_bind_int(st, at,
		r->device[0] ? 0 : (int)sql_client_class(f->has_mac ? f->mac.b : NULL, &f->src));
}

static void bind_one(sqlite3_stmt *st, int at, const struct place *p, const struct row *r)
{
	const void *field = (const char *)r + p->offset;

	switch (p->stored) {
	case STORED_ID:
	case STORED_NUMBER:
	case STORED_FLAG:
	case STORED_KEY:
		sqlite3_bind_int64(st, at, (int64_t)row_number(r, p->offset, p->size));
		break;
	case STORED_TEXT:
		sql_bind_text(st, at, field);
		break;
	case STORED_MAC:
		if (!r->event.flow.has_mac) {
			sqlite3_bind_null(st, at);
			break;
		} /* fall through */
	case STORED_ADDR:
		sqlite3_bind_blob(st, at, field, (int)p->size, SQLITE_STATIC);
		break;
	case STORED_CLASS:
		bind_class(st, at, r);
		break;
	case STORED_SHARED: /* columns_bind() */
		break;
	}
}

int columns_bind(sqlite3_stmt *st, const struct row *r,
	int (*number)(void *user, const char *text, int64_t *id), void *user)
{
	for (int i = 0; i < COLUMNS; i++) {
		const struct place *p = &places[i];
		int64_t id;
		int rc;

		if (p->stored != STORED_SHARED) {
			bind_one(st, i + 1, p, r);
			continue;
		}
		rc = number(user, (const char *)r + p->offset, &id);
		if (rc < 0)
			return rc;
		sqlite3_bind_int64(st, i + 1, id);
	}
	return 0;
}

/* --- reading --- */

/* The texts by joins: with subqueries a row takes a quarter longer to read. */
void columns_select(struct strbuf *sql)
{
	strbuf_str(sql, "SELECT ");
	for (int i = 0; i < COLUMNS; i++)
		strbuf_fmt(sql, places[i].stored == STORED_SHARED ? "%st_%s.s" : "%se.%s",
			i ? ", " : "", event_columns[i].name);
	strbuf_str(sql, " FROM event e");
	for (int i = 0; i < COLUMNS; i++)
		if (places[i].stored == STORED_SHARED)
			strbuf_fmt(sql, " LEFT JOIN text t_%s ON t_%s.id=e.%s",
				event_columns[i].name, event_columns[i].name,
				event_columns[i].name);
	strbuf_str(sql, " WHERE 1");
}

static uint64_t read_number(sqlite3_stmt *st, int at, const struct place *p)
{
	int64_t v = sqlite3_column_int64(st, at);

	if (p->stored == STORED_FLAG)
		return v != 0;
	if (p->stored == STORED_KEY)
		return v >= 0 && v < (int64_t)p->limit ? (uint64_t)v : 0;
	return (uint64_t)v;
}

static void read_one(sqlite3_stmt *st, int at, const struct place *p, struct row *r)
{
	void *field = (char *)r + p->offset;

	switch (p->stored) {
	case STORED_ID:
	case STORED_NUMBER:
	case STORED_FLAG:
	case STORED_KEY:
		row_number_set(r, p->offset, p->size, read_number(st, at, p));
		break;
	case STORED_TEXT:
	case STORED_SHARED:
		sql_column_text(st, at, field, p->size);
		break;
	case STORED_MAC:
		r->event.flow.has_mac = sql_column_blob(st, at, field, p->size);
		break;
	case STORED_ADDR:
		sql_column_blob(st, at, field, p->size);
		break;
	case STORED_CLASS:
		break;
	}
}

void columns_read(sqlite3_stmt *st, struct row *r)
{
	memset(r, 0, sizeof *r);
	r->event.verdict.device = NO_DEVICE;
	r->event.verdict.list = NO_LIST;
	for (int i = 0; i < COLUMNS; i++)
		read_one(st, i, &places[i], r);
	r->event.ident.name_len = (uint8_t)strlen(r->event.ident.name);
}
