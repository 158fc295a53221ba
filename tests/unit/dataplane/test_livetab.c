/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_livetab.c - one record a flow, one copy a name, no more than there is room for, how often readings missed it, and what
 * a process finds that another one left.
 */
#include <errno.h>
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
	live_ident(t, livetab_find(t, &f), &got);
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

/* --- what an earlier dataplane left --- */

struct shared {
	int fd, reader;
	struct live_map map;
};

static struct livetab *adopt(struct shared *s, const char **why)
{
	static const struct hash_key another = {3, 4};
	struct livetab *t;

	assert_int_equal(livetab_adopt(&t, &s->map, &another, why), 0);
	return t;
}

/* A fresh one, with `n` flows of names. */
static void left(struct shared *s, uint16_t n)
{
	const char *why;
	struct livetab *t;
	char name[32];

	assert_int_equal(live_create(FLOWS, &s->fd, &s->reader), 0);
	assert_int_equal(live_map(s->fd, true, 0, &s->map), 0);
	t = adopt(s, &why);
	assert_null(why);
	for (uint16_t p = 1; p <= n; p++) {
		snprintf(name, sizeof name, "name%d.example", p % 7);
		note(t, p, IPPROTO_TCP, name)->since_ms = p;
	}
	livetab_remove(t, find(t, 3, IPPROTO_TCP));
	livetab_free(t); /* and no word of what is in it */
}

static void end(struct shared *s)
{
	live_unmap(&s->map);
	close(s->fd);
	close(s->reader);
}

static void another_process_begins_with_it(void **state)
{
	struct shared s;
	struct livetab *t;
	const char *why;
	struct ident i;

	(void)state;
	left(&s, 100);
	t = adopt(&s, &why);
	assert_null(why);
	assert_int_equal(livetab_count(t), 99);
	assert_int_equal(livetab_names(t), 7);
	assert_null(find(t, 3, IPPROTO_TCP));
	assert_true(find(t, 5, IPPROTO_TCP)->unsure);
	assert_int_equal(find(t, 5, IPPROTO_TCP)->since_ms, 5);
	live_ident(t, find(t, 5, IPPROTO_TCP), &i);
	assert_string_equal(i.name, "name5.example");
	livetab_seen(t, find(t, 5, IPPROTO_TCP));
	assert_false(find(t, 5, IPPROTO_TCP)->unsure);
	assert_true(note(t, 3, IPPROTO_TCP, "name3.example")->born > 100);
	for (uint16_t p = 101; p <= FLOWS; p++)
		assert_non_null(note(t, p, IPPROTO_TCP, "new.example"));
	assert_null(note(t, FLOWS + 1, IPPROTO_TCP, "new.example"));
	assert_int_equal(livetab_names(t), 8);
	for (uint16_t p = 1; p <= FLOWS; p++)
		livetab_remove(t, find(t, p, IPPROTO_TCP));
	assert_int_equal(livetab_count(t) + livetab_names(t), 0);
	livetab_free(t);
	end(&s);
}

static void relays_and_what_was_half_written_are_left_out(void **state)
{
	struct shared s;
	struct livetab *t;
	const char *why;

	(void)state;
	left(&s, 10);
	s.map.at[4].seq |= 1;
	s.map.at[5].path = PATH_PROXY;
	t = adopt(&s, &why);
	assert_null(why);
	assert_int_equal(livetab_count(t), 7);
	assert_null(find(t, 5, IPPROTO_TCP));
	assert_null(find(t, 6, IPPROTO_TCP));
	livetab_free(t);
	end(&s);
}

static void thrown_away(void (*spoil)(struct shared *s))
{
	struct shared s;
	struct livetab *t;
	const char *why;

	left(&s, 10);
	spoil(&s);
	t = adopt(&s, &why);
	assert_non_null(why);
	assert_int_equal(livetab_count(t) + livetab_names(t) + livetab_span(t), 0);
	assert_non_null(note(t, 1, IPPROTO_TCP, "new.example"));
	livetab_free(t);
	t = adopt(&s, &why);
	assert_null(why);
	assert_int_equal(livetab_count(t), 1);
	livetab_free(t);
	end(&s);
}

