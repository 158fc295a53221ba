/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_packet.c - packets as a queue or a capture hands them over: padded, cut, fragmented, extended.
 */
#include <netinet/in.h>

#include "identify/wire.h"

#include "identify/packet.h"

static void put_v4(struct wire *w, uint8_t proto, uint16_t frag, size_t payload)
{
	put_n(w, 0x4500, 2);
	put_n(w, 20 + payload, 2);
	put_n(w, 0, 2);
	put_n(w, frag, 2);
	put_n(w, 64, 1);
	put_n(w, proto, 1);
	put_n(w, 0, 2);
	put_n(w, 0xc0000202, 4);
	put_n(w, 0xc6336402, 4);
}

static void put_v6(struct wire *w, uint8_t next, size_t payload)
{
	put_n(w, 0x60000000, 4);
	put_n(w, payload, 2);
	put_n(w, next, 1);
	put_n(w, 63, 1);
	for (int i = 0; i < 2; i++) {
		put_n(w, 0x20010db800000000 + (uint64_t)i, 8);
		put_n(w, 2, 8);
	}
}

static void put_tcp(struct wire *w, struct slice options, const char *payload)
{
	put_n(w, 40000, 2);
	put_n(w, 443, 2);
	put_n(w, 0x01020304, 4);
	put_n(w, 0x05060708, 4);
	put_n(w, (20 + options.n) / 4 << 4, 1);
	put_n(w, PACKET_ACK | PACKET_PSH, 1);
	put_n(w, 512, 2);
	put_n(w, 0, 2);
	put_n(w, 7, 2);
	put(w, options.p, options.n);
	put_str(w, payload);
}

static enum parse parse(const struct wire *w, struct packet *p)
{
	return packet_parse(guarded(wire_slice(w)), p);
}

static void P24_tcp_over_v4(void **state)
{
	static const uint8_t options[] = {2, 4, 5, 0xb4, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 30, 4, 0,
		0, 34, 2, 19, 2, 29, 2, 254, 4, 0xf9, 0x89, 0, 77, 77};
	struct wire *w = wire_new();
	struct packet p;
	struct addr src = addr_v4("\xc0\0\2\2");

	(void)state;
	put_v4(w, IPPROTO_TCP, 0, 20 + sizeof(options) + 5);
	put_tcp(w, slice_of(options, sizeof(options)), "hello");
	put_n(w, 0, 3); /* Ethernet padding */
	assert_int_equal(parse(w, &p), PARSE_OK);
	assert_true(addr_eq(&p.src, &src) && p.sport == 40000 && p.dport == 443);
	assert_true(
		p.proto == IPPROTO_TCP && p.ttl == 64 && p.first && !p.fragment && !p.truncated);
	assert_true(p.seq == 0x01020304 && p.ack == 0x05060708 && p.window == 512 && p.urgent == 7);
	assert_int_equal(p.flags, PACKET_ACK | PACKET_PSH);
	assert_true(p.has_ts && p.ts_val == 9 && p.ts_ecr == 8 && p.mss == 1460);
	assert_true(p.has_mptcp && p.has_fastopen && p.has_md5 && p.has_ao);
	assert_true(p.ip_len == 20 && p.l4_len == 52 && p.payload.n == 5 &&
		    memcmp(p.payload.p, "hello", 5) == 0);
	free(w);
}

