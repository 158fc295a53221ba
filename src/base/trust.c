/* SPDX-License-Identifier: GPL-3.0-or-later
 * trust.c - walks a path as the kernel does, and looks at every step.
 *
 * Why no check by stat() of each folder: between the look and the use a link could change. Here each step is a descriptor
 * of what was looked at, and the next step starts from it.
 *
 * Owns: the descriptor of the step. Thread: one. Fails: see the door.
 */
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 16, NAMES_MAX = 2 * PATH_MAX };

struct walk {
	int at;		      /* the folder reached */
	bool sticky;	      /* others may make names in it */
	char seen[NAMES_MAX]; /* its path, "" for the root folder */
	char rest[NAMES_MAX]; /* still to go */
	unsigned links;
	enum trust_kind kind;
	char *why;
};

/* Why not, in words; those about a path of thousands of bytes are cut at their end. */
__attribute__((format(printf, 2, 3))) static int refuse(const struct walk *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->why, TRUST_WHY, fmt, ap);
	va_end(ap);
	return -EPERM;
}

static int say_owner(const struct walk *w, const char *path, uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);

	return refuse(w,
		"%s belongs to %s (user %u), not to root, and would be obeyed as root: "
		"look what it holds, then: chown -h root:root %s",
		path, pw ? pw->pw_name : "nobody known", (unsigned)uid, path);
}

static int say_mode(const struct walk *w, const char *path, mode_t mode)
{
	return refuse(w,
		"%s may be changed by others than root (mode %04o), and would be obeyed as root: "
		"look what it holds, then: chmod go-w %s",
		path, (unsigned)mode & 07777, path);
}

static int check_folder(struct walk *w, const char *path, const struct stat *st, bool last)
{
	bool open_to_others = st->st_mode & (S_IWGRP | S_IWOTH);

	if (st->st_uid != 0)
		return say_owner(w, path, st->st_uid);
	if (open_to_others && (last || !(st->st_mode & S_ISVTX)))
		return say_mode(w, path, st->st_mode);
	w->sticky = open_to_others;
	return 0;
}

static int check_file(struct walk *w, const char *path, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return refuse(w, "%s is no regular file", path);
	if (st->st_uid != 0)
		return say_owner(w, path, st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return say_mode(w, path, st->st_mode);
	if (w->sticky && st->st_nlink > 1)
		return refuse(w,
			"%s has a second name (hard link), and others may make names in its "
			"folder: move it to a folder that is root's alone",
			path);
	return 0;
}

static void step_to(struct walk *w, int fd)
{
	if (w->at >= 0)
		close(w->at);
	w->at = fd;
}

static int start_at_root(struct walk *w)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	w->seen[0] = '\0';
	step_to(w, fd);
	return fstat(fd, &st) < 0 ? -errno : check_folder(w, "/", &st, false);
}

