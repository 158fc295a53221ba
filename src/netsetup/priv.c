/* SPDX-License-Identifier: GPL-3.0-or-later
 * priv.c - gives up users, capabilities and the root folder.
 *
 * The order matters: capabilities become inheritable while the bounding set still holds them, the bounding set goes
 * while CAP_SETPCAP is there, the user changes with KEEPCAPS set (or the kernel takes all), and PDEATHSIG comes last
 * because a change of uid clears it.
 *
 * Owns: nothing. Thread: before the process has a second one. Fails: 0 or -errno.
 * See: capabilities(7), prctl(2), chroot(2).
 */
#include "netsetup/priv.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int priv_user_find(const char *name_or_number, struct priv_user *out)
{
	const struct passwd *pw;
	unsigned long id;
	char *end;

	if (name_or_number[0] >= '0' && name_or_number[0] <= '9') {
		errno = 0;
		id = strtoul(name_or_number, &end, 10);
		if (errno || *end || id >= UINT32_MAX)
			return -ENOENT;
		*out = (struct priv_user){.uid = (uid_t)id, .gid = (gid_t)id};
		return 0;
	}
	errno = 0;
	pw = getpwnam(name_or_number);
	if (!pw)
		return -ENOENT;
	*out = (struct priv_user){.uid = pw->pw_uid, .gid = pw->pw_gid};
	return 0;
}

int priv_limit_files(uint64_t *out)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return -errno;
	if (r.rlim_cur != r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			return -errno;
	}
	*out = r.rlim_cur;
	return 0;
}

static uint64_t caps_read(cap_t all, cap_flag_t flag)
{
	uint64_t set = 0;

	for (cap_value_t c = 0; c < cap_max_bits() && c < 64; c++) {
		cap_flag_value_t on;

		if (cap_get_flag(all, c, flag, &on) == 0 && on == CAP_SET)
			set |= PRIV_CAP(c);
	}
	return set;
}

uint64_t priv_caps_now(void)
{
	cap_t all = cap_get_proc();
	uint64_t set;

	if (!all)
		return 0;
	set = caps_read(all, CAP_EFFECTIVE);
	cap_free(all);
	return set;
}

uint64_t priv_caps_missing(uint64_t caps)
{
	return caps & ~priv_caps_now();
}

void priv_caps_text(uint64_t caps, char *out, size_t size)
{
	size_t n = 0;

	if (size)
		out[0] = 0;
	for (cap_value_t c = 0; c < 64 && n < size; c++) {
		char *name;
		int k;

		if (!(caps & PRIV_CAP(c)))
			continue;
		name = cap_to_name(c); /* "cap_net_admin" */
		k = snprintf(out + n, size - n, "%s%s", n ? ", " : "",
			name && strncmp(name, "cap_", 4) == 0 ? name + 4 : "?");
		cap_free(name);
		if (k < 0)
			return;
		n += (size_t)k;
	}
}

static int caps_flip(uint64_t caps, cap_flag_value_t to)
{
	cap_t all = cap_get_proc();
	int err = all ? 0 : -errno;

	for (cap_value_t c = 0; c < 64 && !err; c++)
		if (caps & PRIV_CAP(c) && cap_set_flag(all, CAP_EFFECTIVE, 1, &c, to) < 0)
			err = -errno;
	if (!err && cap_set_proc(all) < 0)
		err = -errno;
	cap_free(all);
	return err;
}

int priv_caps_aside(uint64_t caps)
{
	return caps_flip(caps, CAP_CLEAR);
}

int priv_caps_back(uint64_t caps)
{
	return caps_flip(caps, CAP_SET);
}

/* Sets the three sets of the process to the given ones. */
static int caps_set(uint64_t permitted, uint64_t inheritable)
{
	cap_t all = cap_init();
	int err = 0;

	if (!all)
		return -ENOMEM;
	for (cap_value_t c = 0; c < 64 && !err; c++) {
		if (permitted & PRIV_CAP(c) &&
			(cap_set_flag(all, CAP_PERMITTED, 1, &c, CAP_SET) < 0 ||
				cap_set_flag(all, CAP_EFFECTIVE, 1, &c, CAP_SET) < 0))
			err = -errno;
		if (inheritable & PRIV_CAP(c) &&
			cap_set_flag(all, CAP_INHERITABLE, 1, &c, CAP_SET) < 0)
			err = -errno;
	}
	if (!err && cap_set_proc(all) < 0)
		err = -errno;
	cap_free(all);
	return err;
}

static int caps_drop_bounding(uint64_t keep)
{
	for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++)
		if (!(keep & PRIV_CAP(c)) && cap_get_bound(c) == 1 && cap_drop_bound(c) < 0)
			return -errno;
	return 0;
}

/* A folder that is entered and unlinked: nothing is in it, and nothing can be made in it. */
static int enter_empty_root(const char *parent)
{
	char path[512];
	int n = snprintf(path, sizeof path, "%s/root.XXXXXX", parent);

	if (n < 0 || (size_t)n >= sizeof path)
		return -ENAMETOOLONG;
	if (!mkdtemp(path))
		return -errno;
	if (chdir(path) < 0) {
		int err = -errno;

		rmdir(path);
		return err;
	}
	if (rmdir(path) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int change_user(const struct priv_user *u)
{
	if (setgroups(0, NULL) < 0 || setresgid(u->gid, u->gid, u->gid) < 0)
		return -errno;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (setresuid(u->uid, u->uid, u->uid) < 0 || prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static int raise_ambient(uint64_t caps)
{
	for (cap_value_t c = 0; c < 64; c++)
		if (caps & PRIV_CAP(c) && cap_set_ambient(c, CAP_SET) < 0)
			return -errno;
	return 0;
}

/* What the kernel shows must be what was asked for. */
static int check(const struct priv_drop *d)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return -errno;
	if (r != d->user.uid || e != r || s != r || rg != d->user.gid || eg != rg || sg != rg)
		return -EPERM;
	if (priv_caps_now() != d->keep || getgroups(0, NULL) != 0)
		return -EPERM;
	if (d->user.uid != 0 && setuid(0) == 0)
		return -EPERM;
	return 0;
}

int priv_drop(const struct priv_drop *d)
{
	bool root = d->user.uid == 0;
	uint64_t inherit = d->ambient ? d->keep : 0;
	uint64_t have = priv_caps_now();
	int err;

	if (d->keep & ~have)
		return -EPERM;
	if (d->empty_root && (err = enter_empty_root(d->empty_root)))
		return err;
	if ((err = caps_set(have, inherit)) || (err = caps_drop_bounding(root ? d->keep : 0)))
		return err;
	if (cap_reset_ambient() < 0)
		return -errno;
	if ((err = change_user(&d->user)) || (err = caps_set(d->keep, inherit)))
		return err;
	if ((err = raise_ambient(inherit)))
		return err;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (d->parent_death && prctl(PR_SET_PDEATHSIG, d->parent_death, 0, 0, 0) < 0)
		return -errno;
	return check(d);
}
