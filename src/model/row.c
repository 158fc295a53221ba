/* SPDX-License-Identifier: GPL-3.0-or-later
 * row.c - texts of a recorded event and the filter over rows.
 *
 * Owns: nothing. Thread: any; pure. Fails: never.
 */
#include "model/row.h"

#include <string.h>

uint64_t row_number(const struct row *r, size_t offset, size_t size)
{
	const char *field = (const char *)r + offset;
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;

	switch (size) {
	case 8:
		return memcpy(&v8, field, 8), v8;
	case 4:
		return memcpy(&v4, field, 4), v4;
	case 2:
		return memcpy(&v2, field, 2), v2;
	default:
		return *(const uint8_t *)field;
	}
}

void row_number_set(struct row *r, size_t offset, size_t size, uint64_t v)
{
	char *field = (char *)r + offset;
	uint32_t v4 = (uint32_t)v;
	uint16_t v2 = (uint16_t)v;
	uint8_t v1 = (uint8_t)v;

	switch (size) {
	case 8:
		memcpy(field, &v, 8);
		break;
	case 4:
		memcpy(field, &v4, 4);
		break;
	case 2:
		memcpy(field, &v2, 2);
		break;
	default:
		memcpy(field, &v1, 1);
	}
}

void row_text_set(char *to, size_t size, const char *text)
{
	size_t n = strnlen(text, size);

	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to, text, n);
	memset(to + n, 0, size - n);
}

struct row_filter row_filter_any(void)
{
	return (struct row_filter){.action = -1};
}

static bool matches_who(const struct row *r, const struct row_filter *f)
{
	if (f->has_addr && !addr_eq(&f->addr, &r->event.flow.src))
		return false;
	if (f->has_mac && (!r->event.flow.has_mac || !mac_eq(&f->mac, &r->event.flow.mac)))
		return false;
	if (f->unknown_device && r->device[0])
		return false;
	if (f->n_devices == 0)
		return true;
	for (size_t i = 0; i < f->n_devices; i++)
		if (strcmp(f->devices[i], r->device) == 0)
			return true;
	return false;
}

static bool matches_time(const struct row *r, const struct row_filter *f)
{
	uint64_t t = r->event.wall_ms;

	return (!f->since_ms || t >= f->since_ms) && (!f->until_ms || t < f->until_ms) &&
	       (!f->after || r->id > f->after) && (!f->before || r->id < f->before);
}

static bool has_id(const struct row *r, const char *id)
{
	return strcmp(id, r->rule_id) == 0 || strcmp(id, r->watch_id) == 0;
}

static bool matches_rule(const struct row *r, const struct row_filter *f)
{
	bool has = has_id(r, f->rule_id);

	for (size_t i = 0; !has && i < f->n_was; i++)
		has = r->event.verdict.revision < f->was[i].before && has_id(r, f->was[i].id);
	return has;
}

bool row_matches(const struct row *r, const struct row_filter *f)
{
	if (f->action >= 0 && r->event.verdict.action != f->action)
		return false;
	if (f->watched && r->event.verdict.watch_line == 0)
		return false;
	if (f->has_sport && r->event.flow.sport != f->sport)
		return false;
	if (f->rule_line && r->event.verdict.rule_line != f->rule_line)
		return false;
	if (f->rule_id[0] && !matches_rule(r, f))
		return false;
	if (f->name[0] && !strstr(r->event.ident.name, f->name))
		return false;
	return matches_time(r, f) && matches_who(r, f);
}
