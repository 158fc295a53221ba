/* SPDX-License-Identifier: GPL-3.0-or-later
 * route.h - the policy route of the proxy path, and what the gateway's interfaces are.
 *
 * The proxy path needs, in both families:   ip rule add pref P fwmark MARK/MARK lookup N
 *                                           ip route add local default dev lo table N
 *
 * Owns: nothing; each call opens and closes its own NETLINK_ROUTE socket. Thread: any. Fails: 0 or -errno.
 * A family that the kernel does not have, or that is switched off, is passed over.
 */
#ifndef NETSETUP_ROUTE_H
#define NETSETUP_ROUTE_H

#include <net/if.h>

#include "base/addr.h"

struct route_policy {
	uint32_t mark;	   /* value and mask: mark_of(mask, MARK_TPROXY) */
	uint32_t table;	   /* 1..65535, not 253..255 */
	uint32_t priority; /* 1..32765 */
};

int route_policy_up(const struct route_policy
		*p); /* twice = once; removes earlier ones of the same priority and table */
int route_policy_down(const struct route_policy *p); /* not there: 0 */
/* -ENOENT: not (or not wholly) there; needs no privilege */
int route_policy_check(const struct route_policy *p);

enum { ROUTE_IFACES = 64, ROUTE_PREFIXES = 256 };
struct route_iface {
	char name[IF_NAMESIZE];
	uint32_t index;
	bool up, loopback;
	bool default_v4, default_v6; /* a default route of the main table leaves here */
};
struct route_prefix {
	struct cidr net; /* connected, host bits zero */
	struct addr own; /* the gateway's address in it */
	uint32_t index;	 /* interface */
};
struct route_view {
	struct route_iface ifaces[ROUTE_IFACES];
	struct route_prefix prefixes[ROUTE_PREFIXES];
	uint32_t n_ifaces, n_prefixes; /* what did not fit is left out */
};

int route_view_read(struct route_view *out);
const struct route_iface *route_view_iface(
	const struct route_view *v, uint32_t index); /* NULL: not there */
/* `client-interfaces auto`: up, not the loopback, holding no default route, with an address beyond the link. Space-separated;
 * -ENOSPC when `size` is too small, -ENOENT when there is none. */
int route_client_ifaces(const struct route_view *v, char *out, size_t size);

#endif
