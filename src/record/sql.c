/* SPDX-License-Identifier: GPL-3.0-or-later
 * sql.c - opening, checking and mending our SQLite files.
 *
 * Owns: nothing after return. Thread: any. Fails: -errno: -ENOSPC full, -EROFS or -EACCES not writable, -EBADMSG
 * broken, -EBUSY, -EIO, -ENOMEM. See: sqlite.org/pragma.html, sqlite.org/howtocorrupt.html.
 */
#include "sql_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { BUSY_MS = 3000 };

int sql_error(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_INTERRUPT:
		return -ETIMEDOUT;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	default:
		return -EIO;
	}
}

int sql_exec(sqlite3 *db, const char *sql)
{
	return sql_error(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int sql_run(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return sql_error(rc);
}

void sql_bind_text(sqlite3_stmt *st, int at, const char *text)
{
	sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

void sql_column_text(sqlite3_stmt *st, int at, char *to, size_t size)
{
	const unsigned char *t = sqlite3_column_text(st, at);

	snprintf(to, size, "%s", t ? (const char *)t : "");
}

static int open_plain(const char *path, int flags, sqlite3 **out)
{
	int rc = sqlite3_open_v2(path, out, flags | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK) {
		sqlite3_close(*out);
		*out = NULL;
		return sql_error(rc);
	}
	sqlite3_busy_timeout(*out, BUSY_MS);
	sqlite3_limit(*out, SQLITE_LIMIT_ATTACHED, 0);
	return 0;
}

int sql_open_read(const char *path, sqlite3 **out)
{
	return open_plain(path, SQLITE_OPEN_READONLY, out);
}

/* First column of the first row: an integer, or 1 for the text "ok". -errno on failure. */
static int ask(sqlite3 *db, const char *sql, int *value)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const unsigned char *t = sqlite3_column_text(st, 0);
		*value = t && t[0] == 'o' ? 1 : sqlite3_column_int(st, 0);
	}
	sqlite3_finalize(st);
	return sql_error(rc);
}

/* 0: the file is ours, or was empty and is ours now. -EBADMSG: broken or foreign. */
static int adopt(sqlite3 *db, const struct sql_kind *kind)
{
	char set[64];
	int ok = 0, version = -1, tables = 0;
	int rc = ask(db, "PRAGMA quick_check(1)", &ok);

	if (rc == 0 && !ok)
		rc = -EBADMSG;
	if (rc == 0)
		rc = sql_exec(db, kind->pragmas);
	if (rc == 0)
		rc = ask(db, "PRAGMA user_version", &version);
	if (rc == 0)
		rc = ask(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc < 0 || (version == kind->version && tables > 0))
		return rc;
	if (tables > 0)
		return -EBADMSG;
	snprintf(set, sizeof set, "PRAGMA user_version=%d; COMMIT", kind->version);
	rc = sql_exec(db, "BEGIN IMMEDIATE");
	if (rc == 0)
		rc = sql_exec(db, kind->schema);
	return rc < 0 ? rc : sql_exec(db, set);
}

static void rename_aside(const char *path)
{
	static const char *const tails[] = {"", "-wal", "-shm"};
	char from[4096], to[4096 + 64];

	for (size_t i = 0; i < 3; i++) {
		snprintf(from, sizeof from, "%s%s", path, tails[i]);
		snprintf(to, sizeof to, "%s.broken-%lld%s", path, (long long)time(NULL), tails[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			unlink(from);
	}
	log_warn("record: %s was broken or of another version; renamed to %s.broken-TIME, a new "
		 "one begins",
		path, path);
}

int sql_open(const char *path, const struct sql_kind *kind, sqlite3 **out)
{
	int rc = 0;

	*out = NULL;
	for (int try = 0; try < 2; try++) {
		rc = open_plain(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, out);
		if (rc == 0)
			rc = adopt(*out, kind);
		if (rc == 0)
			return 0;
		sqlite3_close(*out);
		*out = NULL;
		if (rc != -EBADMSG)
			return rc;
		rename_aside(path);
	}
	return rc;
}
