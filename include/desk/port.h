/* SPDX-License-Identifier: GPL-3.0-or-later
 * port.h - the narrow door through which the face (show/) sees the desk.
 *
 * Owns: struct desk_image is counted; everything else is copied out. Thread: any. Fails: 0 or -errno, as each says.
 */
#ifndef DESK_PORT_H
#define DESK_PORT_H

#include "base/diag.h"
#include "base/strbuf.h"
#include "decide/image.h"
#include "model/message.h"
#include "model/row.h"

struct desk;

/* --- state --- */
enum desk_policy_state {
	DESK_POLICY_NONE,      /* nothing in force */
	DESK_POLICY_IN_FORCE,  /* the file is what is in force */
	DESK_POLICY_LAST_GOOD, /* the file has mistakes; the last good one is in force */
};
struct desk_status {
	uint64_t now_ms, start_ms;
	uint32_t revision;	 /* in force; 0 = none */
	bool revision_kept;	 /* its text is in the ledger */
	uint32_t revision_taken; /* the last one that every worker of the gate uses */
	enum desk_policy_state policy;
	char policy_path[256];
	uint64_t policy_loaded_ms;
	size_t file_errors, file_warnings; /* of the last reading of the file */
	uint64_t load_failures;
	bool fail_open, judges_all, policy_edit;
	size_t devices, rules, names; /* in the image */
	bool super_seen;	      /* `super` holds a MESSAGE_STATUS */
	struct message super;
	uint64_t events_recorded, events_summed, events_lost_ring, events_lost_store,
		events_last_id;
	uint64_t allowed, blocked, watched, unnamed, conntrack_matched;
	char events_trouble[128];
	char events_aside
		[256]; /* a damaged events' database that still lies beside the new one; "" = none */
	char ledger_trouble[960]; /* "" = revisions, password and sessions can be kept */
	uint64_t disk_free;	  /* bytes in the state directory's file system */
};
void desk_status_get(struct desk *d, struct desk_status *out);
const char *desk_state_dir(struct desk *d);

/* --- events --- */
int desk_events(struct desk *d, const struct row_filter *f,
	void (*each)(void *user, const struct row *r), void *user);
size_t desk_tail(struct desk *d, const struct row_filter *f, uint64_t after, struct row *out,
	size_t max, uint64_t *next, uint64_t *lost_to); /* record/recorder.h */
struct desk_seen {
	struct addr addr;
	bool has_mac;
	struct mac mac;
	char name[ROW_WORD];
	uint64_t first_ms, last_ms, allowed, blocked;
};
int desk_devices(struct desk *d, uint64_t since_ms,
	void (*each)(void *user, const struct desk_seen *s), void *user);
/* By the neighbour table, as the gate finds the device behind an address. false: no neighbour. */
bool desk_mac_of(struct desk *d, const struct addr *a, struct mac *out);
/* The addresses at which a device was last seen there, latest first; how many were written. */
size_t desk_addrs_of(struct desk *d, const struct mac *m, struct addr *out, size_t max);
/* WHO as a person writes it: a name of the policy, an address or a MAC. false: nobody of that name. */
bool desk_filter_who(struct desk *d, struct slice who, struct row_filter *f);

/* --- policy --- */
struct desk_image {
	const struct image *image;
	uint32_t revision;
};
struct desk_image *desk_image_get(struct desk *d); /* NULL = no policy in force */
void desk_image_put(struct desk *d, struct desk_image *i);

/* The file's text as it is on disk, and the revision that counts for If-Match. 0 or -errno. */
int desk_policy_text(struct desk *d, struct strbuf *text, uint32_t *revision, uint64_t *etag);
/* Compiles without effect. 0: no errors; -EINVAL: errors in *diag; else -errno. */
int desk_policy_check(struct desk *d, struct slice text, struct diag *diag);
/* Writes the file and puts it in force. -ESTALE: `etag` is not the file's any more; -EROFS: policy-edit is off;
 * -EINVAL: mistakes in *diag; -ENOSPC, -EACCES...: the file could not be written. Nothing is half done. */
struct desk_apply {
	struct slice text;
	uint64_t etag;
	const char *accept; /* lists that may shrink (load/policy_load.h); NULL = none */
};
int desk_policy_apply(struct desk *d, const struct desk_apply *a, const char *actor,
	struct diag *diag, uint32_t *revision);
/* Reads the file and the lists again. 0, -EINVAL with *diag, -errno. */
int desk_policy_reload(struct desk *d, const char *actor, const char *accept, struct diag *diag,
	uint32_t *revision);

/* The lists of the policy in force, in the file's order. */
struct desk_list {
	const char *name, *file;
	uint64_t names, lines, broken;
	const char *why; /* what is wrong with its file; NULL = nothing */
	bool kept;	 /* its last good copy is in force */
	bool shrunk;	 /* ... for the file has become less than half of it */
	uint64_t good_ms;
	int trouble; /* -errno: no copy of it could be kept */
};
void desk_lists(struct desk *d, void (*each)(void *user, const struct desk_list *l), void *user);

/* Waits until every worker of the gate uses this revision or a later one. False: not in time, or no gate runs. */
bool desk_policy_await(struct desk *d, uint32_t revision, uint32_t max_ms);

struct desk_revision {
	uint32_t number;
	uint64_t wall_ms;
	char actor[64];
	bool kept; /* false: its text could not be kept */
};
/* Newest first. Those that are not in the ledger yet come even where it fails. */
int desk_policy_revisions(
	struct desk *d, void (*each)(void *user, const struct desk_revision *r), void *user);
int desk_policy_revision_text(struct desk *d, uint32_t number, struct strbuf *text);

/* --- secrets of the face (record/ledger.h) --- */
/* Puts a damaged, newer or lost ledger aside and begins an empty one. -EEXIST: nothing is wrong with it. */
int desk_ledger_set_aside(struct desk *d);
/* -ENOENT: there is none, for certain; every other error: it cannot be told. */
int desk_secret(struct desk *d, const char *name, struct strbuf *value);
int desk_secret_set(struct desk *d, const char *name, const char *value);
struct desk_session {
	char digest[65];
	uint64_t born_ms, seen_ms;
};
int desk_session_put(struct desk *d, const struct desk_session *s);
int desk_session_get(struct desk *d, const char *digest, struct desk_session *out);
int desk_session_drop(struct desk *d, const char *digest);

#endif
