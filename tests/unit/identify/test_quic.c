/* SPDX-License-Identifier: GPL-3.0-or-later
 * Datagrams of clients and servers, as browsers, retries and evaders send them, against struct quic_ident.
 */
#include "identify/quic.h"
#include "quic_help.h"

static struct quic_crypt *crypt_;
static struct quic_ident *q;
static struct quic_seen seen;
static uint64_t now;

static int group_setup(void **state)
{
	crypt_ = quic_crypt_new();
	return crypt_ ? 0 : -1;
}

static int group_teardown(void **state)
{
	quic_crypt_free(crypt_);
	return 0;
}

static int setup(void **state)
{
	q = quic_ident_new();
	now = 1000;
	return q ? 0 : -1;
}

static int teardown(void **state)
{
	quic_ident_free(q);
	return 0;
}

#define A "8394c8f03e515708"
#define B "0011223344556677"
#define S "f067a5502a4262b5" /* a server's */

static struct initial first_of(const char *dcid)
{
	return (struct initial){.version = QUIC_V1, .dcid = cid(dcid), .scid = cid("c1c2")};
}

static void client(struct slice d)
{
	struct guard g = boot_guard_copy(d);
	quic_ident_client(q, crypt_, g.s, now, &seen);
	boot_guard_free(&g);
}

/* One Initial with hello[from, to). */
static void send_part(const struct initial *in, const struct bytes *hello, size_t from, size_t to)
{
	struct bytes f = {0};
	put_crypto(&f, from, slice_of(hello->b + from, to - from));
	f = seal(crypt_, in, &f);
	client(of(&f));
}

static void send_all(const struct initial *in, const struct bytes *hello)
{
	send_part(in, hello, 0, hello->n);
}

/* hello_message() with another name of the same length. */
static struct bytes hello_for(const char *eleven)
{
	struct bytes h = hello_message();
	uint8_t *at = memmem(h.b, h.n, "example.com", 11);
	assert_non_null(at);
	memcpy(at, eleven, 11);
	return h;
}

static void is(enum quic_step step, enum ident_kind kind, enum anomaly anomaly, const char *name)
{
	assert_int_equal(seen.step, step);
	assert_int_equal(seen.ident.kind, kind);
	assert_int_equal(seen.ident.anomaly, anomaly);
	assert_string_equal(seen.ident.name, name);
	if (step != QUIC_STEP_OTHER) {
		assert_int_equal(seen.ident.app, APP_QUIC);
		assert_int_equal(seen.ident.source, SOURCE_QUIC);
	}
}

static void Q01_Q02_the_packets_of_the_rfcs_name_example_com(void **state)
{
	static const char *FILES[] = {
		"rfc9001_client_initial.packet", "rfc9369_client_initial.packet"};
	for (int i = 0; i < 2; i++) {
		struct bytes d = vector(FILES[i]);
		struct quic_cid dcid = cid(A);
		client(of(&d));
		is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
		assert_int_equal(seen.conn, 0);
		assert_int_equal(seen.ident.packet, 1);
		assert_true(quic_cid_eq(&seen.dcid, &dcid));
		assert_string_equal(seen.ident.alpn, "alpn");
		client(of(&d));
		is(QUIC_STEP_FOLLOW, IDENT_NAME, ANOMALY_NOTHING, "example.com");
		struct bytes h = hello_message();
		assert_true(slice_eq(quic_ident_hello(q, 0), of(&h)));
		quic_ident_free(q);
		q = quic_ident_new();
	}
}

static void Q08_Q09_a_hello_cut_anywhere_is_named_when_complete(void **state)
{
	struct bytes h = hello_message();
	struct initial in = first_of(A);
	for (size_t cut = 1; cut < h.n; cut++)
		for (int swap = 0; swap < 2; swap++) {
			send_part(&in, &h, swap ? cut : 0, swap ? h.n : cut);
			is(QUIC_STEP_PASS, IDENT_PENDING, ANOMALY_NOTHING, "");
			assert_int_equal(quic_ident_hello(q, 0).n, 0);
			send_part(&in, &h, swap ? 0 : cut, swap ? cut : h.n);
			is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
			assert_int_equal(seen.ident.packet, 2);
			quic_ident_free(q);
			q = quic_ident_new();
		}
}

