/* SPDX-License-Identifier: GPL-3.0-or-later
 * devices.c - tells which MAC uses an address, and which addresses a MAC uses.
 *
 *     by_addr[hash] -> entry -> entry ...        one entry an address; all entries also stand in one list by age
 *     by_mac[hash]  -> owner -> owner ...        an owner has a list of its entries, latest first
 *
 * Indexes into the two pools take the place of pointers; 0 is "none", so pools begin at 1. An owner lives as long as
 * it has an entry, so there are never more owners than entries.
 *
 * Owns: its tables. Thread: any (a mutex inside). Fails: devices_new only. The hash is keyed, because strangers choose addresses.
 */
#include "who/devices.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/hash.h"

struct entry {
	struct addr a;
	uint32_t chain;		 /* next of the same bucket */
	uint32_t newer, older;	 /* in the list of all */
	uint32_t later, earlier; /* in its owner's list */
	uint32_t owner;
	bool kernel_learned; /* by the kernel */
};

struct owner {
	struct mac m;
	uint32_t chain;
	uint32_t latest, earliest;
	uint32_t n;
};

struct devices {
	pthread_mutex_t lock;
	struct hash_key key;
	uint32_t max, mask;
	struct entry *entries; /* [1..max] */
	struct owner *owners;
	uint32_t *by_addr, *by_mac;
	uint32_t free_entry, free_owner; /* linked by chain */
	uint32_t newest, oldest;
	uint32_t n;
};

static uint32_t *addr_bucket(struct devices *d, const struct addr *a)
{
	return &d->by_addr[hash_sip(&d->key, a->b, sizeof a->b) & d->mask];
}

static uint32_t *mac_bucket(struct devices *d, const struct mac *m)
{
	return &d->by_mac[hash_sip(&d->key, m->b, sizeof m->b) & d->mask];
}

int devices_new(struct devices **out, uint32_t max_addresses)
{
	struct devices *d = calloc(1, sizeof *d);
	uint8_t seed[16];
	uint32_t buckets = 16;

	if (!d || max_addresses == 0 || max_addresses > 1 << 20) {
		free(d);
		return d ? -EINVAL : -ENOMEM;
	}
	while (buckets < max_addresses)
		buckets *= 2;
	pthread_mutex_init(&d->lock, NULL);
	d->max = max_addresses;
	d->mask = buckets - 1;
	d->entries = calloc(max_addresses + 1u, sizeof *d->entries);
	d->owners = calloc(max_addresses + 1u, sizeof *d->owners);
	d->by_addr = calloc(buckets, sizeof *d->by_addr);
	d->by_mac = calloc(buckets, sizeof *d->by_mac);
	if (!d->entries || !d->owners || !d->by_addr || !d->by_mac) {
		devices_free(d);
		return -ENOMEM;
	}
	if (getrandom(seed, sizeof seed, 0) != sizeof seed) {
		devices_free(d);
		return -EIO;
	}
	hash_key_set(&d->key, seed);
	for (uint32_t i = 1; i <= max_addresses; i++)
		d->entries[i].chain = d->owners[i].chain = i < max_addresses ? i + 1 : 0;
	d->free_entry = d->free_owner = 1;
	*out = d;
	return 0;
}

void devices_free(struct devices *d)
{
	if (!d)
		return;
	pthread_mutex_destroy(&d->lock);
	free(d->entries);
	free(d->owners);
	free(d->by_addr);
	free(d->by_mac);
	free(d);
}

static uint32_t find_entry(struct devices *d, const struct addr *a)
{
	uint32_t i = *addr_bucket(d, a);

	while (i && !addr_eq(&d->entries[i].a, a))
		i = d->entries[i].chain;
	return i;
}

static uint32_t find_owner(struct devices *d, const struct mac *m)
{
	uint32_t i = *mac_bucket(d, m);

	while (i && !mac_eq(&d->owners[i].m, m))
		i = d->owners[i].chain;
	return i;
}

static void age_unlink(struct devices *d, uint32_t i)
{
	struct entry *e = &d->entries[i];

	*(e->newer ? &d->entries[e->newer].older : &d->newest) = e->older;
	*(e->older ? &d->entries[e->older].newer : &d->oldest) = e->newer;
}

static void age_push(struct devices *d, uint32_t i)
{
	struct entry *e = &d->entries[i];

	e->newer = 0;
	e->older = d->newest;
	*(d->newest ? &d->entries[d->newest].newer : &d->oldest) = i;
	d->newest = i;
}

static void owner_free(struct devices *d, uint32_t o)
{
	uint32_t *at = mac_bucket(d, &d->owners[o].m);

	while (*at != o)
		at = &d->owners[*at].chain;
	*at = d->owners[o].chain;
	d->owners[o].chain = d->free_owner;
	d->free_owner = o;
}

static void owner_unlink(struct devices *d, uint32_t i)
{
	struct entry *e = &d->entries[i];
	struct owner *o = &d->owners[e->owner];

	*(e->later ? &d->entries[e->later].earlier : &o->latest) = e->earlier;
	*(e->earlier ? &d->entries[e->earlier].later : &o->earliest) = e->later;
	if (--o->n == 0)
		owner_free(d, e->owner);
}

