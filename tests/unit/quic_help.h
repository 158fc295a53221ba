/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_help.h - bytes for the tests of QUIC: vectors from files, Initials sealed from any frames, guard pages.
 */
#ifndef TESTS_QUIC_HELP_H
#define TESTS_QUIC_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "identify/quic_crypt.h"

struct bytes {
	size_t n;
	uint8_t b[4096];
};

static inline struct slice of(const struct bytes *v)
{
	return slice_of(v->b, v->n);
}

static inline struct bytes unhex(const char *s)
{
	struct bytes v = {0};
	unsigned x;
	for (; sscanf(s, "%2x", &x) == 1; s += 2)
		v.b[v.n++] = (uint8_t)x;
	return v;
}

/* tests/data/quic/NAME.hex; the tests run in the top folder */
static inline struct bytes vector(const char *name)
{
	char path[256], text[8192] = "";
	snprintf(path, sizeof(path), "tests/data/quic/%s.hex", name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	return unhex(text);
}

/* The ClientHello of RFC 9001 A.2, "example.com", out of its CRYPTO frame. */
static inline struct bytes hello_message(void)
{
	struct bytes v = vector("rfc9001_client_initial.plain_crypto_frame");
	memmove(v.b, v.b + 4, v.n - 4);
	v.n -= 4;
	return v;
}

static inline void put(struct bytes *v, const void *p, size_t n)
{
	assert_true(v->n + n <= sizeof(v->b));
	if (n)
		memcpy(v->b + v->n, p, n);
	v->n += n;
}

static inline void put_u8(struct bytes *v, unsigned x)
{
	uint8_t b = (uint8_t)x;
	put(v, &b, 1);
}

static inline void put_u32(struct bytes *v, uint32_t x)
{
	uint8_t b[4] = {(uint8_t)(x >> 24), (uint8_t)(x >> 16), (uint8_t)(x >> 8), (uint8_t)x};
	put(v, b, 4);
}

static inline void put_varint2(struct bytes *v, size_t x) /* two bytes */
{
	put_u8(v, 0x40 | (unsigned)(x >> 8));
	put_u8(v, x & 0xff);
}

static inline void put_crypto(struct bytes *v, size_t offset, struct slice data)
{
	put_u8(v, 6);
	put_varint2(v, offset);
	put_varint2(v, data.n);
	put(v, data.p, data.n);
}

static inline struct quic_cid cid(const char *hex)
{
	struct bytes v = unhex(hex);
	struct quic_cid c = {.n = (uint8_t)v.n};
	memcpy(c.b, v.b, v.n);
	return c;
}

struct initial { /* how a test's Initial is made */
	uint32_t version;
	struct quic_cid dcid, scid;
	struct quic_cid keys_of; /* n 0: of dcid */
	enum quic_side side;
	uint32_t pn;
	unsigned pn_len; /* 0 = 1 */
	bool no_padding, no_fixed_bit;
	struct slice token;
};

static inline struct bytes seal(
	struct quic_crypt *c, const struct initial *i, const struct bytes *frames_in)
{
	struct bytes h = {0}, out = {0}, frames = *frames_in;
	unsigned pn_len = i->pn_len ? i->pn_len : 1;
	put_u8(&h, ((i->version == QUIC_V2 ? 0xd0 : 0xc0) ^ (i->no_fixed_bit ? 0x40 : 0)) |
			   (pn_len - 1));
	put_u32(&h, i->version);
	put_u8(&h, i->dcid.n);
	put(&h, i->dcid.b, i->dcid.n);
	put_u8(&h, i->scid.n);
	put(&h, i->scid.b, i->scid.n);
	put_varint2(&h, i->token.n);
	put(&h, i->token.p, i->token.n);
	size_t used = h.n + 2 + pn_len + 16;
	while ((!i->no_padding && used + frames.n < QUIC_INITIAL_MIN) || frames.n < 4)
		frames.b[frames.n++] = 0;
	put_varint2(&h, pn_len + frames.n + 16);
	for (unsigned k = 0; k < pn_len; k++)
		put_u8(&h, i->pn >> (8 * (pn_len - 1 - k)));
	struct quic_keys k;
	assert_true(
		quic_crypt_keys(c, i->version, i->keys_of.n ? &i->keys_of : &i->dcid, i->side, &k));
	out.n = quic_crypt_seal(c, &k, of(&h), pn_len, i->pn, of(&frames), out.b, sizeof(out.b));
	assert_true(out.n > 0);
	return out;
}

/* A copy of `s` that ends where an unreadable page begins; freed by boot_guard_free(). */
struct guard {
	uint8_t *map;
	size_t size;
	struct slice s;
};
static inline struct guard boot_guard_copy(struct slice s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (s.n / page + 2) * page;
	uint8_t *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(m != MAP_FAILED);
	assert_int_equal(mprotect(m + size - page, page, PROT_NONE), 0);
	uint8_t *at = m + size - page - s.n;
	if (s.n)
		memcpy(at, s.p, s.n);
	return (struct guard){m, size, slice_of(at, s.n)};
}
static inline void boot_guard_free(struct guard *g)
{
	munmap(g->map, g->size);
}

#endif
