/* SPDX-License-Identifier: GPL-3.0-or-later
 * The vectors of RFC 9001 appendix A and RFC 9369 appendix A, byte for byte, both ways.
 */
#include "quic_help.h"

static struct quic_crypt *crypt_;

static int setup(void **state)
{
	crypt_ = quic_crypt_new();
	return crypt_ ? 0 : -1;
}

static int teardown(void **state)
{
	quic_crypt_free(crypt_);
	return 0;
}

static const struct {
	const char *rfc;
	uint32_t version;
	const char *ck, *civ, *chp, *sk, *siv, *shp;
} RFCS[] = {
	{"rfc9001", QUIC_V1, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c",
		"9f50449e04a0e810283a1e9933adedd2", "cf3a5331653c364c88f0f379b6067e37",
		"0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314"},
	{"rfc9369", QUIC_V2, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f",
		"45b95e15235d6f45a6b19cbcb0294ba9", "82db637861d55e1d011f19ea71d5d2a7",
		"dd13c276499c0249d3310652", "edf6d05c83121201b436e16877593c3a"},
};
enum { N = sizeof(RFCS) / sizeof(RFCS[0]) };
#define DCID "8394c8f03e515708"

static struct bytes file(int i, const char *what)
{
	char name[128];
	snprintf(name, sizeof(name), "%s_%s", RFCS[i].rfc, what);
	return vector(name);
}

static struct quic_keys keys(int i, enum quic_side side)
{
	struct quic_keys k;
	struct quic_cid d = cid(DCID);
	assert_true(quic_crypt_keys(crypt_, RFCS[i].version, &d, side, &k));
	return k;
}

static void same(const uint8_t *got, size_t n, const char *hex)
{
	struct bytes v = unhex(hex);
	assert_int_equal(n, v.n);
	assert_memory_equal(got, v.b, n);
}

static void Q01_Q02_keys_are_those_of_the_rfc(void **state)
{
	for (int i = 0; i < N; i++) {
		struct quic_keys c = keys(i, QUIC_CLIENT), s = keys(i, QUIC_SERVER);
		same(c.key, 16, RFCS[i].ck);
		same(c.iv, 12, RFCS[i].civ);
		same(c.hp, 16, RFCS[i].chp);
		same(s.key, 16, RFCS[i].sk);
		same(s.iv, 12, RFCS[i].siv);
		same(s.hp, 16, RFCS[i].shp);
	}
}

static void Q01_Q02_packets_open(void **state)
{
	for (int i = 0; i < N; i++) {
		struct bytes pkt = file(i, "client_initial.packet"),
			     want = file(i, "client_initial.plain_crypto_frame");
		struct slice rest = of(&pkt), plain;
		struct quic_packet p;
		uint64_t pn;
		assert_true(quic_packet_next(&rest, &p));
		assert_int_equal(p.type, QUIC_TYPE_INITIAL);
		assert_int_equal(rest.n, 0);
		struct quic_keys c = keys(i, QUIC_CLIENT), s = keys(i, QUIC_SERVER);
		assert_true(quic_crypt_open(crypt_, &c, &p, 0, &plain, &pn));
		assert_int_equal(pn, 2);
		assert_int_equal(plain.n, 1162);
		assert_memory_equal(plain.p, want.b, want.n);
		for (size_t k = want.n; k < plain.n; k++)
			assert_int_equal(plain.p[k], 0);
		assert_false(quic_crypt_open(crypt_, &s, &p, 0, &plain, &pn));

		pkt = file(i, "server_initial.packet");
		want = file(i, "server_initial.plain");
		rest = of(&pkt);
		assert_true(quic_packet_next(&rest, &p));
		assert_true(quic_crypt_open(crypt_, &s, &p, 0, &plain, &pn));
		assert_int_equal(pn, 1);
		assert_int_equal(plain.n, want.n);
		assert_memory_equal(plain.p, want.b, want.n);
	}
}

static void Q01_Q02_packets_seal_to_the_same_bytes(void **state)
{
	for (int i = 0; i < N; i++) {
		struct bytes out = {0}, head = file(i, "client_initial.header"),
			     want = file(i, "client_initial.packet");
		struct bytes frames = file(i, "client_initial.plain_crypto_frame");
		frames.n = 1162; /* padded with zero bytes */
		struct quic_keys c = keys(i, QUIC_CLIENT), s = keys(i, QUIC_SERVER);
		out.n = quic_crypt_seal(
			crypt_, &c, of(&head), 4, 2, of(&frames), out.b, sizeof(out.b));
		assert_int_equal(out.n, want.n);
		assert_memory_equal(out.b, want.b, want.n);

		head = file(i, "server_initial.header");
		frames = file(i, "server_initial.plain");
		want = file(i, "server_initial.packet");
		out.n = quic_crypt_seal(
			crypt_, &s, of(&head), 2, 1, of(&frames), out.b, sizeof(out.b));
		assert_int_equal(out.n, want.n);
		assert_memory_equal(out.b, want.b, want.n);
		assert_int_equal(quic_crypt_seal(crypt_, &s, of(&head), 2, 1, of(&frames), out.b,
					 want.n - 1),
			0);
	}
}

static void Q12_a_retry_is_known_by_its_tag(void **state)
{
	for (int i = 0; i < N; i++) {
		struct bytes pkt = file(i, "retry.packet");
		struct quic_cid d = cid(DCID), other = cid("8394c8f03e515709");
		struct quic_packet p;
		struct slice rest = of(&pkt);
		assert_true(quic_packet_next(&rest, &p));
		assert_int_equal(p.type, QUIC_TYPE_RETRY);
		assert_int_equal(p.token.n, 5);
		assert_memory_equal(p.token.p, "token", 5);
		assert_true(quic_crypt_retry_ok(crypt_, &p, &d));
		assert_false(quic_crypt_retry_ok(crypt_, &p, &other));
		pkt.b[pkt.n - 1] ^= 1;
		assert_false(quic_crypt_retry_ok(crypt_, &p, &d));
	}
}

