/* SPDX-License-Identifier: GPL-3.0-or-later
 * flows.h - what goes on just now: the dataplane's table of live flows (model/live.h), read, and one flow of it cut.
 *
 * The table is the dataplane's: every field is bounded before it is used. It changes while it is read: a page is a picture of the
 * moment in which it was made. Owns: rows are copied out. Thread: any. Fails: 0 or -errno, as each says.
 */
#ifndef CONTROLLER_FLOWS_H
#define CONTROLLER_FLOWS_H

#include "model/live.h"
#include "model/row.h"

struct controller;

struct controller_flow {
	uint64_t id; /* model/live.h: live_id() */
	/* Time: since when; verdict: block for what is cut or going to be; bytes so far; the line that allowed or cut it. */
	struct row row;
	uint64_t packets[2]; /* up, down; 0 for a relay */
	uint8_t cut;	     /* enum live_cut, and never LIVE_RESTORED */
};
struct controller_flows_filter {
	struct row_filter row; /* but after, before; limit 1..1000 */
	int path;	       /* enum flow_path; -1 = any */
	bool by_bytes;	       /* largest first, both ways together; else newest first */
	bool more;	       /* only what comes after (last_key, last_id) in that order */
	uint64_t last_key, last_id;
};
uint64_t controller_flow_key(
	const struct controller_flow *f, bool by_bytes); /* what the order goes by */
/* each(): the first `limit` in order. *matching: how many there are in all, *more aside. -ENODEV: there is no table to look at
 * (the daemon was updated and has not been started again); -ENOMEM. */
int controller_flows(struct controller *d, const struct controller_flows_filter *f,
	void (*each)(void *user, const struct controller_flow *flow), void *user,
	uint64_t *matching);
/* Waits until the dataplane has cut it. `actor`: said in the log. -ENOENT: there is no such flow; -ETIMEDOUT: the dataplane has not done
 * it within `max_ms`; -errno. */
int controller_flow_cut(struct controller *d, uint64_t id, const char *actor, uint32_t max_ms);

#endif
