/* SPDX-License-Identifier: GPL-3.0-or-later
 * lsm.h - takes from one user all that CAP_NET_ADMIN gives it over netfilter but verdicts and marks.
 *
 * A process that may send verdicts may change the packet filter by the same right and socket. Where the kernel runs
 * BPF programs as a security module ("bpf" in /sys/kernel/security/lsm), one of ours looks at each message that a process of
 * this user sends to netfilter in this network namespace. Messages about packet queues pass, and those that read connections
 * or change one that exists (by which a decision is taken back). The rest is refused (EPERM). Messages of other users pass.
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
