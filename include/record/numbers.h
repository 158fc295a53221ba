/* SPDX-License-Identifier: GPL-3.0-or-later
 * numbers.h - keeps the last number given to a policy in a small file of its own, so that none is given twice.
 *
 * The file serves a start without the admin store. It is made once and then written in place, its two slots in turn, which needs no
 * room on a full disk (unless the file system copies on write). A torn write leaves the other slot.
 * Owns: a path and what the file says. Thread: one at a time. Fails: 0 or -errno; what was set counts in memory all the
 * same, and numbers_tend() tries to write it again.
 */
#ifndef RECORD_NUMBERS_H
#define RECORD_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

struct numbers {
	uint32_t used;	 /* the highest number ever given to a policy, in force or not; 0 = none */
	uint32_t force;	 /* of the last policy that was put in force; 0 = none */
	char digest[17]; /* of its text (admin_store_digest()); "" = none */
	bool admin_store; /* the admin store has been opened: one that is missing later is lost, not new */
};

struct numbers_file;
int numbers_open(const char *path,
	struct numbers_file **out);	    /* a missing or damaged file: zeros. -ENOMEM only */
void numbers_close(struct numbers_file *f); /* NULL is fine */
const struct numbers *numbers_now(const struct numbers_file *f);
int numbers_set(struct numbers_file *f, const struct numbers *now); /* on disk when it returns 0 */
int numbers_tend(struct numbers_file *f); /* writes what could not be written */

#endif
