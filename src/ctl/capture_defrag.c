/* SPDX-License-Identifier: GPL-3.0-or-later
 * capture_defrag.c - puts fragments together, for captures taken where no kernel had done so.
 *
 * It holds a few incomplete packets at a time; the oldest makes room for a new one. The rebuilt packet is a plain header of its
 * version (no options or extension headers) and the fragmented bytes.
 *
 * Owns: struct defrag (heap). Thread: one. Fails: a packet that is too large or never complete is not given.
 */
#include <stdlib.h>

#include "capture_int.h"

enum { UNDER_WAY = 16, ROOM = 65536, V4_HEADER = 20, V6_HEADER = 40 };

struct pending {
	struct addr src, dst;
	uint32_t id;
	uint8_t proto;
	uint32_t have, total; /* bytes; total 0 = the last fragment was not seen */
	uint8_t header[V6_HEADER];
	uint8_t bytes[ROOM];
	uint8_t seen[ROOM /
		     8]; /* one bit a byte; fragments begin at multiples of 8, but may end anywhere */
};

struct defrag {
	struct pending *pending[UNDER_WAY];
	unsigned next;
	uint8_t whole[V6_HEADER + ROOM];
};

struct defrag *defrag_new(void)
{
	return calloc(1, sizeof(struct defrag));
}

void defrag_free(struct defrag *d)
{
	for (int i = 0; d && i < UNDER_WAY; i++)
		free(d->pending[i]);
	free(d);
}

static bool is_of(const struct pending *q, const struct packet *p)
{
	return q->id == p->frag_id && q->proto == p->frag_next && addr_eq(&q->src, &p->src) &&
	       addr_eq(&q->dst, &p->dst);
}

static struct pending **find(struct defrag *d, struct slice ip, const struct packet *p)
{
	struct pending **at;

	for (int i = 0; i < UNDER_WAY; i++)
		if (d->pending[i] && is_of(d->pending[i], p))
			return &d->pending[i];
	at = &d->pending[d->next++ % UNDER_WAY];
	free(*at);
	*at = calloc(1, sizeof(**at));
	if (!*at)
		return NULL;
	(*at)->src = p->src;
	(*at)->dst = p->dst;
	(*at)->id = p->frag_id;
	(*at)->proto = p->frag_next;
	memcpy((*at)->header, ip.p, addr_is_v4(&p->src) ? V4_HEADER : V6_HEADER);
	return at;
}

static void store(struct pending *q, uint32_t offset, struct slice in)
{
	for (uint32_t i = 0; i < in.n; i++) {
		uint32_t at = offset + i;
		uint8_t mask = (uint8_t)(1u << (at % 8));

		if (q->seen[at / 8] & mask)
			continue;
		q->seen[at / 8] |= mask;
		q->bytes[at] = in.p[i];
		q->have++;
	}
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static struct slice rebuild(struct defrag *d, const struct pending *q)
{
	bool v4 = addr_is_v4(&q->src);
	size_t header = v4 ? V4_HEADER : V6_HEADER;

	memcpy(d->whole, q->header, header);
	memcpy(d->whole + header, q->bytes, q->total);
	if (v4) {
		d->whole[0] = 0x45;
		put16(d->whole + 2, V4_HEADER + q->total);
		put16(d->whole + 6, 0);
		d->whole[9] = q->proto;
	} else {
		put16(d->whole + 4, q->total);
		d->whole[6] = q->proto;
	}
	return slice_of(d->whole, header + q->total);
}

struct slice defrag_add(struct defrag *d, struct slice ip, const struct packet *p)
{
	/* the payload ends where the packet does, padding taken off */
	struct slice in = slice_of(
		ip.p + p->frag_at, (size_t)(p->payload.p + p->payload.n - (ip.p + p->frag_at)));
	struct pending **at;
	struct slice whole;

	if (!d || p->truncated || in.n == 0 || p->frag_offset + in.n + V4_HEADER > ROOM - 1)
		return slice_of(NULL, 0);
	at = find(d, ip, p);
	if (!at)
		return slice_of(NULL, 0);
	store(*at, p->frag_offset, in);
	if (!p->frag_more)
		(*at)->total = p->frag_offset + (uint32_t)in.n;
	if ((*at)->total == 0 || (*at)->have < (*at)->total)
		return slice_of(NULL, 0);
	whole = rebuild(d, *at);
	free(*at);
	*at = NULL;
	return whole;
}
