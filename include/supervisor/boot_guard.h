/* SPDX-License-Identifier: GPL-3.0-or-later
 * boot_guard.h - reads what `fail` says before a policy is compiled, and sets up the refusal that stands until Durward runs.
 *
 * `durward boot-guard` runs once at boot, before an interface is up (durward-boot-guard.service): with `fail closed` it leaves a
 * refusal of all forwarded traffic, which the supervisor replaces by the working rules. Rules that stand already stay.
 *
 * Owns: nothing. Thread: one; forks (no other thread may wait for any child meanwhile).
 */
#ifndef SUPERVISOR_BOOT_GUARD_H
#define SUPERVISOR_BOOT_GUARD_H

#include <sys/types.h>

#include "model/settings.h"
#include "netsetup/priv.h"

enum boot_guard_word {
	BOOT_GUARD_UNKNOWN, /* neither a policy that can be read nor a last good one: nothing is declared */
	BOOT_GUARD_OPEN,
	BOOT_GUARD_CLOSED,
};

/* What `fail` says: in the policy file; where that has errors, `closed` if it or the last good policy says so. The
 * files are read by a forked process that has become `reader` and holds no right: they are the controller's, and a
 * parser never runs as root. */
enum boot_guard_word boot_guard_ask(const struct settings *s, const struct priv_user *reader);
/* The same for who cannot wait: boot_guard_begin() 0 or -errno; boot_guard_answer() when pidfd is readable, which it is after 10 s at the
 * latest; or boot_guard_drop(), at any time. Each of these two closes it. */
struct boot_guard_reader {
	pid_t pid; /* 0 = none */
	int pidfd; /* for a loop; -1 = none */
};
int boot_guard_begin(
	const struct settings *s, const struct priv_user *reader, struct boot_guard_reader *out);
enum boot_guard_word boot_guard_answer(struct boot_guard_reader *r);
void boot_guard_drop(struct boot_guard_reader *r);

int boot_guard_main(const struct settings
		*s); /* exit status: 0, or 1 when a refusal was due and could not be made */

#endif