static void broken_options_end_the_walk(void **state)
{
	static const struct {
		const char *bytes;
		bool ts;
	} t[] = {
		{"\x08\x0a\0\0\0\1\0\0\0\2\1\1", true},
		{"\x08\x09\0\0\0\1\0\0\0\1\1\1", false},
		{"\2\3\1\x08\x0a\0\0\0\1\0\0\0", false},
		{"\2\1\x08\x0a\0\0\0\1\0\0\0\2", false},
		{"\0\1\x08\x0a\0\0\0\1\0\0\0\2", false},
		{"\1\1\1\1\1\1\1\1\1\1\1\x08", false},
		{"\xfe\4\1\2\1\1\1\1\1\1\1\x13", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct wire *w = wire_new();
		struct packet p;

		put_v4(w, IPPROTO_TCP, 0, 32);
		put_tcp(w, slice_of(t[i].bytes, 12), "");
		assert_int_equal(parse(w, &p), PARSE_OK);
		assert_int_equal(p.has_ts, t[i].ts);
		assert_true(!p.has_md5 && !p.has_fastopen);
		free(w);
	}
}

static void P24_a_wrong_data_offset_is_invalid(void **state)
{
	struct wire *w = wire_new();
	struct packet p;

	(void)state;
	put_v4(w, IPPROTO_TCP, 0, 20);
	put_tcp(w, slice_of("", 0), "");
	assert_int_equal(parse(w, &p), PARSE_OK);
	w->b[32] = 0x40;
	assert_int_equal(parse(w, &p), PARSE_INVALID);
	w->b[32] = 0x60;
	assert_int_equal(parse(w, &p), PARSE_INVALID);
	free(w);
}

static void P07_every_cut_packet_is_invalid_or_truncated(void **state)
{
	struct wire *w = wire_new();
	struct packet p;

	(void)state;
	put_v6(w, IPPROTO_UDP, 8 + 4);
	put_n(w, 5000, 2);
	put_n(w, 443, 2);
	put_n(w, 12, 2);
	put_n(w, 0, 2);
	put_str(w, "quic");
	assert_int_equal(parse(w, &p), PARSE_OK);
	assert_true(p.payload.n == 4 && p.ip_len == 40 && p.l4_len == 8 && p.ttl == 63);
	for (size_t n = 0; n < w->n; n++)
		if (packet_parse(guarded(slice_of(w->b, n)), &p) == PARSE_OK)
			assert_true(p.truncated && p.payload.n == n - 48);
		else
			assert_true(n < 48);
	w->b[44] = 0;
	w->b[45] = 13; /* UDP says more than IP */
	assert_int_equal(parse(w, &p), PARSE_INVALID);
	w->b[45] = 7;
	assert_int_equal(parse(w, &p), PARSE_INVALID);
	w->b[45] = 10;
	assert_int_equal(parse(w, &p), PARSE_OK);
	assert_int_equal(p.payload.n, 2);
	w->b[45] = 0; /* a jumbogram's, or offloaded */
	assert_int_equal(parse(w, &p), PARSE_OK);
	assert_int_equal(p.payload.n, 4);
	free(w);
}

static void P05_length_zero_is_a_super_packet(void **state)
{
	struct wire *w = wire_new();
	struct packet p;

	(void)state;
	put_v4(w, IPPROTO_TCP, 0x4000, 0);
	w->b[3] = 0;
	put_tcp(w, slice_of("", 0), "");
	while (w->n < 70000)
		put_str(w, "0123456789");
	assert_int_equal(parse(w, &p), PARSE_OK);
	assert_true(!p.fragment && !p.truncated && p.payload.n == w->n - 40);
	w->b[3] = 19;
	assert_int_equal(parse(w, &p), PARSE_INVALID);
	free(w);
}

static void P01_v4_fragments_are_told(void **state)
{
	struct wire *w = wire_new();
	struct packet p;

	(void)state;
	put_v4(w, IPPROTO_TCP, 0x2000, 24);
	put_tcp(w, slice_of("", 0), "abcd");
	assert_int_equal(parse(w, &p), PARSE_OK);
	assert_true(p.fragment && p.first && p.dport == 443);
	w->b[7] = 3;
	assert_int_equal(parse(w, &p), PARSE_OK);
	assert_true(p.fragment && !p.first && p.dport == 0 && p.payload.n == 24);
	assert_true(p.frag_offset == 24 && p.frag_more && p.frag_at == 20 &&
		    p.frag_next == IPPROTO_TCP);
	w->b[7] = 0;
	w->b[3] = 28; /* half a TCP header */
	assert_int_equal(parse(w, &p), PARSE_OK);
	assert_true(p.fragment && p.first && p.dport == 0 && p.payload.n == 8);
	free(w);
}

/* extension headers in front of UDP */
static const struct {
	const char *what, *bytes;
	size_t n;
	uint8_t first;
	enum parse status;
	bool fragment, is_first;
} chains[] = {
	{"hop-by-hop", "\x11\0\1\4\0\0\0\0", 8, IPPROTO_HOPOPTS, PARSE_OK, false, true},
	{"destination of 16", "\x11\1\1\4\0\0\0\0\0\0\0\0\0\0\0\0", 16, IPPROTO_DSTOPTS, PARSE_OK,
		false, true},
	{"routing, then AH", "\x33\0\0\0\0\0\0\0\x11\1\0\0\0\0\0\0\0\0\0\0", 20, IPPROTO_ROUTING,
		PARSE_OK, false, true},
	{"atomic fragment", "\x11\0\0\0\0\0\0\1", 8, IPPROTO_FRAGMENT, PARSE_OK, false, true},
	{"first fragment", "\x11\0\0\1\0\0\0\1", 8, IPPROTO_FRAGMENT, PARSE_OK, true, true},
	{"last fragment", "\x11\0\0\x08\0\0\0\1", 8, IPPROTO_FRAGMENT, PARSE_OK, true, false},
	{"hop-by-hop twice", "\0\0\1\4\0\0\0\0\x11\0\1\4\0\0\0\0", 16, IPPROTO_HOPOPTS,
		PARSE_INVALID, false, true},
	{"too long", "\x11\xff\1\4\0\0\0\0", 8, IPPROTO_DSTOPTS, PARSE_INVALID, false, true},
	{"nine headers",
		"\x3c\0\0\0\0\0\0\0\x3c\0\0\0\0\0\0\0\x3c\0\0\0\0\0\0\0\x3c\0\0\0\0\0\0\0\x3c\0\0\0"
		"\0\0\0\0"
		"\x3c\0\0\0\0\0\0\0\x3c\0\0\0\0\0\0\0\x3c\0\0\0\0\0\0\0\x11\0\0\0\0\0\0\0",
		72, IPPROTO_DSTOPTS, PARSE_INVALID, false, true},
	{"mobility", "\x11\0\0\0\0\0\0\0", 8, 135, PARSE_OK, false, true},
};

static void P02_P04_extension_headers_are_walked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		struct wire *w = wire_new();
		struct packet p;
		enum parse status;

		put_v6(w, chains[i].first, chains[i].n + 12);
		put(w, chains[i].bytes, chains[i].n);
		put_n(w, 5000, 2);
		put_n(w, 443, 2);
		put_n(w, 12, 2);
		put_n(w, 0, 2);
		put_str(w, "quic");
		status = parse(w, &p);
		if (status != chains[i].status)
			fail_msg("%s: %d", chains[i].what, status);
		if (status == PARSE_OK) {
			assert_int_equal(p.proto, IPPROTO_UDP);
			assert_int_equal(p.fragment, chains[i].fragment);
			assert_int_equal(p.first, chains[i].is_first);
			assert_int_equal(p.ip_len, 40 + chains[i].n);
			if (p.fragment)
				assert_true(p.frag_at == 48 && p.frag_next == IPPROTO_UDP &&
					    p.frag_id == 1 && p.frag_more == chains[i].is_first);
			assert_int_equal(p.dport, chains[i].is_first ? 443 : 0);
		}
		free(w);
	}
}

