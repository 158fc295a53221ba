/* SPDX-License-Identifier: GPL-3.0-or-later
 * refuse_int.h - IP headers and checksums, for every packet that refuse_*.c builds.
 */
#ifndef ACT_REFUSE_INT_H
#define ACT_REFUSE_INT_H

#include "base/addr.h"

/* Writes an IPv4 header (DF, no options) or an IPv6 header in front of `n` bytes of `proto` that follow. Returns its
 * size (20 or 40), 0 when header and payload do not fit in cap or the addresses are of two families. ttl 0 = 64. */
size_t refuse_ip_head(const struct addr *src, const struct addr *dst, uint8_t proto, uint8_t ttl,
	size_t n, uint8_t *out, size_t cap);

/* The Internet checksum of n bytes, with TCP's, UDP's and ICMPv6's pseudo header when `proto` is not 0. */
uint16_t refuse_checksum(
	const struct addr *src, const struct addr *dst, uint8_t proto, const uint8_t *p, size_t n);

static inline void refuse_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void refuse_put32(uint8_t *p, uint32_t v)
{
	refuse_put16(p, v >> 16);
	refuse_put16(p + 2, v);
}

#endif
