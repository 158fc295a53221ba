/* SPDX-License-Identifier: GPL-3.0-or-later
 * localnets.c - lists the networks this gateway is connected to, for `local-networks` of the policy.
 *
 * The interface of a default route is left out: the provider's network is not the owner's (durward-policy(5), RULES).
 * Link-local and loopback are in or out by the rule itself, not by what is configured here.
 * Owns: nothing. Thread: any. Fails: an unreadable table counts as empty.
 */
#include "controller_int.h"

#include <stdlib.h>
#include <string.h>

#include "netsetup/route.h"

static bool is_local(const struct route_view *v, const struct route_prefix *p)
{
	const struct route_iface *i = route_view_iface(v, p->index);

	return i && i->up && !i->loopback && !i->default_v4 && !i->default_v6 &&
	       !addr_is_link_local(&p->own);
}

static int by_net(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cidr));
}

size_t local_nets(struct cidr *out, size_t max)
{
	struct route_view *v = calloc(1, sizeof *v);
	size_t n = 0;

	if (v && route_view_read(v) == 0)
		for (uint32_t i = 0; i < v->n_prefixes && n < max; i++)
			if (is_local(v, &v->prefixes[i]))
				out[n++] = v->prefixes[i].net;
	qsort(out, n, sizeof *out, by_net);
	free(v);
	return n;
}
