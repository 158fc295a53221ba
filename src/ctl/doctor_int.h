/* SPDX-License-Identifier: GPL-3.0-or-later
 * doctor_int.h - one finding of `durwardctl doctor`. Private to ctl/.
 */
#ifndef CTL_DOCTOR_INT_H
#define CTL_DOCTOR_INT_H

#include "ctl_int.h"
#include "model/settings.h"

enum finding {
	FINDING_OK,
	FINDING_INFO, /* how it is: nothing to do, or only if it is not meant so */
	FINDING_NOTE,
	FINDING_BAD
};

struct doctor {
	struct ctl *c;
	struct settings settings;
	const char *settings_path;
	bool fresh; /* it has never been started here: what only a start brings is not missed yet */
	char uplink
		[64]; /* an interface with a default route; "UPLINK": there is none (doctor_net.c) */
	struct strbuf json;
	unsigned bad, notes;
};

/* fix: the command that fixes it, "" when all is well. */
void doctor_say(struct doctor *d, enum finding f, const char *what, const char *fix,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Runs a program with fixed arguments and no shell, output thrown away. Its exit status; -1: not found or killed. */
int doctor_run(const char *const *argv);
/* The same; its standard output is appended to *out (at most 8 MB). Its exit status; -1: not found or killed. */
int doctor_output(const char *const *argv, struct strbuf *out);
bool doctor_number(const char *path, long long *out); /* the number in a file of /proc/sys */

/* doctor_kernel.c: what the kernel can do, tried in a namespace of its own; its version */
void doctor_kernel(struct doctor *d);
void doctor_version(struct doctor *d);
void doctor_net(struct doctor *d); /* doctor_net.c: routes, interfaces, what else the box must do */
void doctor_rules(struct doctor *d); /* doctor_rules.c: packet filter rules of others; root */

#endif
