/* SPDX-License-Identifier: GPL-3.0-or-later
 * strbuf.h - text that grows on the heap.
 *
 * Owns: its heap bytes. Thread: one at a time. Fails: memory exhausted sets `failed`, later calls do nothing;
 * strbuf_text() then returns "".
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdarg.h>

#include "base/slice.h"

struct strbuf {
	char *s; /* NUL-terminated once anything was added */
	size_t n, cap;
	bool failed;
};

void strbuf_fini(struct strbuf *b); /* tolerates {0} */
void strbuf_reset(struct strbuf *b);
void strbuf_add(struct strbuf *b, struct slice s);
void strbuf_str(struct strbuf *b, const char *s);
void strbuf_char(struct strbuf *b, char c);
void strbuf_fmt(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vfmt(struct strbuf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
const char *strbuf_text(const struct strbuf *b); /* never NULL */
char *strbuf_take(struct strbuf *b); /* heap string, *b becomes empty; NULL when failed */

/* Bytes of the wire made fit for a log line or a terminal: control, 8-bit, '"' and '\' as \xNN. */
void strbuf_escaped(struct strbuf *b, struct slice s);
/* & < > " ' as entities, control and 8-bit bytes as &#65533; : fit for HTML text and attribute values. */
void strbuf_html(struct strbuf *b, struct slice s);

#endif
