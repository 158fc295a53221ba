/* SPDX-License-Identifier: GPL-3.0-or-later
 * problems.c - logs the problems of the supervisor when they begin, change and end, and reports them to the controller at once.
 *
 * Owns: nothing. Thread: the supervisor's. Fails: never. See: tbl/problems.h.
 */
#include "base/log.h"
#include "supervisor_int.h"

void problem_raise(struct supervisor *su, enum problem p, const char *fmt, ...)
{
	struct strbuf words = {0};
	va_list ap;
	bool new;

	va_start(ap, fmt);
	new = problem_vset(&su->problems, p, fmt, ap);
	va_end(ap);
	if (!new)
		return;
	problem_words(&su->problems, p, &words);
	log_warn("problem: %s", strbuf_text(&words));
	strbuf_fini(&words);
	supervisor_tell_status(su);
}

void problem_over(struct supervisor *su, enum problem p)
{
	if (!problem_clear(&su->problems, p))
		return;
	log_note("no problem any more: %s", problem_key(p));
	supervisor_tell_status(su);
}
