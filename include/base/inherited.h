/* SPDX-License-Identifier: GPL-3.0-or-later
 * inherited.h - inherited descriptors: a parent hands open descriptors with names to the child that it executes.
 *
 * Each stands on the command line of the child as `--fd NAME=NUMBER`.
 *
 * Owns: nothing (the descriptors stay the parent's; after exec they are the child's). Thread: any.
 * Fails: inherited_add() false when full or the name is too long; inherited_get() -1 when there is none.
 */
#ifndef BASE_INHERITED_H
#define BASE_INHERITED_H

#include <stdbool.h>
#include <stddef.h>

enum { INHERITED_MAX = 512, INHERITED_NAME = 20 };

struct inherited {
	struct inherited_item {
		char name[INHERITED_NAME];
		int fd;
	} item[INHERITED_MAX];
	size_t n;
};

bool inherited_add(struct inherited *h, int fd, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int inherited_get(const struct inherited *h, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool inherited_read(
	struct inherited *h, const char *argument); /* "NAME=NUMBER"; sets CLOEXEC on it */
/* In the child before exec: argv + 2 * n entries (heap, ends with NULL) with CLOEXEC cleared on each descriptor; NULL = no memory. */
char **inherited_argv(const struct inherited *h, const char *const *first);

#endif
