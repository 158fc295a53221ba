/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_flow_udp.c - QUIC on the inspect path: halves of hellos, their deadline, and how long they are remembered.
 */
#include "dataplane/flow_help.h"

#define put quic_put /* flow_help.h has one of its own */
#include "quic_help.h"
#undef put

#define A "8394c8f03e515708"
#define B "0011223344556677"

static const char BLOCKED[] = "fail closed\nfor everyone\nblock example.com\notherwise allow\n";

struct quic_home {
	struct home h;
	struct quic_crypt *crypt;
	struct bytes hello;
	size_t half;
	uint16_t port;
	bool turned; /* conntrack calls the client's packets answers */
};

static void open_quic(struct quic_home *q, const char *policy)
{
	open_home(&q->h, policy);
	q->turned = false;
	q->crypt = quic_crypt_new();
	assert_non_null(q->crypt);
	q->hello = hello_message();
	q->half = q->hello.n / 2;
	q->port = PORT;
}

static void close_quic(struct quic_home *q)
{
	quic_crypt_free(q->crypt);
	close_home(&q->h);
}

/* An Initial with hello[from, to) of the connection that has this first ID. */
static int initial(struct quic_home *q, const char *dcid, uint8_t conn, size_t from, size_t to)
{
	struct initial in = {.version = QUIC_V1, .dcid = cid(dcid), .scid = cid("c1c2")};
	struct bytes f = {0};
	struct shape s = {.proto = IPPROTO_UDP, .dport = 443};
	uint8_t out[2048];
	struct slice ip;

	put_crypto(&f, from, slice_of(q->hello.b + from, to - from));
	f = seal(q->crypt, &in, &f);
	s.payload = of(&f);
	ip = packet_of(&s, out);
	out[20] = (uint8_t)(q->port >> 8);
	out[21] = (uint8_t)q->port;
	return offer(&q->h, ip, conn, q->turned);
}

static void wait_s(struct quic_home *q, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		q->h.w.now_ms += 1000;
		dataplane_sweep(&q->h.w);
	}
}

static void half_a_hello_is_evasive_in_time_and_not_forgotten(void **state)
{
	struct quic_home q;

	open_quic(&q, BLOCKED);
	assert_int_equal(initial(&q, A, 0, 0, q.half), WAITS);
	wait_s(&q, 11);
	assert_int_equal(verdict_of(1), DROPPED);
	assert_int_equal(last_event(&q.h).ident.anomaly, ANOMALY_TIMEOUT);
	wait_s(&q, 100); /* its mark is gone, too: conntrack has forgotten it */
	assert_int_equal(initial(&q, A, 0, q.half, q.hello.n), DROPPED);
	wait_s(&q, 400);
	assert_int_equal(flowtab_count(q.h.w.flows), 0);
	close_quic(&q);
}

/* However many flows are decided behind it, half a hello is remembered; an older dataplane let it pass, and its mark tells. */
static void P36_half_a_hello_is_not_pushed_out(void **state)
{
	struct quic_home q;
	uint16_t port;

	for (int timed_out = 0; timed_out < 2; timed_out++) {
		open_quic(&q, BLOCKED);
		port = q.port;
		assert_int_equal(initial(&q, A, 0, 0, q.half), WAITS);
		if (timed_out)
			wait_s(&q, 11);
		for (q.port = 1; q.port <= 600; q.port++) /* refused ones, in a table of 256 */
			assert_int_equal(initial(&q, A, 0, 0, q.hello.n), DROPPED);
		q.port = port;
		assert_int_equal(initial(&q, A, 0, q.half, q.hello.n), DROPPED);
		close_quic(&q);
	}
	open_quic(&q, BLOCKED);
	assert_int_equal(initial(&q, A, MARK_HELD, q.half, q.hello.n), DROPPED);
	assert_int_equal(last_event(&q.h).ident.anomaly, ANOMALY_MID_STREAM);
	assert_int_equal(initial(&q, A, MARK_HELD, 0, q.hello.n), DROPPED);
	close_quic(&q);
}

static void a_second_connection_has_a_deadline_of_its_own(void **state)
{
	struct quic_home q;

	open_quic(&q, "fail closed\notherwise allow\n");
	assert_int_equal(initial(&q, A, 0, 0, q.hello.n), MARK_ALLOWED);
	assert_int_equal(initial(&q, B, MARK_ALLOWED, 0, q.half), WAITS);
	wait_s(&q, 100);
	assert_int_equal(initial(&q, B, MARK_ALLOWED, q.half, q.hello.n), DROPPED);
	assert_int_equal(last_event(&q.h).ident.anomaly, ANOMALY_TIMEOUT);
	close_quic(&q);
}

