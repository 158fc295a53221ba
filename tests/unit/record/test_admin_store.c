/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_admin_store.c - revisions, secrets and sessions survive a restart, a damaged file and a full disk.
 */
#include "record/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "../../../src/record/sql_int.h"
#include "base/file.h"
#include "record/admin_store.h"

/* SQLite's own calls, counted: the program's come before those of libc. */
static int syncs;

int fdatasync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fsync, fd);
}

static struct admin_store *opened(void)
{
	struct admin_store *l = NULL;

	assert_int_equal(admin_store_open(in_folder("durward.db"), false, &l), 0);
	assert_int_equal(admin_store_state(l), 0);
	return l;
}

static int add(struct admin_store *l, uint32_t number, const char *text)
{
	struct admin_store_revision r = {.number = number, .wall_ms = number, .actor = "web"};
	struct slice s = slice_str(text ? text : "");

	return admin_store_add(l, &r, text ? &s : NULL);
}

static void assert_text(struct admin_store *l, uint32_t number, const char *want)
{
	struct strbuf text = {0};

	assert_int_equal(admin_store_text(l, number, &text), want ? 0 : -ENOENT);
	if (want)
		assert_string_equal(strbuf_text(&text), want);
	strbuf_fini(&text);
}

static void a_number_names_one_text(void **state)
{
	struct admin_store *l = opened();
	struct admin_store_revision last;

	assert_int_equal(admin_store_last(l, &last), -ENOENT);
	assert_int_equal(add(l, 1, "otherwise allow\n"), 0);
	assert_int_equal(add(l, 1, "otherwise allow\n"), 0);
	assert_int_equal(add(l, 1, "otherwise block\n"), -EEXIST);
	assert_int_equal(add(l, 4, "otherwise block\n"), 0);
	assert_int_equal(add(l, 3, "late\n"), -EINVAL);
	admin_store_close(l);
	l = opened();
	assert_int_equal(admin_store_last(l, &last), 0);
	assert_int_equal(last.number, 4);
	assert_true(last.kept);
	assert_string_equal(last.actor, "web");
	assert_int_equal(add(l, 5, "otherwise block\n"), 0); /* its lists may have changed */
	assert_text(l, 1, "otherwise allow\n");
	assert_text(l, 3, NULL);
	assert_text(l, 4, "otherwise block\n");
	assert_text(l, 5, "otherwise block\n");
	assert_text(l, 9, NULL);
	assert_int_equal(admin_store_remove(l, 5), 0);
	assert_int_equal(admin_store_last(l, &last), 0);
	assert_int_equal(last.number, 4);
	admin_store_close(l);
}

static void a_text_that_was_not_kept_is_not_taken_from_another_revision(void **state)
{
	struct admin_store *l = opened();
	struct admin_store_revision last;

	assert_int_equal(add(l, 1, "otherwise allow\n"), 0);
	assert_int_equal(add(l, 2, NULL), 0);
	assert_int_equal(admin_store_last(l, &last), 0);
	assert_int_equal(last.number, 2);
	assert_false(last.kept);
	assert_int_equal(add(l, 3, "otherwise allow\n"), 0);
	assert_text(l, 1, "otherwise allow\n");
	assert_text(l, 2, NULL);
	assert_text(l, 3, "otherwise allow\n");
	admin_store_close(l);
}

/* --- what was acknowledged survives a power cut --- */

static int64_t pragma(sqlite3 *db, const char *sql, char *text, size_t size)
{
	sqlite3_stmt *st = NULL;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sql_column_text(st, 0, text, size);
	sqlite3_finalize(st);
	return n;
}

static void its_connection_is_full_sync_and_exclusive(void **state)
{
	enum { NORMAL = 1, FULL = 2 };
	struct sql s, second;
	char text[32];

	/* twice: as it is made, and as it is found */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sql_open(in_folder("durward.db"), &sql_admin_store, &s), 0);
		assert_int_equal(pragma(s.db, "PRAGMA synchronous", text, sizeof text), FULL);
		pragma(s.db, "PRAGMA journal_mode", text, sizeof text);
		assert_string_equal(text, "wal");
		pragma(s.db, "PRAGMA locking_mode", text, sizeof text);
		assert_string_equal(text, "exclusive");
		assert_int_equal(
			sql_open(in_folder("durward.db"), &sql_admin_store, &second), -EBUSY);
		sql_close(&s);
	}
	/* and the events' is not: a power cut may cost its last seconds */
	assert_int_equal(sql_open(in_folder("events.db"), &sql_events, &s), 0);
	assert_int_equal(pragma(s.db, "PRAGMA synchronous", text, sizeof text), NORMAL);
	sql_close(&s);
}

