/* SPDX-License-Identifier: GPL-3.0-or-later
 * invariant.h - what must be so whatever comes from outside: if it is not, the program is wrong, and ends.
 *
 * For what this code promises itself (a record is in the list that it names, a counter does not pass below zero), never for
 * what bytes from outside say: that is an error, and is answered. A check costs a comparison; nothing is walked for it. In every
 * build but a release (`make RELEASE=yes`, which is -DNDEBUG), so in all that is tested.
 *
 * Owns: nothing. Thread: any. Fails: by abort(3), after a line in the log; the process is started again, and `fail closed`
 * holds meanwhile.
 */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

void invariant_broken(const char *what, const char *file, int line) __attribute__((noreturn, cold));

#ifdef NDEBUG
#define invariant(cond) ((void)sizeof(!(cond)))
#else
#define invariant(cond) ((cond) ? (void)0 : invariant_broken(#cond, __FILE__, __LINE__))
#endif

#endif
