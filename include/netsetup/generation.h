/* SPDX-License-Identifier: GPL-3.0-or-later
 * generation.h - whether anybody changed the packet filter: the kernel counts the commits of nf_tables.
 *
 * Owns: the descriptor is the caller's. Thread: any, one at a time. Fails: 0 or -errno; -EOPNOTSUPP or -EINVAL where the
 * kernel has no nf_tables (then iptables is the legacy one, and the kernel does not count its changes). Needs CAP_NET_ADMIN.
 * See: net/netfilter/nf_tables_api.c nf_tables_getgen().
 */
#ifndef NETSETUP_GENERATION_H
#define NETSETUP_GENERATION_H

#include <stdint.h>

int generation_open(int *fd);
int generation_read(
	int fd, uint32_t *out); /* another number = something changed since, ours or others' */

#endif