/* ".." of what was walked without following links is the folder before it. */
static int go_up(struct walk *w)
{
	int fd = openat(w->at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *slash = strrchr(w->seen, '/');
	struct stat st;

	if (fd < 0)
		return -errno;
	if (slash)
		*slash = '\0';
	step_to(w, fd);
	if (fstat(fd, &st) < 0)
		return -errno;
	return check_folder(w, w->seen[0] ? w->seen : "/", &st, false);
}

/* The link's words take its place in what is still to go. */
static int follow(struct walk *w, int link, const char *path, const struct stat *st)
{
	char target[PATH_MAX], rest[NAMES_MAX];
	ssize_t n;

	if (st->st_uid != 0)
		return say_owner(w, path, st->st_uid);
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	n = readlinkat(link, "", target, sizeof target);
	if (n < 0)
		return -errno;
	if (n == 0 || n == sizeof target)
		return -ENAMETOOLONG;
	target[n] = '\0';
	if (snprintf(rest, sizeof rest, "%s/%s", target, w->rest) >= NAMES_MAX)
		return -ENAMETOOLONG;
	memcpy(w->rest, rest, strlen(rest) + 1);
	return target[0] == '/' ? start_at_root(w) : 0;
}

/* Opened again for reading: the folder is trusted or sticky, so the second look finds what the first one found, or says so. */
static int open_file(struct walk *w, const char *name, const char *path, const struct stat *first)
{
	int fd = openat(w->at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0)
		return -errno;
	rc = fstat(fd, &st) < 0 ? -errno : check_file(w, path, &st);
	if (rc == 0 && (st.st_dev != first->st_dev || st.st_ino != first->st_ino))
		rc = -EAGAIN;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* The last step: its descriptor, or -errno. Takes fd. */
static int arrive(struct walk *w, int fd, const char *name, const char *path, const struct stat *st)
{
	int rc = 0;

	if (w->kind == TRUST_FILE) {
		rc = check_file(w, path, st);
		if (rc == 0)
			rc = open_file(w, name, path, st);
		close(fd);
		return rc;
	}
	if (w->kind == TRUST_FOLDER)
		rc = S_ISDIR(st->st_mode) ? check_folder(w, path, st, true) : -ENOTDIR;
	else if (w->sticky && st->st_uid != 0)
		rc = say_owner(w, path, st->st_uid);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* One name. >= 0: arrived; -EINPROGRESS: on the way. */
static int step(struct walk *w, const char *name, bool last)
{
	char path[NAMES_MAX];
	struct stat st;
	int fd, rc;

	if (snprintf(path, sizeof path, "%s/%s", w->seen, name) >= NAMES_MAX)
		return -ENAMETOOLONG;
	fd = openat(w->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		rc = -errno;
	} else if (S_ISLNK(st.st_mode)) {
		rc = follow(w, fd, path, &st);
	} else if (last) {
		return arrive(w, fd, name, path, &st);
	} else if (!S_ISDIR(st.st_mode)) {
		rc = -ENOTDIR;
	} else {
		rc = check_folder(w, path, &st, false);
		if (rc == 0) {
			memcpy(w->seen, path, strlen(path) + 1);
			step_to(w, fd);
			return -EINPROGRESS;
		}
	}
	close(fd);
	return rc ? rc : -EINPROGRESS;
}

/* Cuts the next name from what is left; "" when nothing is. */
static void next_name(struct walk *w, char name[static NAME_MAX + 2])
{
	const char *from = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(from, "/");

	snprintf(name, NAME_MAX + 2, "%.*s", n > NAME_MAX ? NAME_MAX + 1 : (int)n, from);
	from += n;
	from += strspn(from, "/");
	memmove(w->rest, from, strlen(from) + 1);
}

static int begin(struct walk *w, const char *path)
{
	char here[PATH_MAX] = "";

	if (!*path)
		return -ENOENT;
	if (path[0] != '/' && !getcwd(here, sizeof here))
		return -errno;
	if (snprintf(w->rest, sizeof w->rest, "%s/%s", here, path) >= NAMES_MAX)
		return -ENAMETOOLONG;
	return start_at_root(w);
}

/* The path ended in "/" alone, "." or "..": the folder reached is it. */
static int stay(struct walk *w)
{
	if (w->kind == TRUST_FILE)
		return -EISDIR;
	if (w->kind == TRUST_FOLDER && w->sticky)
		return say_mode(w, w->seen[0] ? w->seen : "/", S_ISVTX | 0777);
	return fcntl(w->at, F_DUPFD_CLOEXEC, 3);
}

int trust_open(const char *path, enum trust_kind kind, char why[static TRUST_WHY])
{
	struct walk w = {.at = -1, .kind = kind, .why = why};
	char name[NAME_MAX + 2];
	int rc;

	why[0] = '\0';
	rc = begin(&w, path);
	if (rc == 0)
		rc = -EINPROGRESS;
	while (rc == -EINPROGRESS) {
		next_name(&w, name);
		if (!*name)
			rc = stay(&w);
		else if (strcmp(name, "..") == 0)
			rc = (rc = go_up(&w)) != 0 ? rc : -EINPROGRESS;
		else if (strcmp(name, ".") != 0)
			rc = step(&w, name, !*w.rest);
	}
	if (w.at >= 0)
		close(w.at);
	return rc;
}
