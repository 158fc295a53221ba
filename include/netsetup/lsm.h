/* SPDX-License-Identifier: GPL-3.0-or-later
 * lsm.h - takes from one user what CAP_NET_ADMIN gives it over netfilter, but for verdicts and marks. The only door of libbpf.
 *
 * Who sends verdicts may by the same right and socket change the packet filter. Where the kernel runs BPF programs as a
 * security module ("bpf" in /sys/kernel/security/lsm), one of ours looks at each message that a process of this user sends
 * to netfilter in this network namespace, and refuses (EPERM) whatever is not about packet queues, or reads or changes a
 * connection that is there (by which a decision is taken back). Others are not looked at.
 *
 * Owns: the boot guard lasts while *fd (the caller's) is open. Thread: one; forks. Fails: -errno: no such kernel (-EOPNOTSUPP, -ENOENT)
 * or no right to (-EPERM: CAP_BPF and CAP_PERFMON); it is tried out before 0 is returned.
 * See: bpf(2), Documentation/bpf/prog_lsm.rst, include/linux/lsm_hook_defs.h (netlink_send).
 */
#ifndef NETSETUP_LSM_H
#define NETSETUP_LSM_H

#include "netsetup/priv.h"

int lsm_verdicts_only(const struct priv_user *user, int *fd);

#endif
