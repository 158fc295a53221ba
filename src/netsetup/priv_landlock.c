/* SPDX-License-Identifier: GPL-3.0-or-later
 * priv_landlock.c - restricts a process to writing in the named folders, whatever its user owns elsewhere.
 *
 * The modes of files still decide what it may read, since a policy names its lists by any path. It can write, make, remove and
 * truncate beneath the named folders only, and only plain files and folders there: no link, FIFO, socket or device. It can
 * execute nothing, bind and reach no TCP port, reach no abstract socket outside and send no signal out of the process.
 *
 * The file has the kernel's numbers itself, because the headers of the oldest system that we build on know only some of them.
 * Owns: nothing. Thread: before the process has a second one. Fails: -errno. See: landlock(7), include/uapi/linux/landlock.h.
 */
#include "netsetup/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	EXECUTE = 1 << 0,
	WRITE_FILE = 1 << 1,
	REMOVE_DIR = 1 << 4,
	REMOVE_FILE = 1 << 5,
	MAKE_CHAR = 1 << 6,
	MAKE_DIR = 1 << 7,
	MAKE_REG = 1 << 8,
	MAKE_SOCK = 1 << 9,
	MAKE_FIFO = 1 << 10,
	MAKE_BLOCK = 1 << 11,
	MAKE_SYM = 1 << 12,
	REFER = 1 << 13,     /* since version 2 */
	TRUNCATE = 1 << 14,  /* 3 */
	NET_ALL = 3,	     /* bind and connect, TCP: 4 */
	IOCTL_DEV = 1 << 15, /* 5 */
	SCOPE_ALL = 3,	     /* abstract sockets, signals: 6 */
	FIRST = EXECUTE | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR | MAKE_DIR | MAKE_REG |
		MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM,
	OWN = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE,
};

/* struct landlock_ruleset_attr as of version 6; an older kernel takes its first part */
struct rights {
	uint64_t fs, net, scoped;
};

static struct rights handled(int version, size_t *size)
{
	struct rights r = {.fs = FIRST};

	if (version >= 2)
		r.fs |= REFER;
	if (version >= 3)
		r.fs |= TRUNCATE;
	if (version >= 4)
		r.net = NET_ALL;
	if (version >= 5)
		r.fs |= IOCTL_DEV;
	if (version >= 6)
		r.scoped = SCOPE_ALL;
	*size = version >= 6 ? sizeof r : version >= 4 ? 2 * sizeof r.fs : sizeof r.fs;
	return r;
}

static int allow(int ruleset, const char *folder, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = rights};
	int rc = 0;

	beneath.parent_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
		rc = -errno;
	close(beneath.parent_fd);
	return rc;
}

int priv_landlock(const char *const *folders, int *version)
{
	struct rights r;
	size_t size;
	int rc = 0, ruleset;

	*version =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (*version < 1) {
		*version = 0; /* EPERM: a service manager's filter from before Landlock */
		return errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM ? 0 : -errno;
	}
	r = handled(*version, &size);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (ruleset < 0)
		return -errno;
	for (; *folders && rc == 0; folders++) {
		rc = allow(ruleset, *folders, OWN & r.fs);
		if (rc == -ENOENT || rc == -EACCES || rc == -ENOTDIR)
			rc = 0; /* what cannot be reached cannot be written in */
	}
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		rc = -errno;
	if (rc == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		rc = -errno;
	close(ruleset);
	return rc;
}
