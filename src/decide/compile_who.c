/* SPDX-License-Identifier: GPL-3.0-or-later
 * compile_who.c - compiles devices, persons and groups: tables that find a device, and one row of party bits for each.
 *
 * One bit of a row answers whether a device belongs to a person or group, at any depth of nesting. Rows 0..devices-1 are those
 * of the devices; behind them each group with `net` parts has one.
 *
 * Owns: nothing. Thread: any; pure. Fails: through the build; -EINVAL for groups that contain each other.
 */
#include "compile_int.h"

#include <errno.h>
#include <stdlib.h>

static int mac_order(const void *a, const void *b)
{
	return memcmp(&((const struct img_mac *)a)->mac, &((const struct img_mac *)b)->mac,
		sizeof(struct mac));
}

static int addr_order(const void *a, const void *b)
{
	return memcmp(&((const struct img_addr *)a)->addr, &((const struct img_addr *)b)->addr,
		sizeof(struct addr));
}

static void sort_part(struct build *b, enum image_section_id s, size_t elem,
	int (*order)(const void *, const void *))
{
	if (b->part[s].n > 1)
		qsort(b->part[s].bytes, b->part[s].n, elem, order);
}

static void add_devices(struct build *b)
{
	const struct conf *c = b->in->conf;
	if (c->n_devices > NO_DEVICE)
		build_fail(b, -E2BIG);
	struct img_device *to = build_add(b, SEC_DEVICES, c->n_devices);
	for (size_t d = 0; to && d < c->n_devices; d++) {
		const struct conf_device *from = &c->devices[d];
		to[d].name = build_text(b, from->name);
		struct img_mac *mac = build_add(b, SEC_MACS, from->n_macs);
		for (size_t k = 0; mac && k < from->n_macs; k++)
			mac[k] = (struct img_mac){from->macs[k], (uint16_t)d};
		struct img_addr *addr = build_add(b, SEC_ADDRS, from->n_addrs);
		for (size_t k = 0; addr && k < from->n_addrs; k++)
			addr[k] = (struct img_addr){from->addrs[k], (uint32_t)d};
	}
	sort_part(b, SEC_MACS, sizeof(struct img_mac), mac_order);
	sort_part(b, SEC_ADDRS, sizeof(struct img_addr), addr_order);
}

/* How many groups deep a group reaches; settles in as many rounds as the deepest chain, unless there is a cycle. */
static bool measure_depths(const struct conf *c, uint32_t *depth)
{
	bool moved = true;
	for (size_t round = 0; moved; round++) {
		if (round > c->n_groups)
			return false;
		moved = false;
		for (size_t g = 0; g < c->n_groups; g++) {
			const struct conf_group *group = &c->groups[g];
			for (size_t k = 0; k < group->n_members; k++) {
				const struct conf_who *m = &group->members[k];
				if (m->kind != WHO_GROUP || depth[m->index] < depth[g])
					continue;
				depth[g] = depth[m->index] + 1;
				moved = true;
			}
		}
	}
	return true;
}

/* Inner groups before outer ones, file order among equals. */
static void order_groups(struct build *b)
{
	const struct conf *c = b->in->conf;
	uint32_t *depth = calloc(c->n_groups + 1, sizeof *depth);
	b->groups = calloc(c->n_groups + 1, sizeof *b->groups);
	b->party_of_group = calloc(c->n_groups + 1, sizeof *b->party_of_group);
	if (!depth || !b->groups || !b->party_of_group)
		build_fail(b, -ENOMEM);
	else if (!measure_depths(c, depth))
		build_fail(b, -EINVAL);
	uint32_t n = 0;
	for (uint32_t level = 0; !b->err && n < c->n_groups; level++) {
		for (uint32_t g = 0; g < c->n_groups; g++) {
			if (depth[g] != level)
				continue;
			b->party_of_group[g] = (uint32_t)c->n_persons + n;
			b->groups[n++] = g;
		}
	}
	free(depth);
}

