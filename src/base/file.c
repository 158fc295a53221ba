/* SPDX-License-Identifier: GPL-3.0-or-later
 * file.c - reads and writes whole files safely.
 *
 * Owns: nothing after return. Thread: any. Fails: 0 or -errno.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

/* The folder of a path, heap. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !slash	       ? strdup(".")
	       : slash == path ? strdup("/")
			       : strndup(path, (size_t)(slash - path));
}

static int sync_folder_of(const char *path)
{
	char *folder = folder_of(path);
	int fd, err = 0;

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

/* --- temporary files --- */

#define TEMP ".durward-"
enum { TEMP_RANDOM = 6 };

bool file_is_temp(const char *name)
{
	size_t n = strlen(name), tail = strlen(TEMP) + TEMP_RANDOM;

	if (n <= tail || strncmp(name + n - tail, TEMP, strlen(TEMP)) != 0)
		return false;
	for (size_t i = n - TEMP_RANDOM; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
			    name[i]))
			return false;
	return true;
}

/* One try: -EAGAIN where a sweep came between its making and its lock. */
static int make_temp(char *name)
{
	int fd = mkostemp(name, O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0)
		return fd;
	close(fd);
	return -EAGAIN;
}

int file_temp(const char *path, char **tmp)
{
	int fd = -EAGAIN;

	for (int i = 0; i < 10 && fd == -EAGAIN; i++) {
		if (asprintf(tmp, "%s" TEMP "XXXXXX", path) < 0)
			return -ENOMEM;
		fd = make_temp(*tmp);
		if (fd < 0)
			free(*tmp);
	}
	return fd;
}

/* Nobody's: a writer holds the lock from its making until after the rename. */
static void sweep_one(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(folder, name, 0);
	close(fd);
}

void file_sweep(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	char *folder = folder_of(path);
	DIR *d = folder ? opendir(folder) : NULL;
	size_t n = strlen(base);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, base, n) == 0 && file_is_temp(e->d_name) &&
			strlen(e->d_name) == n + strlen(TEMP) + TEMP_RANDOM)
			sweep_one(dirfd(d), e->d_name);
	if (d)
		closedir(d);
	free(folder);
}

int file_write_atomic(const char *path, struct slice bytes, unsigned mode)
{
	char *tmp = NULL;
	int fd = file_temp(path, &tmp), err;

	if (fd < 0)
		return fd;
	err = fd_write_all(fd, bytes);
	if (!err && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0))
		err = -errno;
	if (err)
		unlink(tmp);
	else
		err = sync_folder_of(path);
	close(fd);
	free(tmp);
	file_sweep(path);
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
