/* SPDX-License-Identifier: GPL-3.0-or-later
 * devices.h - tells which MAC uses an address, and which addresses a MAC uses.
 *
 * The facts come from NFQA_HWADDR (each new flow: packet-learned) and from the neighbour table (who/neigh.h: kernel-learned).
 * An address belongs to one MAC, the one seen last. A MAC keeps its 16 latest addresses; beyond `max_addresses` in all the least
 * recently seen address goes. So nobody on the segment can make the table grow, and a MAC pushes out its own addresses first.
 *
 * Owns: its tables, all allocated at the start. Thread: any (a mutex inside). Fails: devices_new: 0 or -errno.
 */
#ifndef WHO_DEVICES_H
#define WHO_DEVICES_H

#include "base/addr.h"

enum { DEVICES_MAX = 16384, DEVICE_ADDRS = 16 };

struct devices;

int devices_new(struct devices **out, uint32_t max_addresses /* 1..1 << 20 */);
void devices_free(struct devices *d); /* NULL is fine */
/* A zero, group (multicast) or all-ones MAC, and a zero, loopback or multicast address, are not noted. */
void devices_seen(struct devices *d, const struct addr *a, const struct mac *m);
/* The same from a packet, whose sender may write any address: it takes no address that the kernel knows to be another
 * device's. */
void devices_packet_learned(struct devices *d, const struct addr *a, const struct mac *m);
void devices_forget(
	struct devices *d, const struct addr *a); /* the kernel says nobody answers there */
/* The kernel itself has resolved this address, and the entry has not failed since. */
bool devices_kernel_learned(struct devices *d, const struct addr *a);
bool devices_mac_of(struct devices *d, const struct addr *a, struct mac *out);
/* latest first; how many were written */
size_t devices_addrs_of(
	struct devices *d, const struct mac *m, struct addr out[static DEVICE_ADDRS]);
size_t devices_count(struct devices *d); /* addresses held: the tests see the bounds by it */

#endif
