/* SPDX-License-Identifier: GPL-3.0-or-later
 * tproxy.h - the listeners that TPROXY hands connections to, and what such a connection says of itself.
 *
 * Owns: nothing; descriptors are the caller's. Thread: any. Fails: 0 or -errno.
 * See: Documentation/networking/tproxy.rst.
 */
#ifndef INTERCEPT_TPROXY_H
#define INTERCEPT_TPROXY_H

#include "base/addr.h"

/* A transparent SO_REUSEPORT listener on every address of `family`, non-blocking, CLOEXEC. Needs NET_ADMIN or NET_RAW.
 * What accepted sockets inherit is set here: TCP_NODELAY, SO_LINGER {1,0} (a killed relay is a RST, never a clean end), and
 * the mark of all packets that they and the listener send (its SYN-ACKs), so that a rule can know them as ours. */
int tproxy_listen(int family, uint16_t port, uint32_t mark, int *fd);

/* Of an accepted connection: a TPROXY socket's local name is the original destination. */
int tproxy_ends(int fd, struct addr *client, uint16_t *cport, struct addr *dst, uint16_t *dport);

#endif
