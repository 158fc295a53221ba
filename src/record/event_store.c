/* SPDX-License-Identifier: GPL-3.0-or-later
 * event_store.c - the events' database, its writer.
 *
 *   event    one row a decision; texts that repeat (rule, because, list, device) are numbers into
 *   text     each distinct text once
 *   seen     one row a device: last address, name, counts; so that the list of devices costs no scan
 *   share    how many rows of `event` each named device, and each class of the others, holds (by triggers)
 *
 * Owns: one connection and its statements. Thread: one. Fails: -errno, and a batch is lost as a whole, never in part.
 */
#include "record/event_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "columns_int.h"

enum {
	TEXT_CACHE = 1024,
	PRUNE_BITE = 5000,
	PRUNE_PART = 500, /* of one client's rows at a time: then others may be the heaviest */
	SEEN_MAX = 10000, /* devices; half of them at most without a name */
	STRANGERS_SHARE =
		4, /* a quarter of the rows is theirs for certain, and the named devices' the rest */
};

enum statement {
	INSERT_EVENT,
	END_EVENT,
	ADD_TEXT,
	FIND_TEXT,
	SEE,
	PRUNE_OLD,
	COUNT,
	HEAVIEST,
	PRUNE_CLIENT,
	PRUNE_SEEN_STRANGERS,
	PRUNE_SEEN,
	STATEMENTS
};
static const char *const statements[STATEMENTS] = {
	[INSERT_EVENT] = NULL, /* columns_insert() */
	[END_EVENT] = "UPDATE event SET ended=1, up=?, down=?, duration=? WHERE id=?",
	[ADD_TEXT] = "INSERT OR IGNORE INTO text(s) VALUES(?)",
	[FIND_TEXT] = "SELECT id FROM text WHERE s=?",
	[SEE] = "INSERT INTO seen VALUES(?1,?2,?3,?4,?5,?5,?6,?7) ON CONFLICT(key) DO UPDATE SET "
		"addr=?2, mac=?3, name=?4, last_ms=max(last_ms,?5), allowed=allowed+?6, "
		"blocked=blocked+?7",
	[PRUNE_OLD] = "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT ?1) "
		      "AND wall_ms<?2",
	[COUNT] = "SELECT coalesce(sum(rows),0), coalesce(sum(rows) FILTER (WHERE device=0),0) "
		  "FROM share",
	[HEAVIEST] = "SELECT device, client FROM share WHERE (device=0)=?1 ORDER BY rows DESC "
		     "LIMIT 1",
	[PRUNE_CLIENT] = "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE device=?1 AND "
			 "client=?2 ORDER BY id LIMIT ?3)",
	[PRUNE_SEEN_STRANGERS] =
		"DELETE FROM seen WHERE name='' AND last_ms < (SELECT last_ms FROM seen WHERE "
		"name='' ORDER BY last_ms DESC LIMIT 1 OFFSET ?1)",
	[PRUNE_SEEN] =
		"DELETE FROM seen WHERE last_ms < (SELECT last_ms FROM seen ORDER BY last_ms "
		"DESC LIMIT 1 OFFSET ?1)",
};

struct event_store {
	struct sql sql;
	char *path;
	sqlite3_stmt *st[STATEMENTS];
	struct event_store_limits limits;
	uint64_t last_id;
	struct {
		uint64_t hash;
		int64_t id; /* 0 = empty */
	} cache[TEXT_CACHE];
	char failure[128];
};

static int find_last_id(struct event_store *s)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(
		s->sql.db, "SELECT coalesce(max(id),0) FROM event", -1, &st, NULL);

	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
		s->last_id = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return sql_error(rc);
}

static int prepare(struct event_store *s)
{
	struct strbuf insert = {0};
	int rc = 0;

	columns_insert(&insert);
	for (int i = 0; rc == 0 && i < STATEMENTS; i++)
		rc = sql_error(sqlite3_prepare_v3(s->sql.db,
			statements[i] ? statements[i] : strbuf_text(&insert), -1,
			SQLITE_PREPARE_PERSISTENT, &s->st[i], NULL));
	if (insert.failed)
		rc = -ENOMEM;
	strbuf_fini(&insert);
	return rc;
}

