/* SPDX-License-Identifier: GPL-3.0-or-later
 * json_write.c - writes JSON into a strbuf.
 *
 * The writer needs no state but the text: it puts a comma before a member unless the last byte opened a bracket.
 * Owns: nothing. Thread: any; pure. Fails: by the strbuf. See: RFC 8259 7, RFC 3629 4.
 */
#include "show/json.h"

#include <stdio.h>
#include <time.h>

/* Length of the well-formed UTF-8 sequence at p, 0 when there is none. */
static size_t utf8_length(const uint8_t *p, size_t n)
{
	size_t len = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static void add_char(struct strbuf *b, uint8_t c)
{
	switch (c) {
	case 0: /* many readers stop at a NUL */
		strbuf_str(b, "\\ufffd");
		break;
	case '"':
		strbuf_str(b, "\\\"");
		break;
	case '\\':
		strbuf_str(b, "\\\\");
		break;
	case '\n':
		strbuf_str(b, "\\n");
		break;
	case '\t':
		strbuf_str(b, "\\t");
		break;
	default:
		if (c < 0x20 || c == 0x7f || c == '<' || c == '>' || c == '&')
			strbuf_fmt(b, "\\u%04x", c);
		else
			strbuf_char(b, (char)c);
	}
}

static void add_string(struct strbuf *b, struct slice s)
{
	strbuf_char(b, '"');
	for (size_t i = 0; i < s.n;) {
		size_t len = s.p[i] < 0x80 ? 1 : utf8_length(s.p + i, s.n - i);

		if (len == 1)
			add_char(b, s.p[i]);
		else if (len == 0)
			strbuf_str(b, "\\ufffd");
		else
			strbuf_add(b, slice_of(s.p + i, len));
		i += len ? len : 1;
	}
	strbuf_char(b, '"');
}

static void begin(struct strbuf *b, const char *key)
{
	char last = b->n ? b->s[b->n - 1] : '[';

	if (last != '{' && last != '[' && last != '\n' && last != ' ')
		strbuf_char(b, ',');
	if (!key)
		return;
	add_string(b, slice_str(key));
	strbuf_char(b, ':');
}

void jw_open(struct strbuf *b, const char *key, char bracket)
{
	begin(b, key);
	strbuf_char(b, bracket);
}

void jw_close(struct strbuf *b, char bracket)
{
	strbuf_char(b, bracket);
}

void jw_slice(struct strbuf *b, const char *key, struct slice text)
{
	begin(b, key);
	add_string(b, text);
}

void jw_text(struct strbuf *b, const char *key, const char *text)
{
	if (text)
		jw_slice(b, key, slice_str(text));
	else
		jw_null(b, key);
}

void jw_int(struct strbuf *b, const char *key, int64_t v)
{
	begin(b, key);
	strbuf_fmt(b, "%lld", (long long)v);
}

void jw_uint(struct strbuf *b, const char *key, uint64_t v)
{
	begin(b, key);
	strbuf_fmt(b, "%llu", (unsigned long long)v);
}

void jw_bool(struct strbuf *b, const char *key, bool v)
{
	jw_raw(b, key, v ? "true" : "false");
}

void jw_null(struct strbuf *b, const char *key)
{
	jw_raw(b, key, "null");
}

void jw_raw(struct strbuf *b, const char *key, const char *json)
{
	begin(b, key);
	strbuf_str(b, json);
}

void jw_time(struct strbuf *b, const char *key, uint64_t wall_ms)
{
	time_t s = (time_t)(wall_ms / 1000);
	char text[40];
	struct tm tm;

	if (wall_ms == 0 || !gmtime_r(&s, &tm)) {
		jw_null(b, key);
		return;
	}
	size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof text - n, ".%03uZ", (unsigned)(wall_ms % 1000));
	jw_text(b, key, text);
}
