/* SPDX-License-Identifier: GPL-3.0-or-later
 * snapshots.c - keeps policy images in memory: sealed and counted; the last few stay for the texts of late events.
 *
 * Owns: the boxes. Thread: any; the list is under controller->lock. Fails: -errno.
 * See: memfd_create(2), fcntl(2) "File Sealing": F_SEAL_WRITE needs that no writable mapping exists.
 */
#include "controller_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

static int fill_snapshot(struct snapshot *b, const void *bytes, size_t size)
{
	const char *why = "";
	int rc;

	b->fd = memfd_create("durward-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->fd < 0)
		return -errno;
	rc = fd_write_all(b->fd, slice_of(bytes, size));
	if (rc < 0)
		return rc;
	if (fcntl(b->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	b->map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, b->fd, 0);
	if (b->map == MAP_FAILED) {
		b->map = NULL;
		return -errno;
	}
	b->size = size;
	rc = image_open(b->map, size, &b->pub.image, &why);
	if (rc < 0)
		log_error("a policy image is not sound: %s", why);
	else
		b->pub.revision = image_revision(b->pub.image);
	return rc;
}

int snapshot_new(const void *bytes, size_t size, struct snapshot **out)
{
	struct snapshot *b = calloc(1, sizeof *b);
	int rc;

	if (!b)
		return -ENOMEM;
	b->refs = 1;
	b->fd = -1;
	rc = fill_snapshot(b, bytes, size);
	if (rc < 0) {
		snapshot_drop(b);
		return rc;
	}
	*out = b;
	return 0;
}

static int map_file(const char *path, void **map, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0) {
		close(fd);
		return -EINVAL;
	}
	*size = (size_t)st.st_size;
	*map = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (*map == MAP_FAILED)
		rc = -errno;
	close(fd);
	return rc;
}

int snapshot_load(const char *path, struct snapshot **out)
{
	void *map = NULL;
	size_t size = 0;
	int rc = map_file(path, &map, &size);

	if (rc == 0) {
		rc = snapshot_new(map, size, out);
		munmap(map, size);
	}
	return rc;
}

void snapshot_drop(struct snapshot *b)
{
	if (!b)
		return;
	if (b->map)
		munmap(b->map, b->size);
	if (b->fd >= 0)
		close(b->fd);
	free(b);
}

static void put_locked(struct snapshot *b)
{
	if (b && --b->refs == 0)
		snapshot_drop(b);
}

void controller_snapshot_publish(struct controller *d, struct snapshot *b)
{
	pthread_mutex_lock(&d->lock);
	put_locked(d->images[SNAPSHOTS_KEPT - 1]);
	for (size_t i = SNAPSHOTS_KEPT - 1; i > 0; i--)
		d->images[i] = d->images[i - 1];
	d->images[0] = b;
	/* a revision compiled again (its lists changed) replaces its older self */
	for (size_t i = 1; i < SNAPSHOTS_KEPT; i++) {
		if (!d->images[i] || d->images[i]->pub.revision != b->pub.revision)
			continue;
		put_locked(d->images[i]);
		for (size_t k = i; k + 1 < SNAPSHOTS_KEPT; k++)
			d->images[k] = d->images[k + 1];
		d->images[SNAPSHOTS_KEPT - 1] = NULL;
		break;
	}
	pthread_mutex_unlock(&d->lock);
}

void controller_snapshots_fini(struct controller *d)
{
	for (size_t i = 0; i < SNAPSHOTS_KEPT; i++)
		snapshot_drop(d->images[i]);
}

struct controller_snapshot *controller_snapshot_get(struct controller *d)
{
	struct snapshot *b;

	pthread_mutex_lock(&d->lock);
	b = d->images[0];
	if (b)
		b->refs++;
	pthread_mutex_unlock(&d->lock);
	return b ? &b->pub : NULL;
}

void controller_snapshot_put(struct controller *d, struct controller_snapshot *i)
{
	if (!i)
		return;
	pthread_mutex_lock(&d->lock);
	put_locked((struct snapshot *)i);
	pthread_mutex_unlock(&d->lock);
}

static const struct image *find_revision(struct controller *d, uint32_t revision)
{
	for (size_t i = 0; i < SNAPSHOTS_KEPT; i++)
		if (d->images[i] && d->images[i]->pub.revision == revision)
			return d->images[i]->pub.image;
	return NULL;
}

void controller_fill_row(void *controller, struct row *row)
{
	const struct verdict *v = &row->event.verdict;
	struct controller *d = controller;
	const struct image *i;

	pthread_mutex_lock(&d->lock);
	i = find_revision(d, v->revision);
	if (i) {
		if (v->device != NO_DEVICE)
			row_text_set(
				row->device, sizeof row->device, image_device_name(i, v->device));
		if (v->list != NO_LIST)
			row_text_set(row->list, sizeof row->list, image_list_name(i, v->list));
		row_text_set(row->rule, sizeof row->rule, image_line_text(i, v->rule_line));
		row_text_set(
			row->because, sizeof row->because, image_line_because(i, v->rule_line));
		row_text_set(row->rule_id, sizeof row->rule_id, image_line_id(i, v->rule_line));
		row_text_set(row->watch_id, sizeof row->watch_id, image_line_id(i, v->watch_line));
		row_text_set(row->watch, sizeof row->watch,
			v->watch_line ? image_line_text(i, v->watch_line) : "");
	}
	pthread_mutex_unlock(&d->lock);
}
