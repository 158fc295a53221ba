/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_capture.c - durwardctl identify: what a capture is read as, and which SYN of several counts.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "../../../src/ctl/capture.c"
#define find find_fragment
#include "../../../src/ctl/capture_defrag.c"
#undef find
#include "../../../src/ctl/capture_flows.c"
#include "../../../src/ctl/capture_open.c"
#include "../../../src/ctl/capture_tcp.c"
#include "../../../src/ctl/capture_udp.c"
#include "base/file.h"

enum { S = PACKET_SYN, A = PACKET_ACK, D = PACKET_ACK | PACKET_PSH, R = PACKET_RST };

/* An IPv4 packet between 192.0.2.2:4000 (the client) and 198.51.100.2:80; checksums are nobody's affair here. */
static size_t put_packet(
	uint8_t *to, bool server, int flags, uint32_t seq, uint32_t ack, const char *data)
{
	size_t n = strlen(data);
	const uint8_t ip[20] = {0x45, 0, 0, (uint8_t)(40 + n), 0, 1, 0x40, 0, 64, 6, 0, 0};
	const uint8_t client[4] = {192, 0, 2, 2}, origin[4] = {198, 51, 100, 2};
	const uint8_t tcp[20] = {server ? 0 : 4000 >> 8, server ? 80 : 4000 & 255,
		server ? 4000 >> 8 : 0, server ? 4000 & 255 : 80, (uint8_t)(seq >> 24),
		(uint8_t)(seq >> 16), (uint8_t)(seq >> 8), (uint8_t)seq, (uint8_t)(ack >> 24),
		(uint8_t)(ack >> 16), (uint8_t)(ack >> 8), (uint8_t)ack, 0x50, (uint8_t)flags, 0xff,
		0xff};

	memcpy(to, ip, 20);
	memcpy(to + 12, server ? origin : client, 4);
	memcpy(to + 16, server ? client : origin, 4);
	memcpy(to + 20, tcp, 20);
	memcpy(to + 40, data, n);
	return 40 + n;
}

static void add_names(void *user, const struct capture_result *r)
{
	strbuf_fmt(user, "%s;", strbuf_text(&r->names));
}

/* --- which SYN counts --- */

#define GET(name) "GET / HTTP/1.1\r\nHost: " name "\r\n\r\n"
#define GET_LEN	  32 /* of GET("x.example") */
enum { X = 1000, Y = 900000000 };

struct row {
	const char *what;
	struct {
		char who; /* 'c' or 's'; 0 = the end */
		int flags;
		uint32_t seq, ack;
		const char *data;
	} packets[10];
	const char *names; /* of each flow, with a ';' behind it */
};

