/* SPDX-License-Identifier: GPL-3.0-or-later
 * dial.h - opens the proxy's connection to the original destination of a client's connection, and to nowhere else.
 *
 * Owns: *fd is the caller's. Thread: any. Fails: 0 (connecting: wait for EPOLLOUT, then dial_result) or -errno;
 * -ELOOP: the destination is one of the gateway's own addresses, or no one host's (the proxy never dials itself);
 * whatever the kernel says of the route there, when it has none.
 */
#ifndef ACT_DIAL_H
#define ACT_DIAL_H

#include "base/addr.h"

/* The socket over which the kernel is asked for routes; one a thread, to be opened while sockets of this kind may be. */
int dial_routes_open(int *fd);

struct dial {
	int routes; /* from dial_routes_open() */
	struct addr dst;
	uint16_t dport;
	struct addr
		src; /* the address that the server is to see; all zero = the gateway's own. The port is always a fresh
	                  * one: under NAT the two legs would share one conntrack entry with the client's */
	uint32_t mark;
};

int dial_start(const struct dial *d, int *fd);
int dial_result(int fd); /* 0 connected, else -errno of the attempt */

#endif
