/* SPDX-License-Identifier: GPL-3.0-or-later
 * diag.h - the list of errors and warnings found in a file, each with its place.
 *
 * Owns: its texts (heap). Thread: one at a time. Fails: past DIAG_MAX entries it only counts.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include "base/strbuf.h"

enum { DIAG_MAX = 1000 };
enum diag_level { DIAG_WARNING, DIAG_ERROR };

struct diag_entry {
	enum diag_level level;
	uint32_t line, column; /* 1-based; 0 = the file as a whole. Columns count bytes. */
	uint32_t length;       /* bytes of the offending word, 0 = unknown */
	char *text;	       /* "what is wrong; what would be right" */
};

struct diag {
	struct diag_entry *entries;
	size_t n;
	size_t errors, warnings; /* all of them, also those past DIAG_MAX */
};

void diag_fini(struct diag *d);
void diag_add(struct diag *d, enum diag_level level, uint32_t line, uint32_t column,
	uint32_t length, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void diag_sort(struct diag *d); /* by line, column; stable */
/* FILE:LINE:COLUMN: text   or   FILE:LINE:COLUMN: warning: text, one a line */
void diag_print(const struct diag *d, const char *file, struct strbuf *out);

#endif
