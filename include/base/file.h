/* SPDX-License-Identifier: GPL-3.0-or-later
 * file.h - reads and writes whole files safely.
 *
 * Owns: nothing after return. Thread: any. Fails: 0 or -errno.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/strbuf.h"

/* Reads at most `max` bytes; a longer file is -EFBIG, a folder or device -EINVAL. Appends to *out. */
int file_read(const char *path, size_t max, struct strbuf *out);
int file_read_fd(int fd, size_t max, struct strbuf *out); /* from where it stands to its end */
/* Temporary file in the same folder, write, fsync, rename, fsync of the folder. The old file stays on any error; what
 * kills left of earlier writes of this path is removed. */
int file_write_atomic(const char *path, struct slice bytes, unsigned mode);
/* A temporary file PATH.durward-XXXXXX, mode 0600, held (flock) until the descriptor is closed. *tmp is its name, heap.
 * The descriptor, or -errno. */
int file_temp(const char *path, char **tmp);
/* Removes the temporary files of this path that nobody holds. Nothing else matches their names, no user's copy either. */
void file_sweep(const char *path);
bool file_is_temp(const char *name);	      /* ends as such a name does */
int fd_write_all(int fd, struct slice bytes); /* a blocking descriptor */
int fd_set_cloexec(int fd, bool on);
int fd_set_nonblock(int fd);

#endif
