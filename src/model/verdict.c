/* SPDX-License-Identifier: GPL-3.0-or-later
 * verdict.c - the keys of verdicts.
 *
 * Owns: nothing. Thread: any; pure. Fails: a number outside its enum gives "?".
 */
#include "model/verdict.h"

#include <stddef.h>

#define TEXT(table, i) ((size_t)(i) < sizeof(table) / sizeof *(table) ? (table)[i] : "?")

const char *action_key(enum action a)
{
	static const char *const keys[] = {"allow", "block", "wait"};

	return TEXT(keys, a);
}

const char *refuse_key(enum refuse r)
{
	static const char *const keys[] = {"default", "reset", "alert", "drop", "page"};

	return TEXT(keys, r);
}

const char *decided_by_key(enum decided_by b)
{
	static const char *const keys[] = {"rule", "setting", "otherwise", "fail", "self", "hand"};

	return TEXT(keys, b);
}
