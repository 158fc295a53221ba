/* SPDX-License-Identifier: GPL-3.0-or-later
 * inject.h - sends whole IP packets through raw sockets.
 *
 * There are six sockets: three for each family, because the mark and the send buffer belong to the socket.
 *   towards the server            OWN|REFUSED: the packet passes conntrack, so that NAT applies, and the connection gets REFUSED
 *   towards a known client        OWN|NOTRACK: the packet bypasses conntrack, which would call it INVALID
 *   towards a client not known    the same; packets to a neighbour that does not answer fill a send buffer for seconds, so
 *                                 these have a buffer of their own
 * The supervisor opens them while it has the right to, and the dataplane inherits the descriptors.
 *
 * Owns: the descriptors, from inject_open() or inject_adopt() to inject_close(). Thread: sending from any (one
 * sendto(2) a packet). Fails: 0 or -errno; a packet that cannot be sent is -EAGAIN or another -errno, never waited for.
 * See: raw(7), ipv6(7), model/mark.h.
 */
#ifndef ACT_INJECT_H
#define ACT_INJECT_H

#include <stdint.h>

#include "base/slice.h"

enum inject_way { INJECT_TO_CLIENT, INJECT_TO_STRANGER, INJECT_TO_SERVER, INJECT_WAYS };
enum { INJECT_SOCKETS = 2 * INJECT_WAYS };

struct inject {
	int fd[INJECT_SOCKETS]; /* the ways of v4, then those of v6; -1 = none */
	uint32_t mark[INJECT_SOCKETS];
};

int inject_open(struct inject *in, uint32_t mark_mask); /* needs NET_RAW and NET_ADMIN; CLOEXEC */
void inject_adopt(
	struct inject *in, const int fds[INJECT_SOCKETS]); /* descriptors that inject_open() made */
void inject_close(struct inject *in);
/* A whole IPv4 or IPv6 packet, routed by its destination, and by `mark`: bits that it bears besides ours (the owner's, of
 * the flow that it belongs to). -EINVAL when it is none. */
int inject_send(const struct inject *in, enum inject_way way, uint32_t mark, struct slice packet);

#endif
