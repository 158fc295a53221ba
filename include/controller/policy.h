/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy.h - the policy in force, its text, its lists and its revisions, for the front end.
 *
 * One of the four headers through which show/ uses the controller: status.h, events.h, policy.h, access.h (and flows.h).
 *
 * Owns: struct controller_snapshot is counted; everything else is copied out. Thread: any. Fails: 0 or -errno, as each says.
 */
#ifndef CONTROLLER_POLICY_H
#define CONTROLLER_POLICY_H

#include "base/diag.h"
#include "base/strbuf.h"
#include "decide/image.h"

struct controller;

enum controller_policy_state {
	CONTROLLER_POLICY_NONE,	     /* nothing in force */
	CONTROLLER_POLICY_IN_FORCE,  /* the file is what is in force */
	CONTROLLER_POLICY_LAST_GOOD, /* the file has errors; the last good one is in force */
};
struct controller_snapshot {
	const struct image *image;
	uint32_t revision;
};
struct controller_snapshot *controller_snapshot_get(
	struct controller *d); /* NULL = no policy in force */
void controller_snapshot_put(struct controller *d, struct controller_snapshot *i);

/* The file's text as it is on disk, and the revision that counts for If-Match. 0 or -errno. */
int controller_policy_text(
	struct controller *d, struct strbuf *text, uint32_t *revision, uint64_t *etag);
/* Compiles without effect. 0: no errors; -EINVAL: errors in *diag; else -errno. */
int controller_policy_check(struct controller *d, struct slice text, struct diag *diag);
/* Writes the file and puts it in force. -ESTALE: `etag` is not the file's any more; -EROFS: policy-edit is off;
 * -EINVAL: errors in *diag; -ENOSPC, -EACCES...: the file could not be written. Nothing is half done. */
struct controller_apply {
	struct slice text;
	uint64_t etag;
	const char *accept; /* lists that may shrink (load/policy_load.h); NULL = none */
};
int controller_policy_apply(struct controller *d, const struct controller_apply *a,
	const char *actor, struct diag *diag, uint32_t *revision);
/* Reads the file and the lists again. 0, -EINVAL with *diag, -errno. */
int controller_policy_reload(struct controller *d, const char *actor, const char *accept,
	struct diag *diag, uint32_t *revision);

/* The lists of the policy in force, in the file's order. */
struct controller_list {
	const char *name, *file;
	uint64_t names, lines, broken;
	const char *why; /* what is wrong with its file; NULL = nothing */
	bool kept;	 /* its last good copy is in force */
	bool shrunk;	 /* ... for the file has become less than half of it */
	uint64_t good_ms;
	int failure; /* -errno: no copy of it could be kept */
};
void controller_lists(struct controller *d,
	void (*each)(void *user, const struct controller_list *l), void *user);

/* Waits until every worker of the dataplane uses this revision or a later one. False: not in time, or no dataplane runs. */
bool controller_policy_await(struct controller *d, uint32_t revision, uint32_t max_ms);

struct controller_revision {
	uint32_t number;
	uint64_t wall_ms;
	char actor[64];
	bool kept; /* false: its text could not be kept */
};
/* Newest first. Those that are not in the admin store yet come even where it fails. */
int controller_policy_revisions(struct controller *d,
	void (*each)(void *user, const struct controller_revision *r), void *user);
int controller_policy_revision_text(struct controller *d, uint32_t number, struct strbuf *text);

#endif
