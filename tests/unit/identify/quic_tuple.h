/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_tuple.h - one UDP 4-tuple as the tests of quic.h drive it: what the client sends, what was seen of it.
 */
#ifndef TESTS_QUIC_TUPLE_H
#define TESTS_QUIC_TUPLE_H

#include "identify/quic.h"
#include "quic_help.h"

static struct quic_crypt *crypt_;
static struct quic_ident *q;
static struct quic_seen seen;
static uint64_t now;

static inline int group_setup(void **state)
{
	crypt_ = quic_crypt_new();
	return crypt_ ? 0 : -1;
}

static inline int group_teardown(void **state)
{
	quic_crypt_free(crypt_);
	return 0;
}

static inline int setup(void **state)
{
	q = quic_ident_new();
	now = 1000;
	return q ? 0 : -1;
}

static inline int teardown(void **state)
{
	quic_ident_free(q);
	return 0;
}

#define A "8394c8f03e515708"
#define B "0011223344556677"
#define S "f067a5502a4262b5" /* a server's */

static inline struct initial first_of(const char *dcid)
{
	return (struct initial){.version = QUIC_V1, .dcid = cid(dcid), .scid = cid("c1c2")};
}

static inline void client(struct slice d)
{
	struct guard g = boot_guard_copy(d);
	quic_ident_client(q, crypt_, g.s, now, &seen);
	boot_guard_free(&g);
}

/* One Initial with hello[from, to). */
static inline void send_part(
	const struct initial *in, const struct bytes *hello, size_t from, size_t to)
{
	struct bytes f = {0};
	put_crypto(&f, from, slice_of(hello->b + from, to - from));
	f = seal(crypt_, in, &f);
	client(of(&f));
}

static inline void send_all(const struct initial *in, const struct bytes *hello)
{
	send_part(in, hello, 0, hello->n);
}

/* hello_message() with another name of the same length. */
static inline struct bytes hello_for(const char *eleven)
{
	struct bytes h = hello_message();
	uint8_t *at = memmem(h.b, h.n, "example.com", 11);
	assert_non_null(at);
	memcpy(at, eleven, 11);
	return h;
}

static inline void is(
	enum quic_step step, enum ident_kind kind, enum anomaly anomaly, const char *name)
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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