static void Q07_Q23_chaos_in_one_packet_is_put_together(void **state)
{
	struct bytes h = hello_message(), f = {0};
	struct initial in = first_of(A);
	in.pn = 1;
	in.pn_len = 2;
	for (size_t at = h.n; at > 0;
		at -= at < 17 ? at : 17) { /* backwards, with pings and padding between */
		size_t n = at < 17 ? at : 17;
		put_crypto(&f, at - n, slice_of(h.b + at - n, n));
		put_u8(&f, at % 2);
	}
	f = seal(crypt_, &in, &f);
	client(of(&f));
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
}

static void Q10_other_bytes_later_are_evasive(void **state)
{
	struct bytes h = hello_message(), other = hello_for("blocked.com");
	struct initial in = first_of(A);
	send_all(&in, &h);
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	in.pn = 1;
	send_all(&in, &other);
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_CONTRADICTION, "example.com");
	assert_int_equal(seen.ident.packet, 2);
	send_all(&in, &h);
	is(QUIC_STEP_FOLLOW, IDENT_EVASIVE, ANOMALY_CONTRADICTION, "example.com");
	/* the same connection ID in version 2 is the same connection */
	quic_ident_free(q);
	q = quic_ident_new();
	send_part(&in, &h, 0, 200);
	in.version = QUIC_V2;
	send_all(&in, &other);
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_CONTRADICTION, "");
}

static void Q16_a_second_connection_is_judged_for_itself(void **state)
{
	struct bytes h = hello_message(), other = hello_for("blocked.com");
	struct initial a = first_of(A), b = first_of(B);
	send_all(&a, &h);
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	send_all(&b, &other);
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "blocked.com");
	assert_int_equal(seen.conn, 1);
	send_all(&a, &h);
	is(QUIC_STEP_FOLLOW, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	assert_int_equal(seen.conn, 0);
}

static void Q13_two_connections_in_one_datagram_do_not_pass(void **state)
{
	struct bytes h = hello_message(), other = hello_for("blocked.com"), fa = {0}, fb = {0};
	struct initial a = first_of(A), b = first_of(B);
	a.no_padding = true;
	put_crypto(&fa, 0, of(&h));
	put_crypto(&fb, 0, of(&other));
	fa = seal(crypt_, &a, &fa);
	fb = seal(crypt_, &b, &fb);
	put(&fa, fb.b, fb.n);
	client(of(&fa));
	is(QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_NOTHING, "");
}

static void slots_are_not_taken_from_the_young(void **state)
{
	struct bytes h = hello_message();
	struct initial in = first_of(A);
	for (int i = 0; i < QUIC_CONNS; i++) {
		in.dcid.b[0] = (uint8_t)i;
		send_all(&in, &h);
		is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	}
	in.dcid.b[0] = 99;
	send_all(&in, &h);
	is(QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_OVERLOAD, "");
	now += QUIC_CONN_IDLE_MS;
	send_all(&in, &h);
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	assert_true(quic_ident_memory(q) < QUIC_CONNS * 2560);
}

static void P36_all_connections_share_one_limit(void **state)
{
	struct bytes h = hello_message();
	struct initial in = first_of(A);

	quic_ident_limit(q, 2 * (uint32_t)h.n, 0);
	for (int i = 0; i < 2; i++) {
		in.dcid.b[0] = (uint8_t)i;
		send_all(&in, &h);
		is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	}
	in.dcid.b[0] = 2;
	send_all(&in, &h);
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_TOO_LARGE, "");
}

