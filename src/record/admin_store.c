/* SPDX-License-Identifier: GPL-3.0-or-later
 * admin_store.c - the database of policy revisions, ids of rules, password and sessions, which must not be lost.
 *
 * synchronous=FULL: 200 of 200 simulated power cuts lost acknowledged rows with NORMAL, none with FULL.
 * Owns: one connection, behind one lock, which nobody else shares (locking_mode=EXCLUSIVE). Thread: any. Fails: -errno.
 */
#include "record/admin_store.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "sql_int.h"

enum { SESSIONS_MAX = 64, REVISIONS_MAX = 1000, MOVES_MAX = 20000 };

struct admin_store {
	char *path;
	bool born;
	struct sql sql;
	uint64_t retry_ms; /* monotonic; not before */
	int wrong;	   /* -errno: why it is not open, or why the last writing failed */
	pthread_mutex_t lock;
};

/* --- open, and open again --- */

static bool is_gone(const struct admin_store *l)
{
	struct stat st;

	return l->born && (stat(l->path, &st) < 0 ? errno == ENOENT : st.st_size == 0);
}

static void say(struct admin_store *l, int rc)
{
	if (rc < 0 && rc != l->wrong)
		log_error("record: %s: %s", l->path, sql_words(rc));
	if (rc == 0 && l->wrong < 0)
		log_note("record: %s can be used again", l->path);
	l->wrong = rc;
}

static void open_now(struct admin_store *l)
{
	if (l->sql.db || clock_mono_ms() < l->retry_ms)
		return;
	say(l, is_gone(l) ? -ENODATA : sql_open(l->path, &sql_admin_store, &l->sql));
	l->retry_ms = clock_mono_ms() + ADMIN_STORE_RETRY_MS;
	l->born |= l->sql.db != NULL;
}

int admin_store_open(const char *path, bool born, struct admin_store **out)
{
	struct admin_store *l = calloc(1, sizeof *l);

	if (!l || !(l->path = strdup(path))) {
		free(l);
		return -ENOMEM;
	}
	l->born = born;
	pthread_mutex_init(&l->lock, NULL);
	open_now(l);
	*out = l;
	return 0;
}

void admin_store_close(struct admin_store *l)
{
	if (!l)
		return;
	sql_close(&l->sql);
	pthread_mutex_destroy(&l->lock);
	free(l->path);
	free(l);
}

/* Every public call: lock, prepare, bind, step, finalize, unlock. begin() locks even when it fails; finish() always pairs. */
static sqlite3_stmt *begin(struct admin_store *l, const char *sql, int *rc)
{
	sqlite3_stmt *st = NULL;

	pthread_mutex_lock(&l->lock);
	open_now(l);
	*rc = l->sql.db ? sql_error(sqlite3_prepare_v2(l->sql.db, sql, -1, &st, NULL)) : l->wrong;
	return st;
}

static int finish(struct admin_store *l, sqlite3_stmt *st, int rc)
{
	bool wrote = st && !sqlite3_stmt_readonly(st);

	sqlite3_finalize(st);
	rc = sql_why(l->path, rc);
	if (l->sql.db && (rc == -EBADMSG || rc == -EIO)) {
		sql_close(&l->sql); /* looked at anew when it is opened again */
		l->retry_ms = 0;
	}
	if (rc < 0 ? rc != -ENOENT && rc != -EEXIST : wrote)
		say(l, rc);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

static int finish_run(struct admin_store *l, sqlite3_stmt *st, int rc)
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

int admin_store_state(struct admin_store *l)
{
	int rc;

	pthread_mutex_lock(&l->lock);
	rc = l->wrong;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

int admin_store_tend(struct admin_store *l)
{
	char sql[64];
	sqlite3_stmt *st;
	int rc;

	if (admin_store_state(l) == 0)
		return 0;
	/* writes the first page as it is: enough to know whether there is room again */
	snprintf(sql, sizeof sql, "PRAGMA user_version=%d", sql_version(&sql_admin_store));
	st = begin(l, sql, &rc);
	return finish_run(l, st, rc);
}

const char *admin_store_words(int err)
{
	return sql_words(err);
}

bool admin_store_needs_console(int err)
{
	return err == -EBADMSG || err == -EPROTONOSUPPORT || err == -ENODATA;
}

int admin_store_set_aside(struct admin_store *l)
{
	int rc = -EEXIST;

	pthread_mutex_lock(&l->lock);
	l->retry_ms = 0;
	open_now(l); /* it may have been fixed meanwhile */
	if (!l->sql.db && admin_store_needs_console(l->wrong))
		rc = sql_set_aside(l->path, "damaged");
	if (rc == 0) {
		l->born = false;
		l->retry_ms = 0;
		open_now(l);
		rc = l->wrong;
	}
	pthread_mutex_unlock(&l->lock);
	return rc;
}

/* --- revisions --- */

void admin_store_digest(struct slice text, char out[static 17])
{
	snprintf(out, 17, "%016llx", (unsigned long long)hash_fnv(text.p, text.n, HASH_FNV_START));
}

static void read_revision(sqlite3_stmt *st, struct admin_store_revision *r)
{
	r->number = (uint32_t)sqlite3_column_int64(st, 0);
	r->wall_ms = (uint64_t)sqlite3_column_int64(st, 1);
	sql_column_text(st, 2, r->actor, sizeof r->actor);
	sql_column_text(st, 3, r->digest, sizeof r->digest);
	r->kept = sqlite3_column_int(st, 4) != 0;
}

int admin_store_last(struct admin_store *l, struct admin_store_revision *out)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"SELECT number, wall_ms, actor, digest, kept FROM revision "
		"ORDER BY number DESC LIMIT 1",
		&rc);

	rc = first(st, rc);
	if (rc == 0)
		read_revision(st, out);
	return finish(l, st, rc);
}

