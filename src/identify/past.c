/* SPDX-License-Identifier: GPL-3.0-or-later
 * past.c - a list of spans, the newest last: spans of kept bytes alternate with spans of bytes that need no comparison.
 *
 * Look-ups begin at the newest span, because nearly all of them ask for recent bytes. When bytes become too old, half of what
 * is kept is dropped at once, so that moving the remaining bytes happens seldom.
 *
 * Owns: the two blocks. Thread: one at a time. Fails: by forgetting. See: identify/past.h.
 */
#include "identify/past.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 512, FIRST_SPANS = 8, SPANS_MAX = 16384 };

struct past_span {
	uint64_t n;
	bool any; /* no byte of it is kept */
};

void past_fini(struct past *p)
{
	free(p->bytes);
	free(p->spans);
	*p = (struct past){0};
}

size_t past_memory(const struct past *p)
{
	return p->cap + p->spans_cap * sizeof(*p->spans);
}

/* Forgets the oldest spans, or a part of one, until at most so much is left. */
static void shrink(struct past *p, uint32_t bytes, uint32_t spans)
{
	uint32_t i = 0, gone = 0;

	while (i < p->spans_n && (p->n - gone > bytes || p->spans_n - i > spans)) {
		struct past_span *s = &p->spans[i];
		uint64_t over = p->n - gone - bytes;

		if (!s->any && p->spans_n - i <= spans && over < s->n) {
			s->n -= over;
			p->from += over;
			gone += (uint32_t)over;
			break;
		}
		p->from += s->n;
		gone += s->any ? 0 : (uint32_t)s->n;
		i++;
	}
	p->n -= gone;
	if (gone)
		memmove(p->bytes, p->bytes + gone, p->n);
	p->spans_n -= i;
	if (i)
		memmove(p->spans, p->spans + i, p->spans_n * sizeof(*p->spans));
}

static bool room_for(struct past *p, uint32_t more)
{
	uint32_t cap = p->cap ? p->cap : FIRST_BYTES;
	uint8_t *fresh;

	if (p->n + more <= p->cap)
		return true;
	while (cap < p->n + more)
		cap *= 2;
	fresh = realloc(p->bytes, cap);
	if (!fresh)
		return false;
	p->bytes = fresh;
	p->cap = cap;
	return true;
}

/* The newest span becomes n bytes longer; or a new one begins. */
static bool extend(struct past *p, uint64_t n, bool any)
{
	uint32_t cap = p->spans_cap ? p->spans_cap * 2 : FIRST_SPANS;
	struct past_span *fresh;

	if (p->spans_n && p->spans[p->spans_n - 1].any == any) {
		p->spans[p->spans_n - 1].n += n;
		return true;
	}
	if (p->spans_n == p->spans_cap) {
		fresh = realloc(p->spans, cap * sizeof(*fresh));
		if (!fresh)
			return false;
		p->spans = fresh;
		p->spans_cap = cap;
	}
	p->spans[p->spans_n++] = (struct past_span){.n = n, .any = any};
	return true;
}

static void forget_all(struct past *p)
{
	p->n = p->spans_n = 0;
	p->from = p->end;
}

/* Half of the room is the least that is kept. */
static void bound(struct past *p)
{
	if (p->n > p->limit || p->spans_n > SPANS_MAX)
		shrink(p, p->n > p->limit ? p->limit / 2 : p->limit,
			p->spans_n > SPANS_MAX ? SPANS_MAX / 2 : SPANS_MAX);
}

void past_keep(struct past *p, struct slice bytes)
{
	uint32_t n = (uint32_t)bytes.n;

	if (n == 0)
		return;
	p->end += n;
	if (!room_for(p, n) || !extend(p, n, false)) {
		forget_all(p);
		return;
	}
	memcpy(p->bytes + p->n, bytes.p, n);
	p->n += n;
	bound(p);
}

void past_skip(struct past *p, uint64_t n)
{
	if (n == 0)
		return;
	p->end += n;
	if (!extend(p, n, true))
		forget_all(p);
	else
		bound(p);
}

/* The part of [at, to) that lies in [from, from + n), against the kept bytes of that span. */
static bool agrees(uint64_t from, uint64_t n, const uint8_t *kept, uint64_t at, struct slice in)
{
	uint64_t a = at > from ? at : from;
	uint64_t b = at + in.n < from + n ? at + in.n : from + n;

	return a >= b || memcmp(kept + (a - from), in.p + (a - at), (size_t)(b - a)) == 0;
}

enum past_says past_compare(const struct past *p, uint64_t at, struct slice bytes)
{
	uint64_t from = p->end;
	uint32_t kept = p->n;

	if (at < p->from)
		return PAST_UNKNOWN;
	for (uint32_t i = p->spans_n; i > 0 && from > at; i--) {
		const struct past_span *s = &p->spans[i - 1];

		from -= s->n;
		if (s->any)
			continue;
		kept -= (uint32_t)s->n;
		if (!agrees(from, s->n, p->bytes + kept, at, bytes))
			return PAST_OTHER;
	}
	return PAST_SAME;
}