static void server_initial(const char *scid)
{
	struct initial in = {.version = QUIC_V1,
		.dcid = cid("c1c2"),
		.scid = cid(scid),
		.keys_of = cid(A),
		.side = QUIC_SERVER};
	struct bytes f = {.n = 20, .b = {1}};
	f = seal(crypt_, &in, &f);
	assert_int_equal(quic_ident_server(q, crypt_, of(&f), now), QUIC_TYPE_INITIAL);
}

/* Q11: the second half goes to the server's ID, under the first one's keys; with the answer seen or not. */
static void Q11_keys_stay_those_of_the_first_id(void **state)
{
	struct bytes h = hello_message();
	for (int answered = 0; answered < 2; answered++) {
		struct initial in = first_of(A);
		send_part(&in, &h, 0, 100);
		if (answered)
			server_initial(S);
		in.dcid = cid(S);
		in.keys_of = cid(A);
		send_part(&in, &h, 100, h.n);
		is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
		assert_int_equal(seen.conn, 0);
		quic_ident_free(q);
		q = quic_ident_new();
	}
}

/* Q12 */
static void Q12_after_a_retry_the_same_hello_must_come(void **state)
{
	struct bytes h = hello_message(), other = hello_for("blocked.com"),
		     retry = vector("rfc9001_retry.packet");
	for (int change = 0; change < 2; change++) {
		struct initial in = first_of(A);
		in.scid = (struct quic_cid){0}; /* as in the RFC's Retry */
		send_all(&in, &h);
		is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
		assert_int_equal(quic_ident_server(q, crypt_, of(&retry), now), QUIC_TYPE_RETRY);
		in.dcid = cid(S);
		in.token = slice_str("token");
		in.pn = 1;
		send_all(&in, change ? &other : &h);
		if (change)
			is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_CONTRADICTION, "example.com");
		else
			is(QUIC_STEP_FOLLOW, IDENT_NAME, ANOMALY_NOTHING, "example.com");
		assert_int_equal(seen.conn, 0);
		assert_true(quic_cid_eq(
			&seen.dcid, &in.dcid)); /* a close is sealed with the Retry's keys */
		quic_ident_free(q);
		q = quic_ident_new();
	}
	struct initial in = first_of(A);
	send_all(&in, &h);
	retry.b[retry.n - 1] ^= 1;
	assert_int_equal(quic_ident_server(q, crypt_, of(&retry), now), QUIC_TYPE_UNKNOWN);
}

/* Q06: version 2 keys come from the first destination ID too. */
static void Q06_a_compatible_change_of_version_goes_on(void **state)
{
	struct bytes h = hello_message();
	struct initial in = first_of(A);
	send_part(&in, &h, 0, 100);
	in.version = QUIC_V2;
	in.dcid = cid(S);
	in.keys_of = cid(A);
	send_part(&in, &h, 100, h.n);
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	assert_int_equal(seen.conn, 0);
}

static void T28_a_second_hello_may_not_change_the_name(void **state)
{
	for (int change = 0; change < 2; change++) {
		struct bytes h = hello_message(),
			     two = hello_for(change ? "blocked.com" : "example.com");
		size_t n = h.n;
		struct initial in = first_of(A);
		send_all(&in, &h);
		put(&h, two.b, two.n);
		send_part(&in, &h, n, n + 50);
		is(QUIC_STEP_FOLLOW, IDENT_NAME, ANOMALY_NOTHING, "example.com");
		send_part(&in, &h, n + 50, h.n);
		if (change)
			is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_NAME_CHANGED, "example.com");
		else
			is(QUIC_STEP_FOLLOW, IDENT_NAME, ANOMALY_NOTHING, "example.com");
		quic_ident_free(q);
		q = quic_ident_new();
	}
}

