/* SPDX-License-Identifier: GPL-3.0-or-later
 * slice.h - a view of bytes that another part owns.
 *
 * Owns: nothing. Thread: any; pure. Fails: never.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *p; /* may be NULL when n is 0 */
	size_t n;	  /* bytes */
};

static inline struct slice slice_of(const void *p, size_t n)
{
	return (struct slice){.p = p, .n = n};
}

static inline struct slice slice_str(const char *s)
{
	return (struct slice){.p = (const uint8_t *)s, .n = strlen(s)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif
