/* SPDX-License-Identifier: GPL-3.0-or-later
 * invariant.c - the end of a program that found itself wrong.
 *
 * Owns: nothing. Thread: any. Fails: always.
 */
#include "base/invariant.h"

#include <stdlib.h>

#include "base/log.h"

void invariant_broken(const char *what, const char *file, int line)
{
	log_error("%s:%d: not so: %s; this is an error in the program, please report it", file,
		line, what);
	abort();
}
