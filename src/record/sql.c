/* SPDX-License-Identifier: GPL-3.0-or-later
 * sql.c - opening, checking and bringing up to date our SQLite files.
 *
 * A file is checked before anything is written to it, and a connection that gives up leaves it untouched (no checkpoint
 * at its close): a damaged file can still be looked at or repaired by hand.
 *
 * Owns: nothing after return. Thread: any. Fails: -errno: -ENOSPC full, -EROFS or -EACCES not writable, -EBADMSG
 * damaged, -EPROTONOSUPPORT of a newer version, -EBUSY, -EIO, -ENOMEM. Source: sqlite.org/pragma.html,
 * sqlite.org/howtocorrupt.html, sqlite.org/wal.html ("The WAL-Reset Bug").
 */
#include "sql_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { BUSY_MS = 3000, SQL_PATH = 4096, FULL_BYTES = 64 << 10 };

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

bool sql_column_blob(sqlite3_stmt *st, int at, void *to, size_t n)
{
	if ((size_t)sqlite3_column_bytes(st, at) != n)
		return false;
	memcpy(to, sqlite3_column_blob(st, at), n);
	return true;
}

int sql_why(const char *path, int err)
{
	struct statvfs fs;

	if (err == -EIO && statvfs(path, &fs) == 0 && fs.f_bavail * fs.f_frsize < FULL_BYTES)
		return -ENOSPC;
	return err;
}

const char *sql_words(int err)
{
	switch (err) {
	case -EBADMSG:
		return "it is damaged";
	case -EPROTONOSUPPORT:
		return "a newer version of Durward has written it";
	case -EBUSY:
		return "another program has it open";
	case -ENODATA:
		return "it is gone";
	default:
		return strerror(-err);
	}
}

/* --- connections --- */

static void let_go(sqlite3 *db)
{
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(db);
}

static int open_plain(const char *path, int flags, sqlite3 **out)
{
	int rc = sqlite3_open_v2(path, out, flags | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK) {
		bool full = *out && sqlite3_system_errno(*out) == ENOSPC;

		sqlite3_close(*out);
		*out = NULL;
		return full ? -ENOSPC : sql_error(rc);
	}
	sqlite3_busy_timeout(*out, BUSY_MS);
	sqlite3_limit(*out, SQLITE_LIMIT_ATTACHED, 0);
	return 0;
}

int sql_open_read(const char *path, sqlite3 **out)
{
	int rc = open_plain(path, SQLITE_OPEN_READONLY, out);

	if (rc < 0)
		return rc;
	sqlite3_db_config(*out, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_wal_autocheckpoint(*out, 0);
	rc = sql_exec(*out, "PRAGMA query_only=ON");
	if (rc < 0) {
		sqlite3_close(*out);
		*out = NULL;
	}
	return rc;
}

/* One writer a file, whoever starts a second controller on the same folder. */
static int take_lock(const char *path)
{
	char name[SQL_PATH];
	int fd;

	if ((size_t)snprintf(name, sizeof name, "%s.lock", path) >= sizeof name)
		return -ENAMETOOLONG;
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == EROFS ? -EROFS : errno == ENOSPC ? -ENOSPC : -EACCES;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return -EBUSY;
}

void sql_close(struct sql *s)
{
	if (!s->db)
		return;
	sqlite3_close(s->db);
	close(s->lock);
	s->db = NULL;
}

/* --- versions --- */

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

static int n_steps(const struct sql_kind *kind)
{
	int n = 0;

	while (kind->steps[n])
		n++;
	return n;
}

int sql_version(const struct sql_kind *kind)
{
	int version = n_steps(kind);

	for (const struct sql_column *c = kind->columns; c && c->name; c++)
		version = c->since > version ? c->since : version;
	return version;
}

void sql_names(struct strbuf *sql, const struct sql_column *columns)
{
	for (const struct sql_column *c = columns; c->name; c++)
		strbuf_fmt(sql, "%s%s", c == columns ? "" : ", ", c->name);
}

/* The table with the columns of version 1, or those that a later version added. */
static void write_columns(struct strbuf *sql, const struct sql_kind *kind, int version)
{
	const char *before = "(";

	if (!kind->columns)
		return;
	if (version == 1)
		strbuf_fmt(sql, "CREATE TABLE %s", kind->table);
	for (const struct sql_column *c = kind->columns; c->name; c++) {
		if (c->since != version)
			continue;
		if (version == 1)
			strbuf_fmt(sql, "%s%s %s", before, c->name, c->type);
		else
			strbuf_fmt(sql, "ALTER TABLE %s ADD COLUMN %s %s;", kind->table, c->name,
				c->type);
		before = ", ";
	}
	if (version == 1)
		strbuf_str(sql, ");");
}

static int exec_built(sqlite3 *db, struct strbuf *sql)
{
	int rc = sql->failed ? -ENOMEM : sql_exec(db, strbuf_text(sql));

	strbuf_fini(sql);
	return rc;
}

/* All of it, or nothing: after a kill or a full disk the file is of the version that it was. */
static int step(sqlite3 *db, const struct sql_kind *kind, int from)
{
	struct strbuf sql = {0};
	int rc = sql_exec(db, "BEGIN IMMEDIATE");

	if (rc < 0)
		return rc;
	write_columns(&sql, kind, from + 1);
	if (from < n_steps(kind))
		strbuf_str(&sql, kind->steps[from]);
	strbuf_fmt(&sql, "PRAGMA user_version=%d", from + 1);
	rc = exec_built(db, &sql);
	if (rc == 0)
		rc = sql_exec(db, "COMMIT");
	if (rc < 0 && !sqlite3_get_autocommit(db))
		sql_exec(db, "ROLLBACK");
	return rc;
}

static int can_prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	sqlite3_finalize(st);
	return rc == SQLITE_ERROR ? -EBADMSG : sql_error(rc); /* no such table or column */
}

