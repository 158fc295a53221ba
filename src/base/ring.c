/* SPDX-License-Identifier: GPL-3.0-or-later
 * ring.c - a single-producer single-consumer ring of fixed-size items in shared memory.
 *
 *     page 0: item_size, capacity | head (producer) | tail, awaited (consumer) | dropped (producer)
 *     page 1..: items, head % capacity is the next written, tail % capacity the next read
 *
 * head and tail count up for ever; head - tail is what waits. A peer may write anything into the page: the sizes
 * are the caller's own, and a difference above the capacity counts as full (push) or as the newest item (pop).
 * Owns: the mapping. Thread: one producer, one consumer. Fails: 0 or -errno.
 */
#include "base/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/layout.h"

enum { HEADER = 4096, LINE = 64 };

struct shared {
	WIDE uint64_t item_size;
	uint32_t capacity;
	_Alignas(LINE) _Atomic uint64_t head;
	WIDE _Atomic uint64_t dropped;
	_Alignas(LINE) _Atomic uint64_t tail;
	_Atomic uint32_t awaited;
};
LAYOUT_AT(struct shared, capacity, 8);
LAYOUT_AT(struct shared, head, LINE);
LAYOUT_AT(struct shared, dropped, LINE + 8);
LAYOUT_AT(struct shared, tail, 2 * LINE);
LAYOUT(struct shared, 3 * LINE);
_Static_assert(sizeof(struct shared) <= HEADER, "the ring's header is one page");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock of one process would say nothing to the other");

struct ring {
	struct shared *sh;
	uint8_t *items;
	size_t item_size, bytes;
	uint64_t capacity;
};

static size_t ring_bytes(size_t item_size, uint32_t capacity)
{
	if (item_size == 0 || item_size > 1 << 20 || capacity == 0 || capacity > 1 << 24)
		return 0;
	if (capacity & (capacity - 1))
		return 0;
	return HEADER + item_size * capacity;
}

int ring_create(size_t item_size, uint32_t capacity, int *out_fd)
{
	size_t bytes = ring_bytes(item_size, capacity);
	struct shared head = {.item_size = item_size, .capacity = capacity};
	int fd, err;

	if (!bytes)
		return -EINVAL;
	fd = memfd_create("durward-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	/* nobody may shrink it under the other's mapping (SIGBUS) */
	if (ftruncate(fd, (off_t)bytes) < 0 || pwrite(fd, &head, sizeof head, 0) != sizeof head ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		err = errno ? -errno : -EIO;
		close(fd);
		return err;
	}
	*out_fd = fd;
	return 0;
}

int ring_map(int fd, size_t item_size, uint32_t capacity, struct ring **out)
{
	size_t bytes = ring_bytes(item_size, capacity);
	struct ring *r;
	struct stat st;
	void *p;

	if (!bytes)
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != (off_t)bytes)
		return -EINVAL;
	r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		int err = -errno;

		free(r);
		return err;
	}
	*r = (struct ring){.sh = p,
		.items = (uint8_t *)p + HEADER,
		.item_size = item_size,
		.bytes = bytes,
		.capacity = capacity};
	if (r->sh->item_size != item_size || r->sh->capacity != capacity) {
		ring_unmap(r);
		return -EINVAL;
	}
	*out = r;
	return 0;
}

void ring_unmap(struct ring *r)
{
	if (!r)
		return;
	munmap(r->sh, r->bytes);
	free(r);
}

static uint8_t *item_at(struct ring *r, uint64_t position)
{
	return r->items + (position & (r->capacity - 1)) * r->item_size;
}

bool ring_push(struct ring *r, const void *item)
{
	uint64_t head = atomic_load_explicit(&r->sh->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->sh->tail, memory_order_acquire);

	if (head - tail >= r->capacity) {
		atomic_fetch_add_explicit(&r->sh->dropped, 1, memory_order_relaxed);
		return false;
	}
	memcpy(item_at(r, head), item, r->item_size);
	atomic_store_explicit(&r->sh->head, head + 1, memory_order_release);
	return true;
}

bool ring_pop(struct ring *r, void *item)
{
	uint64_t tail = atomic_load_explicit(&r->sh->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&r->sh->head, memory_order_acquire);

	if (head == tail)
		return false;
	if (head - tail > r->capacity)
		tail = head - 1; /* nonsense in the page: resume at the newest */
	memcpy(item, item_at(r, tail), r->item_size);
	atomic_store_explicit(&r->sh->tail, tail + 1, memory_order_release);
	return true;
}

uint64_t ring_dropped(const struct ring *r)
{
	return atomic_load_explicit(&r->sh->dropped, memory_order_relaxed);
}

/* Both exchange the same word: the later of the two sees what the earlier one has written before it, so that no item is left
 * while its reader sleeps. */
bool ring_await(struct ring *r)
{
	atomic_exchange_explicit(&r->sh->awaited, 1, memory_order_acq_rel);
	return atomic_load_explicit(&r->sh->head, memory_order_acquire) ==
	       atomic_load_explicit(&r->sh->tail, memory_order_relaxed);
}

bool ring_is_awaited(struct ring *r)
{
	return atomic_exchange_explicit(&r->sh->awaited, 0, memory_order_acq_rel);
}
