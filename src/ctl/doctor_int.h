/* SPDX-License-Identifier: GPL-3.0-or-later
 * doctor_int.h - one finding of `durwardctl doctor`. Private to ctl/.
 */
#ifndef CTL_DOCTOR_INT_H
#define CTL_DOCTOR_INT_H

#include "ctl_int.h"
#include "model/settings.h"

enum finding { FINDING_OK, FINDING_NOTE, FINDING_BAD };

struct doctor {
	struct ctl *c;
	struct settings settings;
	struct strbuf json;
	unsigned bad, notes;
};

/* fix: the command that mends it, "" when all is well. */
void doctor_say(struct doctor *d, enum finding f, const char *what, const char *fix,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Runs a program with fixed arguments and no shell, output thrown away. Its exit status; -1: not found or killed. */
int doctor_run(const char *const *argv);

void doctor_kernel(struct doctor
		*d); /* doctor_kernel.c: what the kernel can do, tried in a namespace of its own */

#endif
