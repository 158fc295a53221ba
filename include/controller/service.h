/* SPDX-License-Identifier: GPL-3.0-or-later
 * service.h - the narrow door through which the front end (show/) sees the controller.
 *
 * Owns: struct controller_snapshot is counted; everything else is copied out. Thread: any. Fails: 0 or -errno, as each says.
 */
#ifndef CONTROLLER_SERVICE_H
#define CONTROLLER_SERVICE_H

#include "base/diag.h"
#include "base/strbuf.h"
#include "decide/image.h"
#include "model/message.h"
#include "model/row.h"

struct controller;

/* --- state --- */
enum controller_policy_state {
	CONTROLLER_POLICY_NONE,	     /* nothing in force */
	CONTROLLER_POLICY_IN_FORCE,  /* the file is what is in force */
	CONTROLLER_POLICY_LAST_GOOD, /* the file has errors; the last good one is in force */
};
struct controller_status {
	uint64_t now_ms, start_ms;
	uint32_t revision;	 /* in force; 0 = none */
	bool revision_kept;	 /* its text is in the admin store */
	uint32_t revision_taken; /* the last one that every worker of the dataplane uses */
	enum controller_policy_state policy;
	char policy_path[256];
	uint64_t policy_loaded_ms;
	size_t file_errors, file_warnings; /* of the last reading of the file */
	uint64_t load_failures;
	bool fail_open, judges_all, policy_edit;
	size_t devices, rules, names; /* in the image */
	bool supervisor_seen;	      /* `supervisor` holds a MESSAGE_STATUS */
	struct message supervisor;
	uint64_t events_recorded, events_summed, events_lost_ring, events_lost_store,
		events_lost_ends, events_last_id;
	uint64_t allowed, blocked, watched, unnamed, conntrack_matched;
	char events_failure[128];
	char events_aside
		[256]; /* a damaged events' database that still lies beside the new one; "" = none */
	char admin_store_failure[960]; /* "" = revisions, password and sessions can be kept */
	uint64_t disk_free;	       /* bytes in the state directory's file system */
};
void controller_status_get(struct controller *d, struct controller_status *out);
const char *controller_state_dir(struct controller *d);

/* --- events --- */
int controller_events(struct controller *d, const struct row_filter *f,
	void (*each)(void *user, const struct row *r), void *user);
size_t controller_tail(struct controller *d, const struct row_filter *f, uint64_t after,
	struct row *out, size_t max, uint64_t *next, uint64_t *lost_to); /* record/recorder.h */
struct controller_seen {
	struct addr addr;
	bool has_mac;
	struct mac mac;
	char name[ROW_WORD];
	uint64_t first_ms, last_ms, allowed, blocked;
};
int controller_devices(struct controller *d, uint64_t since_ms,
	void (*each)(void *user, const struct controller_seen *s), void *user);
/* By the neighbour table, as the dataplane finds the device behind an address. false: no neighbour. */
bool controller_mac_of(struct controller *d, const struct addr *a, struct mac *out);
/* The addresses at which a device was last seen there, latest first; how many were written. */
size_t controller_addrs_of(struct controller *d, const struct mac *m, struct addr *out, size_t max);
/* WHO as a person writes it: a name of the policy, an address or a MAC. false: nobody of that name. */
bool controller_filter_who(struct controller *d, struct slice who, struct row_filter *f);
/* The rule of this id, under every id that it had (record/admin_store.h); an id that is gone is followed to today's. */
void controller_filter_rule(struct controller *d, const char *id, struct row_filter *f);

/* --- policy --- */
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

/* --- secrets of the front end (record/admin_store.h) --- */
/* Puts a damaged, newer or lost admin store aside and begins an empty one. -EEXIST: nothing is wrong with it. */
int controller_admin_store_set_aside(struct controller *d);
/* -ENOENT: there is none, for certain; every other error: it cannot be told. */
int controller_secret(struct controller *d, const char *name, struct strbuf *value);
int controller_secret_set(struct controller *d, const char *name, const char *value);
struct controller_session {
	char digest[65];
	uint64_t born_ms, seen_ms;
};
int controller_session_put(struct controller *d, const struct controller_session *s);
int controller_session_get(
	struct controller *d, const char *digest, struct controller_session *out);
int controller_session_drop(struct controller *d, const char *digest);

#endif
