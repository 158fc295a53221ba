/* SPDX-License-Identifier: GPL-3.0-or-later
 * schema.c - the tables of our two SQLite files, as the steps that lead to them.
 *
 * A step that has landed is never edited: files in the field were made by it. A change is a new step behind it, or a row
 * of tbl/event_columns.h with a new version, and test_migrate.c opens a file of every version.
 *
 * Owns: nothing. Thread: any. Fails: never.
 */
#include "base/addr.h"
#include "base/hash.h"
#include "columns_int.h"
#include "sql_int.h"

/* --- events.db --- */

unsigned sql_client_class(const void *mac, const void *src)
{
	const struct addr *a = src;

	if (mac)
		return (unsigned)(hash_fnv(mac, 6, HASH_FNV_START) % CLIENT_CLASSES);
	return (unsigned)(hash_fnv(a->b, addr_is_v4(a) ? 16 : 8, HASH_FNV_START) % CLIENT_CLASSES);
}

static void client_class(sqlite3_context *c, int n, sqlite3_value **v)
{
	struct addr src = {0};
	bool mac = sqlite3_value_bytes(v[0]) == 6;

	if (sqlite3_value_bytes(v[1]) == (int)sizeof src.b)
		memcpy(src.b, sqlite3_value_blob(v[1]), sizeof src.b);
	sqlite3_result_int(c, (int)sql_client_class(mac ? sqlite3_value_blob(v[0]) : NULL, &src));
}

static void add_functions(sqlite3 *db)
{
	sqlite3_create_function(db, "client_class", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
		client_class, NULL, NULL);
}

/* The columns of the table `event` are rows of tbl/event_columns.h: here stands what a version brought besides them. */
static const char *const event_steps[] = {
	"CREATE INDEX event_device ON event(device);"
	"CREATE INDEX event_wall ON event(wall_ms);"
	"CREATE TABLE text(id INTEGER PRIMARY KEY, s TEXT UNIQUE NOT NULL);"
	"CREATE TABLE seen(key BLOB PRIMARY KEY, addr BLOB, mac BLOB, name TEXT,"
	" first_ms INTEGER, last_ms INTEGER, allowed INTEGER, blocked INTEGER) WITHOUT ROWID;",

	"",

	/* decisions beyond a client's rows are one row with a count; what a client holds of the file is known */
	"UPDATE event SET client=client_class(mac,src) WHERE device=0;"
	"DROP INDEX event_device;"
	"CREATE INDEX event_client ON event(device, client);"
	"CREATE TABLE share(device INTEGER, client INTEGER, rows INTEGER,"
	" PRIMARY KEY(device, client)) WITHOUT ROWID;"
	"INSERT INTO share SELECT device, client, count(*) FROM event GROUP BY device, client;"
	"CREATE TRIGGER event_in AFTER INSERT ON event BEGIN"
	" INSERT INTO share VALUES(new.device, new.client, 1)"
	" ON CONFLICT(device, client) DO UPDATE SET rows=rows+1; END;"
	"CREATE TRIGGER event_out AFTER DELETE ON event BEGIN"
	" UPDATE share SET rows=rows-1 WHERE device=old.device AND client=old.client; END;",
	NULL};

static const char *const event_probes[] = {"SELECT id, s FROM text",
	"SELECT key, addr, mac, name, first_ms, last_ms, allowed, blocked FROM seen",
	"SELECT device, client, rows FROM share", NULL};

const struct sql_kind sql_events = {
	.steps = event_steps,
	.table = "event",
	.columns = event_columns,
	.probes = event_probes,
	.aside = true,
	.before = "",
	.functions = add_functions,
	.pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=FAST;"
		   "PRAGMA journal_size_limit=16777216; PRAGMA foreign_keys=OFF;"
		   "PRAGMA trusted_schema=OFF",
};

/* --- durward.db --- */

static const char *const admin_store_steps[] = {
	"CREATE TABLE revision(number INTEGER PRIMARY KEY, wall_ms INTEGER, actor TEXT,"
	" digest TEXT, text BLOB);"
	"CREATE TABLE secret(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
	"CREATE TABLE session(digest TEXT PRIMARY KEY, born_ms INTEGER, seen_ms INTEGER)"
	" WITHOUT ROWID;",

	/* 0: it was in force, and its text could not be kept (a full disk) */
	"ALTER TABLE revision ADD COLUMN kept INTEGER NOT NULL DEFAULT 1;",

	/* a rule went on under another id from this revision on */
	"CREATE TABLE rule_move(revision INTEGER, was TEXT, became TEXT);"
	"CREATE INDEX rule_move_was ON rule_move(was);"
	"CREATE INDEX rule_move_became ON rule_move(became);",
	NULL};

static const char *const admin_store_probes[] = {
	"SELECT number, wall_ms, actor, digest, text, kept FROM revision",
	"SELECT name, value FROM secret", "SELECT digest, born_ms, seen_ms FROM session",
	"SELECT revision, was, became FROM rule_move", NULL};

const struct sql_kind sql_admin_store = {
	.steps = admin_store_steps,
	.probes = admin_store_probes,
	/* nobody reads it from elsewhere: one connection, held to it */
	.before = "PRAGMA locking_mode=EXCLUSIVE",
	.pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
		   "PRAGMA trusted_schema=OFF",
};
