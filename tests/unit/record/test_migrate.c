/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_migrate.c - a file of every version that ever landed opens with all that was in it; a newer one is refused.
 *
 * The SQL of a version is written down here as it stood when it landed: it is never edited.
 */
#include "record/folder.h"

#include <errno.h>
#include <sqlite3.h>

#include "../../../src/record/columns_int.h"
#include "base/file.h"
#include "record/admin_store.h"
#include "record/event_store.h"
#include "record/query.h"

enum { EVENTS_NOW = 5 }; /* the version of today; its SQL stands here, too */

#define EVENTS_1                                                                                   \
	"PRAGMA journal_mode=WAL;"                                                                 \
	"CREATE TABLE event(id INTEGER PRIMARY KEY, wall_ms INTEGER, action INTEGER, by INTEGER,"  \
	" refuse INTEGER, tcp_instead INTEGER, device INTEGER, mac BLOB, src BLOB, sport INTEGER," \
	" dst BLOB, dport INTEGER, proto INTEGER, path INTEGER, app INTEGER, kind INTEGER,"        \
	" source INTEGER, odd INTEGER, ech INTEGER, name TEXT, alpn TEXT, rule_line INTEGER,"      \
	" rule INTEGER, because INTEGER, list INTEGER, list_line INTEGER, watch_line INTEGER,"     \
	" watch_action INTEGER, watch INTEGER, revision INTEGER, until_s INTEGER,"                 \
	" ended INTEGER, up INTEGER, down INTEGER, duration INTEGER"
#define EVENTS_REST                                                                                \
	");CREATE INDEX event_device ON event(device);"                                            \
	"CREATE INDEX event_wall ON event(wall_ms);"                                               \
	"CREATE TABLE text(id INTEGER PRIMARY KEY, s TEXT UNIQUE NOT NULL);"                       \
	"CREATE TABLE seen(key BLOB PRIMARY KEY, addr BLOB, mac BLOB, name TEXT,"                  \
	" first_ms INTEGER, last_ms INTEGER, allowed INTEGER, blocked INTEGER) WITHOUT ROWID;"     \
	"INSERT INTO text VALUES(1,'mia-phone'),(2,'block ads');"                                  \
	"INSERT INTO seen VALUES(x'020000000009',x'00000000000000000000ffffc0000202',"             \
	"x'020000000009','mia-phone',1700000000000,1700000000000,0,1);"
#define EVENT_VALUES(id, device)                                                                   \
#id ",1700000000000,1,0,0,0," #device ",x'020000000009',"                                  \
	    "x'00000000000000000000ffffc0000202',40000,x'00000000000000000000ffffc6336402',443,6," \
	    "1,1,1,1,0,0,'ads.example','h2',7,2,0,0,0,0,0,0,3,0,1,10,20,30"

static const char events_1[] = EVENTS_1 EVENTS_REST "INSERT INTO event VALUES(" EVENT_VALUES(
	41, 1) "),(" EVENT_VALUES(42, 0) ");"
					 "PRAGMA user_version=1";
static const char events_2[] =
	EVENTS_1 ", packet INTEGER" EVENTS_REST "INSERT INTO event VALUES(" EVENT_VALUES(
		41, 1) ",3),(" EVENT_VALUES(42, 0) ",3);"
						   "PRAGMA user_version=2";
#define EVENTS_3                                                                                   \
	EVENTS_1 ", packet INTEGER, count INTEGER, last_ms INTEGER,"                               \
		 " client INTEGER NOT NULL DEFAULT 0" EVENTS_REST "DROP INDEX event_device;"       \
		 "CREATE INDEX event_client ON event(device, client);"                             \
		 "CREATE TABLE share(device INTEGER, client INTEGER, rows INTEGER,"                \
		 " PRIMARY KEY(device, client)) WITHOUT ROWID;"                                    \
		 "CREATE TRIGGER event_in AFTER INSERT ON event BEGIN"                             \
		 " INSERT INTO share VALUES(new.device, new.client, 1)"                            \
		 " ON CONFLICT(device, client) DO UPDATE SET rows=rows+1; END;"                    \
		 "CREATE TRIGGER event_out AFTER DELETE ON event BEGIN"                            \
		 " UPDATE share SET rows=rows-1 WHERE device=old.device AND client=old.client; "   \
		 "END;"
