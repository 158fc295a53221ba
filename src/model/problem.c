/* SPDX-License-Identifier: GPL-3.0-or-later
 * problem.c - keeps a set of problems and describes them.
 *
 * Owns: nothing. Thread: as model/problem.h says. Fails: never.
 */
#include "model/problem.h"

#include <stdio.h>
#include <string.h>

static const struct row {
	const char *key, *what, *fixes;
} rows[] = {
#define PROBLEM(name, key, what, fixes) {key, what, fixes},
#include "tbl/problems.h"
#undef PROBLEM
};

bool problem_is(const struct problems *s, enum problem p)
{
	return p < PROBLEMS && (s->raised & 1u << p);
}

bool problem_vset(struct problems *s, enum problem p, const char *fmt, va_list ap)
{
	char detail[PROBLEM_DETAIL];
	bool new;

	if (p >= PROBLEMS)
		return false;
	vsnprintf(detail, sizeof detail, fmt, ap);
	/* names of interfaces and the like may hold anything; this goes to logs and terminals */
	for (char *c = detail; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	new = !problem_is(s, p) || strcmp(s->detail[p], detail) != 0;
	s->raised |= 1u << p;
	memcpy(s->detail[p], detail, sizeof detail);
	return new;
}

bool problem_set(struct problems *s, enum problem p, const char *fmt, ...)
{
	va_list ap;
	bool new;

	va_start(ap, fmt);
	new = problem_vset(s, p, fmt, ap);
	va_end(ap);
	return new;
}

bool problem_clear(struct problems *s, enum problem p)
{
	bool was = problem_is(s, p);

	if (was)
		s->raised &= ~(1u << p);
	return was;
}

const char *problem_key(enum problem p)
{
	return p < PROBLEMS ? rows[p].key : "?";
}

void problem_words(const struct problems *s, enum problem p, struct strbuf *out)
{
	if (p >= PROBLEMS)
		return;
	strbuf_str(out, rows[p].what);
	if (s->detail[p][0])
		strbuf_fmt(out, ": %.*s", PROBLEM_DETAIL - 1, s->detail[p]);
	strbuf_fmt(out, "; %s", rows[p].fixes);
}
