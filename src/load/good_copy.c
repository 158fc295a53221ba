/* SPDX-License-Identifier: GPL-3.0-or-later
 * good_copy.c - keeps the last good copies of lists on disk: DIR/NAME-KEY.list.
 *
 *	durward-list 1 names 120 bytes 2417 digest 9e3779b97f4a7c15 saved 1763932511000
 *	the file's bytes
 *
 * KEY is a digest of the list's file and format. A new copy is written beside the old one as NAME-KEY.list.durward-XXXXXX and
 * takes its place when the policy that uses it is in force.
 *
 * Owns: nothing after return. Thread: one at a time a folder. Fails: 0 or -errno; -EBADMSG a damaged copy.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "load_int.h"

enum { HEAD_MAX = 200 };
#define SUFFIX ".list"
#define HEAD                                                                                       \
	"durward-list 1 names %" PRIu64 " bytes %" PRIu64 " digest %016" PRIx64 " saved %" PRIu64  \
	"\n"
#define HEAD_READ                                                                                  \
	"durward-list 1 names %" SCNu64 " bytes %" SCNu64 " digest %" SCNx64 " saved %" SCNu64

uint64_t good_copy_digest(struct slice body)
{
	return hash_fnv(body.p, body.n, HASH_FNV_START);
}

char *good_copy_path(const char *dir, const struct conf_list *list, const char *file)
{
	uint64_t key = hash_fnv(file, strlen(file), HASH_FNV_START);
	char *out = NULL;

	key = hash_fnv(&(uint8_t){(uint8_t)list->format}, 1, key);
	/* a name of the language holds neither '/' nor a dot (conf/resolve.c) */
	if (strchr(list->name, '/') || list->name[0] == '.')
		return NULL;
	if (asprintf(&out, "%s/%s-%016" PRIx64 SUFFIX, dir, list->name, key) < 0)
		return NULL;
	return out;
}

/* The length of the head, or 0. */
static size_t read_head(const char *text, size_t n, struct good_copy *out)
{
	const char *nl = memchr(text, '\n', n < HEAD_MAX ? n : HEAD_MAX);
	char line[HEAD_MAX];

	if (!nl)
		return 0;
	snprintf(line, sizeof line, "%.*s", (int)(nl - text), text);
	if (sscanf(line, HEAD_READ, &out->names, &out->bytes, &out->digest, &out->saved_ms) != 4)
		return 0;
	return (size_t)(nl - text) + 1;
}

int good_copy_head(const char *path, struct good_copy *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), err = 0;
	char text[HEAD_MAX];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof text);
	if (n < 0)
		err = -errno;
	else if (!read_head(text, (size_t)n, out))
		err = -EBADMSG;
	close(fd);
	return err;
}

int good_copy_read(const char *path, struct good_copy *out, struct strbuf *text, struct slice *body)
{
	int err = file_read(path, (size_t)LIST_BYTES_MAX + HEAD_MAX, text);
	size_t head;

	if (err)
		return err;
	head = text->n ? read_head(text->s, text->n, out) : 0;
	if (head == 0)
		return -EBADMSG;
	*body = slice_of(text->s + head, text->n - head);
	return body->n == out->bytes && good_copy_digest(*body) == out->digest ? 0 : -EBADMSG;
}

static int fill(int fd, const struct good_copy *c, struct slice body)
{
	char head[HEAD_MAX];
	int err;

	snprintf(head, sizeof head, HEAD, c->names, c->bytes, c->digest, c->saved_ms);
	err = fd_write_all(fd, slice_str(head));
	if (!err)
		err = fd_write_all(fd, body);
	if (!err && fsync(fd) < 0)
		err = -errno;
	return err;
}

static void make_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path)) : NULL;

	if (dir)
		mkdir(dir, 0700); /* there already, mostly; what else is wrong shows at once */
	free(dir);
}

int good_copy_stage(
	const char *path, const struct good_copy *head, struct slice body, char **staged)
{
	char *tmp = NULL;
	int fd, err;

	make_folder_of(path);
	fd = file_temp(path, &tmp);
	if (fd < 0)
		return fd;
	err = fill(fd, head, body);
	close(fd);
	if (err) {
		unlink(tmp);
		free(tmp);
	} else {
		*staged = tmp;
	}
	return err;
}

/* A copy, or one that was staged (also as earlier versions named it: .XXXXXX). */
static bool is_ours(const char *name)
{
	const char *at = strstr(name, SUFFIX);
	size_t rest = at ? strlen(at + strlen(SUFFIX)) : 1;

	return at && (rest == 0 || (rest == 7 && at[strlen(SUFFIX)] == '.') || file_is_temp(name));
}

static bool is_wanted(const struct list_facts *facts, const char *name)
{
	for (size_t i = 0; i < facts->n; i++) {
		const char *copy = facts->all[i].copy, *slash = copy ? strrchr(copy, '/') : NULL;

		if (slash && strcmp(slash + 1, name) == 0)
			return true;
	}
	return false;
}

void policy_load_tidy(const char *good_dir)
{
	DIR *d = opendir(good_dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		const char *at = strstr(e->d_name, SUFFIX);

		if (is_ours(e->d_name) && at[strlen(SUFFIX)])
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

void good_copy_sweep(const char *dir, const struct list_facts *facts)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (is_ours(e->d_name) && !is_wanted(facts, e->d_name))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d) {
		fsync(dirfd(d));
		closedir(d);
	}
}