static const char events_3[] = EVENTS_3 "INSERT INTO event VALUES(" EVENT_VALUES(
	41, 1) ",3,0,0,0),(" EVENT_VALUES(42, 0) ",3,12,1700000030000,27);"
						 "PRAGMA user_version=3";
static const char events_4[] = EVENTS_3
	"ALTER TABLE event ADD COLUMN rule_id TEXT;"
	"INSERT INTO event VALUES(" EVENT_VALUES(41, 1) ",3,0,0,0,'homework'),(" EVENT_VALUES(
		42, 0) ",3,12,1700000030000,27,NULL);"
		       "PRAGMA user_version=4";
static const char events_5[] = EVENTS_3
	"ALTER TABLE event ADD COLUMN rule_id TEXT;"
	"ALTER TABLE event ADD COLUMN watch_id TEXT;"
	"INSERT INTO event VALUES(" EVENT_VALUES(41, 1) ",3,0,0,0,'homework','try'),(" EVENT_VALUES(
		42, 0) ",3,12,1700000030000,27,NULL,NULL);"
		       "PRAGMA user_version=5";
/* without rows, by version */
static const char *const events_empty[] = {EVENTS_1 ")", EVENTS_1 ", packet INTEGER)", EVENTS_3,
	EVENTS_3 "ALTER TABLE event ADD COLUMN rule_id TEXT;",
	EVENTS_3 "ALTER TABLE event ADD COLUMN rule_id TEXT;"
		 "ALTER TABLE event ADD COLUMN watch_id TEXT;"};

#define ADMIN_STORE_1                                                                              \
	"PRAGMA journal_mode=WAL;"                                                                 \
	"CREATE TABLE revision(number INTEGER PRIMARY KEY, wall_ms INTEGER, actor TEXT,"           \
	" digest TEXT, text BLOB);"                                                                \
	"CREATE TABLE secret(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"                    \
	"CREATE TABLE session(digest TEXT PRIMARY KEY, born_ms INTEGER, seen_ms INTEGER)"          \
	" WITHOUT ROWID;"                                                                          \
	"INSERT INTO secret VALUES('password','$y$secret');"                                       \
	"INSERT INTO session VALUES('abc',5,6);"                                                   \
	"INSERT INTO revision VALUES(1,5,'file','0123456789abcdef','otherwise allow');"
/* version 1 as it landed, and as it was used later: NULL, the text of the revision before */
static const char admin_store_1[] =
	ADMIN_STORE_1 "INSERT INTO revision VALUES(2,6,'web','1123456789abcdef','otherwise block');"
		      "PRAGMA user_version=1";
static const char admin_store_1b[] =
	ADMIN_STORE_1 "INSERT INTO revision VALUES(2,6,'web','0123456789abcdef',NULL);"
		      "PRAGMA user_version=1";
static const char admin_store_2[] = ADMIN_STORE_1
	"ALTER TABLE revision ADD COLUMN kept INTEGER NOT NULL DEFAULT 1;"
	"INSERT INTO revision VALUES(2,6,'web','1123456789abcdef','otherwise block',1);"
	"PRAGMA user_version=2";

static const char admin_store_3[] = ADMIN_STORE_1
	"ALTER TABLE revision ADD COLUMN kept INTEGER NOT NULL DEFAULT 1;"
	"INSERT INTO revision VALUES(2,6,'web','1123456789abcdef','otherwise block',1);"
	"CREATE TABLE rule_move(revision INTEGER, was TEXT, became TEXT);"
	"CREATE INDEX rule_move_was ON rule_move(was);"
	"CREATE INDEX rule_move_became ON rule_move(became);"
	"INSERT INTO rule_move VALUES(2,'0a1b2c3d','homework');"
	"PRAGMA user_version=3";

