/* SPDX-License-Identifier: GPL-3.0-or-later
 * capture_open.c - opens a capture file for libpcap, compressed by gzip or not; zlib reads both and reports lost bytes.
 *
 * Owns: the stream it opens, until capture_close(). Thread: one. Fails: NULL with words; what zlib finds wrong on the way
 * (a file that ends too early, a wrong checksum) is reported by capture_close(), because stdio knows only "error".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "capture_int.h"

enum { READ_AHEAD = 128 * 1024 };

struct capture_file {
	gzFile gz;
	FILE *stream;
	char failure[128];
};

static ssize_t take(void *cookie, char *to, size_t n)
{
	struct capture_file *f = cookie;
	int got = gzread(f->gz, to, n < READ_AHEAD ? (unsigned)n : READ_AHEAD), err;

	if (got >= (int)n)
		return got;
	gzerror(f->gz,
		&err); /* a short count at the end of what is there is no error to gzread() */
	if (err != Z_OK && err != Z_STREAM_END && !f->failure[0])
		snprintf(f->failure, sizeof f->failure, "%s",
			err == Z_BUF_ERROR   ? "the gzip file ends too early"
			: err == Z_ERRNO     ? strerror(errno)
			: err == Z_MEM_ERROR ? "out of memory"
					     : "the gzip file is damaged");
	return got;
}

static gzFile open_gz(const char *path)
{
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	gzFile gz = fd < 0 ? NULL : gzdopen(fd, "rb");
	int err = errno;

	if (!gz && fd >= 0)
		close(fd);
	errno = err;
	return gz;
}

struct capture_file *capture_open(const char *path, char failure[static 256])
{
	struct capture_file *f = calloc(1, sizeof *f);

	errno = ENOMEM;
	if (f)
		f->gz = open_gz(path);
	if (f && f->gz) {
		gzbuffer(f->gz, READ_AHEAD);
		f->stream = fopencookie(f, "r", (cookie_io_functions_t){.read = take});
	}
	if (f && f->stream)
		return f;
	snprintf(failure, 256, "%s", strerror(errno));
	if (f && f->gz)
		gzclose(f->gz);
	free(f);
	return NULL;
}

FILE *capture_stream(struct capture_file *f)
{
	return f->stream;
}

bool capture_close(struct capture_file *f, char failure[static 256])
{
	bool whole = !f->failure[0];

	if (!whole)
		snprintf(failure, 256, "%s", f->failure);
	gzclose(f->gz);
	free(f);
	return whole;
}
