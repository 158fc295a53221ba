/* SPDX-License-Identifier: GPL-3.0-or-later
 * splice.c - a pipe between two sockets.
 *
 * Owns: the pipe. Thread: one at a time. Fails: -errno. See: splice(2).
 */
#include "act/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PIPE_BYTES = 65536 };

void splice_init(struct splice *s)
{
	*s = (struct splice){.r = -1, .w = -1};
}

void splice_fini(struct splice *s)
{
	if (s->r >= 0)
		close(s->r);
	if (s->w >= 0)
		close(s->w);
	splice_init(s);
}

ssize_t splice_take(struct splice *s, int from)
{
	int ends[2];
	ssize_t n;

	if (s->r < 0) {
		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
			return -errno;
		s->r = ends[0];
		s->w = ends[1];
	}
	do
		n = splice(from, NULL, s->w, NULL, PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		s->held += (size_t)n;
		return n;
	}
	n = n < 0 ? -errno : 0;
	if (s->held == 0)
		splice_fini(s);
	return n;
}

ssize_t splice_give(struct splice *s, int to)
{
	ssize_t n;

	if (s->held == 0)
		return 0;
	do
		n = splice(s->r, NULL, to, NULL, s->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	s->held -= (size_t)n;
	if (s->held == 0)
		splice_fini(s);
	return n;
}
