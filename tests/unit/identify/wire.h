/* SPDX-License-Identifier: GPL-3.0-or-later
 * wire.h - what the tests of this folder share: bytes that end at an unreadable page, and a builder of hellos.
 */
#ifndef TEST_WIRE_H
#define TEST_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"

/* A copy whose last byte is the last of a readable page: reading one too far is a crash. One at a time. */
static inline struct slice guarded(struct slice in)
{
	static uint8_t *end;
	enum { ROOM = 256 * 1024 };

	if (!end) {
		size_t page = (size_t)sysconf(_SC_PAGESIZE);
		uint8_t *p = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_true(p != MAP_FAILED);
		assert_int_equal(mprotect(p + ROOM, page, PROT_NONE), 0);
		end = p + ROOM;
	}
	assert_true(in.n <= ROOM);
	if (in.n)
		memcpy(end - in.n, in.p, in.n);
	return slice_of(end - in.n, in.n);
}

struct wire {
	uint8_t b[128 * 1024];
	size_t n;
};

static inline struct slice wire_slice(const struct wire *w)
{
	return slice_of(w->b, w->n);
}

static inline void put(struct wire *w, const void *p, size_t n)
{
	assert_true(w->n + n <= sizeof(w->b));
	if (n)
		memcpy(w->b + w->n, p, n);
	w->n += n;
}

static inline void put_n(struct wire *w, uint64_t v, int bytes)
{
	while (bytes-- > 0)
		w->b[w->n++] = (uint8_t)(bytes < 8 ? v >> (8 * bytes) : 0);
}

static inline void put_str(struct wire *w, const char *s)
{
	put(w, s, strlen(s));
}

/* Fills in a big-endian length of `bytes` bytes that was left open at `at`. */
static inline void put_length(struct wire *w, size_t at, int bytes)
{
	size_t n = w->n - at - (size_t)bytes;

	for (int i = 0; i < bytes; i++)
		w->b[at + (size_t)i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
}

static inline void put_ext(struct wire *w, uint16_t type, struct slice body)
{
	put_n(w, type, 2);
	put_n(w, body.n, 2);
	put(w, body.p, body.n);
}

/* server_name with one host_name, as sent by everybody */
static inline void put_sni(struct wire *w, struct slice name)
{
	put_n(w, 0, 2);
	put_n(w, name.n + 5, 2);
	put_n(w, name.n + 3, 2);
	put_n(w, 0, 1);
	put_n(w, name.n, 2);
	put(w, name.p, name.n);
}

/* A ClientHello message (no record) with these extensions; none at all when ext.p is NULL. */
static inline void put_hello(struct wire *w, struct slice ext)
{
	size_t at = w->n + 1;

	put_n(w, 1, 1);
	put_n(w, 0, 3);
	put_n(w, 0x0303, 2);
	for (int i = 0; i < 32; i++)
		put_n(w, (uint64_t)i * 7 + 1, 1);
	put_n(w, 4, 1);
	put_n(w, 0xaabbccdd, 4);
	put_n(w, 4, 2);
	put_n(w, 0x13011302, 4);
	put_n(w, 0x0100, 2);
	if (ext.p) {
		put_n(w, ext.n, 2);
		put(w, ext.p, ext.n);
	}
	put_length(w, at, 3);
}

static inline void put_hello_for(struct wire *w, const char *name)
{
	struct wire *ext = calloc(1, sizeof(*ext));

	put_sni(ext, slice_str(name));
	put_hello(w, wire_slice(ext));
	free(ext);
}

/* Bytes as TLS records of at most `size` bytes each. */
static inline void put_records(struct wire *w, uint8_t type, struct slice in, size_t size)
{
	for (size_t at = 0; at < in.n; at += size) {
		size_t n = in.n - at < size ? in.n - at : size;

		put_n(w, type, 1);
		put_n(w, 0x0301, 2);
		put_n(w, n, 2);
		put(w, in.p + at, n);
	}
}

static inline struct wire *wire_new(void)
{
	struct wire *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	return w;
}
/* Rows of a table as tests of their own: a row's first member, its name (with the ids of the catalogue), is the test's;
 * *state is the row. */
struct unit_tests {
	struct CMUnitTest t[256];
	size_t n;
};

static inline void unit_rows(
	struct unit_tests *u, const void *rows, size_t n, size_t size, CMUnitTestFunction f)
{
	assert_true(u->n + n <= sizeof(u->t) / sizeof(u->t[0]));
	for (size_t i = 0; i < n; i++) {
		const uint8_t *row = (const uint8_t *)rows + i * size;
		struct CMUnitTest one = {.test_func = f, .initial_state = (void *)(uintptr_t)row};

		memcpy(&one.name, row, sizeof(one.name));
		u->t[u->n++] = one;
	}
}
#define UNIT_ROWS(u, rows, f)                                                                      \
	unit_rows(u, rows, sizeof(rows) / sizeof((rows)[0]), sizeof((rows)[0]), f)

/* The rows' tests, and behind them the laws over all rows. */
static inline int unit_run(struct unit_tests *u, const struct CMUnitTest *laws, size_t n)
{
	assert_true(u->n + n <= sizeof(u->t) / sizeof(u->t[0]));
	memcpy(u->t + u->n, laws, n * sizeof(*laws));
	return _cmocka_run_group_tests("rows and laws", u->t, u->n + n, NULL, NULL);
}

#endif