static void make(const char *name, const char *sql)
{
	sqlite3 *db = NULL;
	char *why = NULL;

	assert_int_equal(sqlite3_open(in_folder(name), &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
	sqlite3_close(db);
}

static int64_t number(const char *name, const char *sql)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t n = -1;

	assert_int_equal(sqlite3_open(in_folder(name), &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
		sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

/* --- events --- */

static struct row got[8];
static size_t n_got;
static void collect(void *user, const struct row *r)
{
	if (n_got < 8)
		got[n_got++] = *r;
}

static void ask(void)
{
	struct row_filter any = row_filter_any();
	struct query *q;

	n_got = 0;
	assert_int_equal(query_open(in_folder("events.db"), &q), 0);
	assert_int_equal(query_rows(q, &any, collect, NULL), 0);
	query_close(q);
}

static void assert_events(const char *sql, uint16_t packet)
{
	struct row more[3] = {row_of(43, "b.example", ACTION_BLOCK),
		row_of(44, "c.example", ACTION_BLOCK), row_of(45, "d.example", ACTION_ALLOW)};
	struct event_store *s = NULL;

	more[1].device[0] = 0;
	make("events.db", sql);
	assert_int_equal(
		event_store_open(in_folder("events.db"), (struct event_store_limits){1000, 30}, &s),
		0);
	assert_int_equal(event_store_last_id(s), 42);
	assert_int_equal(event_store_write(s, more, 3, NULL, 0), 0);
	ask();
	assert_int_equal(n_got, 5);
	assert_int_equal(got[4].id, 41);
	assert_string_equal(got[4].event.ident.name, "ads.example");
	assert_string_equal(got[4].device, "mia-phone");
	assert_string_equal(got[4].rule, "block ads");
	assert_int_equal(got[4].event.bytes_down, 20);
	assert_int_equal(got[4].event.ident.packet, packet);
	assert_int_equal(got[4].count, 0);
	assert_string_equal(got[3].device, "");
	event_store_close(s);
	assert_int_equal(number("events.db", "SELECT sum(rows) FROM share"), 5);
	assert_int_equal(number("events.db", "SELECT rows FROM share WHERE device=1"), 3);
	assert_int_equal(number("events.db", "SELECT max(client)>0 FROM event WHERE device=0"), 1);
	assert_int_equal(number("events.db", "PRAGMA user_version"), EVENTS_NOW);
	assert_int_equal(count_files("broken-"), 0);
}

static void events_of_version_1(void **state)
{
	assert_events(events_1, 0);
}

static void events_of_version_2(void **state)
{
	assert_events(events_2, 3);
}

static void events_of_version_3(void **state)
{
	assert_events(events_3, 3);
	assert_int_equal(got[3].count, 12);
	assert_int_equal(got[3].last_ms, 1700000030000u);
	assert_string_equal(got[4].rule_id, "");
}

static void events_of_version_4(void **state)
{
	assert_events(events_4, 3);
	assert_string_equal(got[4].rule_id, "homework");
	assert_string_equal(got[3].rule_id, "");
}

static void events_of_version_5(void **state)
{
	assert_events(events_5, 3);
	assert_string_equal(got[4].rule_id, "homework");
	assert_string_equal(got[4].watch_id, "try");
}

/* The rows of tbl/event_columns.h that a version has: names and types, in the order of names; "" where it has none. */
static void columns_of(const char *name, char *out, size_t size)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;

	out[0] = 0;
	assert_int_equal(sqlite3_open(in_folder(name), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
				 "SELECT group_concat(c, ', ') FROM (SELECT name || ' ' || type || "
				 "iif(\"notnull\", ' NOT NULL DEFAULT ' || dflt_value, '') || "
				 "iif(pk, ' PRIMARY KEY', '') AS c FROM pragma_table_info('event') "
				 "ORDER BY name)",
				 -1, &st, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	snprintf(out, size, "%s", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	sqlite3_close(db);
}

/* What the table says of a version that has landed is what landed. */
static void landed_columns_are_not_edited(void **state)
{
	char landed[4096], now[4096];

	for (int version = 1; version <= EVENTS_NOW; version++) {
		struct sql_column columns[64], *to = columns;
		static const char *const no_steps[] = {NULL}, *const no_probes[] = {NULL};
		struct sql_kind kind = {.steps = no_steps,
			.table = "event",
			.columns = columns,
			.probes = no_probes,
			.before = "",
			.pragmas = ""};
		struct sql made;
		char name[32];

		for (const struct sql_column *c = event_columns; c->name; c++)
			if (c->since <= version)
				*to++ = *c;
		to->name = NULL;
		snprintf(name, sizeof name, "landed-%d.db", version);
		make(name, events_empty[version - 1]);
		columns_of(name, landed, sizeof landed);
		snprintf(name, sizeof name, "now-%d.db", version);
		assert_int_equal(sql_open(in_folder(name), &kind, &made), 0);
		sql_close(&made);
		columns_of(name, now, sizeof now);
		assert_string_equal(now, landed);
		assert_int_equal(number(name, "PRAGMA user_version"), version);
	}
}

/* As migrated, so made new: the order of columns apart. */
static void a_new_file_is_of_the_last_version(void **state)
{
	struct event_store *s = NULL;
	char now[4096], landed[4096];

	assert_int_equal(
		event_store_open(in_folder("events.db"), (struct event_store_limits){1000, 30}, &s),
		0);
	event_store_close(s);
	columns_of("events.db", now, sizeof now);
	make("landed.db", events_empty[EVENTS_NOW - 1]);
	columns_of("landed.db", landed, sizeof landed);
	assert_string_equal(now, landed);
	assert_int_equal(number("events.db", "PRAGMA user_version"), EVENTS_NOW);
}

static void a_newer_file_is_refused_and_left_alone(void **state)
{
	struct strbuf before = {0}, after = {0};
	struct event_store *s = NULL;

	make("events.db", "CREATE TABLE event(later); PRAGMA user_version=99");
	assert_int_equal(file_read(in_folder("events.db"), 1 << 20, &before), 0);
	assert_int_equal(
		event_store_open(in_folder("events.db"), (struct event_store_limits){1000, 30}, &s),
		-EPROTONOSUPPORT);
	assert_int_equal(file_read(in_folder("events.db"), 1 << 20, &after), 0);
	assert_int_equal(before.n, after.n);
	assert_memory_equal(before.s, after.s, before.n);
	assert_int_equal(count_files("broken-"), 0);
	strbuf_fini(&before);
	strbuf_fini(&after);
}

static void somebody_elses_database_is_set_aside_not_deleted(void **state)
{
	struct event_store *s = NULL;
	char aside[256];

	make("events.db", "CREATE TABLE recipes(cake); INSERT INTO recipes VALUES('apple')");
	assert_int_equal(
		event_store_open(in_folder("events.db"), (struct event_store_limits){1000, 30}, &s),
		0);
	event_store_close(s);
	event_store_aside(in_folder("events.db"), aside, sizeof aside);
	assert_non_null(strstr(aside, "events.db.broken-"));
	assert_int_equal(number(aside, "SELECT count(*) FROM recipes"), 1);
}

/* A migration that ends half-way (here: at a full disk) leaves the version that was there. */
static void half_a_migration_is_none(void **state)
{
	struct event_store *s = NULL;

	make("events.db", events_1);
	make("events.db", "CREATE TABLE share(in_the_way)");
	assert_true(event_store_open(
			    in_folder("events.db"), (struct event_store_limits){1000, 30}, &s) < 0);
	assert_int_equal(
		number("events.db", "PRAGMA user_version"), 2); /* the first step is done */
	assert_int_equal(number("events.db", "SELECT count(count) FROM event"), -1);
	make("events.db", "DROP TABLE share");
	assert_int_equal(
		event_store_open(in_folder("events.db"), (struct event_store_limits){1000, 30}, &s),
		0);
	event_store_close(s);
	assert_int_equal(number("events.db", "SELECT count(*) FROM event"), 2);
}

/* --- the admin store --- */

static void assert_admin_store(const char *sql, const char *second)
{
	struct admin_store_revision last;
	struct strbuf text = {0};
	struct admin_store_session session;
	struct admin_store *l = NULL;

	make("durward.db", sql);
	assert_int_equal(admin_store_open(in_folder("durward.db"), true, &l), 0);
	assert_int_equal(admin_store_state(l), 0);
	assert_int_equal(admin_store_secret(l, "password", &text), 0);
	assert_string_equal(strbuf_text(&text), "$y$secret");
	assert_int_equal(admin_store_session_get(l, "abc", &session), 0);
	assert_int_equal(admin_store_last(l, &last), 0);
	assert_int_equal(last.number, 2);
	assert_true(last.kept);
	strbuf_reset(&text);
	assert_int_equal(admin_store_text(l, 1, &text), 0);
	assert_string_equal(strbuf_text(&text), "otherwise allow");
	strbuf_reset(&text);
	assert_int_equal(admin_store_text(l, 2, &text), 0);
	assert_string_equal(strbuf_text(&text), second);
	strbuf_fini(&text);
	admin_store_close(l);
	assert_int_equal(number("durward.db", "PRAGMA user_version"), 3);
	assert_true(number("durward.db", "SELECT count(*) FROM rule_move") >= 0);
	assert_int_equal(count_files("damaged-") + count_files("broken-"), 0);
}

static void a_admin_store_of_version_1(void **state)
{
	assert_admin_store(admin_store_1, "otherwise block");
}

static void a_admin_store_of_version_2(void **state)
{
	assert_admin_store(admin_store_2, "otherwise block");
}

static void a_admin_store_of_version_3(void **state)
{
	assert_admin_store(admin_store_3, "otherwise block");
	assert_int_equal(number("durward.db", "SELECT count(*) FROM rule_move"), 1);
}

static void a_admin_store_of_version_1_with_texts_as_before(void **state)
{
	assert_admin_store(admin_store_1b, "otherwise allow");
}

static void a_newer_admin_store_is_refused_and_left_alone(void **state)
{
	struct admin_store *l = NULL;
	struct strbuf v = {0};

	make("durward.db", admin_store_1);
	make("durward.db", "PRAGMA user_version=99");
	assert_int_equal(admin_store_open(in_folder("durward.db"), true, &l), 0);
	assert_int_equal(admin_store_state(l), -EPROTONOSUPPORT);
	assert_int_equal(admin_store_secret(l, "password", &v), -EPROTONOSUPPORT);
	admin_store_close(l);
	assert_int_equal(number("durward.db", "PRAGMA user_version"), 99);
	assert_int_equal(number("durward.db", "SELECT count(*) FROM secret"), 1);
}

#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, folder_make, folder_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(events_of_version_1),
		IN_FOLDER(events_of_version_2),
		IN_FOLDER(events_of_version_3),
		IN_FOLDER(events_of_version_4),
		IN_FOLDER(events_of_version_5),
		IN_FOLDER(landed_columns_are_not_edited),
		IN_FOLDER(a_new_file_is_of_the_last_version),
		IN_FOLDER(a_newer_file_is_refused_and_left_alone),
		IN_FOLDER(somebody_elses_database_is_set_aside_not_deleted),
		IN_FOLDER(half_a_migration_is_none),
		IN_FOLDER(a_admin_store_of_version_1),
		IN_FOLDER(a_admin_store_of_version_1_with_texts_as_before),
		IN_FOLDER(a_admin_store_of_version_2),
		IN_FOLDER(a_admin_store_of_version_3),
		IN_FOLDER(a_newer_admin_store_is_refused_and_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