static void owner_push(struct devices *d, uint32_t i, uint32_t owner)
{
	struct entry *e = &d->entries[i];
	struct owner *o = &d->owners[owner];

	e->owner = owner;
	e->later = 0;
	e->earlier = o->latest;
	*(o->latest ? &d->entries[o->latest].later : &o->earliest) = i;
	o->latest = i;
	o->n++;
}

static void entry_free(struct devices *d, uint32_t i)
{
	uint32_t *at = addr_bucket(d, &d->entries[i].a);

	while (*at != i)
		at = &d->entries[*at].chain;
	*at = d->entries[i].chain;
	age_unlink(d, i);
	owner_unlink(d, i);
	d->entries[i].chain = d->free_entry;
	d->free_entry = i;
	d->n--;
}

/* An owner for the MAC; there is a free one whenever there is a free entry. */
static uint32_t owner_of(struct devices *d, const struct mac *m)
{
	uint32_t o = find_owner(d, m), *bucket;

	if (o)
		return o;
	o = d->free_owner;
	d->free_owner = d->owners[o].chain;
	bucket = mac_bucket(d, m);
	d->owners[o] = (struct owner){.m = *m, .chain = *bucket};
	*bucket = o;
	return o;
}

static void add(struct devices *d, const struct addr *a, const struct mac *m)
{
	uint32_t o = find_owner(d, m), i, *bucket;

	if (o && d->owners[o].n == DEVICE_ADDRS)
		entry_free(d, d->owners[o].earliest);
	if (!d->free_entry)
		entry_free(d, d->oldest); /* may take the owner with it */
	o = owner_of(d, m);
	i = d->free_entry;
	d->free_entry = d->entries[i].chain;
	bucket = addr_bucket(d, a);
	d->entries[i] = (struct entry){.a = *a, .chain = *bucket};
	*bucket = i;
	owner_push(d, i, o);
	age_push(d, i);
	d->n++;
}

/* Seen again: to the front of both lists. */
static void touch(struct devices *d, uint32_t i)
{
	uint32_t o = d->entries[i].owner;

	if (d->newest != i) {
		age_unlink(d, i);
		age_push(d, i);
	}
	if (d->owners[o].latest != i) { /* then it is not its only one, and the owner stays */
		owner_unlink(d, i);
		owner_push(d, i, o);
	}
}

static bool worth_noting(const struct addr *a, const struct mac *m)
{
	static const struct mac none;
	bool group = addr_is_v4(a) ? a->b[12] >= 224 : a->b[0] == 0xff;

	return !group && !addr_is_zero(a) && !addr_is_loopback(a) && !(m->b[0] & 1) &&
	       !mac_eq(m, &none);
}

static void see(struct devices *d, const struct addr *a, const struct mac *m, bool kernel_learned)
{
	uint32_t i;

	if (!worth_noting(a, m))
		return;
	pthread_mutex_lock(&d->lock);
	i = find_entry(d, a);
	if (i && mac_eq(&d->owners[d->entries[i].owner].m, m)) {
		d->entries[i].kernel_learned |= kernel_learned;
		touch(d, i);
	} else if (!i || kernel_learned || !d->entries[i].kernel_learned) {
		if (i)
			entry_free(d, i); /* the address moved to another device */
		add(d, a, m);
		d->entries[d->newest].kernel_learned = kernel_learned;
	}
	pthread_mutex_unlock(&d->lock);
}

void devices_seen(struct devices *d, const struct addr *a, const struct mac *m)
{
	see(d, a, m, true);
}

void devices_packet_learned(struct devices *d, const struct addr *a, const struct mac *m)
{
	see(d, a, m, false);
}

void devices_forget(struct devices *d, const struct addr *a)
{
	uint32_t i;

	pthread_mutex_lock(&d->lock);
	i = find_entry(d, a);
	if (i)
		entry_free(d, i);
	pthread_mutex_unlock(&d->lock);
}

bool devices_kernel_learned(struct devices *d, const struct addr *a)
{
	bool kernel_learned;
	uint32_t i;

	pthread_mutex_lock(&d->lock);
	i = find_entry(d, a);
	kernel_learned = i && d->entries[i].kernel_learned;
	pthread_mutex_unlock(&d->lock);
	return kernel_learned;
}

bool devices_mac_of(struct devices *d, const struct addr *a, struct mac *out)
{
	uint32_t i;

	pthread_mutex_lock(&d->lock);
	i = find_entry(d, a);
	if (i)
		*out = d->owners[d->entries[i].owner].m;
	pthread_mutex_unlock(&d->lock);
	return i != 0;
}

static size_t copy_addrs(struct devices *d, uint32_t owner, struct addr *out)
{
	size_t n = 0;

	for (uint32_t i = owner ? d->owners[owner].latest : 0; i && n < DEVICE_ADDRS;
		i = d->entries[i].earlier)
		out[n++] = d->entries[i].a;
	return n;
}

size_t devices_addrs_of(
	struct devices *d, const struct mac *m, struct addr out[static DEVICE_ADDRS])
{
	size_t n;

	pthread_mutex_lock(&d->lock);
	n = copy_addrs(d, find_owner(d, m), out);
	pthread_mutex_unlock(&d->lock);
	return n;
}

size_t devices_count(struct devices *d)
{
	size_t n;

	pthread_mutex_lock(&d->lock);
	n = d->n;
	pthread_mutex_unlock(&d->lock);
	return n;
}
