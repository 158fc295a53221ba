/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_quic_conns.c - several connections of one 4-tuple, and what begins, goes on or changes within it.
 */
#include "identify/quic_tuple.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(Q16_a_second_connection_is_judged_for_itself),
		T(Q13_two_connections_in_one_datagram_do_not_pass),
		T(slots_are_not_taken_from_the_young),
		T(P36_all_connections_share_one_limit),
		T(Q11_keys_stay_those_of_the_first_id),
		T(Q12_after_a_retry_the_same_hello_must_come),
		T(Q06_a_compatible_change_of_version_goes_on),
		T(Q13_Q14_zero_rtt_waits_for_its_initial),
		T(what_began_on_another_port_is_evasive),
		T(Q17_short_headers_follow_or_are_told),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
