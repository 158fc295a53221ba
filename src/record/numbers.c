/* SPDX-License-Identifier: GPL-3.0-or-later
 * numbers.c - keeps the last number given to a policy in two slots of one line, a block apart, which are written in turn.
 *
 *	durward-numbers 1 turn 7 used 58 force 57 admin store 1 digest 9e3779b97f4a7c15 check 1f0c...
 *
 * Owns: as record/numbers.h says. Thread: one at a time. Fails: -errno.
 */
#include "record/numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

enum { SLOT = 256, APART = 4096, BYTES = 2 * APART };
#define LINE "durward-numbers 1 turn %" PRIu64 " used %u force %u ledger %u digest %s"
#define LINE_READ                                                                                  \
	"durward-numbers 1 turn %" SCNu64 " used %u force %u ledger %u digest %16s check %" SCNx64

struct numbers_file {
	char *path;
	uint64_t turn; /* of the slot that was written last; its slot: turn % 2 */
	bool written;
	struct numbers now;
};

static uint64_t format(const struct numbers *n, uint64_t turn, char line[static SLOT])
{
	int len = snprintf(line, SLOT, LINE, turn, n->used, n->force, n->admin_store,
		n->digest[0] ? n->digest : "-");

	return hash_fnv(line, (size_t)len, HASH_FNV_START);
}

static bool parse(const char text[static SLOT], struct numbers *out, uint64_t *turn)
{
	unsigned used, force, admin_store;
	char copy[SLOT + 1], line[SLOT], digest[17] = "";
	uint64_t check;

	memcpy(copy, text, SLOT);
	copy[SLOT] = 0;
	if (sscanf(copy, LINE_READ, turn, &used, &force, &admin_store, digest, &check) != 6)
		return false;
	*out = (struct numbers){.used = used, .force = force, .admin_store = admin_store != 0};
	snprintf(out->digest, sizeof out->digest, "%s", strcmp(digest, "-") == 0 ? "" : digest);
	return format(out, *turn, line) == check;
}

static void read_slots(struct numbers_file *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	for (off_t i = 0; fd >= 0 && i < 2; i++) {
		struct numbers n;
		uint64_t turn;
		char text[SLOT];

		if (pread(fd, text, SLOT, i * APART) != SLOT || !parse(text, &n, &turn) ||
			turn < f->turn)
			continue;
		f->now = n;
		f->turn = turn;
		f->written = true;
	}
	if (fd >= 0)
		close(fd);
}

int numbers_open(const char *path, struct numbers_file **out)
{
	struct numbers_file *f = calloc(1, sizeof *f);

	if (!f || !(f->path = strdup(path))) {
		free(f);
		return -ENOMEM;
	}
	read_slots(f);
	*out = f;
	return 0;
}

void numbers_close(struct numbers_file *f)
{
	if (f)
		free(f->path);
	free(f);
}

const struct numbers *numbers_now(const struct numbers_file *f)
{
	return &f->now;
}

/* A new file gets both its blocks now, while there is room. */
static int reserve(int fd)
{
	static const char blank[APART] = {0};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	for (off_t at = 0; st.st_size < BYTES && at < BYTES; at += APART)
		if (pwrite(fd, blank, APART, at) != APART)
			return errno ? -errno : -ENOSPC;
	return 0;
}

static int write_slot(const struct numbers_file *f, uint64_t turn)
{
	int fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), rc;
	char line[SLOT] = {0}, text[SLOT];
	uint64_t check = format(&f->now, turn, line);

	if (fd < 0)
		return -errno;
	memset(text, ' ', sizeof text);
	snprintf(text, sizeof text, "%.180s check %016" PRIx64 "\n", line, check);
	errno = 0;
	rc = reserve(fd);
	if (rc == 0 && pwrite(fd, text, SLOT, (off_t)(turn % 2) * APART) != SLOT)
		rc = errno ? -errno : -ENOSPC;
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int numbers_tend(struct numbers_file *f)
{
	int rc = f->written ? 0 : write_slot(f, f->turn + 1);

	if (rc == 0 && !f->written)
		f->turn++;
	f->written |= rc == 0;
	return rc;
}

static bool same(const struct numbers *a, const struct numbers *b)
{
	return a->used == b->used && a->force == b->force && a->admin_store == b->admin_store &&
	       strcmp(a->digest, b->digest) == 0;
}

int numbers_set(struct numbers_file *f, const struct numbers *now)
{
	if (!same(&f->now, now))
		f->written = false;
	f->now = *now;
	return numbers_tend(f);
}
