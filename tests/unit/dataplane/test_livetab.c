/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_livetab.c - one record a flow, one copy a name, no more than there is room for, and how often readings missed it.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/livetab.h"

enum { FLOWS = 600 };

static struct livetab *table(void)
{
	static const struct hash_key key = {1, 2};
	struct livetab *t;

	assert_int_equal(livetab_new(&t, FLOWS, &key), 0);
	return t;
}

static struct flow flow_of(uint16_t port, uint8_t proto)
{
	struct flow f = {.sport = port, .dport = 443, .proto = proto, .path = PATH_INSPECT};

	f.src = addr_v4((uint8_t[]){192, 0, 2, 2});
	f.dst = addr_v4((uint8_t[]){198, 51, 100, 2});
	return f;
}

static struct live *note(struct livetab *t, uint16_t port, uint8_t proto, const char *name)
{
	struct flow f = flow_of(port, proto);
	struct ident i = {.kind = *name ? IDENT_NAME : IDENT_NONE, .app = APP_TLS, .ech = true};

	i.name_len = (uint8_t)strlen(name);
	memcpy(i.name, name, i.name_len);
	return livetab_note(t, &f, &i);
}

static struct live *find(struct livetab *t, uint16_t port, uint8_t proto)
{
	struct flow f = flow_of(port, proto);

	return livetab_find(t, &f);
}

static void a_record_says_what_was_judged(void **state)
{
	struct livetab *t = table();
	struct flow f = flow_of(1, IPPROTO_TCP), out;
	struct ident i = {.kind = IDENT_EVASIVE,
			     .source = SOURCE_SNI,
			     .app = APP_TLS,
			     .anomaly = ANOMALY_TIMEOUT},
		     got;

	(void)state;
	f.has_mac = f.outside = true;
	memcpy(f.mac.b, "\x00\x00\x5e\x00\x53\x02", 6);
	i.name_len = 255;
	memset(i.name, 'a', 255);
	assert_non_null(livetab_note(t, &f, &i));
	live_flow(livetab_find(t, &f), &out);
	assert_memory_equal(&out.src, &f.src, sizeof f.src);
	assert_memory_equal(&out.mac, &f.mac, sizeof f.mac);
	assert_true(out.has_mac && out.outside && out.path == PATH_INSPECT && out.dport == 443);
	live_ident(livetab_find(t, &f), &got);
	assert_memory_equal(&got, &i, sizeof i);
	livetab_free(t);
}

static void the_newest_word_counts_and_of_udp_each(void **state)
{
	struct livetab *t = table();

	(void)state;
	note(t, 1, IPPROTO_TCP, "one.example");
	assert_ptr_equal(note(t, 1, IPPROTO_TCP, "two.example"), find(t, 1, IPPROTO_TCP));
	assert_int_equal(livetab_count(t), 1);
	assert_int_equal(livetab_names(t), 1);
	note(t, 1, IPPROTO_UDP, "one.example");
	note(t, 1, IPPROTO_UDP, "two.example");
	note(t, 1, IPPROTO_UDP, "one.example");
	assert_int_equal(livetab_count(t), 3);
	assert_non_null(livetab_next(t, find(t, 1, IPPROTO_UDP)));
	assert_null(livetab_next(t, livetab_next(t, find(t, 1, IPPROTO_UDP))));
	assert_null(livetab_next(t, find(t, 1, IPPROTO_TCP)));
	note(t, 1, IPPROTO_TCP, "");
	assert_int_equal(livetab_names(t), 2);
	livetab_free(t);
}

static void what_has_no_room_is_not_kept(void **state)
{
	struct livetab *t = table();
	char name[32];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (uint16_t p = 1; p <= FLOWS; p++) {
			snprintf(name, sizeof name, "name%d.example", p % 7);
			assert_non_null(note(t, p, IPPROTO_TCP, name));
		}
		assert_int_equal(livetab_names(t), 7);
		assert_null(note(t, 5000, IPPROTO_TCP, "late.example"));
		assert_int_equal(livetab_names(t), 7);
		assert_null(find(t, 5000, IPPROTO_TCP));
		assert_non_null(note(t, 5, IPPROTO_TCP, "again.example"));
		for (uint16_t p = 1; p <= FLOWS; p++)
			livetab_remove(t, find(t, p, IPPROTO_TCP));
		assert_int_equal(livetab_count(t) + livetab_names(t), 0);
		for (uint32_t i = 0; i < livetab_span(t); i++)
			assert_null(livetab_at(t, i));
	}
	livetab_free(t);
}

static void readings_that_miss_it_are_counted(void **state)
{
	struct livetab *t = table();
	struct live *l;

	(void)state;
	livetab_round(t);
	l = note(t, 1, IPPROTO_TCP, "one.example");
	assert_int_equal(livetab_missed(t, l), 0);
	livetab_round(t);
	assert_int_equal(livetab_missed(t, l), 1);
	livetab_seen(t, l);
	assert_int_equal(livetab_missed(t, l), 0);
	livetab_round(t);
	livetab_round(t);
	assert_int_equal(livetab_missed(t, l), 2);
	livetab_free(t);
}

/* The program is wrong then, and ends (base/invariant.h). */
static void no_record_is_removed_twice(void **state)
{
	struct livetab *t = table();
	struct live *l = note(t, 1, IPPROTO_TCP, "one.example");
	int status;
	pid_t pid;

	(void)state;
	livetab_remove(t, l);
	pid = fork();
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		livetab_remove(t, l);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	livetab_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_says_what_was_judged),
		cmocka_unit_test(the_newest_word_counts_and_of_udp_each),
		cmocka_unit_test(what_has_no_room_is_not_kept),
		cmocka_unit_test(readings_that_miss_it_are_counted),
		cmocka_unit_test(no_record_is_removed_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
