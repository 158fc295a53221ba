/* SPDX-License-Identifier: GPL-3.0-or-later
 * ctmsg.h - an entry of the kernel's connection table, as a message of ctnetlink holds it.
 *
 * What readers use of libnetfilter_conntrack: one object is parsed into again and again, so that reading a table
 * allocates nothing for an entry (but for labels, a helper's data, or a security context, which the library copies).
 *
 * Owns: its two objects. Thread: one at a time. Fails: false, or -ENOMEM. See: include/uapi/linux/netfilter/nfnetlink_conntrack.h, ctnetlink_fill_info() in net/netfilter/nf_conntrack_netlink.c.
 */
#ifndef NETFILTER_CTMSG_H
#define NETFILTER_CTMSG_H

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netlink.h>

#include "base/addr.h"

/* src, sport as the client has them; dst, dport: where the replies come from, so after DNAT. Ports in host order, 0 where the
 * protocol has none. */
struct ctmsg_ends {
	struct addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

struct ctmsg {
	struct nf_conntrack *ct;    /* the entry that was read last */
	struct nf_conntrack *empty; /* what it is made before the next */
};

int ctmsg_init(struct ctmsg *m);
void ctmsg_fini(struct ctmsg *m); /* all zero is fine, too */
/* The next of the messages of `left` bytes that begin with h: whole, and with room for ctnetlink's header. (mnl_nlmsg_ok()
 * takes a length above INT_MAX for a negative one.) */
bool ctmsg_is_whole(const struct nlmsghdr *h, int left);
/* One IPCTNL_MSG_CT_NEW or _DELETE that is whole, into m->ct. False: a tuple is missing, an attribute is not what it should
 * be, or no memory; then m->ct holds nothing of use. */
bool ctmsg_parse(struct ctmsg *m, const struct nlmsghdr *h, struct ctmsg_ends *out);

#endif
