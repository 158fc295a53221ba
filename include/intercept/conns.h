/* SPDX-License-Identifier: GPL-3.0-or-later
 * conns.h - how a worker of the dataplane reads the kernel's connection table and changes bits of marks in it.
 *
 * A connection is changed under the tuple that the table itself gave for it. What we saw in packets would not name it after a
 * destination NAT, in a zone of its own, or if it is a ping. We ask for no acknowledgement of a change: a connection that has
 * ended meanwhile needs none, and every other failure is counted.
 *
 * The table is read in pieces, so that nobody else has to wait: conns_read_begin(), then conns_read() until it says that the
 * end was reached.
 *
 * Owns: the descriptor, once adopted. Thread: one at a time. Fails: 0 or -errno; conns_read: see there.
 * See: include/uapi/linux/netfilter/nfnetlink_conntrack.h;
 * net/netfilter/nf_conntrack_netlink.c ctnetlink_change_mark().
 */
#ifndef INTERCEPT_CONNS_H
#define INTERCEPT_CONNS_H

#include "model/flow.h"

struct conns;
struct nf_conntrack; /* of libnetfilter_conntrack */

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
	bool ended;		       /* TCP: closed both ways, or reset */
	const struct nf_conntrack *ct; /* private */
};

int conns_read_begin(struct conns *c);
/* Reads on for about `budget_us`; each connection is shown once. 1: there is more, 0: that was all, -errno: broken off. */
int conns_read(struct conns *c, uint32_t budget_us,
	void (*each)(void *user, const struct conns_entry *e), void *user);
/* Of the connection that `each` is shown just now, the mark's bits in `mask` become `bits`; all others stay. */
void conns_mark(struct conns *c, const struct conns_entry *e, uint32_t bits, uint32_t mask);
/* Changes so far that could not be asked for, or that the kernel refused though the connection was there. */
uint64_t conns_failed(const struct conns *c);

#endif
