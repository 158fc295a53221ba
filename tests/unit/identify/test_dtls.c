/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_dtls.c - DTLS hellos, whole and in fragments.
 */
#include "identify/wire.h"

#include "identify/dtls.h"

static void put_body(struct wire *w, const char *name)
{
	put_n(w, 0xfefd, 2);
	put_n(w, 0, 32);
	put(w, "\0\3abc\0\2\x13\1\1\0", 11);
	put_n(w, strlen(name) + 9, 2);
	put_sni(w, slice_str(name));
}

/* One record with body[from, from + n) */
static void put_record(struct wire *w, struct slice body, size_t from, size_t n, unsigned seq)
{
	put_n(w, 22, 1);
	put_n(w, 0xfeff, 2);
	put_n(w, 0, 8);
	put_n(w, n + 12, 2);
	put_n(w, 1, 1);
	put_n(w, body.n, 3);
	put_n(w, seq, 2);
	put_n(w, from, 3);
	put_n(w, n, 3);
	put(w, body.p + from, n);
}

static enum parse add(struct dtls_join *j, struct wire *w, struct tls_hello *h)
{
	enum parse status = dtls_hello_add(j, guarded(wire_slice(w)), h);

	w->n = 0;
	return status;
}

static void T41_whole_and_in_fragments_of_any_order(void **state)
{
	struct wire *body = wire_new(), *w = wire_new();
	struct tls_hello h;

	(void)state;
	put_body(body, "a.example");
	for (size_t size = 1; size <= body->n; size += 3) {
		struct dtls_join *j = calloc(1, sizeof(*j));
		size_t last = (body->n - 1) / size * size;

		for (size_t from = last; from > 0; from -= size) {
			size_t n = body->n - from < size ? body->n - from : size;

			put_record(w, wire_slice(body), from, n, 0);
			assert_int_equal(add(j, w, &h), PARSE_NEED_MORE);
		}
		put_record(w, wire_slice(body), 0, size, 0);
		assert_int_equal(add(j, w, &h), PARSE_OK);
		assert_true(slice_eq(h.name, slice_str("a.example")));
		free(j);
	}
	free(body);
	free(w);
}

static void T41_several_records_in_one_datagram_and_a_second_hello(void **state)
{
	struct wire *body = wire_new(), *w = wire_new();
	struct dtls_join *j = calloc(1, sizeof(*j));
	struct tls_hello h;

	(void)state;
	put_body(body, "a.example");
	put_record(w, wire_slice(body), 0, 10, 0);
	put_record(w, wire_slice(body), 10, body->n - 10, 0);
	assert_int_equal(add(j, w, &h), PARSE_OK);
	body->n = 0;
	put_body(body, "b.example");
	put_record(w, wire_slice(body), 0, body->n, 1);
	assert_int_equal(add(j, w, &h), PARSE_OK);
	assert_true(slice_eq(h.name, slice_str("b.example")));
	free(j);
	free(body);
	free(w);
}

static void T41_contradictions_and_lies(void **state)
{
	struct wire *body = wire_new(), *w = wire_new();
	struct dtls_join *j = calloc(1, sizeof(*j));
	struct tls_hello h;

	(void)state;
	put_body(body, "a.example");
	put_record(w, wire_slice(body), 0, 40, 0);
	assert_int_equal(add(j, w, &h), PARSE_NEED_MORE);
	body->b[5] ^= 1;
	put_record(w, wire_slice(body), 0, 10, 0);
	assert_int_equal(add(j, w, &h), PARSE_INVALID);
	assert_int_equal(h.anomaly, ANOMALY_CONTRADICTION);
	put_record(w, slice_of(body->b, body->n - 1), 0, 10, 0);
	assert_int_equal(add(j, w, &h), PARSE_INVALID);
	assert_int_equal(h.anomaly, ANOMALY_CONTRADICTION);
	put_record(w, slice_of(body->b, DTLS_HELLO_MAX + 1), 0, 10, 3);
	assert_int_equal(add(j, w, &h), PARSE_INVALID);
	assert_int_equal(h.anomaly, ANOMALY_TOO_LARGE);
	free(j);
	free(body);
	free(w);
}

static void T41_what_is_no_dtls_hello_is_not_known(void **state)
{
	struct wire *body = wire_new(), *w = wire_new();
	struct dtls_join *j = calloc(1, sizeof(*j));
	static const size_t spoils[] = {0, 1, 4, 13, 19, 22};
	struct tls_hello h;

	(void)state;
	put_body(body, "a.example");
	for (size_t i = 0; i < 6; i++) {
		put_record(w, wire_slice(body), 0, body->n, 0);
		w->b[spoils[i]] ^= 0x40;
		assert_int_equal(add(j, w, &h), PARSE_INVALID);
		assert_int_equal(h.anomaly, ANOMALY_NOT_KNOWN);
	}
	put_record(w, wire_slice(body), 0, body->n, 0);
	for (size_t n = 0; n < w->n; n++)
		assert_int_equal(dtls_hello_add(j, guarded(slice_of(w->b, n)), &h), PARSE_INVALID);
	free(j);
	free(body);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(T41_whole_and_in_fragments_of_any_order),
		cmocka_unit_test(T41_several_records_in_one_datagram_and_a_second_hello),
		cmocka_unit_test(T41_contradictions_and_lies),
		cmocka_unit_test(T41_what_is_no_dtls_hello_is_not_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