static void P36_a_client_has_its_share_of_the_bytes(void **state)
{
	struct quic_home q;
	unsigned waits = 0;

	open_quic(&q, BLOCKED);
	dataplane_worker_fini(&q.h.w);
	q.h.settings.memory_max = 100000;
	assert_int_equal(dataplane_worker_init(&q.h.w), 0);
	for (int i = 0; i < 60; i++, q.port++)
		waits += initial(&q, A, 0, 0, q.half) == WAITS;
	assert_in_range(waits, 5, 25); /* a quarter of the bytes, at 1 to 5 KB a flow */
	assert_int_equal(q.h.w.counters.overload, 60 - waits);
	assert_true(flowtab_memory(q.h.w.flows) <= 25000);
	close_quic(&q);
}

static void crypto_limit_bounds_a_flow(void **state)
{
	struct quic_home q;

	open_quic(&q, "fail closed\notherwise allow\n");
	q.h.settings.crypto_max_bytes = (uint32_t)q.hello.n - 1;
	assert_int_equal(initial(&q, A, 0, 0, q.hello.n), DROPPED);
	assert_int_equal(last_event(&q.h).ident.anomaly, ANOMALY_TOO_LARGE);
	close_quic(&q);
}

/* The server spoke first, after conntrack had forgotten: on a one-armed gateway its ports do not tell it from a client, with
 * all-udp nothing does. */
static void a_client_is_one_though_conntrack_says_server(void **state)
{
	static const uint8_t short_header[30] = {0x41};
	struct shape s = {.proto = IPPROTO_UDP,
		.reply = true,
		.dport = 443,
		.payload = slice_of(short_header, sizeof(short_header))};
	uint8_t out[2048];
	struct quic_home q;

	for (int all = 0; all < 2; all++) {
		for (int blocked = 0; blocked < 2; blocked++) {
			open_quic(&q, blocked ? BLOCKED : "fail closed\notherwise allow\n");
			if (all)
				q.h.settings.inspect_udp =
					(struct port_set){.r = {{1, 65535}}, .n = 1};
			assert_int_equal(give(&q.h, packet_of(&s, out), 0, false), MARK_ALLOWED);
			q.turned = true;
			assert_int_equal(initial(&q, A, MARK_ALLOWED, 0, q.half),
				WAITS); /* its first half; the other is judged */
			assert_int_equal(initial(&q, A, MARK_ALLOWED, q.half, q.hello.n),
				blocked ? DROPPED : MARK_ALLOWED);
			assert_string_equal(last_event(&q.h).ident.name, "example.com");
			close_quic(&q);
		}
	}
}

/* What only looks like one passes: the answers of a server at whatever port. */
static void an_answer_is_not_taken_for_a_client(void **state)
{
	static const uint8_t rtp[200] = {0x80, 0x60}, version[1250] = {0xc3, 0, 0, 0, 1, 8};
	const struct slice words[] = {
		slice_of(rtp, sizeof(rtp)), slice_of(version, sizeof(version))};
	uint8_t out[2048];
	struct quic_home q;

	for (size_t i = 0; i < 2; i++) {
		struct shape s = {
			.proto = IPPROTO_UDP, .reply = true, .dport = 9999, .payload = words[i]};

		open_quic(&q, BLOCKED);
		q.h.settings.inspect_udp = (struct port_set){.r = {{1, 65535}}, .n = 1};
		assert_int_equal(give(&q.h, packet_of(&s, out), MARK_ALLOWED, true), MARK_ALLOWED);
		assert_int_equal(q.h.w.counters.refused, 0);
		close_quic(&q);
	}
}

/* Two ports, one connection ID: each flow has half a hello, and neither half goes on. */
static void halves_by_two_ports_stay_here(void **state)
{
	struct quic_home q;

	open_quic(&q, BLOCKED);
	assert_int_equal(initial(&q, A, 0, 0, q.half), WAITS);
	q.port++;
	assert_int_equal(initial(&q, A, 0, q.half, q.hello.n), WAITS);
	assert_int_equal(seen.verdicts, 0);
	wait_s(&q, 4);
	assert_int_equal(verdict_of(1), DROPPED);
	assert_int_equal(verdict_of(2), DROPPED);
	assert_int_equal(q.h.w.counters.dropped, 2);
	close_quic(&q);
}

static void what_waits_goes_as_the_hello_goes_in_order(void **state)
{
	struct quic_home q;

	for (int blocked = 0; blocked < 2; blocked++) {
		open_quic(&q, blocked ? BLOCKED : "fail closed\notherwise allow\n");
		assert_int_equal(initial(&q, A, 0, q.half, q.hello.n), WAITS); /* in any order */
		assert_int_equal(initial(&q, A, 0, 0, 50), WAITS);
		assert_int_equal(initial(&q, A, 0, 0, 50), WAITS); /* sent again */
		assert_int_equal(initial(&q, A, 0, 50, q.half), blocked ? DROPPED : MARK_ALLOWED);
		assert_int_equal(seen.verdicts, 4);
		for (uint32_t id = 1; id <= 4; id++) {
			assert_int_equal(seen.order[id - 1], id);
			assert_int_equal(verdict_of(id), blocked ? DROPPED : MARK_ALLOWED);
		}
		assert_int_equal(q.h.w.counters.passed, blocked ? 0 : 4);
		assert_int_equal(seen.injected[INJECT_TO_CLIENT], blocked);
		wait_s(&q, 100); /* no second verdict */
		assert_int_equal(seen.verdicts, 4);
		close_quic(&q);
	}
}

