/* SPDX-License-Identifier: GPL-3.0-or-later
 * splice.h - moves bytes from one socket to another inside the kernel, through a pipe of fixed size.
 *
 * The pipe exists only while bytes are in it, so that an idle relay costs two descriptors, not six.
 *
 * Owns: the pipe. Thread: one at a time. Fails: by result.
 */
#ifndef ACT_SPLICE_H
#define ACT_SPLICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct splice {
	int r, w;    /* -1 = no pipe now */
	size_t held; /* bytes in it */
};

void splice_init(struct splice *s);
void splice_fini(struct splice *s); /* bytes in it are lost */
/* Takes what waits in `from`, at most one pipe full: > 0 bytes taken, 0 the end, -EAGAIN nothing now, else -errno. */
ssize_t splice_take(struct splice *s, int from);
/* Gives what is held to `to`: bytes given (0: nothing held), -EAGAIN not now, else -errno. */
ssize_t splice_give(struct splice *s, int to);

#endif