int admin_store_text(struct admin_store *l, uint32_t revision, struct strbuf *text)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"SELECT text FROM revision WHERE number<=?1 AND text IS NOT NULL AND EXISTS "
		"(SELECT 1 FROM revision WHERE number=?1 AND kept) ORDER BY number DESC LIMIT 1",
		&rc);

	if (rc == 0)
		sqlite3_bind_int64(st, 1, revision);
	rc = first(st, rc);
	if (rc == 0)
		strbuf_add(text,
			slice_of(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)));
	return finish(l, st, rc);
}

static int insert_revision(struct admin_store *l, const struct admin_store_revision *r,
	const struct slice *text /* NULL: as the one before, or not kept */)
{
	int rc;
	sqlite3_stmt *st = begin(l, "INSERT INTO revision VALUES(?,?,?,?,?,?)", &rc);

	if (rc == 0) {
		sqlite3_bind_int64(st, 1, r->number);
		sqlite3_bind_int64(st, 2, (int64_t)r->wall_ms);
		sql_bind_text(st, 3, r->actor);
		sql_bind_text(st, 4, r->digest);
		if (text)
			sqlite3_bind_blob64(st, 5, text->n ? (const void *)text->p : "", text->n,
				SQLITE_STATIC);
		sqlite3_bind_int(st, 6, r->kept);
	}
	return finish_run(l, st, rc);
}

static void prune_revisions(struct admin_store *l, uint32_t number)
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

static int find_revision(struct admin_store *l, uint32_t number, struct admin_store_revision *out)
{
	int rc;
	sqlite3_stmt *st = begin(
		l, "SELECT number, wall_ms, actor, digest, kept FROM revision WHERE number=?", &rc);

	if (rc == 0)
		sqlite3_bind_int64(st, 1, number);
	rc = first(st, rc);
	if (rc == 0)
		read_revision(st, out);
	return finish(l, st, rc);
}

int admin_store_add(
	struct admin_store *l, const struct admin_store_revision *r, const struct slice *text)
{
	struct admin_store_revision add = *r, last = {0}, there;
	int rc = find_revision(l, r->number, &there);
	bool as_before;

	add.kept = text != NULL;
	if (text)
		admin_store_digest(*text, add.digest);
	if (rc == 0)
		return there.kept && text && strcmp(there.digest, add.digest) != 0 ? -EEXIST : 0;
	if (rc == -ENOENT)
		rc = admin_store_last(l, &last);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (last.number > r->number) /* rows that say "as the one before" are behind it */
		return -EINVAL;
	/* a policy of megabytes whose lists change each day is kept once */
	as_before = rc == 0 && last.kept && text && strcmp(add.digest, last.digest) == 0;
	rc = insert_revision(l, &add, as_before ? NULL : text);
	if (rc == 0)
		prune_revisions(l, add.number);
	return rc;
}

int admin_store_remove(struct admin_store *l, uint32_t number)
{
	int rc;
	sqlite3_stmt *st = begin(l, "DELETE FROM revision WHERE number=?", &rc);

	if (rc == 0)
		sqlite3_bind_int64(st, 1, number);
	return finish_run(l, st, rc);
}

