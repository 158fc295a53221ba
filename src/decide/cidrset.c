/* SPDX-License-Identifier: GPL-3.0-or-later
 * cidrset.c - keeps networks as sorted, disjoint address ranges.
 *
 * Owns: nothing. Thread: any; pure. Fails: never.
 */
#include "image_int.h"

#include <stdlib.h>

static struct addr last_of(const struct cidr *c)
{
	struct addr a = c->net;
	for (int bit = c->bits; bit < 128; bit++)
		a.b[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
	return a;
}

static struct addr first_of(const struct cidr *c)
{
	struct addr a = c->net;
	for (int bit = c->bits; bit < 128; bit++)
		a.b[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
	return a;
}

static int by_first(const void *a, const void *b)
{
	const struct img_range *x = a, *y = b;
	return memcmp(&x->lo, &y->lo, sizeof x->lo);
}

/* a + 1, or a - 1 */
static struct addr step(struct addr a, int by)
{
	for (int i = 15; i >= 0; i--) {
		a.b[i] = (uint8_t)(a.b[i] + by);
		if (a.b[i] != (by > 0 ? 0 : 0xff))
			break;
	}
	return a;
}

/* IPv4 lies inside ::/0 when it is held IPv4-mapped; a network of IPv6 does not mean it. */
static size_t add(const struct cidr *c, struct img_range *out)
{
	static const struct cidr v4 = {.net = {{[10] = 0xff, [11] = 0xff}}, .bits = 96};
	struct addr lo = first_of(c), hi = last_of(c), v4_lo = v4.net, v4_hi = last_of(&v4);
	bool spans = memcmp(&lo, &v4_lo, sizeof lo) < 0 && memcmp(&hi, &v4_hi, sizeof hi) >= 0;
	if (!spans) {
		out[0] = (struct img_range){lo, hi};
		return 1;
	}
	out[0] = (struct img_range){lo, step(v4_lo, -1)};
	if (memcmp(&hi, &v4_hi, sizeof hi) == 0)
		return 1;
	out[1] = (struct img_range){step(v4_hi, 1), hi};
	return 2;
}

size_t cidrset_build(const struct cidr *in, size_t n, struct img_range *out)
{
	size_t made = 0, kept = 0;
	for (size_t i = 0; i < n; i++)
		made += add(&in[i], out + made);
	if (made == 0)
		return 0;
	qsort(out, made, sizeof *out, by_first);
	for (size_t i = 1; i < made; i++) {
		if (memcmp(&out[i].lo, &out[kept].hi, sizeof out[i].lo) > 0)
			out[++kept] = out[i];
		else if (memcmp(&out[i].hi, &out[kept].hi, sizeof out[i].hi) > 0)
			out[kept].hi = out[i].hi;
	}
	return kept + 1;
}

bool cidrset_has(const struct img_range *r, size_t n, const struct addr *a)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (memcmp(a, &r[mid].lo, sizeof *a) < 0)
			hi = mid;
		else if (memcmp(a, &r[mid].hi, sizeof *a) > 0)
			lo = mid + 1;
		else
			return true;
	}
	return false;
}
