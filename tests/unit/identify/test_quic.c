/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_quic.c - what the hellos of a connection say, whichever way its datagrams come.
 */
#include "identify/quic_tuple.h"

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
	const struct CMUnitTest tests[] = {
		T(Q01_Q02_the_packets_of_the_rfcs_name_example_com),
		T(Q08_Q09_a_hello_cut_anywhere_is_named_when_complete),
		T(Q07_Q23_chaos_in_one_packet_is_put_together),
		T(Q10_other_bytes_later_are_evasive),
		T(T28_a_second_hello_may_not_change_the_name),
		T(Q04_Q05_an_unreadable_version_is_not_let_by),
		T(Q21_too_small_a_datagram_says_nothing),
		T(Q13_a_hello_in_the_second_packet_of_a_datagram),
		T(Q23_a_number_cut_short_is_made_whole),
		T(P05_a_super_packet_of_two_datagrams),
		T(P05_a_hello_hidden_behind_another_is_evasive),
		T(Q15_junk_first_changes_nothing),
		T(Q22_odd_frames_ids_and_sizes_are_evasive),
		T(an_endless_hello_ends),
		T(Q26_the_fixed_bit_means_nothing_to_the_name),
		T(no_prefix_of_a_datagram_names_a_site),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
