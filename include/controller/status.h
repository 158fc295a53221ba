/* SPDX-License-Identifier: GPL-3.0-or-later
 * status.h - how the controller is: what is in force, what was recorded, what failed.
 *
 * One of the four headers through which show/ uses the controller: status.h, events.h, policy.h, access.h (and flows.h).
 *
 * Owns: everything is copied out. Thread: any. Fails: 0 or -errno, as each says.
 */
#ifndef CONTROLLER_STATUS_H
#define CONTROLLER_STATUS_H

#include "controller/policy.h"
#include "model/message.h"

struct controller;

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

#endif