static const struct row rows[] = {
	{"T48 the second of two SYNs is answered",
		{{'c', S, X, 0, ""}, {'c', S, Y, 0, ""}, {'s', S | A, 5, Y + 1, ""},
			{'c', A, Y + 1, 6, ""}, {'c', D, X + 1, 6, GET("decoy.example")},
			{'c', D, Y + 1, 6, GET("x.example")}},
		"\"x.example\";"},
	{"T48 the first of two SYNs is answered",
		{{'c', S, X, 0, ""}, {'c', S, Y, 0, ""}, {'s', S | A, 5, X + 1, ""},
			{'c', A, X + 1, 6, ""}, {'c', D, Y + 1, 6, GET("decoy.example")},
			{'c', D, X + 1, 6, GET("x.example")}},
		"\"x.example\";"},
	{"T48 many SYNs before the one that is answered",
		{{'c', S, X, 0, ""}, {'c', S, 7, 0, ""}, {'c', S, 77777777, 0, ""},
			{'c', S, Y, 0, ""}, {'c', S, X, 0, ""}, {'s', S | A, 5, Y + 1, ""},
			{'c', D, Y + 1, 6, GET("x.example")}},
		"\"x.example\";"},
	{"T48 one way: the data stands behind the first",
		{{'c', S, X, 0, ""}, {'c', S, Y, 0, ""}, {'c', D, X + 1, 6, GET("x.example")}},
		"\"x.example\";"},
	{"T48 one way: the data stands behind the second",
		{{'c', S, X, 0, ""}, {'c', S, Y, 0, ""}, {'c', D, Y + 1, 6, GET("x.example")}},
		"\"x.example\";"},
	{"T48 a SYN in the middle of a request ends nothing",
		{{'c', S, X, 0, ""}, {'s', S | A, 5, X + 1, ""},
			{'c', D, X + 1, 6, "GET / HTTP/1.1\r\nHo"}, {'c', S, Y, 0, ""},
			{'s', A, 6, X + 19, ""}, {'c', D, X + 19, 6, "st: x.example\r\n\r\n"}},
		"\"x.example\";"},
	{"T48 a SYN between two requests ends nothing",
		{{'c', S, X, 0, ""}, {'s', S | A, 5, X + 1, ""},
			{'c', D, X + 1, 6, GET("a.example")}, {'c', S, Y, 0, ""},
			{'c', S, Y + 9, 0, ""}, {'c', D, X + 1 + GET_LEN, 6, GET("b.example")}},
		"\"a.example\",\"b.example\";"},
	{"T48 a forged SYN-ACK says nothing",
		{{'c', S, X, 0, ""}, {'s', S | A, 5, Y + 1, ""}, {'s', S | A, 5, X + 1, ""},
			{'c', D, X + 1, 6, GET("x.example")}},
		"\"x.example\";"},
	{"T48 the SYN that was answered is not in the capture",
		{{'c', S, X, 0, ""}, {'s', S | A, 5, Y + 1, ""},
			{'c', D, Y + 1, 6, GET("x.example")}},
		"\"x.example\";"},
	{"T48 a SYN-ACK of the client's own does not turn it",
		{{'c', S, X, 0, ""}, {'c', S | A, X, 6, ""}, {'s', S | A, 5, X + 1, ""},
			{'c', D, X + 1, 6, GET("x.example")}},
		"\"x.example\";"},
	{"two connections of the same ends",
		{{'c', S, X, 0, ""}, {'s', S | A, 5, X + 1, ""},
			{'c', D, X + 1, 6, GET("a.example")}, {'c', S, Y, 0, ""},
			{'s', S | A, 5, Y + 1, ""}, {'c', D, Y + 1, 6, GET("b.example")}},
		"\"a.example\";\"b.example\";"},
	{"two connections of the same ends, one way",
		{{'c', S, X, 0, ""}, {'c', D, X + 1, 6, GET("a.example")}, {'c', S, Y, 0, ""},
			{'c', D, Y + 1, 6, GET("b.example")}},
		"\"a.example\";\"b.example\";"},
	{"T46 data in a SYN that is taken, among others",
		{{'c', S, Y, 0, ""}, {'c', S, X, 0, GET("x.example")},
			{'s', S | A, 5, X + 1 + GET_LEN, ""}, {'c', A, X + 1 + GET_LEN, 6, ""}},
		"\"x.example\";"},
	{"T46 data in a SYN that is not taken",
		{{'c', S, X, 0, GET("decoy.example")}, {'s', S | A, 5, X + 1, ""},
			{'c', D, X + 1, 6, GET("x.example")}},
		"\"x.example\";"},
	{"T46 data in a SYN, and a SYN with another number that is taken",
		{{'c', S, X, 0, GET("decoy.example")}, {'c', S, Y, 0, ""},
			{'s', S | A, 5, Y + 1, ""}, {'c', D, Y + 1, 6, GET("x.example")}},
		"\"decoy.example\";\"x.example\";"}, /* both were said */
};
enum { ROWS = sizeof rows / sizeof *rows };

static void the_right_syn_counts(void **state)
{
	const struct row *r = *state;
	struct capture_flows *fs = capture_flows_new();
	struct strbuf names = {0};
	uint8_t packet[512];

	for (size_t i = 0; i < 10 && r->packets[i].who; i++) {
		size_t n = put_packet(packet, r->packets[i].who == 's', r->packets[i].flags,
			r->packets[i].seq, r->packets[i].ack, r->packets[i].data);

		capture_flows_packet(fs, slice_of(packet, n), i);
	}
	capture_flows_finish(fs, add_names, &names);
	if (strcmp(strbuf_text(&names), r->names) != 0)
		fail_msg("%s: %s, not %s", r->what, strbuf_text(&names), r->names);
	strbuf_fini(&names);
	capture_flows_free(fs);
}

