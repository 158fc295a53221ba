/* SPDX-License-Identifier: GPL-3.0-or-later
 * query.h - reading the events' database. Its connections can neither write nor checkpoint: the store's alone does.
 *
 * Owns: nothing but a path. Thread: any. Fails: 0 or -errno (-ENOENT: no database; -ETIMEDOUT: it took too long, each()
 * was called for what was found).
 */
#ifndef RECORD_QUERY_H
#define RECORD_QUERY_H

#include "model/row.h"

struct query;

int query_open(const char *path, struct query **out);
void query_close(struct query *q); /* NULL is fine */

/* Calls each() for every row that matches, in the filter's order; at most f->limit. */
int query_rows(struct query *q, const struct row_filter *f,
	void (*each)(void *user, const struct row *r), void *user);

struct query_device {
	struct addr addr; /* last seen */
	bool has_mac;
	struct mac mac;
	char name[ROW_WORD]; /* "" = unknown device */
	uint64_t first_ms, last_ms, allowed, blocked;
};
/* Devices seen since, those with a name first, then latest first; by MAC where there is one, else by address; at most
 * 500. */
int query_devices(struct query *q, uint64_t since_ms,
	void (*each)(void *user, const struct query_device *d), void *user);

#endif
