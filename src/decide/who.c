/* SPDX-License-Identifier: GPL-3.0-or-later
 * who.c - finds the device that asks, and the persons and groups that it belongs to.
 *
 * Each person and group is one bit. A device's row already holds every party that owns or contains it, at any depth, and the net
 * groups of the addresses in its line; this file adds the net groups of the addresses that the device was seen with.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: durward-policy(5) "WHO".
 */
#include "image_int.h"

#include <stdlib.h>
#include <strings.h>

static int mac_order(const void *key, const void *row)
{
	return memcmp(key, &((const struct img_mac *)row)->mac, sizeof(struct mac));
}

static int addr_order(const void *key, const void *row)
{
	return memcmp(key, &((const struct img_addr *)row)->addr, sizeof(struct addr));
}

static bool by_mac(const struct image *i, const struct mac *m, uint16_t *device)
{
	const struct img_mac *row =
		bsearch(m, image_at(i, SEC_MACS), image_count(i, SEC_MACS), sizeof *row, mac_order);
	if (row)
		*device = row->device;
	return row != NULL;
}

static bool by_addr(const struct image *i, const struct addr *a, uint16_t *device)
{
	const struct img_addr *row = bsearch(
		a, image_at(i, SEC_ADDRS), image_count(i, SEC_ADDRS), sizeof *row, addr_order);
	if (row)
		*device = (uint16_t)row->device;
	return row != NULL;
}

static void find_device(const struct image *i, const struct policy_who *asked, struct who *out)
{
	out->device = NO_DEVICE;
	out->how = HOW_UNKNOWN;
	out->inner = NO_DEVICE;
	if (asked->outside) {
		out->how = HOW_OUTSIDE;
		if (asked->has_mac)
			by_mac(i, &asked->mac, &out->inner);
	} else if (asked->device >= 0 && (uint32_t)asked->device < image_count(i, SEC_DEVICES)) {
		out->device = (uint16_t)asked->device;
		out->how = HOW_NAMED;
	} else if (asked->has_mac && by_mac(i, &asked->mac, &out->device)) {
		out->how = HOW_MAC;
	} else if (asked->n_addrs > 0 && by_addr(i, &asked->addrs[0], &out->device)) {
		out->how = HOW_ADDR;
	}
}

static void or_row(struct who *w, uint32_t row)
{
	uint32_t words = w->image->words;
	const uint64_t *bits = IMAGE_ROWS(w->image, BITS, uint64_t) + (size_t)row * words;
	for (uint32_t k = 0; k < words; k++)
		w->bits[k] |= bits[k];
}

static bool any_addr_in(
	const struct image *i, const struct img_slice *s, const struct addr *a, size_t n)
{
	const struct img_range *r = IMAGE_ROWS(i, RANGES, struct img_range) + s->first;
	for (size_t k = 0; k < n; k++) {
		if (cidrset_has(r, s->n, &a[k]))
			return true;
	}
	return false;
}

void who_find(const struct image *i, const struct policy_who *asked, struct who *out)
{
	const struct img_netgroup *group = image_at(i, SEC_NETGROUPS);
	uint32_t devices = image_count(i, SEC_DEVICES);
	size_t n_addrs = asked->n_addrs < WHO_ADDRS ? asked->n_addrs : WHO_ADDRS;
	out->image = i;
	memset(out->bits, 0, i->words * sizeof out->bits[0]);
	find_device(i, asked, out);
	if (out->device != NO_DEVICE)
		or_row(out, out->device);
	for (uint32_t g = 0; g < image_count(i, SEC_NETGROUPS); g++) {
		if (any_addr_in(i, &group[g].ranges, asked->addrs, n_addrs))
			or_row(out, devices + g);
	}
}

static bool has_bit(const uint64_t *bits, uint32_t party)
{
	return bits[party / 64] >> (party % 64) & 1;
}

bool who_is(const struct who *w, const struct img_who *row)
{
	switch (row->kind) {
	case WHO_EVERYONE:
		return true;
	case WHO_UNKNOWN:
		return w->device == NO_DEVICE && w->how != HOW_OUTSIDE;
	case WHO_DEVICE:
		return w->device == row->index;
	default:
		return has_bit(w->bits, row->index);
	}
}