/* A flood of SYNs of the same ends: no flow each, and the one that is answered is found. */
static void T48_a_flood_of_syns_hides_nothing(void **state)
{
	struct capture_flows *fs = capture_flows_new();
	struct strbuf names = {0};
	uint8_t packet[512];

	for (uint32_t i = 0; i < 200000; i++)
		capture_flows_packet(
			fs, slice_of(packet, put_packet(packet, false, S, i * 7919, 0, "")), 0);
	assert_int_equal(fs->n, 1);
	capture_flows_packet(fs, slice_of(packet, put_packet(packet, false, S, X, 0, "")), 0);
	for (uint32_t i = 1; i < SYNS_KEPT; i++)
		capture_flows_packet(
			fs, slice_of(packet, put_packet(packet, false, S, i, 0, "")), 0);
	capture_flows_packet(
		fs, slice_of(packet, put_packet(packet, true, S | A, 5, X + 1, "")), 0);
	capture_flows_packet(
		fs, slice_of(packet, put_packet(packet, false, D, X + 1, 6, GET("x.example"))), 0);
	capture_flows_finish(fs, add_names, &names);
	assert_string_equal(strbuf_text(&names), "\"x.example\";");
	strbuf_fini(&names);
	capture_flows_free(fs);
}

/* --- files --- */

static char folder[] = "/tmp/durward-capture-XXXXXX", path[64];

static void count(void *user, struct slice ip, uint64_t at_ms)
{
	struct packet p;

	assert_int_equal(packet_parse(ip, &p), PARSE_OK);
	++*(unsigned *)user;
}

static unsigned read_file(bool *ok, char failure[static 256])
{
	unsigned n = 0;

	failure[0] = 0;
	*ok = capture_read(path, count, &n, failure);
	return n;
}

/* Three packets of different sizes, in a capture of this link type; put() frames one. */
static void write_pcap(int dlt, size_t (*put)(uint8_t *to, struct slice ip), struct strbuf *out)
{
	pcap_t *p = pcap_open_dead(dlt, 65535);
	pcap_dumper_t *d = pcap_dump_open(p, path);

	for (int i = 0; i < 3; i++) {
		uint8_t ip[512], frame[600];
		size_t n = put_packet(ip, false, D, 1, 2, i ? GET("x.example") : "a");
		size_t all = put(frame, slice_of(ip, n));
		struct pcap_pkthdr h = {.caplen = (unsigned)all, .len = (unsigned)all};

		pcap_dump((u_char *)d, &h, frame);
	}
	pcap_dump_close(d);
	pcap_close(p);
	strbuf_reset(out);
	assert_int_equal(file_read(path, 1 << 20, out), 0);
}

static size_t put_raw(uint8_t *to, struct slice ip)
{
	memcpy(to, ip.p, ip.n);
	return ip.n;
}

static void write_file(const void *bytes, size_t n)
{
	assert_int_equal(file_write_atomic(path, slice_of(bytes, n), 0600), 0);
}

static void compress_file(struct slice bytes)
{
	gzFile gz = gzopen(path, "wb9");

	assert_int_equal(gzwrite(gz, bytes.p, (unsigned)bytes.n), bytes.n);
	assert_int_equal(gzclose(gz), Z_OK);
}

