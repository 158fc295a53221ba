/* SPDX-License-Identifier: GPL-3.0-or-later
 * http_offer.c - finds "h2c" among the protocols of an Upgrade header.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: identify/http_offer.h.
 */
#include "identify/http_offer.h"

#include <string.h>
#include <strings.h>

static const char name[] = "Upgrade:", offer[] = "h2c";
enum { NAME = sizeof(name) - 1, OFFER = sizeof(offer) - 1 };

static bool is_gap(uint8_t c)
{
	return c == ',' || c == ' ' || c == '\t' || c == ':';
}

/* In the line from o->line to `end`, from o->value on. */
static bool find_in_line(struct http_offer *o, struct slice head, size_t end, size_t *at)
{
	const char *line = (const char *)head.p + o->line;
	size_t i = o->value > o->line + NAME ? o->value : o->line + NAME;

	if (end < o->line + NAME || strncasecmp(line, name, NAME) != 0)
		return false;
	for (; i + OFFER <= end; i++) {
		const char *word = (const char *)head.p + i;

		if (!is_gap(head.p[i - 1]) || strncasecmp(word, offer, OFFER) != 0)
			continue;
		*at = i + OFFER - 1;
		o->value = i + OFFER;
		return true;
	}
	o->value = i;
	return false;
}

bool http_offer_find(struct http_offer *o, struct slice head, size_t *at)
{
	for (;;) {
		size_t from = o->scanned > o->line ? o->scanned : o->line, end;
		const uint8_t *lf =
			from < head.n ? memchr(head.p + from, '\n', head.n - from) : NULL;

		end = lf ? (size_t)(lf - head.p) : head.n;
		if (o->headers && find_in_line(o, head, end, at))
			return true;
		o->scanned = end;
		if (!lf)
			return false;
		/* empty lines may stand in front of the request line */
		o->headers |= end - o->line > 1 || (end > o->line && head.p[o->line] != '\r');
		o->line = end + 1;
	}
}
