/* SPDX-License-Identifier: GPL-3.0-or-later
 * columns_int.h - the columns of the table `event`, from the rows of tbl/event_columns.h. Private to record/.
 *
 * Statements name every column, so their order in a file does not matter: a file that was migrated has another one than
 * a new file. Parameter i + 1 of the INSERT and result column i of the SELECT are event_columns[i].
 *
 * Owns: nothing. Thread: any.
 */
#ifndef RECORD_COLUMNS_INT_H
#define RECORD_COLUMNS_INT_H

#include "model/row.h"
#include "sql_int.h"

extern const struct sql_column event_columns[];

/* Appends "INSERT INTO event(...) VALUES(?,...)", one parameter a column. */
void columns_insert(struct strbuf *sql);
/* Binds a row, which must live until the statement was run. number() gives the number of a text that repeats, 0 for "",
 * and may fail with -errno, which is returned; else 0. */
int columns_bind(sqlite3_stmt *st, const struct row *r,
	int (*number)(void *user, const char *text, int64_t *id), void *user);

/* Appends "SELECT ... FROM event e ... WHERE 1"; whoever goes on says e.COLUMN. */
void columns_select(struct strbuf *sql);
/* Fills *r from the row that the statement stands on. What a file says beyond a field's bounds (KEY, the length of a
 * text) reads as 0 or is cut, what is not kept is as in an empty row: no device or list of an image. */
void columns_read(sqlite3_stmt *st, struct row *r);

#endif
