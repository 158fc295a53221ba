/* SPDX-License-Identifier: GPL-3.0-or-later
 * warn_devices.c - an address or a MAC that two devices claim.
 *
 * Owns: nothing. Thread: any. Fails: says nothing when memory is out.
 */
#include <stdlib.h>

#include "conf_int.h"

struct owned {
	uint8_t key[17]; /* an address, or a MAC with a mark of its own */
	uint32_t device;
};

static int owned_cmp(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;
	int c = memcmp(x->key, y->key, sizeof x->key);

	return c ? c : (x->device > y->device) - (x->device < y->device);
}

static void tell_owned(struct parser *p, const struct owned *a, const struct owned *b)
{
	const struct conf_device *first = &p->out->devices[a->device],
				 *d = &p->out->devices[b->device];
	char text[ADDR_TEXT];
	struct addr addr;
	struct mac mac;

	memcpy(addr.b, b->key + 1, 16);
	memcpy(mac.b, b->key + 1, 6);
	warning(p, d->pos,
		"%s belongs to device '%s' too (line %u); one of them is never met by it",
		b->key[0] ? mac_format(&mac, text) : addr_format(&addr, text), first->name,
		first->pos.line);
}

void warn_owned_twice(struct parser *p)
{
	struct owned *all = NULL;
	size_t n = 0;

	for (size_t d = 0; d < p->out->n_devices; d++) {
		const struct conf_device *v = &p->out->devices[d];
		struct owned o = {.device = (uint32_t)d};

		for (size_t i = 0; i < v->n_addrs; i++) {
			memcpy(o.key + 1, v->addrs[i].b, 16);
			*(struct owned *)push(p, &all, &n, sizeof o) = o;
		}
		memset(o.key, 0, sizeof o.key);
		o.key[0] = 1;
		for (size_t i = 0; i < v->n_macs; i++) {
			memcpy(o.key + 1, v->macs[i].b, 6);
			*(struct owned *)push(p, &all, &n, sizeof o) = o;
		}
	}
	if (n)
		qsort(all, n, sizeof *all, owned_cmp);
	for (size_t i = 1; i < n; i++)
		if (memcmp(all[i].key, all[i - 1].key, sizeof all[i].key) == 0 &&
			all[i].device != all[i - 1].device)
			tell_owned(p, &all[i - 1], &all[i]);
}