static void Q01_any_changed_bit_is_refused(void **state)
{
	struct bytes pkt = file(0, "server_initial.packet");
	struct quic_keys s = keys(0, QUIC_SERVER);
	for (size_t bit = 0; bit < pkt.n * 8; bit++) {
		struct bytes m = pkt;
		m.b[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		struct slice rest = of(&m), plain;
		struct quic_packet p;
		uint64_t pn;
		if (quic_packet_next(&rest, &p) && p.type == QUIC_TYPE_INITIAL)
			assert_false(quic_crypt_open(crypt_, &s, &p, 0, &plain, &pn));
	}
}

static void no_prefix_opens_and_none_is_read_past(void **state)
{
	struct bytes pkt = file(1, "client_initial.packet");
	struct quic_keys c = keys(1, QUIC_CLIENT);
	for (size_t n = 0; n < pkt.n; n++) {
		struct guard g = boot_guard_copy(slice_of(pkt.b, n));
		struct slice rest = g.s, plain;
		struct quic_packet p;
		uint64_t pn;
		if (quic_packet_next(&rest, &p) && p.type == QUIC_TYPE_INITIAL)
			assert_false(quic_crypt_open(crypt_, &c, &p, 0, &plain, &pn));
		quic_plausible(g.s);
		boot_guard_free(&g);
	}
}

static void Q23_packet_numbers_of_all_lengths(void **state)
{
	struct bytes frames = {.n = 20, .b = {1}};
	for (unsigned len = 1; len <= 4; len++) {
		struct initial in = {.version = QUIC_V1,
			.dcid = cid(DCID),
			.pn = 0xdeadbeef >> (8 * (4 - len)),
			.pn_len = len};
		struct bytes pkt = seal(crypt_, &in, &frames);
		struct slice rest = of(&pkt), plain;
		struct quic_packet p;
		uint64_t pn;
		struct quic_keys c = keys(0, QUIC_CLIENT);
		assert_true(quic_packet_next(&rest, &p));
		assert_true(quic_crypt_open(crypt_, &c, &p, 0, &plain, &pn));
		assert_int_equal(pn, in.pn);
		assert_int_equal(plain.p[0], 1);
	}
}

static void Q22_headers_that_lie_are_refused(void **state)
{
	static const struct {
		const char *hex;
		bool ok;
	} CASES[] = {
		{"c00000000108000102030405060700000000", true}, /* length 0: read, never opened */
		{"c0000000011500010203040506070809101112131415161718192000000000",
			false},						       /* CID of 21 */
		{"c000000001080001020304050607004000", false},		       /* no length */
		{"c0000000010800010203040506070005aabb", false},	       /* token runs out */
		{"c00000000108000102030405060700ffffffffffffffff00", false},   /* huge token */
		{"c0000000010800010203040506070000bfffffff00", false},	       /* huge length */
		{"c00000", false}, {"c0", false}, {"00", false}, {"40", true}, /* short */
		{"c0000000000800010203040506070000", true}, /* version negotiation */
	};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct bytes v = unhex(CASES[i].hex);
		struct guard g = boot_guard_copy(of(&v));
		struct slice rest = g.s;
		struct quic_packet p;
		assert_int_equal(quic_packet_next(&rest, &p), CASES[i].ok);
		boot_guard_free(&g);
	}
}

static void Q20_neighbours_are_not_taken_for_quic(void **state)
{
	static const char *CASES[] = {
		"f0a18180000100020000000006676f6f676c6503636f6d0000010001", /* DNS answer, id f0a1 */
		"e3000aec0000000000000000000000000000000000000000",	    /* NTP */
		"800012340000000000000000",				    /* RTP */
		"0001000c2112a442b7e7a701bc34d686fa87dfae",		    /* STUN */
		"16fefd0000000000000000003f010000",			    /* DTLS */
		"d1f4d1f4d1f4d1f40000000000000000012020220000000000000154", /* IKE */
		"494e56495445207369703a626f62",				    /* SIP */
	};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct bytes v = unhex(CASES[i]);
		assert_false(quic_plausible(of(&v)));
		v.n = 1400; /* and were they long */
		assert_false(quic_plausible(of(&v)));
	}
	struct bytes q = file(0, "client_initial.packet");
	assert_true(quic_plausible(of(&q)));
	q.n = 1199;
	assert_false(quic_plausible(of(&q)));
	struct bytes old = unhex("0d0001020304050607513034330000");
	old.n = 1350;
	assert_true(quic_plausible(of(&old)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(Q01_Q02_keys_are_those_of_the_rfc),
		cmocka_unit_test(Q01_Q02_packets_open),
		cmocka_unit_test(Q01_Q02_packets_seal_to_the_same_bytes),
		cmocka_unit_test(Q12_a_retry_is_known_by_its_tag),
		cmocka_unit_test(Q01_any_changed_bit_is_refused),
		cmocka_unit_test(no_prefix_opens_and_none_is_read_past),
		cmocka_unit_test(Q23_packet_numbers_of_all_lengths),
		cmocka_unit_test(Q22_headers_that_lie_are_refused),
		cmocka_unit_test(Q20_neighbours_are_not_taken_for_quic),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
