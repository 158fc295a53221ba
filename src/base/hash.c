/* SPDX-License-Identifier: GPL-3.0-or-later
 * hash.c - SipHash-2-4 and FNV-1a 64.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. Source: Aumasson and Bernstein, "SipHash" (2012).
 */
#include "base/hash.h"

struct sip {
	uint64_t a, b, c, d;
};

static uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static uint64_t little(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void mix(struct sip *s, unsigned rounds)
{
	while (rounds--) {
		s->a += s->b;
		s->b = rotl(s->b, 13) ^ s->a;
		s->a = rotl(s->a, 32);
		s->c += s->d;
		s->d = rotl(s->d, 16) ^ s->c;
		s->a += s->d;
		s->d = rotl(s->d, 21) ^ s->a;
		s->c += s->b;
		s->b = rotl(s->b, 17) ^ s->c;
		s->c = rotl(s->c, 32);
	}
}

void hash_key_set(struct hash_key *k, const uint8_t seed[static 16])
{
	k->k0 = little(seed, 8);
	k->k1 = little(seed + 8, 8);
}

uint64_t hash_sip(const struct hash_key *k, const void *p, size_t n)
{
	struct sip s = {k->k0 ^ 0x736f6d6570736575, k->k1 ^ 0x646f72616e646f6d,
		k->k0 ^ 0x6c7967656e657261, k->k1 ^ 0x7465646279746573};
	const uint8_t *bytes = p;
	size_t i = 0;
	uint64_t m;

	for (; n - i >= 8; i += 8) {
		m = little(bytes + i, 8);
		s.d ^= m;
		mix(&s, 2);
		s.a ^= m;
	}
	m = (uint64_t)n << 56;
	if (n > i)
		m |= little(bytes + i, n - i);
	s.d ^= m;
	mix(&s, 2);
	s.a ^= m;
	s.c ^= 0xff;
	mix(&s, 4);
	return s.a ^ s.b ^ s.c ^ s.d;
}

uint64_t hash_fnv(const void *p, size_t n, uint64_t state)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < n; i++)
		state = (state ^ bytes[i]) * 0x100000001b3ull;
	return state;
}
