/* SPDX-License-Identifier: GPL-3.0-or-later
 * priv.h - gives up privileges: users, capabilities, root folder, limits, system calls. Only priv*.c use libcap and
 * libseccomp.
 *
 * Order in a child: priv_limit_files, priv_drop (root folder, then groups, user, capabilities, parent-death signal),
 * open nothing any more, priv_seccomp, then start threads. A process that gets an error here must not go on.
 *
 * Owns: nothing. Thread: before the process has a second one. Fails: 0 or -errno.
 * See: capabilities(7), seccomp(2), prctl(2) PR_SET_PDEATHSIG.
 */
#ifndef NETSETUP_PRIV_H
#define NETSETUP_PRIV_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PRIV_CAP(c)	    (1ull << (c))
#define PRIV_CAPS_DATAPLANE (PRIV_CAP(CAP_NET_ADMIN) | PRIV_CAP(CAP_NET_RAW))
#define PRIV_CAPS_SUPERVISOR                                                                       \
	(PRIV_CAPS_DATAPLANE | PRIV_CAP(CAP_SETUID) | PRIV_CAP(CAP_SETGID) |                       \
		PRIV_CAP(CAP_SETPCAP) | PRIV_CAP(CAP_SYS_CHROOT))

struct priv_user {
	uid_t uid;
	gid_t gid;
};

/* A name of the user database, or a number (uid and gid alike). -ENOENT: no such user. */
int priv_user_find(const char *name_or_number, struct priv_user *out);

/* The soft limit of open files becomes the hard one; *out is what it is then. */
int priv_limit_files(uint64_t *out);

uint64_t priv_caps_missing(uint64_t caps); /* of these, which the process does not have */
uint64_t priv_caps_now(void);		   /* effective */
/* "net_admin, sys_chroot": for messages. Cut at `size`, always terminated. */
void priv_caps_text(uint64_t caps, char *out, size_t size);

/* Sets effective capabilities aside, and has them back. A netlink socket made meanwhile carries no right to change anything:
 * the kernel asks its maker's rights as well as its user's, unless a message names its receiver (which is why the dataplane may
 * not do that: priv_seccomp_asking). See: net/netlink/af_netlink.c netlink_ns_capable() (NETLINK_SKB_DST). */
int priv_caps_aside(uint64_t caps);
int priv_caps_back(uint64_t caps);

struct priv_drop {
	struct priv_user
		user;  /* uid 0: stay root, with `keep` alone, also for what root executes */
	uint64_t keep; /* PRIV_CAP() bits that stay effective; all others go */
	bool ambient;  /* keep them through execve as well */
	const char *
		empty_root; /* a writable folder in which a root folder is made, entered and unlinked (nothing can
				 * be made in it any more); NULL: stay */
	int parent_death; /* signal when the parent thread dies, set after the last change of uid; 0: none */
};

/* Also: no supplementary groups, no_new_privs, bounding set emptied (uid 0: cut to `keep`). Checks what it did:
 * -EPERM when the kernel shows other ids or capabilities than asked for. The caller compares getppid() afterwards
 * when it sets parent_death (the parent may have died before). */
int priv_drop(const struct priv_drop *d);

/* From here on this process and its threads write beneath these folders only (NULL ends them; one that cannot be reached is
 * passed over), as plain files; and execute nothing, whatever modes say. *version: of the kernel's Landlock, 0 = it has none, which
 * is no error. After priv_drop(), before priv_seccomp(). */
int priv_landlock(const char *const *folders, int *version);

enum priv_role {
	PRIV_DATAPLANE, /* anything not listed kills the process */
	PRIV_CONTROLLER, /* anything not listed is -EPERM; execve, ptrace, mount and their like kill the process */
};
/* False in SANITIZE builds, which leave seccomp out (their run-time needs calls of its own): what the
 * tests may expect. */
bool priv_seccomp_built(void);
int priv_seccomp(enum priv_role role); /* 0 also when not built */
/* Before priv_seccomp(PRIV_DATAPLANE): these netlink sockets may be read, and sent on only without an address; no descriptor can
 * be doubled or passed to oneself, so that they keep their numbers. Else the process is killed. 0 also when not built. */
int priv_seccomp_asking(const int *fds, size_t n);

#endif
