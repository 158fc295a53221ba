/* SPDX-License-Identifier: GPL-3.0-or-later
 * Every packet that refuses is read back by the reader of packets, its checksums verified, its QUIC part opened with
 * the keys a client has.
 */
#include "act/refuse.h"
#include "identify/packet.h"
#include "identify/quic_frames.h"
#include "quic_help.h"

static uint8_t out[REFUSE_PACKET_MAX];

static struct addr ip(const char *text)
{
	struct addr a;
	assert_true(addr_parse(slice_str(text), &a));
	return a;
}

static uint16_t sum(const uint8_t *p, size_t n, uint32_t s)
{
	for (size_t i = 0; i < n; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

/* All ones when the checksums are right. */
static void checksums_hold(size_t n)
{
	bool v4 = out[0] >> 4 == 4;
	size_t head = v4 ? 20 : 40;
	uint8_t proto = v4 ? out[9] : out[6];
	uint32_t pseudo = 0;
	if (v4)
		assert_int_equal(sum(out, 20, 0), 0xffff);
	if (proto != IPPROTO_ICMP)
		pseudo = sum(out + (v4 ? 12 : 8), v4 ? 8 : 32, proto + (uint32_t)(n - head));
	assert_int_equal(sum(out + head, n - head, pseudo), 0xffff);
}

static struct packet parsed(size_t n)
{
	struct packet p;
	assert_true(n > 0);
	struct guard g = boot_guard_copy(slice_of(out, n));
	assert_int_equal(packet_parse(g.s, &p), PARSE_OK);
	boot_guard_free(&g);
	assert_int_equal(packet_parse(slice_of(out, n), &p), PARSE_OK);
	checksums_hold(n);
	return p;
}

static const struct {
	const char *server, *client, *gateway;
} NETS[] = {{"198.51.100.2", "192.0.2.2", "192.0.2.1"},
	{"2001:db8:2::2", "2001:db8:1::2", "2001:db8:1::1"}};

static void an_alert_and_the_end_reach_the_client(void **state)
{
	for (int v = 0; v < 2; v++)
		for (int ts = 0; ts < 2; ts++) {
			struct refuse_tcp t = {.src = ip(NETS[v].server),
				.dst = ip(NETS[v].client),
				.sport = 443,
				.dport = 50000,
				.seq = 0xfffffffe,
				.ack = 0x01020304,
				.has_ts = ts,
				.tsval = 7,
				.tsecr = 9};
			uint8_t alert[REFUSE_ALERT_SIZE];
			refuse_alert_record(REFUSE_ALERT_UNRECOGNIZED_NAME, alert);
			assert_memory_equal(alert, "\x15\x03\x03\x00\x02\x02\x70", 7);
			size_t n = refuse_tcp_last_payload(
				&t, slice_of(alert, sizeof(alert)), out, sizeof(out));
			struct packet p = parsed(n);
			assert_true(addr_eq(&p.src, &t.src) && addr_eq(&p.dst, &t.dst));
			assert_int_equal(p.sport, 443);
			assert_int_equal(p.dport, 50000);
			assert_int_equal(p.seq, t.seq);
			assert_int_equal(p.ack, t.ack);
			assert_int_equal(p.flags, PACKET_PSH | PACKET_ACK | PACKET_FIN);
			assert_int_equal(p.has_ts, ts);
			assert_int_equal(p.ts_val, ts ? 7 : 0);
			assert_int_equal(p.ts_ecr, ts ? 9 : 0);
			assert_int_equal(p.ttl, 64);
			assert_true(slice_eq(p.payload, slice_of(alert, sizeof(alert))));
			for (size_t cap = 0; cap < n; cap++)
				assert_int_equal(refuse_tcp_last_payload(&t,
							 slice_of(alert, sizeof(alert)), out, cap),
					0);
		}
}

static void P37_a_reset_is_exact(void **state)
{
	for (int v = 0; v < 2; v++) {
		struct refuse_tcp t = {.src = ip(NETS[v].client),
			.dst = ip(NETS[v].server),
			.sport = 50000,
			.dport = 443,
			.seq = 1000,
			.ack = 2000,
			.has_ts = true,
			.tsval = 1,
			.tsecr = 2,
			.ttl = 63};
		struct packet p = parsed(refuse_tcp_rst(&t, out, sizeof(out)));
		assert_int_equal(p.flags, PACKET_RST | PACKET_ACK);
		assert_int_equal(p.seq, 1000);
		assert_int_equal(p.ack, 2000);
		assert_int_equal(p.payload.n, 0);
		assert_int_equal(p.ttl, 63);
	}
	struct refuse_tcp mixed = {.src = ip(NETS[0].client), .dst = ip(NETS[1].server)};
	assert_int_equal(refuse_tcp_rst(&mixed, out, sizeof(out)), 0);
}

static void Q24_prohibited_quotes_the_packet(void **state)
{
	for (int v = 0; v < 2; v++)
		for (int gw = 0; gw < 2; gw++)
			for (size_t pay = 0; pay < 1400; pay += 700) {
				static uint8_t body[1400];
				uint8_t in[REFUSE_PACKET_MAX];
				struct addr server = ip(NETS[v].server),
					    gateway = ip(NETS[v].gateway);
				struct refuse_tcp t = {.src = ip(NETS[v].client),
					.dst = server,
					.sport = 1,
					.dport = 25};
				size_t n_in = refuse_tcp_last_payload(
					&t, slice_of(body, pay), in, sizeof(in));
				size_t n = refuse_icmp(
					slice_of(in, n_in), gw ? &gateway : NULL, out, sizeof(out));
				struct packet p = parsed(n);
				assert_true(addr_eq(&p.dst, &t.src));
				assert_true(addr_eq(&p.src, gw ? &gateway : &server));
				assert_int_equal(p.icmp_type, v ? 1 : 3);
				assert_int_equal(p.icmp_code, v ? 1 : 13);
				size_t most = v ? 1280 : 576, head = v ? 48 : 28;
				assert_int_equal(n, head + n_in < most ? head + n_in : most);
				assert_memory_equal(out + head, in, n - head);
			}
}

static void some_packets_are_not_answered(void **state)
{
	static const struct {
		const char *src, *dst;
	} BAD[] = {{"192.0.2.2", "224.0.0.251"}, {"192.0.2.2", "255.255.255.255"},
		{"0.0.0.0", "198.51.100.2"}, {"2001:db8::1", "ff02::1"}, {"::", "2001:db8::2"},
		{"127.0.0.1", "198.51.100.2"}};
	uint8_t in[REFUSE_PACKET_MAX];
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct refuse_tcp t = {
			.src = ip(BAD[i].src), .dst = ip(BAD[i].dst), .sport = 1, .dport = 25};
		size_t n = refuse_tcp_rst(&t, in, sizeof(in));
		assert_true(n > 0);
		assert_int_equal(refuse_icmp(slice_of(in, n), NULL, out, sizeof(out)), 0);
	}
	for (int v = 0; v < 2; v++) { /* no error about an error */
		struct refuse_tcp t = {.src = ip(NETS[v].client), .dst = ip(NETS[v].server)};
		size_t n = refuse_tcp_rst(&t, in, sizeof(in));
		n = refuse_icmp(slice_of(in, n), NULL, out, sizeof(out));
		memcpy(in, out, n);
		assert_int_equal(refuse_icmp(slice_of(in, n), NULL, out, sizeof(out)), 0);
	}
	assert_int_equal(refuse_icmp(slice_str("junk"), NULL, out, sizeof(out)), 0);
}

static void Q24_a_close_opens_with_the_clients_keys(void **state)
{
	struct quic_crypt *c = quic_crypt_new();
	static const uint32_t VERSION[] = {QUIC_V1, QUIC_V2, 0xff00001d};
	for (int v = 0; v < 2; v++)
		for (int k = 0; k < 3; k++)
			for (int answered = 0; answered < 2; answered++) {
				struct quic_seen to = {.version = VERSION[k],
					.dcid = cid("8394c8f03e515708"),
					.scid = cid("c1c2c3")};
				if (answered)
					to.server = cid("f067a5502a4262b5f067");
				struct refuse_udp u = {.src = ip(NETS[v].server),
					.dst = ip(NETS[v].client),
					.sport = 443,
					.dport = 50000};
				size_t n = refuse_quic_close(&u, c, &to,
					REFUSE_QUIC_UNRECOGNIZED_NAME, out, sizeof(out));
				struct packet p = parsed(n);
				assert_int_equal(p.sport, 443);
				assert_int_equal(p.dport, 50000);
				struct slice rest = p.payload, plain;
				struct quic_packet q;
				struct quic_keys keys;
				struct quic_frame f;
				uint64_t pn;
				assert_true(quic_packet_next(&rest, &q));
				assert_int_equal(rest.n, 0);
				assert_int_equal(q.type, QUIC_TYPE_INITIAL);
				assert_int_equal(q.version, VERSION[k]);
				assert_true(quic_cid_eq(&q.dcid, &to.scid));
				assert_true(quic_cid_eq(&q.scid, answered ? &to.server : &to.dcid));
				assert_true(quic_crypt_keys(
					c, VERSION[k], &to.dcid, QUIC_SERVER, &keys));
				assert_true(quic_crypt_open(c, &keys, &q, 0, &plain, &pn));
				assert_int_equal(quic_frame_next(&plain, &f), 1);
				assert_int_equal(f.type, QUIC_FRAME_CLOSE);
				assert_int_equal(f.error, 0x170);
				assert_int_equal(quic_frame_next(&plain, &f), 0);
				for (size_t cap = 0; cap < n; cap++)
					assert_int_equal(
						refuse_quic_close(&u, c, &to,
							REFUSE_QUIC_CONNECTION_REFUSED, out, cap),
						0);
				to.version = 0x1a2a3a4a;
				assert_int_equal(
					refuse_quic_close(&u, c, &to,
						REFUSE_QUIC_CONNECTION_REFUSED, out, sizeof(out)),
					0);
			}
	quic_crypt_free(c);
}

static void Q05_versions_are_offered(void **state)
{
	struct quic_seen to = {
		.version = 0x1a2a3a4a, .dcid = cid("8394c8f03e515708"), .scid = cid("")};
	struct refuse_udp u = {
		.src = ip(NETS[0].server), .dst = ip(NETS[0].client), .sport = 443, .dport = 50000};
	struct packet p = parsed(refuse_quic_versions(&u, &to, out, sizeof(out)));
	struct bytes want = unhex("c00000000000088394c8f03e515708000000016b3343cf");
	assert_true(slice_eq(p.payload, of(&want)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_and_the_end_reach_the_client),
		cmocka_unit_test(P37_a_reset_is_exact),
		cmocka_unit_test(Q24_prohibited_quotes_the_packet),
		cmocka_unit_test(some_packets_are_not_answered),
		cmocka_unit_test(Q24_a_close_opens_with_the_clients_keys),
		cmocka_unit_test(Q05_versions_are_offered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
