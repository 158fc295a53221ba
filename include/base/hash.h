/* SPDX-License-Identifier: GPL-3.0-or-later
 * hash.h - SipHash-2-4 (keyed, for tables that strangers fill) and FNV-1a 64 (checksums of our own data).
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: Aumasson and Bernstein, "SipHash" (2012).
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/layout.h"
#include "base/slice.h"

struct hash_key {
	WIDE uint64_t k0, k1;
};

void hash_key_set(struct hash_key *k, const uint8_t seed[static 16]);
uint64_t hash_sip(const struct hash_key *k, const void *p, size_t n);
uint64_t hash_fnv(
	const void *p, size_t n, uint64_t state); /* state: HASH_FNV_START or an earlier result */
#define HASH_FNV_START 0xcbf29ce484222325ull

#endif
