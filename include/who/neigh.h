/* SPDX-License-Identifier: GPL-3.0-or-later
 * neigh.h - follows the kernel's neighbour table (ARP, NDP) into who/devices.h.
 *
 * The dataplane may not open netlink sockets, so the supervisor opens one with neigh_socket_open() and the dataplane inherits it.
 *
 * Owns: its buffer; neither the descriptor nor the devices. Thread: any (a mutex inside); put the descriptor in ONE
 * loop, and call neigh_read() also just before looking up the client of a freshly accepted connection, for the
 * kernel has sent its news by then; neigh_find() does so. Fails: 0 or -errno. See: rtnetlink(7), RTNLGRP_NEIGH.
 */
#ifndef WHO_NEIGH_H
#define WHO_NEIGH_H

#include "who/devices.h"

struct neigh;

int neigh_socket_open(int *out_fd); /* NETLINK_ROUTE, subscribed, CLOEXEC, not blocking */
int neigh_new(struct neigh **out, int fd,
	struct devices *d);	  /* asks for a first dump; answers come by neigh_read */
void neigh_free(struct neigh *n); /* NULL is fine */
/* Reads all that waits. Lost messages (-ENOBUFS inside) lead to a new dump. -errno: the socket is of no more use. */
int neigh_read(struct neigh *n);
/* The MAC behind an address now: what is known by the last news, or else what the kernel answers. A client may have more
 * addresses than the devices keep of it, and none of them makes it a stranger. False: no neighbour. */
bool neigh_find(struct neigh *n, const struct addr *a, struct mac *out);

#endif
