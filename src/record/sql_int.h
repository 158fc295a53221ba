/* SPDX-License-Identifier: GPL-3.0-or-later
 * sql_int.h - what event_store.c, query.c, columns.c and admin_store.c share of SQLite. Private to record/.
 *
 * One connection writes and checkpoints a file: SQLite before 3.51.3 can corrupt a WAL where two do. A writer holds
 * PATH.lock for as long as it has the file; readers can neither write nor checkpoint.
 */
#ifndef RECORD_SQL_INT_H
#define RECORD_SQL_INT_H

#include <sqlite3.h>

#include "base/strbuf.h"

struct sql_column {
	const char *name; /* NULL ends the columns of a table */
	const char *type; /* as in CREATE TABLE */
	int since;	  /* the version of the file that brought it, from 1 */
};

/* A file of ours. The step from version v (PRAGMA user_version) to v + 1 adds the columns of `table` that came with v + 1,
 * then carries out steps[v]; each is a transaction of its own, and never changes once it has landed; an empty file takes
 * them all. */
struct sql_kind {
	const char *const *steps;	  /* NULL ends; there may be fewer than versions */
	const char *table;		  /* the one that `columns` describe; NULL = none */
	const struct sql_column *columns; /* NULL: none */
	const char *const *
		probes; /* statements that a sound file of the last version can prepare; NULL ends */
	const char *before,
		*pragmas; /* before the file is looked at, and behind: the first may write nothing */
	bool aside; /* a damaged file is renamed to PATH.broken-TIME and a new one begins; false: it stays as it is */
	void (*functions)(sqlite3 *db); /* that the steps call; NULL = none */
};
extern const struct sql_kind sql_events, sql_admin_store; /* schema.c */

struct sql {
	sqlite3 *db; /* NULL: not open */
	int lock;    /* of PATH.lock; meaningful while db is not NULL */
};

/* Opens for writing; checks the file and brings it to the last version. 0 or -errno: -EBADMSG damaged or not ours,
 * -EPROTONOSUPPORT of a newer version, -EBUSY somebody else writes it; the file is left as it is then. */
int sql_open(const char *path, const struct sql_kind *kind, struct sql *out);
int sql_version(const struct sql_kind *kind); /* the last one */
void sql_close(struct sql *s);		      /* not open is fine */
int sql_open_read(const char *path, sqlite3 **out);
/* Renames the file and its -wal and -shm to PATH.WORD-TIME. Nobody may have it open. */
int sql_set_aside(const char *path, const char *word);
int sql_exec(sqlite3 *db, const char *sql);
int sql_error(int rc); /* SQLite's result as -errno; 0 for OK, ROW, DONE */
/* SQLite calls a full disk an I/O error in places: -ENOSPC for such an -EIO. */
int sql_why(const char *path, int err);
const char *sql_words(int err); /* for people: "it is damaged" */
/* Appends the names of the columns, with commas between. */
void sql_names(struct strbuf *sql, const struct sql_column *columns);
/* Steps a statement that yields no row, resets it and clears its bindings. */
int sql_run(sqlite3_stmt *st);
void sql_bind_text(sqlite3_stmt *st, int at, const char *text); /* static for the call */
void sql_column_text(sqlite3_stmt *st, int at, char *to, size_t size);
bool sql_column_blob(sqlite3_stmt *st, int at, void *to, size_t n); /* false: not of n bytes */

/* Which of CLIENT_CLASSES a client without a name belongs to, by its MAC (NULL: by its address, IPv6 by /64). */
enum { CLIENT_CLASSES = 64 };
unsigned sql_client_class(const void *mac /* 6 bytes */, const void *src /* 16 bytes */);

#endif