static void spoil_magic(struct shared *s)
{
	s->map.head->magic++;
}
static void spoil_flows(struct shared *s)
{
	s->map.head->flows = UINT32_MAX;
}
static void spoil_span(struct shared *s)
{
	s->map.head->span = FLOWS + 1;
}
static void spoil_kind(struct shared *s)
{
	s->map.at[7].kind = 200;
}
static void spoil_path(struct shared *s)
{
	s->map.at[7].path = PATH_PROXY + 1;
}
static void spoil_born(struct shared *s)
{
	s->map.at[7].born = s->map.head->born + 1;
}
static void spoil_family(struct shared *s)
{
	s->map.at[7].src.b[0] = 0x20;
}
static void spoil_number(struct shared *s)
{
	s->map.at[7].name = UINT32_MAX;
}
static void spoil_same(struct shared *s)
{
	s->map.shorts[1] = s->map.shorts[0];
}
static void spoil_length(struct shared *s)
{
	s->map.shorts[0].n = LIVE_SHORT + 1;
}
static void spoil_text(struct shared *s)
{
	s->map.shorts[0].text[1] = 27;
}
static void spoil_tries(struct shared *s)
{
	s->map.head->tries = 3;
}

static void what_cannot_be_is_thrown_away(void **state)
{
	void (*const all[])(struct shared *) = {spoil_magic, spoil_flows, spoil_span, spoil_kind,
		spoil_path, spoil_born, spoil_family, spoil_number, spoil_same, spoil_length,
		spoil_text, spoil_tries};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		thrown_away(all[i]);
}

static void noise_harms_nobody(void **state)
{
	struct shared s;
	struct livetab *t;
	const char *why;
	char name[NAME_TEXT];
	struct live l;

	(void)state;
	srand(7);
	for (int round = 0; round < 200; round++) {
		left(&s, 40);
		for (int k = 0; k < 1 + round; k++) {
			size_t in = round % 2 ? s.map.bytes : 4096 + 40 * sizeof(struct live);

			((uint8_t *)s.map.head)[(size_t)rand() % in] = (uint8_t)rand();
		}
		for (uint32_t i = 0; i < FLOWS; i++)
			live_read(&s.map, i, &l, name);
		t = adopt(&s, &why);
		for (uint16_t p = 1; p <= 60; p++)
			note(t, p, IPPROTO_TCP, "after.example");
		for (uint32_t i = 0; i < livetab_span(t); i++)
			if (livetab_at(t, i))
				livetab_remove(t, livetab_at(t, i));
		assert_int_equal(livetab_count(t) + livetab_names(t), 0);
		livetab_free(t);
		end(&s);
	}
}

static void the_reader_can_read_only(void **state)
{
	struct shared s;
	struct live_map m;
	char name[NAME_TEXT];
	struct live l;

	(void)state;
	left(&s, 5);
	assert_int_equal(live_map(s.reader, true, 0, &m), -EACCES);
	assert_int_equal(live_map(s.reader, false, 0, &m), 0);
	assert_int_equal(live_read(&m, 4, &l, name), LIVE_READ);
	assert_string_equal(name, "name5.example");
	assert_int_equal(live_read(&m, 2, &l, name), LIVE_NONE);
	assert_int_equal(ftruncate(s.fd, 4096), -1);
	live_unmap(&m);
	end(&s);
}

static void a_relay_and_an_inspected_flow_are_two(void **state)
{
	struct livetab *t = table();
	struct flow f = flow_of(1, IPPROTO_TCP);
	struct ident i = {.kind = IDENT_NONE};
	struct live *relay, *inspected;

	(void)state;
	f.path = PATH_PROXY;
	relay = livetab_note(t, &f, &i);
	inspected = note(t, 1, IPPROTO_TCP, "one.example");
	assert_ptr_not_equal(relay, inspected);
	assert_ptr_equal(livetab_find(t, &f), relay);
	assert_ptr_equal(find(t, 1, IPPROTO_TCP), inspected);
	assert_null(livetab_next(t, inspected));
	assert_ptr_equal(livetab_born(t, livetab_slot(t, relay), relay->born), relay);
	assert_null(livetab_born(t, livetab_slot(t, relay), relay->born + 1));
	assert_null(livetab_born(t, UINT32_MAX, relay->born));
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
		cmocka_unit_test(another_process_begins_with_it),
		cmocka_unit_test(relays_and_what_was_half_written_are_left_out),
		cmocka_unit_test(what_cannot_be_is_thrown_away),
		cmocka_unit_test(noise_harms_nobody),
		cmocka_unit_test(the_reader_can_read_only),
		cmocka_unit_test(a_relay_and_an_inspected_flow_are_two),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
