/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_storage.c - the controller on a full disk, with a damaged database, and without one: nobody gets in who should not, the
 * owner does again, and a revision's number names one policy.
 */
#include "show/backend.h"

#include <fcntl.h>
#include <sys/mount.h>

static const char password[] = "{\"password\":\"a good password\"}";
static const char login[] = "{\"password\":\"a good password\"}";

static void start(void)
{
	struct message m;

	controller_start();
	await(MESSAGE_READY, &m);
	close(await(MESSAGE_IMAGE, &m));
}

static uint32_t revision_of_start(void)
{
	struct message m;

	controller_start();
	await(MESSAGE_READY, &m);
	close(await(MESSAGE_IMAGE, &m));
	return m.revision;
}

static uint32_t reload(void)
{
	struct message m = {.type = MESSAGE_RELOAD};

	assert_int_equal(message_send(backend.supervisor, &m, -1), 0);
	close(await(MESSAGE_IMAGE, &m));
	return m.revision;
}

static void write_rule(const char *name)
{
	char text[200];

	snprintf(text, sizeof text, "fail open\nfor everyone\n  block %s\notherwise allow\n", name);
	write_policy(text);
}

/* Whether a problem of `status` holds these words. */
static bool problem(const char *words)
{
	struct got g = ask(true, "GET", "/api/v1/status", NULL, NULL);
	const struct json *all = jr_get(g.json, "problems");
	bool found = false;

	for (size_t i = 0; i < jr_count(all); i++)
		found |= strstr(jr_text(jr_at(all, i)), words) != NULL;
	got_fini(&g);
	return found;
}

static bool until(bool (*what)(const char *), const char *words, bool want)
{
	for (int i = 0; i < 3000 && what(words) != want; i++)
		usleep(20000);
	return what(words) == want;
}

static bool password_set(void)
{
	struct got g = ask(false, "GET", "/api/v1/setup", NULL, NULL);
	bool set = jr_true(jr_get(g.json, "password_set"));

	got_fini(&g);
	return set;
}

static void set_password(void)
{
	assert_int_equal(ask_status(true, "PUT", "/api/v1/password", json_post, password), 204);
}

static long log_in(void)
{
	return ask_status(false, "POST", "/api/v1/session", json_post, login);
}

static void damage(const char *name)
{
	struct strbuf b = {0};

	assert_int_equal(file_read(in_folder(name), 16 << 20, &b), 0);
	memset(b.s + 4096, 0xee, 2048);
	assert_int_equal(file_write_atomic(in_folder(name), slice_of(b.s, b.n), 0600), 0);
	strbuf_fini(&b);
}

static void a_damaged_admin_store_lets_nobody_in_and_the_console_out(void **state)
{
	struct stat st;
	struct got g;
	char claim[200];

	set_password();
	assert_int_equal(log_in(), 204);
	controller_end();
	damage("durward.db");
	unlink(in_folder("setup-token"));
	start();
	assert_true(password_set()); /* so the page asks for it, and not for a first one */
	assert_int_equal(stat(in_folder("setup-token"), &st), -1);
	assert_true(problem("durwardctl set-aside"));
	g = ask(false, "POST", "/api/v1/session", json_post, login);
	assert_int_equal(g.status, 507);
	assert_non_null(strstr(strbuf_text(&g.body), "damaged"));
	got_fini(&g);
	/* not even with a token of the console's */
	g = ask(true, "POST", "/api/v1/setup/token", json_post, "{}");
	snprintf(claim, sizeof claim, "{\"token\":\"%s\",\"password\":\"another password\"}",
		jr_get_text(g.json, "token"));
	got_fini(&g);
	assert_int_equal(ask_status(false, "POST", "/api/v1/setup/claim", json_post, claim), 507);
	assert_int_equal(
		ask_status(false, "POST", "/api/v1/database/set-aside", json_post, "{}"), 401);
	assert_int_equal(
		ask_status(true, "POST", "/api/v1/database/set-aside", json_post, "{}"), 204);
	assert_true(count_files("durward.db.damaged-") >= 1);
	assert_false(problem("durwardctl set-aside"));
	assert_int_equal(
		ask_status(true, "POST", "/api/v1/database/set-aside", json_post, "{}"), 409);
	assert_false(password_set());
	set_password();
	assert_int_equal(log_in(), 204);
}

static void a_number_is_never_given_twice(void **state)
{
	uint32_t last;

	write_rule("a.example");
	assert_int_equal(reload(), 2);
	controller_end();
	assert_int_equal(revision_of_start(), 2); /* the same text */
	write_rule("b.example");
	last = reload();
	assert_int_equal(last, 3);
	controller_end();
	unlink(in_folder("durward.db"));
	unlink(in_folder("durward.db-wal"));
	assert_int_equal(revision_of_start(), 3);
	assert_true(problem("it is gone"));
	write_rule("c.example");
	assert_int_equal(reload(), 4);
	assert_true(problem("policy revision 4 is in force, its text is not kept"));
	assert_int_equal(
		ask_status(true, "POST", "/api/v1/database/set-aside", json_post, "{}"), 204);
	assert_true(until(problem, "is not kept", false)); /* kept by itself, now that it can be */
	controller_end();
	unlink(in_folder("numbers"));
	write_rule("d.example");
	assert_int_equal(revision_of_start(), 5); /* the admin store knows */
	controller_end();
	unlink(in_folder("numbers"));
	unlink(in_folder("durward.db"));
	write_rule("e.example");
	assert_int_equal(revision_of_start(), 6); /* the last good image knows */
}

