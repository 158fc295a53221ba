/* SPDX-License-Identifier: GPL-3.0-or-later
 * packet_edit.c - lengths and checksums of a packet that was changed.
 *
 * Checksums are corrected by the difference (RFC 1624) and not computed anew. So a packet with a wrong checksum keeps a wrong
 * one, and no server accepts what it would have discarded before. We also need not know which address a routing header puts
 * into the pseudo header.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: identify/packet_edit.h.
 */
#include "identify/packet_edit.h"

enum { TCP_SUM = 16, V4_LENGTH = 2, V4_SUM = 10, V6_LENGTH = 4, V6_HEADER = 40 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Sums in ones' complement. */
static uint16_t add(uint16_t a, uint16_t b)
{
	uint32_t sum = (uint32_t)a + b;

	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static uint16_t less(uint16_t a, uint16_t b)
{
	return add(a, (uint16_t)~b);
}

static uint16_t sum_of(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;

	for (; n > 1; p += 2, n -= 2)
		sum += get16(p);
	if (n)
		sum += (uint64_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void length_set(uint8_t *ip, const struct packet *k, uint16_t l4)
{
	uint16_t old;

	if (ip[0] >> 4 == 6) {
		put16(ip + V6_LENGTH, (uint16_t)(k->ip_len - V6_HEADER + l4));
		return;
	}
	old = get16(ip + V4_LENGTH);
	put16(ip + V4_LENGTH, (uint16_t)(k->ip_len + l4));
	put16(ip + V4_SUM,
		(uint16_t)~add(less((uint16_t)~get16(ip + V4_SUM), old), get16(ip + V4_LENGTH)));
}

size_t packet_edit_trim(uint8_t *ip, const struct packet *k, bool partial)
{
	uint8_t *tcp = ip + k->ip_len, *at = tcp + TCP_SUM;
	uint16_t cut = (uint16_t)k->payload.n, gone = sum_of(tcp + k->l4_len, k->payload.n);

	length_set(ip, k, k->l4_len);
	/* the pseudo header holds the segment's length */
	if (partial)
		put16(at, (uint16_t)~add(
				  less(get16(at), cut), less(sum_of(tcp, k->l4_len), get16(at))));
	else
		put16(at, (uint16_t)~less(less((uint16_t)~get16(at), gone), cut));
	return (size_t)k->ip_len + k->l4_len;
}

void packet_edit_put(uint8_t *ip, const struct packet *k, size_t at, uint8_t c, bool partial)
{
	uint8_t *tcp = ip + k->ip_len, *sum = tcp + TCP_SUM, *byte = tcp + k->l4_len + at;
	uint16_t old = at % 2 ? *byte : (uint16_t)(*byte << 8),
		 now = at % 2 ? c : (uint16_t)(c << 8);

	*byte = c;
	if (!partial)
		put16(sum, (uint16_t)~add(less((uint16_t)~get16(sum), old), now));
}

void packet_edit_sum(uint8_t *ip, const struct packet *k)
{
	uint8_t *tcp = ip + k->ip_len;

	put16(tcp + TCP_SUM, (uint16_t)~sum_of(tcp, k->l4_len + k->payload.n));
}
