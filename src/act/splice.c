/* SPDX-License-Identifier: GPL-3.0-or-later
 * splice.c - a pipe between two sockets.
 *
 * Owns: the pipes. Thread: one at a time. Fails: -errno. See: splice(2), pipe(7) "Pipe capacity".
 */
#include "act/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* More than one pipe's places are worth for a reader that keeps up; a pool's worth stays far below the kernel's share for
 * one user (pipe-user-pages-soft, 64 MiB), behind which new pipes shrink to two pages. */
enum { PIPE_BYTES = 1 << 18 };

static void close_pipe(struct splice_pipe *p)
{
	if (p->r >= 0)
		close(p->r);
	if (p->w >= 0)
		close(p->w);
	*p = (struct splice_pipe){-1, -1};
}

void splice_pool_fini(struct splice_pool *p)
{
	while (p->n > 0)
		close_pipe(&p->idle[--p->n]);
}

void splice_init(struct splice *s, struct splice_pool *pool)
{
	*s = (struct splice){.pool = pool, .pipe = {-1, -1}};
}

/* An empty pipe goes back to the pool. */
static void put(struct splice *s)
{
	if (s->pipe.r >= 0 && s->held == 0 && s->pool->n < SPLICE_IDLE)
		s->pool->idle[s->pool->n++] = s->pipe;
	else
		close_pipe(&s->pipe);
	s->pipe = (struct splice_pipe){-1, -1};
	s->held = 0;
}

void splice_fini(struct splice *s)
{
	put(s);
}

static int get(struct splice *s)
{
	int ends[2];

	if (s->pipe.r >= 0)
		return 0;
	if (s->pool->n > 0) {
		s->pipe = s->pool->idle[--s->pool->n];
		return 0;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	s->pipe = (struct splice_pipe){ends[0], ends[1]};
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

static ssize_t taken(struct splice *s, ssize_t n)
{
	if (n > 0)
		s->held += (size_t)n;
	else
		put(s);
	return n;
}

ssize_t splice_take(struct splice *s, int from, uint64_t most)
{
	size_t want = most < PIPE_BYTES ? (size_t)most : PIPE_BYTES;
	ssize_t n = get(s);

	if (n < 0)
		return n;
	do
		n = splice(from, NULL, s->pipe.w, NULL, want, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	return taken(s, n < 0 ? -errno : n);
}

ssize_t splice_step(struct splice *s, int from, uint8_t *bytes, size_t n)
{
	ssize_t got = get(s), written;

	if (got < 0)
		return got;
	do
		got = recv(from, bytes, n < SPLICE_STEP ? n : SPLICE_STEP, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return taken(s, -errno);
	written = got > 0 ? write(s->pipe.w, bytes, (size_t)got) : 0; /* an empty pipe has a page */
	return taken(s, written == got ? got : -EIO);
}

ssize_t splice_give(struct splice *s, int to)
{
	ssize_t n;

	if (s->held == 0)
		return 0;
	do
		n = splice(s->pipe.r, NULL, to, NULL, s->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	s->held -= (size_t)n;
	if (s->held == 0)
		put(s);
	return n;
}