int admin_store_revisions(struct admin_store *l, size_t max,
	void (*each)(void *user, const struct admin_store_revision *r), void *user)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"SELECT number, wall_ms, actor, digest, kept FROM revision "
		"ORDER BY number DESC LIMIT ?",
		&rc);

	if (rc == 0)
		sqlite3_bind_int64(st, 1, (int64_t)max);
	while (rc == 0) {
		struct admin_store_revision r;
		rc = first(st, 0);
		if (rc < 0)
			break;
		read_revision(st, &r);
		each(user, &r);
	}
	return finish(l, st, rc == -ENOENT ? 0 : rc);
}

/* --- the ids that rules had --- */

static int insert_moves(sqlite3_stmt *st, const struct admin_store_rule_move *moves, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		sqlite3_bind_int64(st, 1, moves[i].revision);
		sql_bind_text(st, 2, moves[i].was);
		sql_bind_text(st, 3, moves[i].became);
		rc = sql_run(st);
	}
	return rc;
}

static void prune_moves(struct admin_store *l)
{
	int rc;
	sqlite3_stmt *st = begin(
		l, "DELETE FROM rule_move WHERE rowid<=(SELECT max(rowid) FROM rule_move)-?", &rc);

	if (rc == 0)
		sqlite3_bind_int(st, 1, MOVES_MAX);
	finish_run(l, st, rc);
}

int admin_store_rules_moved(
	struct admin_store *l, const struct admin_store_rule_move *moves, size_t n)
{
	int rc;
	sqlite3_stmt *st = begin(l, "INSERT INTO rule_move VALUES(?,?,?)", &rc);

	if (rc == 0)
		rc = sql_exec(l->sql.db, "BEGIN");
	if (rc == 0) {
		rc = insert_moves(st, moves, n);
		if (rc == 0)
			rc = sql_exec(l->sql.db, "COMMIT");
		if (rc < 0)
			(void)sql_exec(l->sql.db, "ROLLBACK");
	}
	rc = finish(l, st, rc);
	if (rc == 0)
		prune_moves(l);
	return rc;
}

static void read_move(sqlite3_stmt *st, struct admin_store_rule_move *m)
{
	m->revision = (uint32_t)sqlite3_column_int64(st, 0);
	sql_column_text(st, 1, m->was, sizeof m->was);
	sql_column_text(st, 2, m->became, sizeof m->became);
}

int admin_store_rule_became(
	struct admin_store *l, const char *was, struct admin_store_rule_move *out)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"SELECT revision, was, became FROM rule_move WHERE was=? ORDER BY revision DESC "
		"LIMIT 1",
		&rc);

	if (rc == 0)
		sql_bind_text(st, 1, was);
	rc = first(st, rc);
	if (rc == 0)
		read_move(st, out);
	return finish(l, st, rc);
}

int admin_store_rule_was(struct admin_store *l, const char *became,
	struct admin_store_rule_move *out, size_t max, size_t *n)
{
	int rc;
	sqlite3_stmt *st = begin(l,
		"WITH RECURSIVE older(revision, was) AS (SELECT revision, was FROM rule_move "
		"WHERE became=?1 UNION SELECT m.revision, m.was FROM rule_move m JOIN older o "
		"ON m.became=o.was AND m.revision<o.revision) SELECT max(revision), was, ?1 "
		"FROM older WHERE was<>?1 GROUP BY was ORDER BY 1 DESC LIMIT ?2",
		&rc);

	*n = 0;
	if (rc == 0) {
		sql_bind_text(st, 1, became);
		sqlite3_bind_int64(st, 2, (int64_t)max);
	}
	while (rc == 0 && *n < max) {
		rc = first(st, 0);
		if (rc == 0)
			read_move(st, &out[(*n)++]);
	}
	return finish(l, st, rc == -ENOENT ? 0 : rc);
}

int admin_store_secret(struct admin_store *l, const char *name, struct strbuf *value)
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

int admin_store_secret_set(struct admin_store *l, const char *name, const char *value)
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

static void prune_sessions(struct admin_store *l)
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

int admin_store_session_put(struct admin_store *l, const struct admin_store_session *s)
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

int admin_store_session_get(
	struct admin_store *l, const char *digest, struct admin_store_session *out)
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

int admin_store_session_drop(struct admin_store *l, const char *digest)
{
	int rc;
	sqlite3_stmt *st = begin(
		l, digest ? "DELETE FROM session WHERE digest=?" : "DELETE FROM session", &rc);

	if (rc == 0 && digest)
		sql_bind_text(st, 1, digest);
	return finish_run(l, st, rc);
}