/* Not only asked for: the bytes are on the disk when a door says 0. */
static void every_write_is_synced_before_it_is_acknowledged(void **state)
{
	struct admin_store *l = opened();
	struct admin_store_session session = {.digest = "abc", .born_ms = 5, .seen_ms = 6};
	int before;

#define SYNCED(call)                                                                               \
	do {                                                                                       \
		before = syncs;                                                                    \
		assert_int_equal(call, 0);                                                         \
		assert_true(syncs > before);                                                       \
	} while (0)
	for (int i = 0; i < 20; i++) {
		SYNCED(add(l, (uint32_t)i + 1, "otherwise allow\n"));
		SYNCED(admin_store_secret_set(l, "password", i % 2 ? "one" : "two"));
		session.seen_ms++;
		SYNCED(admin_store_session_put(l, &session));
	}
	SYNCED(add(l, 21, NULL));
	SYNCED(admin_store_remove(l, 21));
	SYNCED(admin_store_secret_set(l, "password", NULL));
	SYNCED(admin_store_session_drop(l, "abc"));
#undef SYNCED
	admin_store_close(l);
}

/* --- damage --- */

static struct strbuf file_of(const char *name)
{
	struct strbuf b = {0};

	assert_int_equal(file_read(in_folder(name), 1 << 20, &b), 0);
	return b;
}

static void put(const char *name, const void *bytes, size_t n)
{
	assert_int_equal(file_write_atomic(in_folder(name), slice_of(bytes, n), 0600), 0);
}

/* A admin store with a password, and then a page of it overwritten. */
static void damage(void)
{
	struct admin_store *l = opened();
	struct strbuf b;

	assert_int_equal(admin_store_secret_set(l, "password", "secret-of-the-house"), 0);
	admin_store_close(l);
	b = file_of("durward.db");
	memset(b.s + 4096, 0xee, 2048);
	put("durward.db", b.s, b.n);
	strbuf_fini(&b);
}

static void a_damaged_file_is_left_as_it_is_until_the_console_says_so(void **state)
{
	struct admin_store *l = NULL;
	struct strbuf before, after, v = {0};

	damage();
	before = file_of("durward.db");
	assert_int_equal(admin_store_open(in_folder("durward.db"), true, &l), 0);
	assert_int_equal(admin_store_state(l), -EBADMSG);
	assert_true(admin_store_needs_console(admin_store_state(l)));
	assert_int_equal(admin_store_secret(l, "password", &v), -EBADMSG); /* not -ENOENT */
	assert_int_equal(admin_store_secret_set(l, "password", "mine"), -EBADMSG);
	assert_int_equal(admin_store_tend(l), -EBADMSG);
	admin_store_close(l);
	after = file_of("durward.db");
	assert_int_equal(before.n, after.n);
	assert_memory_equal(before.s, after.s, before.n);
	assert_int_equal(admin_store_open(in_folder("durward.db"), true, &l), 0);
	assert_int_equal(admin_store_set_aside(l), 0);
	assert_true(count_files("durward.db.damaged-") >= 1); /* its -wal, too */
	assert_int_equal(admin_store_secret(l, "password", &v), -ENOENT);
	assert_int_equal(admin_store_secret_set(l, "password", "new"), 0);
	assert_int_equal(admin_store_set_aside(l), -EEXIST); /* nothing is wrong with it */
	admin_store_close(l);
	strbuf_fini(&before);
	strbuf_fini(&after);
}