static void Q04_Q05_an_unreadable_version_is_not_let_by(void **state)
{
	struct bytes d = unhex("ca1a2a3a4a088394c8f03e51570800"),
		     real = vector("rfc9001_client_initial.packet");
	d.n = 1200;
	client(of(&d));
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_QUIC_VERSION, "");
	assert_true(seen.unreadable_version);
	assert_int_equal(seen.version, 0x1a2a3a4a);
	client(of(&real));
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	assert_int_equal(seen.ident.packet, 2);
	client(of(&d)); /* also behind a connection that was allowed */
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_QUIC_VERSION, "");
	struct bytes old = unhex("0d0001020304050607513034330000");
	old.n = 1350;
	client(of(&old));
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_QUIC_VERSION, "");
	assert_false(seen.unreadable_version);
}

static void Q21_too_small_a_datagram_says_nothing(void **state)
{
	struct bytes h = hello_message(), f = {0};
	struct initial in = first_of(A);
	in.no_padding = true;
	put_crypto(&f, 0, of(&h));
	f = seal(crypt_, &in, &f);
	client(of(&f));
	is(QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_NOTHING, "");
	in.no_padding = false;
	send_all(&in, &h);
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
}

/* Q13, Q14: what no key of ours opens goes as its Initial goes. */
static void Q13_Q14_zero_rtt_waits_for_its_initial(void **state)
{
	struct bytes early = unhex("d000000001088394c8f03e51570802c1c24032"), h = hello_message();
	struct initial in = first_of(A);
	early.n += 50;
	client(of(&early));
	is(QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_NOTHING, "");
	send_part(&in, &h, 0, 100);
	client(of(&early));
	is(QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_NOTHING, "");
	send_part(&in, &h, 100, h.n);
	client(of(&early));
	is(QUIC_STEP_FOLLOW, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	assert_int_equal(seen.conn, 0);
	early.b[6] ^= 1; /* an ID never seen */
	client(of(&early));
	is(QUIC_STEP_FOLLOW, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	assert_int_equal(seen.conn, QUIC_CONN_ANY);
}

static void Q13_a_hello_in_the_second_packet_of_a_datagram(void **state)
{
	struct bytes h = hello_message(), f1 = {.n = 30, .b = {1}}, f2 = {0};
	struct initial in = first_of(A);
	in.no_padding = true;
	f1 = seal(crypt_, &in, &f1);
	in.no_padding = false;
	in.pn = 1;
	put_crypto(&f2, 0, of(&h));
	f2 = seal(crypt_, &in, &f2);
	put(&f1, f2.b, f2.n);
	client(of(&f1));
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
}

/* Firefox begins at a random number and sends its last byte once a packet is acknowledged. */
static void Q23_a_number_cut_short_is_made_whole(void **state)
{
	struct bytes h = hello_message();
	struct initial in = first_of(A);
	in.pn = 756;
	in.pn_len = 2;
	send_part(&in, &h, 0, 100);
	is(QUIC_STEP_PASS, IDENT_PENDING, ANOMALY_NOTHING, "");
	in.pn = 770; /* 0x302: one byte says 2 */
	in.pn_len = 1;
	send_part(&in, &h, 100, h.n);
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
}

/* Both datagrams of a hello as the kernel hands them over before segmentation, each with padding of its own behind its
 * packet. Where the second one begins is said nowhere. */
static void P05_a_super_packet_of_two_datagrams(void **state)
{
	struct bytes h = hello_message(), two[2];
	struct initial in = first_of(A);
	for (int padding = 0; padding < 300; padding += 13) {
		teardown(state);
		setup(state);
		for (int i = 0; i < 2; i++) {
			struct bytes f = {0};
			size_t from = i ? 90 : 0, to = i ? h.n : 90;
			in.pn = (uint32_t)i;
			in.no_padding = true;
			put_crypto(&f, from, slice_of(h.b + from, to - from));
			f.n = 900; /* PADDING frames */
			two[i] = seal(crypt_, &in, &f);
			two[i].n += (size_t)padding;
		}
		put(&two[0], two[1].b, two[1].n);
		client(of(&two[0]));
		is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	}
}

/* A packet in another one's padding is read too: a server may see it, when the kernel cuts there. */
static void P05_a_hello_hidden_behind_another_is_evasive(void **state)
{
	struct bytes h = hello_message(), other = hello_for("blocked.com"), f = {0}, g = {0};
	struct initial in = first_of(A);
	put_crypto(&f, 0, of(&h));
	f = seal(crypt_, &in, &f);
	f.n += 17;
	put_crypto(&g, 0, of(&other));
	in.pn = 1;
	g = seal(crypt_, &in, &g);
	put(&f, g.b, g.n);
	client(of(&f));
	assert_int_equal(seen.ident.kind, IDENT_EVASIVE);
}

static void Q15_junk_first_changes_nothing(void **state)
{
	struct bytes junk = vector("rfc9001_client_initial.packet"), real = junk;
	junk.b[300] ^= 1;
	client(of(&junk));
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_MID_STREAM, "");
	client(of(&real));
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	client(of(&junk));
	is(QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_NOTHING, "");
	struct initial b = first_of(B);
	struct bytes other = hello_for("blocked.com");
	send_all(&b, &other);
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "blocked.com");
}

