/* SPDX-License-Identifier: GPL-3.0-or-later
 * open_flows.c - a chained hash table over a fixed ring of entries; a new entry overwrites the oldest.
 *
 * Owns: its arrays. Thread: one at a time. Fails: only at making.
 */
#include "open_flows_int.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	uint64_t key, row_id, wall_ms;
	uint32_t next; /* index + 1 */
	bool used;
};

struct open_flows {
	uint32_t capacity, at;
	uint32_t *heads; /* index + 1 */
	struct entry *entries;
};

struct open_flows *open_flows_new(uint32_t capacity)
{
	struct open_flows *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->capacity = capacity;
	m->heads = calloc(capacity, sizeof *m->heads);
	m->entries = calloc(capacity, sizeof *m->entries);
	if (m->heads && m->entries)
		return m;
	open_flows_free(m);
	return NULL;
}

void open_flows_free(struct open_flows *m)
{
	if (!m)
		return;
	free(m->heads);
	free(m->entries);
	free(m);
}

void open_flows_clear(struct open_flows *m)
{
	memset(m->heads, 0, m->capacity * sizeof *m->heads);
	memset(m->entries, 0, m->capacity * sizeof *m->entries);
	m->at = 0;
}

static uint32_t *head(struct open_flows *m, uint64_t key)
{
	return &m->heads[(key ^ key >> 32) & (m->capacity - 1)];
}

/* The link that points to the entry of this key, or to nothing (0). */
static uint32_t *find(struct open_flows *m, uint64_t key)
{
	uint32_t *link = head(m, key);

	while (*link && m->entries[*link - 1].key != key)
		link = &m->entries[*link - 1].next;
	return link;
}

static void drop(struct open_flows *m, uint32_t *link)
{
	struct entry *e = &m->entries[*link - 1];

	*link = e->next;
	e->used = false;
}

void open_flows_put(struct open_flows *m, uint64_t key, uint64_t row_id, uint64_t wall_ms)
{
	struct entry *e = &m->entries[m->at];
	uint32_t *link = find(m, key);

	if (*link)
		drop(m, link);
	if (e->used)
		drop(m, find(m, e->key));
	*e = (struct entry){key, row_id, wall_ms, *head(m, key), true};
	*head(m, key) = m->at + 1;
	m->at = (m->at + 1) & (m->capacity - 1);
}

bool open_flows_take(struct open_flows *m, uint64_t key, uint64_t *row_id, uint64_t *wall_ms)
{
	uint32_t *link = find(m, key);

	if (!*link)
		return false;
	*row_id = m->entries[*link - 1].row_id;
	*wall_ms = m->entries[*link - 1].wall_ms;
	drop(m, link);
	return true;
}
