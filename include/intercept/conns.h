/* SPDX-License-Identifier: GPL-3.0-or-later
 * conns.h - the kernel's connection table, as a worker of the dataplane uses it: it is read, and bits of marks are changed.
 *
 * A connection is changed by the name that the table itself gave it: after a destination NAT, in a zone of its own, or of a
 * ping, what we saw of its packets does not name it. No answer to a change is asked for: what has ended meanwhile is none.
 *
 * Reading goes in pieces, so that nobody else has to wait: conns_read_begin(), then conns_read() until it says that the end
 * was reached.
 *
 * Owns: the descriptor, once adopted. Thread: one at a time. Fails: 0 or -errno; conns_read: see there.
 * See: linux/netfilter/nfnetlink_conntrack.h, ctnetlink_change_mark() in net/netfilter/nf_conntrack_netlink.c.
 */
#ifndef INTERCEPT_CONNS_H
#define INTERCEPT_CONNS_H

#include "model/flow.h"

struct conns;

/* The supervisor's: a netlink socket whose holder may change connections (CAP_NET_ADMIN at this moment). */
int conns_open(int *fd);
/* Takes over an inherited descriptor; what an earlier holder left in it is thrown away. */
int conns_adopt(int fd, struct conns **out);
void conns_free(struct conns *c); /* closes; NULL is fine */

struct conns_entry {
	struct flow
		flow; /* src, sport as the client has them; dst, dport after DNAT; proto; 0 ports where there are none */
	uint32_t mark;
	bool counted; /* nf_conntrack_acct: bytes (with headers) and packets, of orig and reply */
	uint64_t bytes[2], packets[2];
	bool ended;		 /* TCP: closed both ways, or reset */
	const void *orig, *zone; /* private */
};

int conns_read_begin(struct conns *c);
/* Reads on for about `budget_us`; each connection is shown once. 1: there is more, 0: that was all, -errno: broken off. */
int conns_read(struct conns *c, uint32_t budget_us,
	void (*each)(void *user, const struct conns_entry *e), void *user);
/* Of the connection that `each` is shown just now, the mark's bits in `mask` become `bits`; all others stay. */
void conns_mark(struct conns *c, const struct conns_entry *e, uint32_t bits, uint32_t mask);

#endif