/* The keys are those of another 4-tuple's connection. */
static void what_began_on_another_port_is_evasive(void **state)
{
	struct bytes real = vector("rfc9001_client_initial.packet"), closed = real, d = {0};
	struct bytes handshake = unhex("e000000001088394c8f03e51570802c1c24032");

	handshake.n += 50;
	client(of(&handshake));
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_MID_STREAM, "");
	closed.b[6] ^= 1; /* to the ID that the server chose */
	client(of(&closed));
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_MID_STREAM, "");
	/* behind another datagram in a super-packet, too */
	d.n = 1200;
	put(&d, closed.b, closed.n);
	client(of(&d));
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_MID_STREAM, "");
	teardown(state);
	setup(state);
	d.n = 1200;
	put(&d, real.b, real.n);
	client(of(&d));
	is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	teardown(state);
	setup(state);
	/* in the midst of bytes that are no QUIC it is none */
	d.n = 100;
	put(&d, closed.b, closed.n);
	client(of(&d));
	is(QUIC_STEP_OTHER, IDENT_NOT_PROTO, ANOMALY_NOT_KNOWN, "");
	/* and nobody's hello takes it along */
	d = real;
	put(&d, closed.b, closed.n);
	client(of(&d));
	is(QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_NOTHING, "");
}

static void Q17_short_headers_follow_or_are_told(void **state)
{
	struct bytes s = unhex("41"), real = vector("rfc9001_client_initial.packet");
	s.n = 40;
	client(of(&s));
	is(QUIC_STEP_JUDGE, IDENT_NONE, ANOMALY_QUIC_SHORT, "");
	client(of(&real));
	client(of(&s));
	is(QUIC_STEP_FOLLOW, IDENT_NAME, ANOMALY_NOTHING, "example.com");
	assert_int_equal(seen.conn, QUIC_CONN_ANY);
	struct bytes stun = unhex("0001000c2112a442b7e7a701bc34d686fa87dfae");
	quic_ident_free(q);
	q = quic_ident_new();
	client(of(&stun));
	is(QUIC_STEP_OTHER, IDENT_NOT_PROTO, ANOMALY_NOT_KNOWN, "");
	client(slice_of(NULL, 0));
	is(QUIC_STEP_OTHER, IDENT_NOT_PROTO, ANOMALY_NOT_KNOWN, "");
}

