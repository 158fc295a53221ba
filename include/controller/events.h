/* SPDX-License-Identifier: GPL-3.0-or-later
 * events.h - recorded events and the devices that were seen, for the front end.
 *
 * One of the four headers through which show/ uses the controller: status.h, events.h, policy.h, access.h (and flows.h).
 *
 * Owns: everything is copied out. Thread: any. Fails: 0 or -errno, as each says.
 */
#ifndef CONTROLLER_EVENTS_H
#define CONTROLLER_EVENTS_H

#include "model/row.h"

struct controller;

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

#endif
