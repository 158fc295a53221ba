/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_synlog.c - where streams begin, while many others begin, and as the kernel's log group tells it (root).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "intercept/synlog.h"
#include "kernel_help.h"

static void syn_of(uint32_t n, uint32_t seq, bool again, struct synlog *l)
{
	uint8_t p[40] = {
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, IPPROTO_TCP, 0, 0, 192, 0, 2, 2, 198, 51, 100, 2};

	p[20] = (uint8_t)(n >> 8);
	p[21] = (uint8_t)n;
	p[22] = 443 >> 8;
	p[23] = 443 & 0xff;
	p[24] = (uint8_t)(seq >> 24);
	p[25] = (uint8_t)(seq >> 16);
	p[26] = (uint8_t)(seq >> 8);
	p[27] = (uint8_t)seq;
	p[32] = 0x50;
	p[33] = 2;
	synlog_note(l, slice_of(p, sizeof(p)), again);
}

static enum synlog_says says(struct synlog *l, uint32_t n, uint32_t *isn)
{
	static const char client[] = "192.0.2.2", server[] = "198.51.100.2";
	struct flow f = {.sport = (uint16_t)n, .dport = 443, .proto = IPPROTO_TCP};

	assert_true(addr_parse(slice_of(client, strlen(client)), &f.src));
	assert_true(addr_parse(slice_of(server, strlen(server)), &f.dst));
	return synlog_find(l, &f, isn);
}

static struct synlog *open_log(void)
{
	static const uint8_t seed[16] = {1, 2, 3};
	struct hash_key key;
	struct synlog *l;

	hash_key_set(&key, seed);
	assert_int_equal(synlog_adopt(-1, &key, &l), 0);
	return l;
}

static void the_newest_connections_are_all_known(void **state)
{
	struct synlog *l = open_log();
	uint32_t isn;

	(void)state;
	for (uint32_t n = 0; n < 20000; n++)
		syn_of(n, n * 7 + 1, false, l);
	for (uint32_t n = 10000; n < 20000; n++) {
		assert_int_equal(says(l, n, &isn), SYNLOG_KNOWN);
		assert_int_equal(isn, n * 7 + 1);
	}
	assert_int_equal(says(l, 20001, &isn), SYNLOG_UNKNOWN);
	synlog_free(l);
}

static void another_number_of_one_connection_is_ambiguous(void **state)
{
	struct synlog *l = open_log();
	uint32_t isn;

	(void)state;
	syn_of(5, 100, false, l);
	syn_of(5, 100, true, l);
	assert_int_equal(says(l, 5, &isn), SYNLOG_KNOWN);
	syn_of(5, 101, true, l);
	assert_int_equal(says(l, 5, &isn), SYNLOG_AMBIGUOUS);
	syn_of(5, 300, false, l); /* the tuple's next connection */
	assert_int_equal(says(l, 5, &isn), SYNLOG_KNOWN);
	assert_int_equal(isn, 300);
	syn_of(6, 9, true, l);
	assert_int_equal(says(l, 6, &isn), SYNLOG_KNOWN);
	synlog_free(l);
}

static void a_mark_is_told_once(void **state)
{
	struct synlog *l = open_log();
	uint8_t p[40] = {
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, IPPROTO_TCP, 0, 0, 192, 0, 2, 2, 198, 51, 100, 2};
	struct flow f = {.dport = 80, .proto = IPPROTO_TCP};
	unsigned known = 0;

	(void)state;
	p[23] = 80;
	p[32] = 0x50;
	f.src = addr_v4(p + 12);
	f.dst = addr_v4(p + 16);
	for (uint16_t port = 1; port <= 1000; port++) {
		p[20] = (uint8_t)(port >> 8);
		p[21] = (uint8_t)port;
		synlog_note_mark(l, slice_of(p, sizeof p), 7);
		synlog_note_mark(l, slice_of(p, sizeof p), 0xff000000u + port);
	}
	for (uint16_t port = 1; port <= 1001; port++) {
		uint32_t mark;

		f.sport = port;
		mark = synlog_take_mark(l, &f);
		assert_true(mark == 0 || mark == 0xff000000u + port);
		known += mark != 0;
		assert_int_equal(synlog_take_mark(l, &f), 0);
	}
	assert_true(known >= 998 && known <= 1000);
	synlog_free(l);
}

/* A SYN on its way through the kernel, to a port where nobody listens: its number is known before the answer is. */
static void the_kernel_tells_of_a_syn(int family, const char *prefix)
{
	static const uint8_t seed[16] = {4};
	struct flow f = {.dport = 443, .proto = IPPROTO_TCP};
	struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
	socklen_t n, len = sizeof from;
	struct sockaddr_storage to = loopback(family, 443, &n);
	int group, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct hash_key key;
	struct synlog *l;
	uint32_t isn = 0;
	char words[128];

	hash_key_set(&key, seed);
	assert_int_equal(synlog_open(9, &group), 0);
	assert_int_equal(synlog_adopt(group, &key, &l), 0);
	assert_int_equal(synlog_open(9, &group), -EBUSY);
	snprintf(words, sizeof words,
		"-t mangle -A OUTPUT -p tcp --dport 443 --syn -j NFLOG --nflog-group 9 "
		"--nflog-prefix %s",
		prefix);
	rule("-t mangle -F");
	rule("-t mangle -A OUTPUT -p tcp --dport 443 --syn -j MARK --set-mark 0x12345678");
	rule(words);
	to = loopback(family, 0, &n);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &len), 0);
	to = loopback(family, 443, &n);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, n), -1);
	assert_int_equal(errno, ECONNREFUSED);
	if (family == AF_INET) {
		f.src = f.dst = addr_v4(&((struct sockaddr_in *)&from)->sin_addr);
		f.sport = ntohs(((struct sockaddr_in *)&from)->sin_port);
	} else {
		f.src = f.dst = addr_v6(&((struct sockaddr_in6 *)&from)->sin6_addr);
		f.sport = ntohs(((struct sockaddr_in6 *)&from)->sin6_port);
	}
	if (prefix[0] == 'm') {
		assert_int_equal(synlog_take_mark(l, &f), 0x12345678);
		assert_int_equal(synlog_find(l, &f, &isn), SYNLOG_UNKNOWN);
	} else {
		assert_int_equal(synlog_find(l, &f, &isn), SYNLOG_KNOWN);
		assert_int_equal(synlog_count(l, &f), prefix[0] == 'f');
	}
	close(fd);
	synlog_free(l);
}

static void the_kernel_tells(void **state)
{
	static const char *const prefixes[] = {"first", "again", "mark"};

	(void)state;
	NEEDS_NAMESPACE(namespace_enter())
	for (size_t i = 0; i < 3; i++) {
		the_kernel_tells_of_a_syn(AF_INET, prefixes[i]);
		the_kernel_tells_of_a_syn(AF_INET6, prefixes[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_connections_are_all_known),
		cmocka_unit_test(another_number_of_one_connection_is_ambiguous),
		cmocka_unit_test(a_mark_is_told_once),
		cmocka_unit_test(the_kernel_tells),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