static int probe(sqlite3 *db, const struct sql_kind *kind)
{
	struct strbuf sql = {0};
	int rc = 0;

	if (kind->columns) {
		strbuf_str(&sql, "SELECT ");
		sql_names(&sql, kind->columns);
		strbuf_fmt(&sql, " FROM %s", kind->table);
		rc = sql.failed ? -ENOMEM : can_prepare(db, strbuf_text(&sql));
	}
	for (size_t i = 0; rc == 0 && kind->probes[i]; i++)
		rc = can_prepare(db, kind->probes[i]);
	strbuf_fini(&sql);
	return rc;
}

static int look(sqlite3 *db, int *version)
{
	int ok = 0, tables = 0;
	int rc = ask(db, "PRAGMA quick_check(1)", &ok);

	if (rc == 0 && !ok)
		rc = -EBADMSG;
	if (rc == 0)
		rc = ask(db, "PRAGMA user_version", version);
	if (rc == 0)
		rc = ask(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc == 0 && (*version > 0) != (tables > 0)) /* somebody else's, or half of ours */
		rc = -EBADMSG;
	return rc;
}

/* The file is ours, or was empty and is ours now. */
static int adopt(sqlite3 *db, const struct sql_kind *kind, const char *path)
{
	int version = 0, last = sql_version(kind), from;
	int rc = sql_exec(db, kind->before);

	if (rc == 0)
		rc = look(db, &version);
	if (rc == 0 && version > last)
		rc = -EPROTONOSUPPORT;
	if (rc == 0)
		rc = sql_exec(db, kind->pragmas);
	if (rc == 0 && kind->functions)
		kind->functions(db);
	for (from = version; rc == 0 && from < last; from++)
		rc = step(db, kind, from);
	if (rc == 0)
		rc = probe(db, kind);
	if (rc == 0 && version > 0 && version < last)
		log_note("record: %s was brought from version %d to %d", path, version, last);
	return rc;
}

/* --- opening --- */

int sql_set_aside(const char *path, const char *word)
{
	static const char *const tails[] = {"-wal", "-shm", ""};
	char from[SQL_PATH], to[SQL_PATH + 64];
	long long now = (long long)time(NULL);

	for (size_t i = 0; i < 3; i++) {
		snprintf(from, sizeof from, "%s%s", path, tails[i]);
		snprintf(to, sizeof to, "%s.%s-%lld%s", path, word, now, tails[i]);
		if (access(to, F_OK) == 0)
			return -EEXIST; /* within one second: a file is never overwritten */
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	log_warn("record: %s was set aside as %s.%s-%lld; a new one begins", path, path, word, now);
	return 0;
}

static int open_once(const char *path, const struct sql_kind *kind, struct sql *out)
{
	int rc = open_plain(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &out->db);

	if (rc < 0)
		return rc;
	rc = adopt(out->db, kind, path);
	if (rc < 0) {
		let_go(out->db);
		out->db = NULL;
	}
	return rc;
}

int sql_open(const char *path, const struct sql_kind *kind, struct sql *out)
{
	int rc, lock = take_lock(path);

	out->db = NULL;
	if (lock < 0)
		return lock;
	rc = open_once(path, kind, out);
	if (rc == -EBADMSG && kind->aside && (rc = sql_set_aside(path, "broken")) == 0)
		rc = open_once(path, kind, out);
	if (rc < 0)
		close(lock);
	else
		out->lock = lock;
	return sql_why(path, rc);
}