int event_store_open(const char *path, struct event_store_limits limits, struct event_store **out)
{
	struct event_store *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return -ENOMEM;
	s->limits = limits;
	s->path = strdup(path);
	rc = s->path ? sql_open(path, &sql_events, &s->sql) : -ENOMEM;
	if (rc == 0)
		rc = prepare(s);
	if (rc == 0)
		rc = find_last_id(s);
	if (rc < 0) {
		event_store_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void event_store_close(struct event_store *s)
{
	if (!s)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(s->st[i]);
	sql_close(&s->sql);
	free(s->path);
	free(s);
}

uint64_t event_store_last_id(const struct event_store *s)
{
	return s->last_id;
}

const char *event_store_failure(const struct event_store *s)
{
	return s->failure;
}

/* The number of a text, made when new; 0 for "". */
static int number_text(void *store, const char *text, int64_t *id)
{
	struct event_store *s = store;
	size_t n = strlen(text);
	uint64_t h = hash_fnv(text, n, HASH_FNV_START);
	size_t slot = h % TEXT_CACHE;
	int rc;

	*id = 0;
	if (n == 0)
		return 0;
	if (s->cache[slot].hash == h && s->cache[slot].id) {
		*id = s->cache[slot].id;
		return 0;
	}
	sql_bind_text(s->st[ADD_TEXT], 1, text);
	rc = sql_run(s->st[ADD_TEXT]);
	if (rc < 0)
		return rc;
	sql_bind_text(s->st[FIND_TEXT], 1, text);
	rc = sqlite3_step(s->st[FIND_TEXT]);
	if (rc == SQLITE_ROW)
		*id = sqlite3_column_int64(s->st[FIND_TEXT], 0);
	sqlite3_reset(s->st[FIND_TEXT]);
	s->cache[slot].hash = h;
	s->cache[slot].id = *id;
	return sql_error(rc);
}

static int insert(struct event_store *s, const struct row *r)
{
	int rc = columns_bind(s->st[INSERT_EVENT], r, number_text, s);

	return rc < 0 ? rc : sql_run(s->st[INSERT_EVENT]);
}

static int see(struct event_store *s, const struct row *r)
{
	sqlite3_stmt *st = s->st[SEE];
	const struct flow *f = &r->event.flow;
	uint64_t n = r->count ? r->count : 1;

	/* no device of the network; counted decisions of several clients */
	if (f->outside || (!f->has_mac && addr_is_zero(&f->src)))
		return 0;
	if (f->has_mac) {
		sqlite3_bind_blob(st, 1, f->mac.b, sizeof f->mac.b, SQLITE_STATIC);
		sqlite3_bind_blob(st, 3, f->mac.b, sizeof f->mac.b, SQLITE_STATIC);
	} else {
		sqlite3_bind_blob(st, 1, f->src.b, sizeof f->src.b, SQLITE_STATIC);
	}
	sqlite3_bind_blob(st, 2, f->src.b, sizeof f->src.b, SQLITE_STATIC);
	sql_bind_text(st, 4, r->device);
	sqlite3_bind_int64(st, 5, (int64_t)(r->last_ms ? r->last_ms : r->event.wall_ms));
	sqlite3_bind_int64(st, 6, r->event.verdict.action == ACTION_ALLOW ? (int64_t)n : 0);
	sqlite3_bind_int64(st, 7, r->event.verdict.action == ACTION_BLOCK ? (int64_t)n : 0);
	return sql_run(st);
}

static int end(struct event_store *s, const struct event_store_end *e)
{
	sqlite3_stmt *st = s->st[END_EVENT];

	sqlite3_bind_int64(st, 1, (int64_t)e->bytes_up);
	sqlite3_bind_int64(st, 2, (int64_t)e->bytes_down);
	sqlite3_bind_int64(st, 3, e->duration_ms);
	sqlite3_bind_int64(st, 4, (int64_t)e->row_id);
	return sql_run(st);
}

static void say_failure(struct event_store *s, int rc)
{
	s->failure[0] = 0;
	if (rc < 0)
		snprintf(s->failure, sizeof s->failure, "events are not recorded: %s",
			sql_words(rc));
}

int event_store_write(struct event_store *s, const struct row *rows, size_t n_rows,
	const struct event_store_end *ends, size_t n_ends)
{
	int rc = sql_exec(s->sql.db, "BEGIN IMMEDIATE");

	for (size_t i = 0; rc == 0 && i < n_rows; i++) {
		rc = insert(s, &rows[i]);
		if (rc == 0)
			rc = see(s, &rows[i]);
	}
	for (size_t i = 0; rc == 0 && i < n_ends; i++)
		rc = end(s, &ends[i]);
	if (rc == 0)
		rc = sql_exec(s->sql.db, "COMMIT");
	if (rc < 0) {
		if (!sqlite3_get_autocommit(s->sql.db))
			sql_exec(s->sql.db, "ROLLBACK");
		memset(s->cache, 0, sizeof s->cache); /* its numbers may have been rolled back */
	} else if (n_rows) {
		s->last_id = rows[n_rows - 1].id;
	}
	rc = sql_why(s->path, rc);
	say_failure(s, rc);
	return rc;
}

/* --- bounds --- */

static int count(struct event_store *s, uint64_t *all, uint64_t *strangers)
{
	sqlite3_stmt *st = s->st[COUNT];
	int rc = sqlite3_step(st);

	*all = (uint64_t)sqlite3_column_int64(st, 0);
	*strangers = (uint64_t)sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	return sql_error(rc);
}

/* The oldest rows of whoever holds the most of them: of the devices without a name while these hold more than their
 * share, else of the named ones. -ENOENT: there is nobody. */
static int prune_heaviest(struct event_store *s, bool strangers, uint64_t max)
{
	sqlite3_stmt *st = s->st[HEAVIEST], *prune = s->st[PRUNE_CLIENT];
	int rc;

	sqlite3_bind_int(st, 1, strangers);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		sqlite3_bind_int64(prune, 1, sqlite3_column_int64(st, 0));
		sqlite3_bind_int64(prune, 2, sqlite3_column_int64(st, 1));
		sqlite3_bind_int64(
			prune, 3, (int64_t)(max < PRUNE_PART ? max : (uint64_t)PRUNE_PART));
	}
	sqlite3_reset(st);
	if (rc == SQLITE_ROW)
		return sql_run(prune);
	return rc == SQLITE_DONE ? -ENOENT : sql_error(rc);
}

static int prune_rows(struct event_store *s)
{
	uint64_t all, strangers, limit = s->limits.rows;
	int rc = 0;

	for (int gone = 0; rc == 0 && gone < PRUNE_BITE; gone += PRUNE_PART) {
		rc = count(s, &all, &strangers);
		if (rc < 0 || all <= limit)
			return rc;
		rc = prune_heaviest(s, strangers > limit / STRANGERS_SHARE, all - limit);
	}
	return rc;
}

/* Strangers first: then there is room, and all of the named devices stay. */
static int prune_seen(struct event_store *s)
{
	int rc;

	sqlite3_bind_int(s->st[PRUNE_SEEN_STRANGERS], 1, SEEN_MAX / 2);
	rc = sql_run(s->st[PRUNE_SEEN_STRANGERS]);
	sqlite3_bind_int(s->st[PRUNE_SEEN], 1, SEEN_MAX);
	return rc < 0 ? rc : sql_run(s->st[PRUNE_SEEN]);
}

int event_store_prune(struct event_store *s, uint64_t now_wall_ms)
{
	uint64_t age = (uint64_t)s->limits.days * 86400000u;
	sqlite3_stmt *st = s->st[PRUNE_OLD];
	int rc;

	sqlite3_bind_int(st, 1, PRUNE_BITE);
	sqlite3_bind_int64(st, 2, now_wall_ms > age ? (int64_t)(now_wall_ms - age) : 0);
	rc = sql_run(st);
	if (rc == 0)
		rc = prune_rows(s);
	if (rc == 0)
		rc = prune_seen(s);
	return rc;
}

void event_store_aside(const char *path, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./"), want[256];
	DIR *d = folder ? opendir(folder) : NULL;
	struct dirent *e;

	out[0] = 0;
	snprintf(want, sizeof want, "%s.broken-", slash ? slash + 1 : path);
	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, want, strlen(want)) == 0 && !strstr(e->d_name, "-wal") &&
			!strstr(e->d_name, "-shm"))
			snprintf(out, size, "%s", e->d_name);
	if (d)
		closedir(d);
	free(folder);
}

const char *event_store_words(int err)
{
	return sql_words(err);
}
