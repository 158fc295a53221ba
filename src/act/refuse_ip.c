/* SPDX-License-Identifier: GPL-3.0-or-later
 * refuse_ip.c - IP headers and the Internet checksum.
 *
 * Owns: nothing. Thread: any; pure. Fails: 0 bytes. See: RFC 791, RFC 8200 8.1, RFC 1071.
 */
#include "refuse_int.h"

enum { V4 = 20, V6 = 40, DEFAULT_TTL = 64 };

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (n)
		sum += (uint32_t)p[0] << 8;
	return sum;
}

uint16_t refuse_checksum(
	const struct addr *src, const struct addr *dst, uint8_t proto, const uint8_t *p, size_t n)
{
	uint32_t sum = 0;
	if (proto) {
		bool v4 = addr_is_v4(src);
		sum = sum16(sum, src->b + (v4 ? 12 : 0), v4 ? 4 : 16);
		sum = sum16(sum, dst->b + (v4 ? 12 : 0), v4 ? 4 : 16);
		sum += proto + (uint32_t)n;
	}
	sum = sum16(sum, p, n);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	return (uint16_t)(sum == 0 && proto == IPPROTO_UDP ? 0xffff : sum); /* UDP: 0 means none */
}

size_t refuse_ip_head(const struct addr *src, const struct addr *dst, uint8_t proto, uint8_t ttl,
	size_t n, uint8_t *out, size_t cap)
{
	bool v4 = addr_is_v4(src);
	size_t head = v4 ? V4 : V6;
	if (v4 != addr_is_v4(dst) || cap < head || cap - head < n || head + n > 65535)
		return 0;
	memset(out, 0, head);
	ttl = ttl ? ttl : DEFAULT_TTL;
	if (v4) {
		out[0] = 0x45;
		refuse_put16(out + 2, (uint32_t)(head + n));
		out[6] = 0x40; /* do not fragment: the ID may stay 0, RFC 6864 */
		out[8] = ttl;
		out[9] = proto;
		memcpy(out + 12, src->b + 12, 4);
		memcpy(out + 16, dst->b + 12, 4);
		refuse_put16(out + 10, refuse_checksum(src, dst, 0, out, head));
	} else {
		out[0] = 0x60;
		refuse_put16(out + 4, (uint32_t)n);
		out[6] = proto;
		out[7] = ttl;
		memcpy(out + 8, src->b, 16);
		memcpy(out + 24, dst->b, 16);
	}
	return head;
}
