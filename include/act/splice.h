/* SPDX-License-Identifier: GPL-3.0-or-later
 * splice.h - moves bytes from one socket to another inside the kernel, through a pipe of fixed size.
 *
 * A relay holds a pipe only while bytes are in it, so an idle relay costs two descriptors instead of six. A pool keeps a few
 * empty pipes for the next relay, because making a pipe costs more than moving 64 KiB through it.
 *
 * Owns: the pipes. Thread: one pool, and all that use it, a thread. Fails: by result.
 */
#ifndef ACT_SPLICE_H
#define ACT_SPLICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SPLICE_IDLE = 8, SPLICE_STEP = 4096 };

struct splice_pipe {
	int r, w; /* -1 = none */
};

struct splice_pool {
	struct splice_pipe idle[SPLICE_IDLE];
	unsigned n;
};

struct splice {
	struct splice_pool *pool;
	struct splice_pipe pipe;
	size_t held; /* bytes in it */
};

void splice_pool_fini(struct splice_pool *p); /* {0} is an empty one */

void splice_init(struct splice *s, struct splice_pool *pool);
void splice_fini(struct splice *s); /* bytes in it are lost */
/* Takes what waits in `from`, at most `most` bytes and one pipe full, into the empty pipe: > 0 bytes taken, 0 the end,
 * -EAGAIN nothing now, -EMFILE or -ENFILE no pipe could be had, else -errno. */
ssize_t splice_take(struct splice *s, int from, uint64_t most);
/* The same by a plain read of at most `n` (a page) bytes, which are left in `bytes` too. splice(2) stops in front of an URG
 * byte for ever, saying EAGAIN, or that the end is there when a FIN has come; a read steps over it, leaving that byte
 * out as every plain reader does. */
ssize_t splice_step(struct splice *s, int from, uint8_t *bytes, size_t n);
/* Gives what is held to `to`: bytes given (0: nothing held), -EAGAIN not now, else -errno. */
ssize_t splice_give(struct splice *s, int to);

#endif
