/* SPDX-License-Identifier: GPL-3.0-or-later
 * trust.h - opens what root will obey or execute, and only if nobody but root could have put it there.
 *
 * Every folder on the way, every symbolic link and the thing itself must be root's and not writable by its group or by
 * others; each is opened without following links and looked at once it is open. A folder like /tmp (root's, sticky) may
 * be on the way where what is entered from it is root's, for nobody else can rename or remove that; a file right in it
 * must have one name only, since others may be able to link a second one there.
 *
 * Owns: the descriptor is the caller's. Thread: one (getpwuid). Fails: -errno; -EPERM with the folder or file at fault and
 * the command that fixes it in `why`. Relative paths begin at the working folder, which is looked at as well.
 * See: openat(2) O_PATH, O_NOFOLLOW; inode(7) "sticky bit"; proc(5) protected_hardlinks.
 */
#ifndef BASE_TRUST_H
#define BASE_TRUST_H

enum trust_kind {
	TRUST_FILE,   /* a regular file: never a FIFO, a device, a folder */
	TRUST_FOLDER, /* root's as well; not sticky either */
	TRUST_PLACE,  /* what stands there may be anybody's: only the way to it is root's */
};

enum { TRUST_WHY = 1024 };

/* A descriptor: of a file to read, of anything else O_PATH. -ENOENT: not there, and everything up to it is trusted.
 * why: "" unless the call has more to say than the error itself. */
int trust_open(const char *path, enum trust_kind kind, char why[static TRUST_WHY]);

#endif