static void add_parties(struct build *b)
{
	const struct conf *c = b->in->conf;
	if (c->n_persons + c->n_groups > PARTIES_MAX)
		build_fail(b, -E2BIG);
	order_groups(b);
	struct img_party *to = build_add(b, SEC_PARTIES, c->n_persons + c->n_groups);
	if (!to)
		return;
	for (size_t p = 0; p < c->n_persons; p++)
		to[p] = (struct img_party){build_text(b, c->persons[p].name), WHO_PERSON};
	for (size_t g = 0; g < c->n_groups; g++)
		to[c->n_persons + g] =
			(struct img_party){build_text(b, c->groups[b->groups[g]].name), WHO_GROUP};
	b->head.words = (uint32_t)(c->n_persons + c->n_groups + 63) / 64;
}

static void set_bit(uint64_t *row, uint32_t party)
{
	row[party / 64] |= 1ull << (party % 64);
}

static bool has_bit(const uint64_t *row, uint32_t party)
{
	return row[party / 64] >> (party % 64) & 1;
}

/* Adds to a row every group that contains a party of the row. device: whose row; UINT32_MAX for a net's. */
static void close_row(const struct build *b, uint64_t *row, uint32_t device)
{
	const struct conf *c = b->in->conf;
	for (size_t n = 0; n < c->n_groups; n++) {
		const struct conf_group *g = &c->groups[b->groups[n]];
		for (size_t k = 0; k < g->n_members; k++) {
			const struct conf_who *m = &g->members[k];
			bool in = m->kind == WHO_DEVICE	  ? m->index == device
				  : m->kind == WHO_PERSON ? has_bit(row, m->index)
				  : m->kind == WHO_GROUP ? has_bit(row, b->party_of_group[m->index])
							 : false;
			if (in)
				set_bit(row, (uint32_t)(c->n_persons + n));
		}
	}
}

static uint32_t add_netgroups(struct build *b)
{
	const struct conf *c = b->in->conf;
	for (size_t g = 0; g < c->n_groups; g++) {
		const struct conf_group *from = &c->groups[g];
		struct img_netgroup *to = from->n_nets ? build_add(b, SEC_NETGROUPS, 1) : NULL;
		if (to)
			to->ranges = build_ranges(b, from->nets, from->n_nets);
	}
	return b->part[SEC_NETGROUPS].n;
}

/* The nets that hold one of the addresses a device's line states are the device's. */
static void add_own_nets(const struct build *b, uint64_t *row, const struct conf_device *d)
{
	const struct img_netgroup *net = (const void *)b->part[SEC_NETGROUPS].bytes;
	const struct img_range *ranges = (const void *)b->part[SEC_RANGES].bytes;
	const struct conf *c = b->in->conf;
	size_t at = 0;
	for (size_t g = 0; g < c->n_groups; g++) {
		if (c->groups[g].n_nets == 0)
			continue;
		struct img_slice s = net[at++].ranges;
		for (size_t k = 0; k < d->n_addrs; k++) {
			if (cidrset_has(ranges + s.first, s.n, &d->addrs[k]))
				set_bit(row, b->party_of_group[g]);
		}
	}
}

static void device_row(const struct build *b, uint64_t *row, uint32_t device)
{
	const struct conf *c = b->in->conf;
	for (uint32_t p = 0; p < c->n_persons; p++) {
		for (size_t k = 0; k < c->persons[p].n_owns; k++) {
			const struct conf_who *o = &c->persons[p].owns[k];
			if (o->kind == WHO_DEVICE && o->index == device)
				set_bit(row, p);
		}
	}
	add_own_nets(b, row, &c->devices[device]);
	close_row(b, row, device);
}

void compile_who(struct build *b)
{
	const struct conf *c = b->in->conf;
	add_devices(b);
	add_parties(b);
	uint32_t nets = add_netgroups(b), words = b->head.words;
	uint64_t *row = build_add(b, SEC_BITS, (c->n_devices + nets) * words);
	if (!row || words == 0)
		return;
	for (uint32_t d = 0; d < c->n_devices; d++, row += words)
		device_row(b, row, d);
	for (size_t g = 0; g < c->n_groups; g++) {
		if (c->groups[g].n_nets == 0)
			continue;
		set_bit(row, b->party_of_group[g]);
		close_row(b, row, UINT32_MAX);
		row += words;
	}
}
