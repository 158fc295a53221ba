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
 * Forwarded packets that did not go through mangle PREROUTING (DURWARD-ROUTE marks them there) are refused. The
 * hold stands when somebody flushes that table, or all of netfilter. Packets to this machine do not meet it: the table `local`
 * routes them before.
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

/* The kernel also asks for the way back to a packet's source as if it came from where the packet goes to, and without its mark,
 * unless src_valid_mark is on; strict or loose rp_filter then takes the hold's refusal for a forged source and drops all
 * forwarded IPv4. 0: nothing needs to be done; 1: src_valid_mark must be on; -EBUSY: it must, and may not, for rules of others
 * choose routes by marks (own: the priority of ours), which would answer otherwise then. */
int route_hold_needs_marks(uint32_t own);
/* The hold; priority 1..32763. Up and down take away what an earlier run left at other priorities. */
int route_hold_up(uint32_t priority);	 /* twice = once */
int route_hold_down(uint32_t priority);	 /* not there: 0 */
int route_hold_check(uint32_t priority); /* -ENOENT: not (or not wholly) there */

enum { ROUTE_IFACES = 256, ROUTE_PREFIXES = 256 };
struct route_iface {
	char name[IF_NAMESIZE];
	uint32_t index, master; /* 0 = none */
	bool up, loopback, bridge;
	/* a default route (of any table, or the halves of one) leaves here; default_ra: an IPv6 one that a router advertised, and
	 * no other */
	bool default_v4, default_v6, default_ra;
	uint32_t
		metric; /* the best of its IPv4 ones in the main table, of its IPv6 ones where it has none; UINT32_MAX = none */
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
	bool forwards_v6;	       /* net.ipv6.conf.all.forwarding */
};

int route_view_read(struct route_view *out);
const struct route_iface *route_view_iface(
	const struct route_view *v, uint32_t index); /* NULL: not there */

/* Which interfaces lead where, as words for the rules; "" = none. */
enum { ROUTE_WORDS = 8192 };
struct route_sides {
	char uplinks[ROUTE_WORDS]; /* towards the internet */
	char clients
		[ROUTE_WORDS]; /* up, no uplink, not the loopback, with an address beyond the link */
	char switched
		[ROUTE_WORDS]; /* those of clients that are networks of neighbours: they have a MAC */
	char own_nets
		[ROUTE_WORDS]; /* prefixes behind the uplinks, where clients are behind them as well: one NIC */
	char bridges
		[ROUTE_WORDS]; /* NAME=MAC,MAC...: its own and its ports'; at most ROUTE_BRIDGE_MACS */
	char absent[ROUTE_WORDS]; /* named in the settings, and not there */
	char odd[ROUTE_WORDS];	  /* left out: names that the rules cannot hold */
	char doubtful
		[ROUTE_WORDS]; /* default routes leave here, and it counts as clients' all the same; see below */
};
/* By its usual name: of containers, virtual machines and tunnels, no network that devices of the house are plugged into. */
bool route_is_inner(const char *name);
enum { ROUTE_BRIDGE_MACS = 60 };
/* clients, uplinks: the settings' words, "auto" among them (rules in tbl/settings.h). before: what was said the last time, NULL =
 * nothing yet.
 *
 * An uplink by itself (auto) is an interface of a default route that client-interfaces does not name, but for
 * - one of IPv6 only, where IPv6 is not forwarded: anybody may advertise a router to a box that is a host there;
 * - one that was a client's before, and that only an advertised router speaks for: a device could do that;
 * - where no client interface would be left, and there are several: those that do not have the best metric.
 * Containers' and tunnels' interfaces (by their usual names) are clients, but no network of the house: where there is no
 * other, it is behind the uplink (own_nets).
 * -ENOSPC: more than fits; what did fit is there. Pure. */
int route_sides_of(const struct route_view *v, const char *clients, const char *uplinks,
	const struct route_sides *before, struct route_sides *out);

#endif
