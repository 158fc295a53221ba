/* SPDX-License-Identifier: GPL-3.0-or-later
 * nfsock_int.h - the NETLINK_NETFILTER socket that a queue or a log group is bound on.
 *
 * libnetfilter_queue and libnetfilter_log build and parse the messages; their own sockets (nfq_open(), nflog_open()) cannot
 * adopt an inherited descriptor, so the socket is libmnl's.
 *
 * Owns: nfsock_open() gives the socket to the caller, who closes it by mnl_socket_close() or nfsock_release(). Thread: any. Fails: 0 or -errno.
 */
#ifndef INTERCEPT_NFSOCK_INT_H
#define INTERCEPT_NFSOCK_INT_H

#include <libmnl/libmnl.h>
#include <stdint.h>

/* A bound socket, CLOEXEC. */
int nfsock_open(struct mnl_socket **out);
/* Sends one message with NLM_F_ACK and waits for the kernel's answer. Only before packets can come, or they would be read as
 * answers. -EBUSY: another socket holds the queue or the group. */
int nfsock_talk(struct mnl_socket *nl, struct nlmsghdr *nlh);
/* The descriptor alone, the caller's, and the socket is gone. */
int nfsock_release(struct mnl_socket *nl, int *fd);
/* A receive buffer of so many bytes, as far as we may have it; what does not fit is counted by the kernel, without an error. */
void nfsock_buffer_set(int fd, uint32_t bytes);

#endif
