/* SPDX-License-Identifier: GPL-3.0-or-later
 * handoff.h - open descriptors with names, handed from a parent to the child that it executes.
 *
 * On the command line of the child: `--fd NAME=NUMBER`, once each.
 * Owns: nothing (the descriptors stay the parent's; after exec they are the child's). Thread: any.
 * Fails: handoff_add() false when full or the name is too long; handoff_get() -1 when there is none.
 */
#ifndef BASE_HANDOFF_H
#define BASE_HANDOFF_H

#include <stdbool.h>
#include <stddef.h>

enum { HANDOFF_MAX = 512, HANDOFF_NAME = 20 };

struct handoff {
	struct handoff_item {
		char name[HANDOFF_NAME];
		int fd;
	} item[HANDOFF_MAX];
	size_t n;
};

bool handoff_add(struct handoff *h, int fd, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int handoff_get(const struct handoff *h, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool handoff_read(struct handoff *h, const char *argument); /* "NAME=NUMBER"; sets CLOEXEC on it */
/* In the child before exec: argv + 2 * n entries (heap, ends with NULL) with CLOEXEC cleared on each descriptor; NULL = no memory. */
char **handoff_argv(const struct handoff *h, const char *const *first);

#endif