static void a_hello_does_not_let_the_half_of_another_go(void **state)
{
	struct quic_home q;

	open_quic(&q, "fail closed\notherwise allow\n");
	assert_int_equal(initial(&q, A, 0, 0, q.half), WAITS);
	assert_int_equal(initial(&q, B, 0, 0, q.half), WAITS);
	assert_int_equal(initial(&q, B, 0, q.half, q.hello.n), MARK_ALLOWED);
	assert_int_equal(verdict_of(1), WAITS);
	assert_int_equal(verdict_of(2), MARK_ALLOWED);
	assert_int_equal(initial(&q, A, MARK_ALLOWED, q.half, q.hello.n), MARK_ALLOWED);
	assert_int_equal(verdict_of(1), MARK_ALLOWED);
	close_quic(&q);
}

/* What was dropped for its age was read: the half that comes later completes it, and the first is sent again. */
static void a_half_that_was_dropped_is_still_known(void **state)
{
	struct quic_home q;

	open_quic(&q, "fail closed\notherwise allow\n");
	assert_int_equal(initial(&q, A, 0, 0, q.half), WAITS);
	wait_s(&q, 4);
	assert_int_equal(verdict_of(1), DROPPED);
	assert_int_equal(initial(&q, A, 0, q.half, q.hello.n), MARK_ALLOWED);
	assert_int_equal(initial(&q, A, MARK_ALLOWED, 0, q.half), MARK_ALLOWED);
	close_quic(&q);
}

static void few_datagrams_wait_and_the_oldest_go_first(void **state)
{
	struct quic_home q;

	open_quic(&q, "fail closed\notherwise allow\n");
	q.h.settings.client_quota = 100;
	dataplane_worker_fini(&q.h.w);
	q.h.settings.flows_max = 1024;
	assert_int_equal(dataplane_worker_init(&q.h.w), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(initial(&q, A, 0, 0, q.half), WAITS);
	assert_int_equal(initial(&q, A, 0, 0, q.half), DROPPED); /* of one flow */
	for (q.port++; q.h.id < 257; q.port++)
		assert_int_equal(initial(&q, A, 0, 0, q.half), WAITS);
	assert_int_equal(seen.verdicts, 1);
	assert_int_equal(initial(&q, A, 0, 0, q.half), WAITS); /* of the worker */
	assert_int_equal(seen.verdicts, 17);
	for (uint32_t id = 1; id <= 16; id++)
		assert_int_equal(verdict_of(id), DROPPED);
	assert_int_equal(initial(&q, A, 0, q.half, q.hello.n), MARK_ALLOWED);
	close_quic(&q);
	assert_int_equal(seen.verdicts, q.h.id); /* a worker that ends leaves none */
}

/* A second hello on another port, sealed by the keys of the first: no key that we know opens it there. */
static void an_initial_that_no_key_opens_is_evasive(void **state)
{
	struct initial in = {.version = QUIC_V1, .dcid = cid(A), .scid = cid("c1c2")};
	struct shape s = {.proto = IPPROTO_UDP, .dport = 443};
	struct bytes f = {0};
	struct event e;
	uint8_t out[2048];
	struct quic_home q;

	open_quic(&q, "fail closed\notherwise allow\n");
	put_crypto(&f, 0, of(&q.hello));
	f = seal(q.crypt, &in, &f);
	f.b[6] ^= 1; /* to the ID that the server chose */
	s.payload = of(&f);
	assert_int_equal(give(&q.h, packet_of(&s, out), 0, false), DROPPED);
	e = last_event(&q.h);
	assert_int_equal(e.ident.kind, IDENT_EVASIVE);
	assert_int_equal(e.ident.anomaly, ANOMALY_MID_STREAM);
	assert_int_equal(initial(&q, A, 0, 0, q.hello.n), MARK_ALLOWED);
	close_quic(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_a_hello_is_evasive_in_time_and_not_forgotten),
		cmocka_unit_test(P36_half_a_hello_is_not_pushed_out),
		cmocka_unit_test(a_second_connection_has_a_deadline_of_its_own),
		cmocka_unit_test(P36_a_client_has_its_share_of_the_bytes),
		cmocka_unit_test(crypto_limit_bounds_a_flow),
		cmocka_unit_test(a_client_is_one_though_conntrack_says_server),
		cmocka_unit_test(an_answer_is_not_taken_for_a_client),
		cmocka_unit_test(halves_by_two_ports_stay_here),
		cmocka_unit_test(what_waits_goes_as_the_hello_goes_in_order),
		cmocka_unit_test(a_hello_does_not_let_the_half_of_another_go),
		cmocka_unit_test(a_half_that_was_dropped_is_still_known),
		cmocka_unit_test(few_datagrams_wait_and_the_oldest_go_first),
		cmocka_unit_test(an_initial_that_no_key_opens_is_evasive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