static void other_protocols_have_what_they_have(void **state)
{
	static const struct {
		uint8_t proto;
		const char *bytes;
		size_t n;
		enum parse status;
		uint16_t dport;
	} t[] = {
		{IPPROTO_ICMP, "\x08\1", 2, PARSE_OK, 0},
		{IPPROTO_ICMPV6, "\x08\1", 2, PARSE_OK, 0},
		{IPPROTO_ICMP, "\x08", 1, PARSE_INVALID, 0},
		{IPPROTO_SCTP, "\0\1\0\2", 4, PARSE_OK, 2},
		{IPPROTO_UDPLITE, "\0\1\0\2", 4, PARSE_OK, 2},
		{IPPROTO_DCCP, "\0\1\0", 3, PARSE_INVALID, 0},
		{IPPROTO_ESP, "", 0, PARSE_OK, 0},
		{IPPROTO_UDP, "\0\1\0\2\0\0\0", 7, PARSE_INVALID, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct wire *w = wire_new();
		struct packet p;

		put_v4(w, t[i].proto, 0, t[i].n);
		put(w, t[i].bytes, t[i].n);
		assert_int_equal(parse(w, &p), t[i].status);
		if (t[i].status == PARSE_OK)
			assert_int_equal(p.dport, t[i].dport);
		if (t[i].status == PARSE_OK && t[i].n == 2)
			assert_true(p.icmp_type == 8 && p.icmp_code == 1);
		free(w);
	}
}

static void what_is_not_ip_is_invalid(void **state)
{
	static const uint8_t five[20] = {0x50}, short_header[20] = {0x44}, past_end[20] = {0x46};
	struct packet p;

	(void)state;
	assert_int_equal(packet_parse(guarded(slice_of(five, 20)), &p), PARSE_INVALID);
	assert_int_equal(packet_parse(guarded(slice_of(short_header, 20)), &p), PARSE_INVALID);
	assert_int_equal(packet_parse(guarded(slice_of(past_end, 20)), &p), PARSE_INVALID);
	assert_int_equal(packet_parse(guarded(slice_of("", 0)), &p), PARSE_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(P24_tcp_over_v4),
		cmocka_unit_test(broken_options_end_the_walk),
		cmocka_unit_test(P24_a_wrong_data_offset_is_invalid),
		cmocka_unit_test(P07_every_cut_packet_is_invalid_or_truncated),
		cmocka_unit_test(P05_length_zero_is_a_super_packet),
		cmocka_unit_test(P01_v4_fragments_are_told),
		cmocka_unit_test(P02_P04_extension_headers_are_walked),
		cmocka_unit_test(other_protocols_have_what_they_have),
		cmocka_unit_test(what_is_not_ip_is_invalid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
