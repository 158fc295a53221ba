/* SPDX-License-Identifier: GPL-3.0-or-later
 * sql_int.h - what store.c, query.c and ledger.c share of SQLite. Private to record/.
 */
#ifndef RECORD_SQL_INT_H
#define RECORD_SQL_INT_H

#include <sqlite3.h>

#include "base/slice.h"

struct sql_kind {
	int version;	    /* PRAGMA user_version; another one is renamed aside */
	const char *schema; /* statements that make an empty file ours */
	const char *pragmas;
};

/* Opens for writing; checks the file; a broken or foreign one is renamed to PATH.broken-TIME. 0 or -errno. */
int sql_open(const char *path, const struct sql_kind *kind, sqlite3 **out);
int sql_open_read(const char *path, sqlite3 **out);
int sql_exec(sqlite3 *db, const char *sql);
int sql_error(int rc); /* SQLite's result as -errno; 0 for OK, ROW, DONE */
/* Steps a statement that yields no row, resets it and clears its bindings. */
int sql_run(sqlite3_stmt *st);
void sql_bind_text(sqlite3_stmt *st, int at, const char *text); /* static for the call */
void sql_column_text(sqlite3_stmt *st, int at, char *to, size_t size);

#endif
