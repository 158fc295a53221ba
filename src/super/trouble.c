/* SPDX-License-Identifier: GPL-3.0-or-later
 * trouble.c - problems of the super: said in the log when they come, change and go, and told to the desk at once.
 *
 * Owns: nothing. Thread: the super's. Fails: never. See: tbl/problems.h.
 */
#include "base/log.h"
#include "super_int.h"

void problem_raise(struct super *su, enum problem p, const char *fmt, ...)
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
	super_tell_status(su);
}

void problem_over(struct super *su, enum problem p)
{
	if (!problem_clear(&su->problems, p))
		return;
	log_note("no problem any more: %s", problem_key(p));
	super_tell_status(su);
}