static struct got revisions(void)
{
	return ask(true, "GET", "/api/v1/policy/revisions", NULL, NULL);
}

static int fill_up(void)
{
	static const char block[4096] = {1};
	int fd = open(in_folder("ballast"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	while (fd >= 0 && write(fd, block, sizeof block) > 0)
		;
	close(fd);
	return errno;
}

/* The state directory alone is the full disk; policy and socket lie outside. */
static void full_setup(char outside[static 64])
{
	assert_int_equal(mount("none", folder, "tmpfs", 0, "size=4m"), 0);
	strcpy(outside, "/tmp/durward-test-XXXXXX");
	assert_non_null(mkdtemp(outside));
	snprintf(backend.policy_path, sizeof backend.policy_path, "%s/policy", outside);
	snprintf(backend.sock_path, sizeof backend.sock_path, "%s/api.sock", outside);
	write_policy(good_policy);
}

/* For the teardown, which ends a controller. */
static void home(void)
{
	snprintf(backend.policy_path, sizeof backend.policy_path, "%s/policy", folder);
	snprintf(backend.sock_path, sizeof backend.sock_path, "%s/api.sock", folder);
	start();
}

static void a_disk_that_is_full_at_the_start_is_waited_for(void **state)
{
	char outside[64];

	if (geteuid() != 0)
		skip();
	controller_end();
	full_setup(outside);
	assert_int_equal(fill_up(), ENOSPC);
	assert_int_equal(revision_of_start(), 1); /* filtering does not wait */
	assert_true(password_set());		  /* it cannot be told: no claim */
	assert_true(problem("No space left on device"));
	assert_true(problem("policy revision 1 is in force, its text is not kept"));
	assert_int_equal(log_in(), 507);
	unlink(in_folder("ballast"));
	assert_true(until(problem, "No space left on device", false));
	assert_true(until(problem, "is not kept", false));
	set_password();
	assert_int_equal(log_in(), 204);
	push(event_of("a.example", ACTION_ALLOW));
	await_events(1);
	controller_end();
	umount(folder);
	remove_all(outside);
	home();
}

static void a_disk_that_fills_up_makes_no_number_twice(void **state)
{
	char outside[64];
	struct got g;

	if (geteuid() != 0)
		skip();
	controller_end();
	full_setup(outside);
	start();
	fill_up();
	/* what fits into the last pages of the databases is kept; then nothing is */
	for (int i = 0; i < 200 && !problem("its text is not kept"); i++) {
		char name[40];

		snprintf(name, sizeof name, "a%d.example", i);
		write_rule(name);
		reload();
	}
	write_rule("b.example");
	uint32_t unkept = reload();

	g = revisions();
	assert_false(jr_true(jr_get(jr_at(jr_get(g.json, "revisions"), 0), "kept")));
	got_fini(&g);
	controller_end();
	write_rule("c.example");
	assert_int_equal(revision_of_start(), unkept + 1);
	unlink(in_folder("ballast"));
	assert_true(until(problem, "is not kept", false));
	g = revisions();
	assert_true(jr_true(jr_get(jr_at(jr_get(g.json, "revisions"), 0), "kept")));
	assert_int_equal(
		(int)jr_number(jr_get(jr_at(jr_get(g.json, "revisions"), 0), "revision"), 0),
		unkept + 1);
	got_fini(&g);
	controller_end();
	umount(folder);
	remove_all(outside);
	home();
}

static void what_kills_left_is_removed_at_the_start(void **state)
{
	static const char *const left[] = {"image.good.durward-AbC123",
		"policy.good.durward-x9Y8z7", "policy.durward-abcdef",
		"good-lists/ads-0123.list.durward-abcdet", "good-lists/ads-0123.list.AbC12t"};
	static const char *const stays[] = {"policy.backup", "policy.good.backup"};

	controller_end();
	mkdir(in_folder("good-lists"), 0700);
	for (size_t i = 0; i < 5; i++)
		close(open(in_folder(left[i]), O_CREAT | O_WRONLY, 0600));
	for (size_t i = 0; i < 2; i++)
		close(open(in_folder(stays[i]), O_CREAT | O_WRONLY, 0600));
	start();
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(access(in_folder(left[i]), F_OK), -1);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(access(in_folder(stays[i]), F_OK), 0);
}

static void a_damaged_events_database_is_told(void **state)
{
	char aside[300] = "";

	push(event_of("a.example", ACTION_ALLOW));
	await_events(1);
	controller_end();
	damage("events.db");
	start();
	assert_true(problem("events.db.broken-"));
	push(event_of("b.example", ACTION_ALLOW));
	await_events(1);
	for (int i = 0; i < 3; i++) {
		DIR *d = opendir(folder);
		struct dirent *e;

		while ((e = readdir(d)))
			if (strstr(e->d_name, ".broken-"))
				snprintf(aside, sizeof aside, "%s", e->d_name);
		closedir(d);
		unlink(in_folder(aside));
	}
	assert_false(problem("events.db.broken-"));
}

#define IN_HOUSE(t) cmocka_unit_test_setup_teardown(t, backend_setup, backend_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(a_damaged_admin_store_lets_nobody_in_and_the_console_out),
		IN_HOUSE(a_number_is_never_given_twice),
		IN_HOUSE(a_disk_that_is_full_at_the_start_is_waited_for),
		IN_HOUSE(a_disk_that_fills_up_makes_no_number_twice),
		IN_HOUSE(a_damaged_events_database_is_told),
		IN_HOUSE(what_kills_left_is_removed_at_the_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
