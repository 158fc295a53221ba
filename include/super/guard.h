/* SPDX-License-Identifier: GPL-3.0-or-later
 * guard.h - what `fail` says before any policy is compiled, and the refusal that stands until Durward runs.
 *
 * `durward guard` runs once at boot, before an interface is up (durward-guard.service): with `fail closed` it leaves a
 * refusal of all forwarded traffic, which the super replaces by the working rules. Rules that stand already stay.
 *
 * Owns: nothing. Thread: one; forks (no other thread may wait for any child meanwhile).
 */
#ifndef SUPER_GUARD_H
#define SUPER_GUARD_H

#include "model/settings.h"
#include "netsetup/priv.h"

enum guard_word {
	GUARD_UNKNOWN, /* neither a policy that can be read nor a last good one: nothing is declared */
	GUARD_OPEN,
	GUARD_CLOSED,
};

/* What `fail` says: in the policy file; where that has mistakes, `closed` if it or the last good policy says so. The
 * files are read by a forked process that has become `reader` and holds no right: they are the desk's, and a
 * parser never runs as root. */
enum guard_word guard_ask(const struct settings *s, const struct priv_user *reader);

int guard_main(const struct settings
		*s); /* exit status: 0, or 1 when a refusal was due and could not be made */

#endif
