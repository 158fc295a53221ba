/* SPDX-License-Identifier: GPL-3.0-or-later
 * problem.h - what the supervisor finds wrong at the moment: a set of rows of tbl/problems.h, each with a detail.
 *
 * Every MESSAGE_STATUS carries it; `durwardctl status`, the API and the page show it.
 *
 * Owns: nothing. Thread: one at a time. Fails: never; a detail that is too long is cut.
 */
#ifndef MODEL_PROBLEM_H
#define MODEL_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

enum problem {
#define PROBLEM(name, key, what, fixes) PROBLEM_##name,
#include "tbl/problems.h"
#undef PROBLEM
	PROBLEMS
};

enum { PROBLEM_DETAIL = 96 };
struct problems {	 /* {0}: none */
	uint32_t raised; /* 1u << enum problem */
	char detail
		[PROBLEMS]
		[PROBLEM_DETAIL]; /* printable ASCII, "" without one; meaningless if not raised */
};
_Static_assert(PROBLEMS <= 32, "struct problems holds a bit a row");

bool problem_is(const struct problems *s, enum problem p);
/* true: it was not there before, or with another detail. fmt "" for no detail. (The supervisor says it by problem_vset, in words of its
 * own; the tests by problem_set.) */
bool problem_set(struct problems *s, enum problem p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool problem_vset(struct problems *s, enum problem p, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
bool problem_clear(struct problems *s, enum problem p); /* true: it was there */

const char *problem_key(enum problem p); /* "?" outside */
/* "WHAT: DETAIL; FIX" */
void problem_words(const struct problems *s, enum problem p, struct strbuf *out);

#endif
