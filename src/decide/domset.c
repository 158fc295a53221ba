/* SPDX-License-Identifier: GPL-3.0-or-later
 * domset.c - tells which sets (lists, apps, names of rules) contain a host name.
 *
 * One open-addressing table for all sets; a slot is {keyed hash of the listed name, set, scope and line}. The listed
 * names themselves are not kept: with ten million names, one table in 180,000 has two names of the same 64-bit SipHash value. A
 * look-up probes each suffix of the name, the longest first, so the first hit of a set is its longest listed name.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: durward-policy(5) "LISTS".
 */
#include "image_int.h"

#include "model/hostname.h"

/* Slots need not be a power of two: the hash's high bits scaled to the table's size. */
static uint32_t home(uint64_t hash, uint32_t slots)
{
	return (uint32_t)(((hash >> 32) * (uint64_t)slots) >> 32);
}

static uint32_t tag_scope(uint32_t tag)
{
	return (tag & 7) - 1;
}

bool domset_insert(struct image *i, struct img_name *table, uint32_t slots, struct slice name,
	uint32_t set, uint32_t scope, uint32_t line)
{
	uint64_t hash = hash_sip(&i->key, name.p, name.n);
	uint32_t at = home(hash, slots), probe = 0;
	if (line == 0) /* 0 means "not found" in a look-up */
		line = 1;
	if (line > IMG_LINE_MAX)
		return false;
	for (; table[at].tag; at = at + 1 == slots ? 0 : at + 1, probe++) {
		if (table[at].hash != hash || table[at].set != set ||
			tag_scope(table[at].tag) != scope)
			continue;
		if (table[at].tag >> 3 > line) /* "at its first line" */
			table[at].tag = line << 3 | (scope + 1);
		return true;
	}
	table[at] = (struct img_name){hash, set, line << 3 | (scope + 1)};
	i->n_names++;
	if (probe > i->max_probe)
		i->max_probe = probe;
	return true;
}

static bool scope_covers(uint32_t scope, bool whole)
{
	if (scope == SCOPE_SELF)
		return whole;
	if (scope == SCOPE_BELOW)
		return !whole;
	return true; /* BELOW_AND_SELF and exceptions */
}

static struct domset_hit *hit_of(struct domset *d, uint32_t set)
{
	for (size_t k = 0; k < d->n; k++) {
		if (d->hit[k].set == set)
			return &d->hit[k];
	}
	if (d->n == DOMSET_HITS) {
		d->overflow = true;
		return NULL;
	}
	d->hit[d->n] = (struct domset_hit){.set = set};
	return &d->hit[d->n++];
}

/* fresh: the first hit index that belongs to this suffix, so that of two equal names the first line counts */
static void note(struct domset *d, const struct img_name *slot, uint64_t *done)
{
	uint32_t line = slot->tag >> 3, scope = tag_scope(slot->tag);
	struct domset_hit *h = hit_of(d, slot->set);
	if (!h)
		return;
	size_t k = (size_t)(h - d->hit);
	if (scope == SCOPE_EXCEPT)
		h->excepted = true;
	else if (h->line == 0 || (!(*done >> k & 1) && line < h->line))
		h->line = line;
}

static void probe_suffix(
	struct domset *d, struct slice suffix, bool whole, uint32_t only, uint64_t done)
{
	const struct image *i = d->image;
	const struct img_name *table = image_at(i, SEC_NAMES);
	uint32_t slots = image_count(i, SEC_NAMES);
	uint64_t hash = hash_sip(&i->key, suffix.p, suffix.n);
	uint32_t at = home(hash, slots);
	for (uint32_t probe = 0; probe <= i->max_probe && table[at].tag; probe++) {
		const struct img_name *slot = &table[at];
		if (slot->hash == hash && slot->set < i->n_sets &&
			(only == NO_SET || only == slot->set) &&
			scope_covers(tag_scope(slot->tag), whole))
			note(d, slot, &done);
		at = at + 1 == slots ? 0 : at + 1;
	}
}

static void look(struct domset *d, uint32_t only)
{
	struct slice name = d->name;
	d->n = 0;
	d->overflow = false;
	if (image_count(d->image, SEC_NAMES) == 0)
		return;
	for (bool whole = true; name.n > 0; whole = false, name = hostname_parent(name)) {
		/* hits with a line already came from a longer name */
		uint64_t done = 0;
		for (size_t k = 0; k < d->n; k++)
			done |= (uint64_t)(d->hit[k].line != 0) << k;
		probe_suffix(d, name, whole, only, done);
	}
}

void domset_look(struct domset *d, const struct image *i, struct slice name)
{
	d->image = i;
	d->name = name;
	look(d, NO_SET);
}

static const struct domset_hit *found(const struct domset *d, uint32_t set)
{
	for (size_t k = 0; k < d->n; k++) {
		if (d->hit[k].set == set)
			return d->hit[k].excepted || d->hit[k].line == 0 ? NULL : &d->hit[k];
	}
	return NULL;
}

static bool report(const struct domset_hit *h, uint32_t *line)
{
	if (h)
		*line = h->line;
	return h != NULL;
}

bool domset_find(const struct domset *d, uint32_t set, uint32_t *line)
{
	if (d->overflow) { /* rare: a name in more sets than a domset holds */
		struct domset one = {.image = d->image, .name = d->name};
		look(&one, set);
		return report(found(&one, set), line);
	}
	return report(found(d, set), line);
}
