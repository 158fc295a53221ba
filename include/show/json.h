/* SPDX-License-Identifier: GPL-3.0-or-later
 * json.h - reads JSON (with jansson) and writes it (into a strbuf).
 *
 * Reading: depth and size are bounded, duplicate keys refused. Every getter tolerates NULL, so look-ups chain.
 * Writing: every text is made safe: control bytes as \u00XX, NUL and bytes that are not UTF-8 as U+FFFD, '<' '>' '&' as \u00XX.
 * Owns: jr_parse's result until jr_free(). Thread: one at a time. Fails: NULL, or a failed strbuf.
 */
#ifndef SHOW_JSON_H
#define SHOW_JSON_H

#include "base/strbuf.h"

struct json; /* a value inside a parsed document */

struct json *jr_parse(struct slice text); /* NULL: not JSON */
void jr_free(struct json *root);	  /* NULL is fine; only what jr_parse gave */
const struct json *jr_get(const struct json *object, const char *key); /* NULL: not there */
const struct json *jr_at(const struct json *array, size_t i);
size_t jr_count(const struct json *array); /* 0 for what is no array */
const char *jr_text(const struct json *v); /* NULL: no string, or one with a NUL inside */
double jr_number(const struct json *v, double otherwise);
bool jr_true(const struct json *v);
bool jr_is_object(const struct json *v);
bool jr_is_array(const struct json *v);
bool jr_is_bool(const struct json *v);
bool jr_is_null(const struct json *v);				     /* true for NULL as well */
const char *jr_get_text(const struct json *object, const char *key); /* "" when not there */
void jr_print(const struct json *v, struct strbuf *out);	     /* compact, one line */

/* Writer: commas are its own affair. key NULL inside arrays and for the outermost value. */
void jw_open(struct strbuf *b, const char *key, char bracket);	   /* '{' or '[' */
void jw_close(struct strbuf *b, char bracket);			   /* '}' or ']' */
void jw_text(struct strbuf *b, const char *key, const char *text); /* NULL text: null */
void jw_slice(struct strbuf *b, const char *key, struct slice text);
void jw_int(struct strbuf *b, const char *key, int64_t v);
void jw_uint(struct strbuf *b, const char *key, uint64_t v);
void jw_bool(struct strbuf *b, const char *key, bool v);
void jw_null(struct strbuf *b, const char *key);
void jw_raw(struct strbuf *b, const char *key, const char *json); /* a value already written */
void jw_time(struct strbuf *b, const char *key,
	uint64_t wall_ms); /* "2026-11-23T20:00:00.123Z"; 0: null */

#endif
