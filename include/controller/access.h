/* SPDX-License-Identifier: GPL-3.0-or-later
 * access.h - secrets and sessions of the front end, kept in the admin store (record/admin_store.h).
 *
 * One of the four headers through which show/ uses the controller: status.h, events.h, policy.h, access.h (and flows.h).
 *
 * Owns: everything is copied out. Thread: any. Fails: 0 or -errno, as each says.
 */
#ifndef CONTROLLER_ACCESS_H
#define CONTROLLER_ACCESS_H

#include "base/strbuf.h"

struct controller;

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