static void a_file_that_is_gone_is_not_a_new_house(void **state)
{
	struct admin_store *l = NULL;
	struct strbuf v = {0};

	assert_int_equal(admin_store_open(in_folder("durward.db"), true, &l), 0);
	assert_int_equal(admin_store_secret(l, "password", &v), -ENODATA);
	admin_store_close(l);
	put("durward.db", "", 0);
	assert_int_equal(admin_store_open(in_folder("durward.db"), true, &l), 0);
	assert_int_equal(admin_store_secret(l, "password", &v), -ENODATA);
	assert_int_equal(admin_store_set_aside(l), 0);
	assert_int_equal(admin_store_secret(l, "password", &v), -ENOENT);
	admin_store_close(l);
}

static void one_connection_holds_the_file(void **state)
{
	struct admin_store *l = opened(), *second = NULL;
	sqlite3 *db = NULL;

	assert_int_equal(admin_store_secret_set(l, "password", "one"), 0);
	assert_int_equal(admin_store_open(in_folder("durward.db"), true, &second), 0);
	assert_int_equal(admin_store_state(second), -EBUSY);
	admin_store_close(second);
	/* nor anybody who does not ask us: SQLite's own lock is held, too */
	assert_int_equal(sqlite3_open(in_folder("durward.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "SELECT * FROM secret", NULL, NULL, NULL), SQLITE_BUSY);
	sqlite3_close(db);
	assert_int_equal(admin_store_secret_set(l, "password", "two"), 0);
	admin_store_close(l);
}

/* --- a full disk, a real one --- */

static void fill_up(void)
{
	static const char block[4096] = {1};
	int fd = open(in_folder("ballast"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	while (write(fd, block, sizeof block) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void on_a_full_disk_it_opens_again_by_itself(void **state)
{
	struct admin_store *l = NULL;
	struct strbuf v = {0};

	if (mount("none", folder, "tmpfs", 0, "size=1m") < 0)
		skip(); /* not root */
	fill_up();
	assert_int_equal(admin_store_open(in_folder("durward.db"), false, &l), 0);
	assert_int_equal(admin_store_state(l), -ENOSPC);
	assert_int_equal(admin_store_secret(l, "password", &v), -ENOSPC);
	assert_false(admin_store_needs_console(admin_store_state(l)));
	unlink(in_folder("ballast"));
	for (int i = 0; i < 600 && admin_store_tend(l) < 0; i++)
		usleep(100000);
	assert_int_equal(admin_store_state(l), 0);
	assert_int_equal(admin_store_secret_set(l, "password", "one"), 0);
	fill_up(); /* while it is open */
	for (int i = 0; i < 1000 && admin_store_state(l) == 0; i++)
		add(l, (uint32_t)i + 1, "a text of some length, and another one each time: ");
	assert_int_equal(admin_store_state(l), -ENOSPC);
	assert_int_equal(admin_store_tend(l), -ENOSPC);
	assert_int_equal(admin_store_secret(l, "password", &v), 0); /* what was kept is there */
	assert_string_equal(strbuf_text(&v), "one");
	unlink(in_folder("ballast"));
	assert_int_equal(admin_store_tend(l), 0);
	assert_int_equal(admin_store_state(l), 0);
	admin_store_close(l);
	strbuf_fini(&v);
	umount(folder);
}

static void secrets_are_replaced_and_removed(void **state)
{
	struct admin_store *l = opened();
	struct strbuf v = {0};

	assert_int_equal(admin_store_secret(l, "password", &v), -ENOENT);
	assert_int_equal(admin_store_secret_set(l, "password", "one"), 0);
	assert_int_equal(admin_store_secret_set(l, "password", "two"), 0);
	assert_int_equal(admin_store_secret(l, "password", &v), 0);
	assert_string_equal(strbuf_text(&v), "two");
	assert_int_equal(admin_store_secret_set(l, "password", NULL), 0);
	strbuf_reset(&v);
	assert_int_equal(admin_store_secret(l, "password", &v), -ENOENT);
	strbuf_fini(&v);
	admin_store_close(l);
}

static void sessions_are_bounded(void **state)
{
	struct admin_store *l = opened();
	struct admin_store_session s = {0};

	for (uint64_t i = 0; i < 70; i++) {
		snprintf(s.digest, sizeof s.digest, "%064llu", (unsigned long long)i);
		s.born_ms = s.seen_ms = i;
		assert_int_equal(admin_store_session_put(l, &s), 0);
	}
	assert_int_equal(admin_store_session_get(l, s.digest, &s), 0);
	assert_int_equal(s.seen_ms, 69);
	snprintf(s.digest, sizeof s.digest, "%064llu", 0ull);
	assert_int_equal(admin_store_session_get(l, s.digest, &s), -ENOENT);
	assert_int_equal(admin_store_session_drop(l, NULL), 0);
	snprintf(s.digest, sizeof s.digest, "%064llu", 69ull);
	assert_int_equal(admin_store_session_get(l, s.digest, &s), -ENOENT);
	admin_store_close(l);
}

static void move(struct admin_store *l, uint32_t revision, const char *was, const char *became)
{
	struct admin_store_rule_move m = {.revision = revision};

	snprintf(m.was, sizeof m.was, "%s", was);
	snprintf(m.became, sizeof m.became, "%s", became);
	assert_int_equal(admin_store_rules_moved(l, &m, 1), 0);
}

static void assert_was(struct admin_store *l, const char *id, const char *want)
{
	struct admin_store_rule_move m[8];
	struct strbuf said = {0};
	size_t n;

	assert_int_equal(admin_store_rule_was(l, id, m, 8, &n), 0);
	for (size_t i = 0; i < n; i++)
		strbuf_fmt(&said, "%s%s<%u", i ? " " : "", m[i].was, m[i].revision);
	assert_string_equal(strbuf_text(&said), want);
	strbuf_fini(&said);
}

static void ids_of_rules_are_followed_both_ways(void **state)
{
	struct admin_store *l = opened();
	struct admin_store_rule_move m;

	assert_was(l, "a", "");
	assert_int_equal(admin_store_rule_became(l, "a", &m), -ENOENT);
	move(l, 2, "a", "b");
	move(l, 5, "b", "c");
	admin_store_close(l);
	l = opened();
	assert_was(l, "c", "b<5 a<2");
	assert_was(l, "b", "a<2");
	assert_int_equal(admin_store_rule_became(l, "a", &m), 0);
	assert_string_equal(m.became, "b");
	/* there and back: each id's rows end where it had another one last */
	move(l, 7, "c", "a");
	assert_was(l, "a", "c<7 b<5");
	/* what had the id later is another rule's past */
	move(l, 9, "x", "b");
	assert_was(l, "c", "b<5 a<2");
	admin_store_close(l);
}

static void moves_are_kept_all_or_none_and_not_for_ever(void **state)
{
	enum { MANY = 25000 };
	struct admin_store *l = opened();
	struct admin_store_rule_move *m = calloc(MANY, sizeof *m), out;

	for (uint32_t i = 0; i < MANY; i++) {
		m[i].revision = 1;
		snprintf(m[i].was, sizeof m[i].was, "was-%u", i);
		snprintf(m[i].became, sizeof m[i].became, "is-%u", i);
	}
	assert_int_equal(admin_store_rules_moved(l, m, MANY), 0);
	assert_int_equal(admin_store_rule_became(l, "was-0", &out), -ENOENT);
	assert_int_equal(admin_store_rule_became(l, "was-24999", &out), 0);
	free(m);
	admin_store_close(l);
}

#define IN_FOLDER(t) cmocka_unit_test_setup_teardown(t, folder_make, folder_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(ids_of_rules_are_followed_both_ways),
		IN_FOLDER(moves_are_kept_all_or_none_and_not_for_ever),
		IN_FOLDER(a_number_names_one_text),
		IN_FOLDER(a_text_that_was_not_kept_is_not_taken_from_another_revision),
		IN_FOLDER(its_connection_is_full_sync_and_exclusive),
		IN_FOLDER(every_write_is_synced_before_it_is_acknowledged),
		IN_FOLDER(a_damaged_file_is_left_as_it_is_until_the_console_says_so),
		IN_FOLDER(a_file_that_is_gone_is_not_a_new_house),
		IN_FOLDER(one_connection_holds_the_file),
		IN_FOLDER(on_a_full_disk_it_opens_again_by_itself),
		IN_FOLDER(secrets_are_replaced_and_removed),
		IN_FOLDER(sessions_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