size_t policy_who_names(
	const struct image *img, const struct policy_who *who, const char **out, size_t max)
{
	const struct img_party *party = image_at(img, SEC_PARTIES);
	struct who w;
	size_t n = 0;
	who_find(img, who, &w);
	if (n < max)
		out[n++] = who->outside		   ? "outside"
			   : w.device == NO_DEVICE ? "unknown-devices"
						   : image_device_name(img, w.device);
	for (uint32_t p = 0; p < image_count(img, SEC_PARTIES) && n < max; p++) {
		if (has_bit(w.bits, p))
			out[n++] = image_text(img, party[p].name);
	}
	return n;
}

/* --- a name of the policy, for explain --- */

size_t policy_device_macs(const struct image *img, uint16_t device, struct mac *out, size_t max)
{
	const struct img_mac *row = image_at(img, SEC_MACS);
	size_t n = 0;
	for (uint32_t k = 0; k < image_count(img, SEC_MACS) && n < max; k++) {
		if (row[k].device == device)
			out[n++] = row[k].mac;
	}
	return n;
}

static bool same_name(const char *text, struct slice name)
{
	return strlen(text) == name.n && strncasecmp(text, (const char *)name.p, name.n) == 0;
}

/* An address of the net that no device's line states, so that the answer is the net's and not the device's. */
static bool free_addr(const struct image *img, const struct img_slice *s, struct addr *out)
{
	const struct img_range *r = IMAGE_ROWS(img, RANGES, struct img_range) + s->first;
	for (uint32_t k = 0; k < s->n; k++) {
		struct addr a = r[k].lo;
		uint16_t device;
		for (int tries = 0; tries < 256; tries++) {
			if (memcmp(&a, &r[k].lo, sizeof a) != 0 && !by_addr(img, &a, &device)) {
				*out = a;
				return true;
			}
			if (memcmp(&a, &r[k].hi, sizeof a) >= 0)
				break;
			for (int b = 15; b >= 0 && ++a.b[b] == 0; b--)
				;
		}
		if (!by_addr(img, &r[k].lo, &device)) { /* a net of one address */
			*out = r[k].lo;
			return true;
		}
	}
	return false;
}

static void add_device(struct policy_found *out, uint32_t device)
{
	if (out->n_devices < sizeof out->devices / sizeof out->devices[0])
		out->devices[out->n_devices] = (uint16_t)device;
	out->n_devices++;
}

static void find_party(const struct image *img, uint32_t party, struct policy_found *out)
{
	const struct img_netgroup *group = image_at(img, SEC_NETGROUPS);
	const uint64_t *bits = image_at(img, SEC_BITS);
	uint32_t devices = image_count(img, SEC_DEVICES);
	for (uint32_t d = 0; d < devices; d++, bits += img->words) {
		if (has_bit(bits, party))
			add_device(out, d);
	}
	for (uint32_t g = 0; g < image_count(img, SEC_NETGROUPS); g++, bits += img->words) {
		if (!out->has_addr && has_bit(bits, party))
			out->has_addr = free_addr(img, &group[g].ranges, &out->addr);
	}
}

static bool find_special(const struct image *img, struct slice name, struct policy_found *out)
{
	if (same_name("unknown-devices", name)) {
		out->kind = 1 + WHO_UNKNOWN;
		return true;
	}
	if (!same_name("everyone", name))
		return false;
	out->kind = 1 + WHO_EVERYONE;
	for (uint32_t d = 0; d < image_count(img, SEC_DEVICES); d++)
		add_device(out, d);
	return true;
}

void policy_find_who(const struct image *img, struct slice name, struct policy_found *out)
{
	const struct img_device *device = image_at(img, SEC_DEVICES);
	const struct img_party *party = image_at(img, SEC_PARTIES);
	memset(out, 0, sizeof *out);
	if (find_special(img, name, out))
		return;
	for (uint32_t d = 0; d < image_count(img, SEC_DEVICES); d++) {
		if (same_name(image_text(img, device[d].name), name)) {
			out->kind = 1 + WHO_DEVICE;
			add_device(out, d);
			return;
		}
	}
	for (uint32_t p = 0; p < image_count(img, SEC_PARTIES); p++) {
		if (same_name(image_text(img, party[p].name), name)) {
			out->kind = 1 + (int)party[p].kind;
			find_party(img, p, out);
			return;
		}
	}
}
