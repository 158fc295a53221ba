/* SPDX-License-Identifier: GPL-3.0-or-later
 * dial.h - begins a connection to a connection's original destination, and to nowhere else.
 *
 * Owns: *fd is the caller's. Thread: any. Fails: 0 (connecting: wait for EPOLLOUT, then dial_result) or -errno;
 * -ELOOP: the destination is one of the gateway's own addresses (the proxy never dials itself).
 */
#ifndef ACT_DIAL_H
#define ACT_DIAL_H

#include "base/addr.h"

struct dial {
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
