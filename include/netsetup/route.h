/* SPDX-License-Identifier: GPL-3.0-or-later
 * route.h - the policy route of the proxy path, and what the gateway's interfaces are.
 *
 * The proxy path needs, in both families:   ip rule add pref P-1 iif lo goto P+1
 *                                           ip rule add pref P fwmark MARK/MARK lookup N
 *                                           ip rule add pref P+1 nop
 *                                           ip route add local default dev lo table N
 * The kernel asks for the way back to a packet's source as if it came from `lo`: without the jump, and with
 * src_valid_mark=1, it would find the diverted packet's source to be its own and drop it (fib_frontend.c,
 * __fib_validate_source).
 *
 * `fail closed` needs the hold, before all rules of others:     ip rule add pref H iif lo goto H+2
 *                                                               ip rule add pref H+1 fwmark 0/0xffffffff prohibit
 *                                                               ip rule add pref H+2 nop
 * Forwarded packets that did not go through mangle PREROUTING (DURWARD-ROUTE marks them there) are refused: it stands when
 * somebody flushes that table, or all of netfilter. Packets to this machine are routed by the table `local` before.
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
	uint32_t priority; /* 2..32764 */
};

int route_policy_up(const struct route_policy
		*p); /* twice = once; removes earlier ones of the same priority and table */
int route_policy_down(const struct route_policy *p); /* not there: 0 */
/* -ENOENT: not (or not wholly) there; needs no privilege */
int route_policy_check(const struct route_policy *p);

/* The hold; priority 1..32763. */
int route_hold_up(uint32_t priority);	 /* twice = once */
int route_hold_down(uint32_t priority);	 /* not there: 0 */
int route_hold_check(uint32_t priority); /* -ENOENT: not (or not wholly) there */

enum { ROUTE_IFACES = 256, ROUTE_PREFIXES = 256 };
struct route_iface {
	char name[IF_NAMESIZE];
	uint32_t index;
	bool up, loopback, bridge;
	/* a default route (of any table, or the halves of one) leaves here */
	bool default_v4, default_v6;
	struct mac mac; /* all zero: none */
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

/* Which interfaces lead where, as words for the rules; "" = none. */
enum { ROUTE_WORDS = 2048 };
struct route_sides {
	char uplinks[ROUTE_WORDS]; /* towards the internet */
	char clients
		[ROUTE_WORDS]; /* up, no uplink, not the loopback, with an address beyond the link */
	char own_nets
		[ROUTE_WORDS]; /* prefixes of ours behind the uplinks, where there is no client interface: one NIC */
	char bridges[ROUTE_WORDS]; /* NAME=MAC */
	char absent[ROUTE_WORDS];  /* named in the settings, and not there */
};
/* clients, uplinks: the settings' words, "auto" among them (rules in tbl/settings.h). -ENOSPC: more than fits; what did fit
 * is there. Pure. */
int route_sides_of(const struct route_view *v, const char *clients, const char *uplinks,
	struct route_sides *out);

#endif
