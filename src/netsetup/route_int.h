/* SPDX-License-Identifier: GPL-3.0-or-later
 * route_int.h - what route.c and route_view.c share.
 *
 * Owns: route_socket() gives the socket to the caller. Thread: any. Fails: 0 or -errno.
 */
#ifndef NETSETUP_ROUTE_INT_H
#define NETSETUP_ROUTE_INT_H

#include <stdbool.h>

struct nl_sock;

int route_socket(struct nl_sock **out);
int route_errno(int nlerr); /* libnl's negative NLE_* to -errno */
bool route_has_v6(void);    /* IPv6 in the kernel and not switched off on the loopback */

#endif
