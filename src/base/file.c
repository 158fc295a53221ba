/* SPDX-License-Identifier: GPL-3.0-or-later
 * file.c - whole files, safely.
 *
 * Owns: nothing after return. Thread: any. Fails: 0 or -errno.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int file_read_fd(int fd, size_t max, struct strbuf *out)
{
	size_t total = 0;
	char buf[16384];

	for (;;) {
		ssize_t n = read(fd, buf, sizeof buf);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return out->failed ? -ENOMEM : 0;
		total += (size_t)n;
		if (total > max)
			return -EFBIG;
		strbuf_add(out, slice_of(buf, (size_t)n));
	}
}

int file_read(const char *path, size_t max, struct strbuf *out)
{
	struct stat st;
	int fd, err;

	/* O_NONBLOCK: a FIFO in the file's place must not hang us */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else
		err = file_read_fd(fd, max, out);
	close(fd);
	return err;
}

int fd_write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s = slice_of(s.p + n, s.n - (size_t)n);
	}
	return 0;
}

static int sync_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int fd, err = 0;

	folder = !slash		 ? strdup(".")
		 : slash == path ? strdup("/")
				 : strndup(path, (size_t)(slash - path));
	if (!folder)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	free(folder);
	return err;
}

int file_write_atomic(const char *path, struct slice bytes, unsigned mode)
{
	struct strbuf tmp = {0};
	int fd = -1, err = 0;

	strbuf_fmt(&tmp, "%s.XXXXXX", path);
	if (tmp.failed)
		return -ENOMEM;
	fd = mkostemp(tmp.s, O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		goto out;
	}
	err = fd_write_all(fd, bytes);
	if (!err && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(tmp.s, path) < 0))
		err = -errno;
	if (err)
		unlink(tmp.s);
	else
		err = sync_folder_of(path);
out:
	if (fd >= 0)
		close(fd);
	strbuf_fini(&tmp);
	return err;
}

int fd_set_cloexec(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return -errno;
	flags = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
	return fcntl(fd, F_SETFD, flags) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}
