/* SPDX-License-Identifier: GPL-3.0-or-later
 * new_ids.c - which rules of a policy that was just read have another id than in the image in force.
 *
 * Owns: nothing. Thread: any. Fails: never; an image that cannot be read, or is of another version, tells nothing.
 */
#include "load_int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decide/rule_moves.h"

/* The file's bytes, to be unmapped by the caller; NULL: it cannot be read. */
static void *map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	void *map = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		*size = (size_t)st.st_size;
		map = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	close(fd);
	return map == MAP_FAILED ? NULL : map;
}

static void compare(const struct image *old, const struct image *now, struct diag *d)
{
	struct rule_move *m;
	size_t n;

	if (rule_moves(old, now, &m, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		diag_add(d, DIAG_WARNING, m[i].is_line, 1, 0,
			"this rule was known as %s (line %u of the policy in force) and is %s now: "
			"after a reload its counters start anew; edited in the web UI they go on",
			m[i].was, m[i].was_line, m[i].is);
	free(m);
}

void new_ids_warn(const char *in_force, const struct image *now, struct diag *d)
{
	const struct image *old;
	const char *why;
	size_t size;
	void *map = map_file(in_force, &size);

	if (!map)
		return;
	if (image_open(map, size, &old, &why) == 0)
		compare(old, now, d);
	munmap(map, size);
}
