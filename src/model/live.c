/* SPDX-License-Identifier: GPL-3.0-or-later
 * live.c - makes, maps and reads the table of live flows; whoever wrote it is not believed.
 *
 * A reader copies a record between two looks at its number: the same and even, and nothing of it changed meanwhile. The
 * record's name is not freed before that number moves.
 *
 * Owns: see the header. Thread: any. Fails: 0 or -errno.
 */
#include "model/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x3145564c44525744ull /* another one for each layout */

enum { HEAD = 4096, TRIES = 4 };

_Static_assert(sizeof(struct live_head) <= HEAD, "the head is one page");

static uint64_t bytes_of(uint32_t flows)
{
	return HEAD + (uint64_t)flows * (sizeof(struct live) + sizeof(struct live_short) +
						sizeof(struct live_long));
}

static int reopen(int fd, int *reader)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	*reader = open(path, O_RDONLY | O_CLOEXEC);
	return *reader < 0 ? -errno : 0;
}

int live_create(uint32_t flows, int *fd, int *reader)
{
	int rc = 0;

	if (flows < LIVE_FLOWS_MIN || flows > LIVE_FLOWS_MAX)
		return -EINVAL;
	*fd = memfd_create("durward-flows", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return -errno;
	if (fchmod(*fd, 0600) < 0 || ftruncate(*fd, (off_t)bytes_of(flows)) < 0 ||
		fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		rc = -errno;
	if (rc == 0)
		rc = reopen(*fd, reader);
	if (rc != 0)
		close(*fd);
	return rc;
}

/* How many flows a file of this size is for; 0: none that we made. */
static uint32_t flows_of(uint64_t bytes)
{
	uint64_t flows = bytes > HEAD ? (bytes - HEAD) / (bytes_of(1) - HEAD) : 0;

	return flows >= LIVE_FLOWS_MIN && flows <= LIVE_FLOWS_MAX &&
			       bytes_of((uint32_t)flows) == bytes
		       ? (uint32_t)flows
		       : 0;
}

int live_map(int fd, bool writes, uint32_t flows, struct live_map *out)
{
	struct stat st;
	uint8_t *p;

	if (fd >= 0 && fstat(fd, &st) < 0)
		return -errno;
	if (fd >= 0)
		flows = flows_of((uint64_t)st.st_size);
	if (flows < LIVE_FLOWS_MIN || flows > LIVE_FLOWS_MAX || bytes_of(flows) > SIZE_MAX / 2)
		return -EINVAL;
	p = mmap(NULL, (size_t)bytes_of(flows), PROT_READ | (writes ? PROT_WRITE : 0),
		fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*out = (struct live_map){.head = (struct live_head *)p,
		.at = (struct live *)(p + HEAD),
		.flows = flows,
		.bytes = (size_t)bytes_of(flows)};
	out->shorts = (struct live_short *)(out->at + flows);
	out->longs = (struct live_long *)(out->shorts + flows);
	return 0;
}

void live_unmap(struct live_map *m)
{
	if (m->head)
		munmap(m->head, m->bytes);
	*m = (struct live_map){.flows = 0};
}

void live_clear(struct live_map *m)
{
	*m->head = (struct live_head){
		.magic = MAGIC, .record = sizeof(struct live), .flows = m->flows};
}

bool live_is_whole(const struct live_map *m)
{
	const struct live_head *h = m->head;

	return h->magic == MAGIC && h->record == sizeof(struct live) && h->flows == m->flows &&
	       h->span <= m->flows;
}

const char *live_name(const struct live_map *m, uint32_t name, uint8_t *n)
{
	if (name >= m->flows && name - m->flows < m->flows) {
		*n = m->longs[name - m->flows].n;
		return m->longs[name - m->flows].text;
	}
	if (name >= m->flows)
		return NULL;
	*n = m->shorts[name].n;
	return *n <= LIVE_SHORT ? m->shorts[name].text : NULL;
}

static bool copy_name(const struct live_map *m, const struct live *l, char name[static NAME_TEXT])
{
	const char *text;
	uint8_t n = 0;

	name[0] = '\0';
	if (l->name == 0)
		return true;
	text = live_name(m, l->name - 1, &n);
	if (!text || n == 0)
		return false;
	memcpy(name, text, n);
	name[n] = '\0';
	for (uint8_t i = 0; i < n; i++)
		if ((unsigned char)name[i] <= ' ' || (unsigned char)name[i] >= 0x7f)
			return false;
	return true;
}

static bool is_bounded(const struct live *l)
{
	return l->path <= PATH_PROXY && l->kind < IDENT_KINDS && l->source < IDENT_SOURCES &&
	       l->app < APP_PROTOS && l->anomaly < ANOMALIES && l->cut <= LIVE_RESTORED &&
	       l->refuse <= REFUSE_PAGE && addr_is_v4(&l->src) == addr_is_v4(&l->dst);
}

enum live_reading live_read(
	const struct live_map *m, uint32_t slot, struct live *out, char name[static NAME_TEXT])
{
	const struct live *l = &m->at[slot];

	for (int i = 0; i < TRIES; i++) {
		uint32_t seq = __atomic_load_n(&l->seq, __ATOMIC_ACQUIRE);
		bool ok;

		*out = *l;
		ok = !out->used || (is_bounded(out) && copy_name(m, out, name));
		atomic_thread_fence(memory_order_acquire);
		if ((seq & 1) || __atomic_load_n(&l->seq, __ATOMIC_RELAXED) != seq)
			continue;
		return !out->used ? LIVE_NONE : ok ? LIVE_READ : LIVE_BAD;
	}
	return LIVE_TORN;
}

void live_flow(const struct live *l, struct flow *out)
{
	*out = (struct flow){.src = l->src,
		.dst = l->dst,
		.sport = l->sport,
		.dport = l->dport,
		.proto = l->proto,
		.path = l->path,
		.outside = l->outside,
		.has_mac = l->has_mac,
		.mac = l->mac};
}

void live_ident_of(const struct live *l, const char *name, uint8_t n, struct ident *out)
{
	*out = (struct ident){.kind = l->kind,
		.source = l->source,
		.app = l->app,
		.anomaly = l->anomaly,
		.ech = l->ech,
		.name_len = n};
	memcpy(out->name, name, n);
}
