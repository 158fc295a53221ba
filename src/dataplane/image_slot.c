/* SPDX-License-Identifier: GPL-3.0-or-later
 * image_slot.c - counted mappings of policy images.
 *
 * Owns: the mappings. Thread: as dataplane/image_slot.h says. Fails: -errno. See: memfd_create(2), fcntl(2) F_GET_SEALS.
 */
#include "dataplane/image_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct image_ref {
	atomic_uint refs;
	void *map;
	size_t size;
	const struct image *image;
};

struct image_slot {
	pthread_mutex_t lock;
	atomic_ullong generation;
	struct image_ref *now;
};

int image_slot_new(struct image_slot **out)
{
	struct image_slot *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return 0;
}

void image_slot_drop(struct image_ref **held)
{
	struct image_ref *r = *held;

	*held = NULL;
	if (r && atomic_fetch_sub(&r->refs, 1) == 1) {
		munmap(r->map, r->size);
		free(r);
	}
}

static int map_sealed(int fd, struct image_ref *r, const char **why)
{
	const int want = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	*why = "it is not sealed";
	if (seals < 0 || (seals & want) != want)
		return -EPERM;
	*why = "it is empty";
	if (fstat(fd, &st) != 0 || st.st_size <= 0)
		return -EINVAL;
	r->size = (size_t)st.st_size;
	r->map = mmap(NULL, r->size, PROT_READ, MAP_PRIVATE, fd, 0);
	*why = "it cannot be mapped";
	return r->map == MAP_FAILED ? -errno : 0;
}

int image_slot_put(struct image_slot *s, int fd, const char **why)
{
	struct image_ref *r = calloc(1, sizeof *r), *old;
	int rc;

	*why = "no memory";
	if (!r)
		return -ENOMEM;
	rc = map_sealed(fd, r, why);
	if (rc != 0) {
		free(r);
		return rc;
	}
	rc = image_open(r->map, r->size, &r->image, why);
	if (rc != 0) {
		munmap(r->map, r->size);
		free(r);
		return rc;
	}
	atomic_store(&r->refs, 1);
	pthread_mutex_lock(&s->lock);
	old = s->now;
	s->now = r;
	atomic_fetch_add(&s->generation, 1);
	pthread_mutex_unlock(&s->lock);
	image_slot_drop(&old);
	return 0;
}

const struct image *image_slot_take(
	struct image_slot *s, struct image_ref **held, uint64_t *generation)
{
	if (atomic_load_explicit(&s->generation, memory_order_acquire) != *generation) {
		struct image_ref *old = *held;

		pthread_mutex_lock(&s->lock);
		*held = s->now;
		if (*held)
			atomic_fetch_add(&(*held)->refs, 1);
		*generation = atomic_load(&s->generation);
		pthread_mutex_unlock(&s->lock);
		image_slot_drop(&old);
	}
	return *held ? (*held)->image : NULL;
}
