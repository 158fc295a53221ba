/* SPDX-License-Identifier: GPL-3.0-or-later
 * settings.c - reads the settings file by the rows of one table, with one reader for each type.
 *
 * Owns: nothing. Thread: any; pure. Fails: by diag. See: tbl/settings.h.
 */
#include "conf/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct field {
	void *at;
	unsigned long min, max;
};

static bool number(const char *s, int base, unsigned long min, unsigned long max, uint32_t *out)
{
	char *end;
	unsigned long v;

	if (!isxdigit((unsigned char)*s))
		return false;
	v = strtoul(s, &end, base);
	if (*end || v < min || v > max)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool read_TEXT(const char *s, struct field f)
{
	if (strlen(s) >= SETTING_TEXT || strchr(s, ' '))
		return false;
	snprintf(f.at, SETTING_TEXT, "%s", s);
	return true;
}

static bool read_WORDS(const char *s, struct field f)
{
	if (strlen(s) >= SETTING_WORDS)
		return false;
	snprintf(f.at, SETTING_WORDS, "%s", s);
	return true;
}

static bool read_NUMBER(const char *s, struct field f)
{
	return number(s, 10, f.min, f.max, f.at);
}

/* eight neighbouring bits at least, and no gap: mark_of() multiplies by the lowest */
static bool read_MASK(const char *s, struct field f)
{
	uint32_t v, low;

	if (!number(s, 0, 1, 0xffffffff, &v))
		return false;
	low = v & -v;
	if (((v / low) & (v / low + 1)) != 0 || v / low < 0xff)
		return false;
	memcpy(f.at, &v, sizeof v);
	return true;
}

static bool read_SWITCH(const char *s, struct field f)
{
	bool v = strcmp(s, "on") == 0;

	if (!v && strcmp(s, "off") != 0)
		return false;
	memcpy(f.at, &v, sizeof v);
	return true;
}

static bool read_SOURCE(const char *s, struct field f)
{
	bool v = strcmp(s, "gateway") == 0;

	if (!v && strcmp(s, "client") != 0)
		return false;
	memcpy(f.at, &v, sizeof v);
	return true;
}

bool port_set_parse(const char *text, struct port_set *out)
{
	struct port_set set = {.n = 0};
	const char *s = text;

	if (strcmp(s, "none") == 0) {
		*out = set;
		return true;
	}
	while (*s) {
		char *end;
		unsigned long first, last;

		if (!isdigit((unsigned char)*s) || set.n == SETTING_PORTS)
			return false;
		first = last = strtoul(s, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (first < 1 || last > 65535 || last < first ||
			(*end && *end != ' ' && *end != ','))
			return false;
		set.r[set.n++] = (struct port_range){(uint16_t)first, (uint16_t)last};
		for (s = end; *s == ' ' || *s == ','; s++)
			;
	}
	*out = set;
	return set.n > 0;
}

static bool read_PORTS(const char *s, struct field f)
{
	return port_set_parse(s, f.at);
}

static bool read_UDPPORTS(const char *s, struct field f)
{
	static const struct port_set all = {.r = {{1, 65535}}, .n = 1};

	if (strcmp(s, "all-udp") != 0)
		return port_set_parse(s, f.at);
	memcpy(f.at, &all, sizeof all);
	return true;
}

static const char wants_TEXT[] = "one word of at most 255 bytes";
static const char wants_WORDS[] = "words";
static const char wants_NUMBER[] = "a number";
static const char wants_MASK[] =
	"a hexadecimal mask of at least 8 neighbouring bits, like 0xff000000";
static const char wants_SWITCH[] = "on or off";
static const char wants_SOURCE[] = "client or gateway";
static const char wants_PORTS[] = "ports like 443 or 8000-8010, or none";
static const char wants_UDPPORTS[] = "ports like 443 or 8000-8010, all-udp, or none";

#define at_TEXT(f)     out->f
#define at_WORDS(f)    out->f
#define at_NUMBER(f)   &out->f
#define at_MASK(f)     &out->f
#define at_SWITCH(f)   &out->f
#define at_SOURCE(f)   &out->f##_gateway
#define at_PORTS(f)    &out->f
#define at_UDPPORTS(f) &out->f

static void set_defaults(struct settings *out)
{
	memset(out, 0, sizeof *out);
#define SETTING(type, f, name, def, lo, hi, help)                                                  \
	read_##type(def, (struct field){.at = at_##type(f), .min = lo, .max = hi});
#include "tbl/settings.h"
#undef SETTING
}

/* 1 done, 0 the value is wrong (*wants says what is right, *range its limits), -1 no such name */
static int set_one(struct settings *out, const char *key, const char *value, const char **wants,
	struct field *range)
{
#define SETTING(type, f, name, def, lo, hi, help)                                                  \
	if (strcmp(key, name) == 0) {                                                              \
		*wants = wants_##type;                                                             \
		*range = (struct field){.at = at_##type(f), .min = lo, .max = hi};                 \
		return read_##type(value, *range);                                                 \
	}
#include "tbl/settings.h"
#undef SETTING
	return -1;
}

static void read_line(char *line, uint32_t no, struct settings *out, struct diag *d)
{
	struct field range = {0};
	const char *wants = NULL;
	char *key, *value, *end;
	int rc;

	line[strcspn(line, "#")] = '\0';
	key = line + strspn(line, " \t");
	if (!*key)
		return;
	value = key + strcspn(key, " \t");
	if (*value)
		*value++ = '\0';
	value += strspn(value, " \t");
	for (end = value + strlen(value); end > value && isspace((unsigned char)end[-1]); end--)
		end[-1] = '\0';
	rc = set_one(out, key, value, &wants, &range);
	if (rc < 0)
		diag_add(d, DIAG_ERROR, no, (uint32_t)(key - line) + 1, (uint32_t)strlen(key),
			"no setting is called \"%s\"; durward-settings(5) lists them", key);
	else if (rc == 0 && range.max)
		diag_add(d, DIAG_ERROR, no, (uint32_t)(value - line) + 1, (uint32_t)strlen(value),
			"\"%s\" does not fit %s; it wants %s from %lu to %lu", value, key, wants,
			range.min, range.max);
	else if (rc == 0)
		diag_add(d, DIAG_ERROR, no, (uint32_t)(value - line) + 1, (uint32_t)strlen(value),
			"\"%s\" does not fit %s; it wants %s", value, key, wants);
}

bool settings_parse(struct slice text, struct settings *out, struct diag *d)
{
	uint32_t no = 1;
	size_t errors = d->errors;

	set_defaults(out);
	for (size_t at = 0; at < text.n; no++) {
		const uint8_t *nl = memchr(text.p + at, '\n', text.n - at);
		size_t n = nl ? (size_t)(nl - text.p) - at : text.n - at;
		char line[1024];

		if (n >= sizeof line || memchr(text.p + at, 0, n)) {
			diag_add(d, DIAG_ERROR, no, 1, 0,
				"this line is too long or holds a NUL byte");
		} else {
			memcpy(line, text.p + at, n);
			line[n] = '\0';
			line[strcspn(line, "\r")] = '\0';
			read_line(line, no, out, d);
		}
		at += n + 1;
	}
	return d->errors == errors;
}