static void gzip_is_read_and_losses_are_told(void **state)
{
	struct strbuf plain = {0}, gz = {0};
	char failure[256];
	bool ok;

	write_pcap(DLT_RAW, put_raw, &plain);
	assert_int_equal(read_file(&ok, failure), 3);
	assert_true(ok);
	compress_file(slice_of(plain.s, plain.n));
	assert_int_equal(read_file(&ok, failure), 3);
	assert_true(ok);
	assert_int_equal(file_read(path, 1 << 20, &gz), 0);
	for (size_t n = 0; n < gz.n; n++) { /* cut anywhere */
		write_file(gz.s, n);
		assert_true(read_file(&ok, failure) <= 3);
		if (ok || !failure[0])
			fail_msg("%zu of %zu bytes are taken for the whole", n, gz.n);
		if (n >= 30 && !strstr(failure, "ends too early"))
			fail_msg("%zu of %zu bytes: %s", n, gz.n, failure);
	}
	for (size_t i = 12; i < gz.n; i++) { /* a wrong byte anywhere behind the head */
		gz.s[i] ^= 0x55;
		write_file(gz.s, gz.n);
		read_file(&ok, failure);
		if (ok)
			fail_msg("a wrong byte at %zu is nothing", i);
		gz.s[i] ^= 0x55;
	}
	compress_file(slice_str("no capture at all, but text"));
	assert_int_equal(read_file(&ok, failure), 0);
	assert_false(ok);
	assert_non_null(strstr(failure, "unknown file format"));
	unlink(path);
	read_file(&ok, failure);
	assert_false(ok);
	assert_non_null(strstr(failure, "No such file"));
	strbuf_fini(&plain);
	strbuf_fini(&gz);
}

static size_t put_tlv(uint8_t *to, uint16_t type, struct slice value)
{
	uint16_t n = (uint16_t)(4 + value.n);
	size_t room = (n + 3u) & ~3u;

	memset(to, 0, room);
	memcpy(to, &n, 2);
	memcpy(to + 2, &type, 2);
	memcpy(to + 4, value.p, value.n);
	return room;
}

static size_t put_nflog(uint8_t *to, struct slice ip)
{
	size_t n = 4;

	memcpy(to, "\x02\x00\x00\x07", 4);
	n += put_tlv(to + n, 1, slice_of("\x08\x00\x03\x00", 4));
	n += put_tlv(to + n, 10, slice_str("prefix"));
	n += put_tlv(to + n, NFLOG_PAYLOAD, ip);
	return n + put_tlv(to + n, 11, slice_of("\0\0\0\0", 4));
}

static void nflog_captures_are_read(void **state)
{
	struct strbuf file = {0};
	uint8_t frame[600], ip[512];
	size_t n, all;
	char failure[256];
	bool ok;

	write_pcap(DLT_NFLOG, put_nflog, &file);
	assert_int_equal(read_file(&ok, failure), 3);
	assert_true(ok);
	compress_file(slice_of(file.s, file.n));
	assert_int_equal(read_file(&ok, failure), 3);
	n = put_packet(ip, false, D, 1, 2, GET("x.example"));
	all = put_nflog(frame, slice_of(ip, n));
	for (size_t cut = 0; cut <= all; cut++) { /* cut anywhere, in memory of just that size */
		uint8_t *exact = malloc(cut + 1);
		struct slice got;

		memcpy(exact, frame, cut);
		got = capture_link(DLT_NFLOG, slice_of(exact, cut));
		assert_true(got.n == 0 || (got.n == n && memcmp(got.p, ip, n) == 0));
		assert_int_equal(got.n != 0, cut >= 4 + 8 + 12 + 4 + n);
		free(exact);
	}
	for (uint16_t lie = 0; lie < 4; lie++) { /* a length that leads nowhere */
		memcpy(frame + 4, &lie, 2);
		assert_int_equal(capture_link(DLT_NFLOG, slice_of(frame, all)).n, 0);
	}
	strbuf_fini(&file);
}

static int setup(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/x.pcap.gz", folder);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	static struct CMUnitTest tests[ROWS + 3] = {
		[ROWS] = cmocka_unit_test(T48_a_flood_of_syns_hides_nothing),
		[ROWS + 1] = cmocka_unit_test(gzip_is_read_and_losses_are_told),
		[ROWS + 2] = cmocka_unit_test(nflog_captures_are_read),
	};

	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){.name = rows[i].what,
			.test_func = the_right_syn_counts,
			.initial_state = (void *)(uintptr_t)&rows[i]};
	return cmocka_run_group_tests(tests, setup, teardown);
}
