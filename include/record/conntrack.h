/* SPDX-License-Identifier: GPL-3.0-or-later
 * conntrack.h - reads DESTROY events of the kernel's connection table: bytes and duration of a flow that ended.
 *
 * The socket was opened, subscribed and handed over by the supervisor; this process has no capability.
 * The destination is the one after DNAT (the reply's source), as struct flow holds it.
 * Owns: nothing. Thread: any; pure but for recv(2). Fails: see below. See:
 * include/uapi/linux/netfilter/nfnetlink_conntrack.h.
 */
#ifndef RECORD_CONNTRACK_H
#define RECORD_CONNTRACK_H

#include "base/addr.h"

struct conntrack_end {
	struct addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
	bool has_bytes;
	uint64_t bytes_up, bytes_down; /* with headers, as the kernel counts */
	uint64_t start_ns, stop_ns;    /* UTC; 0 = not kept (nf_conntrack_timestamp) */
};

/* One datagram of messages. each() once a flow. Returns how many, -EINVAL for bytes that are not netlink, or
 * -ENOMEM. */
int conntrack_parse(
	struct slice datagram, void (*each)(void *user, const struct conntrack_end *e), void *user);
/* Reads what is there. Number of flows, 0 when nothing, or -errno (-ENOBUFS: all there was, but the kernel dropped some). */
int conntrack_read(int fd, void (*each)(void *user, const struct conntrack_end *e), void *user);
/* Events that the kernel dropped since the socket was opened, for it was full (modulo 2^32; 0: it cannot say). */
uint64_t conntrack_lost(int fd);

#endif