static void Q22_odd_frames_ids_and_sizes_are_evasive(void **state)
{
	struct initial in = first_of(A), small = first_of("0102");
	struct bytes h = hello_message(), f = {.n = 10, .b = {8}}, big = {0};
	f = seal(crypt_, &in, &f);
	client(of(&f));
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_BAD_FRAME, "");
	send_all(&small, &h);
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_BAD_LENGTH, "");
	in.dcid = cid(B);
	put_crypto(&big, 0x3ff0, of(&h));
	big = seal(crypt_, &in, &big);
	client(of(&big));
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_TOO_LARGE, "");
	in.dcid = cid("8394c8f03e515700");
	h.b[1] = 1; /* a hello of 64 KiB */
	send_part(&in, &h, 0, 100);
	is(QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_TOO_LARGE, "");
}

static void an_endless_hello_ends(void **state)
{
	struct initial in = first_of(A);
	struct bytes h = hello_message();
	int passed = 0;
	for (size_t i = 0; i < 100; i++) {
		send_part(&in, &h, i, i + 1);
		passed += seen.step == QUIC_STEP_PASS;
	}
	is(QUIC_STEP_FOLLOW, IDENT_EVASIVE, ANOMALY_TOO_LARGE, "");
	assert_int_equal(passed, 64);
}

/* Without it (RFC 9287) or with it, the hello is read; only what carries neither bit nor tag is another protocol. */
static void Q26_the_fixed_bit_means_nothing_to_the_name(void **state)
{
	struct bytes h = hello_message(), f = {0};
	struct initial in = first_of(A);
	in.no_fixed_bit = true;
	for (int token = 0; token < 2; token++) {
		in.token = token ? slice_str("token") : slice_of(NULL, 0);
		f.n = 0;
		put_crypto(&f, 0, of(&h));
		f = seal(crypt_, &in, &f);
		client(of(&f));
		is(QUIC_STEP_JUDGE, IDENT_NAME, ANOMALY_NOTHING, "example.com");
		quic_ident_free(q);
		q = quic_ident_new();
	}
}

static void no_prefix_of_a_datagram_names_a_site(void **state)
{
	struct bytes d = vector("rfc9001_client_initial.packet");
	for (size_t n = 0; n < d.n; n += n < 60 ? 1 : 13) {
		client(slice_of(d.b, n));
		assert_true(seen.ident.kind != IDENT_NAME);
		assert_true(seen.step == QUIC_STEP_OTHER || seen.step == QUIC_STEP_HOLD ||
			    seen.ident.kind == IDENT_EVASIVE);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(Q01_Q02_the_packets_of_the_rfcs_name_example_com),
		T(what_began_on_another_port_is_evasive),
		T(Q08_Q09_a_hello_cut_anywhere_is_named_when_complete),
		T(Q07_Q23_chaos_in_one_packet_is_put_together),
		T(Q10_other_bytes_later_are_evasive),
		T(Q16_a_second_connection_is_judged_for_itself),
		T(Q13_two_connections_in_one_datagram_do_not_pass),
		T(slots_are_not_taken_from_the_young),
		T(P36_all_connections_share_one_limit),
		T(Q11_keys_stay_those_of_the_first_id),
		T(Q12_after_a_retry_the_same_hello_must_come),
		T(Q06_a_compatible_change_of_version_goes_on),
		T(T28_a_second_hello_may_not_change_the_name),
		T(Q04_Q05_an_unreadable_version_is_not_let_by),
		T(Q21_too_small_a_datagram_says_nothing),
		T(Q13_Q14_zero_rtt_waits_for_its_initial),
		T(Q13_a_hello_in_the_second_packet_of_a_datagram),
		T(Q23_a_number_cut_short_is_made_whole),
		T(P05_a_super_packet_of_two_datagrams),
		T(P05_a_hello_hidden_behind_another_is_evasive),
		T(Q15_junk_first_changes_nothing),
		T(Q17_short_headers_follow_or_are_told),
		T(Q22_odd_frames_ids_and_sizes_are_evasive),
		T(an_endless_hello_ends),
		T(Q26_the_fixed_bit_means_nothing_to_the_name),
		T(no_prefix_of_a_datagram_names_a_site),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
