/* SPDX-License-Identifier: GPL-3.0-or-later
 * obey.c - checks what root obeys and whom it starts (script, folders, users) before anything is done.
 *
 * The settings themselves were looked at when they were read (conf/settings_file.h). Once everything on these paths is
 * root's alone, nobody else can change it later, so one look at the start is enough.
 *
 * Owns: nothing. Thread: one. Fails: -errno, said in the log with what fixes it. See: base/trust.h; docs/SECURITY.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/trust.h"
#include "supervisor_int.h"

#define POLICY_BEFORE "/etc/durward/policy"
#define POLICY_NOW    "/etc/durward/house/policy"

static int look(const char *path, enum trust_kind kind, const char *what)
{
	char why[TRUST_WHY];
	int fd = trust_open(path, kind, why);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (fd == -ENOENT && kind != TRUST_FILE)
		return 0; /* it will be made, in a folder that is root's */
	log_error("%s %s: %s", what, path, why[0] ? why : strerror(-fd));
	return fd;
}

int obey_script(const struct settings *s)
{
	char script[SETTING_TEXT];

	supervisor_script(s, script, sizeof script);
	return look(script, TRUST_FILE, s->rules_script[0] ? "rules-script" : "the rules' script");
}

/* An installation from before the policy had a folder of its own. Its file is not taken from a folder that others could write:
 * that is for somebody who has looked at it. */
static int look_for_old_policy(const struct settings *s)
{
	struct stat st;

	if (strcmp(s->policy, POLICY_NOW) != 0 || lstat(POLICY_NOW, &st) == 0 || errno != ENOENT ||
		lstat(POLICY_BEFORE, &st) != 0)
		return 0;
	log_error("the policy has a folder of its own now, and still lies in %s: "
		  "systemd-tmpfiles --create durward.conf && mv %s %s (the lists beside it, too), "
		  "or say where it is: setting policy",
		POLICY_BEFORE, POLICY_BEFORE, POLICY_NOW);
	return -ENOENT;
}

int obey_paths(const struct settings *s)
{
	int rc = obey_script(s);

	if (rc == 0)
		rc = look(s->run_dir, TRUST_FOLDER, "run-dir");
	if (rc == 0)
		rc = look(s->state_dir, TRUST_PLACE, "state-dir");
	return rc ? rc : look_for_old_policy(s);
}

static int refuse_root(const struct child *c, const char *setting)
{
	if (c->uid != 0 && c->gid != 0)
		return 0;
	log_error("setting %s: the %s must not be root (user %u, group %u): it is the process that "
		  "reads what strangers send; name a user of its own",
		setting, c->role, (unsigned)c->uid, (unsigned)c->gid);
	return -EPERM;
}

int obey_users(const struct supervisor *su)
{
	int rc = refuse_root(&su->child[SUPERVISOR_DATAPLANE], "dataplane-user");

	if (rc == 0)
		rc = refuse_root(&su->child[SUPERVISOR_CONTROLLER], "controller-user");
	if (rc == 0 &&
		su->child[SUPERVISOR_DATAPLANE].uid == su->child[SUPERVISOR_CONTROLLER].uid) {
		log_error("settings dataplane-user and controller-user are one user (%u): each "
			  "could do what "
			  "the other may; name two",
			(unsigned)su->child[SUPERVISOR_DATAPLANE].uid);
		rc = -EPERM;
	}
	return rc;
}

/* By the descriptor of what was looked at; the mode first, for root without its usual rights may change only what it owns. */
static int give(int fd, mode_t mode, uid_t uid, gid_t gid)
{
	char self[32];

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return chmod(self, mode) != 0 || fchownat(fd, "", uid, gid, AT_EMPTY_PATH) != 0 ? -errno
											: 0;
}

static int say_folder(int rc, const char *path, uid_t uid)
{
	log_error("%s: %s; the folder must be user %u's: if what is in it is, too: chown -R %u %s",
		path, strerror(-rc), (unsigned)uid, (unsigned)uid, path);
	return rc;
}

int obey_make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;
	int rc = 0, fd;

	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		log_error("%s: %s; its parent folder must exist", path, strerror(errno));
		return -errno;
	}
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = -errno;
	else if (st.st_uid == uid && (st.st_mode & 07777) == mode)
		; /* as the package's tmpfiles made it: no right to chown is needed */
	else if (st.st_uid != uid && st.st_uid != 0)
		rc = -EEXIST; /* somebody else's, who may have left more in it than we know */
	else
		rc = give(fd, mode, uid, gid);
	if (fd >= 0)
		close(fd);
	return rc ? say_folder(rc, path, uid) : 0;
}
