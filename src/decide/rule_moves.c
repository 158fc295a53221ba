/* SPDX-License-Identifier: GPL-3.0-or-later
 * rule_moves.c - finds the rules of one policy in the next: by id, by what they say, by their place.
 *
 * Owns: its two tables for the time of the call. Thread: any; pure. Fails: -ENOMEM.
 */
#include "decide/rule_moves.h"

#include <errno.h>
#include <stdlib.h>

#include "image_int.h"

enum { VERB = RULE_WATCH | RULE_BLOCK };
#define NOWHERE UINT32_MAX

struct side {
	const struct img_rule *rule;
	uint32_t n;
	uint32_t *other;   /* of each rule: its index on the other side, or NOWHERE */
	struct sorted *by; /* room for all of them */
	const struct image *img;
};
struct sorted {
	const char *id;
	uint64_t says;
	uint32_t at;
};

static const char *id_of(const struct side *s, uint32_t k)
{
	const struct img_line *lines = image_at(s->img, SEC_LINES);

	return image_text(s->img, lines[s->rule[k].line].id);
}

static uint32_t line_of(const struct side *s, uint32_t k)
{
	const struct img_line *lines = image_at(s->img, SEC_LINES);

	return lines[s->rule[k].line].line;
}

static bool side_init(struct side *s, const struct image *img)
{
	*s = (struct side){.img = img, .rule = image_at(img, SEC_RULES)};
	s->n = image_count(img, SEC_RULES);
	s->other = malloc((s->n + 1) * sizeof *s->other);
	s->by = malloc((s->n + 1) * sizeof *s->by);
	for (uint32_t k = 0; s->other && k < s->n; k++)
		s->other[k] = NOWHERE;
	return s->other && s->by;
}

static void side_fini(struct side *s)
{
	free(s->other);
	free(s->by);
}

static int id_order(const void *a, const void *b)
{
	return strcmp(((const struct sorted *)a)->id, ((const struct sorted *)b)->id);
}

static int says_order(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	if (x->says != y->says)
		return x->says > y->says ? 1 : -1;
	return (x->at > y->at) - (x->at < y->at);
}

/* The rules that have no counterpart yet, in this order; how many. */
static uint32_t sort_rest(struct side *s, int (*order)(const void *, const void *))
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < s->n; k++) {
		const struct img_rule *r = &s->rule[k];
		uint32_t parts[4] = {r->flags & VERB, r->what_key, r->hours_key, r->who_key};

		if (s->other[k] == NOWHERE)
			s->by[n++] = (struct sorted){
				id_of(s, k), hash_fnv(parts, sizeof parts, HASH_FNV_START), k};
	}
	qsort(s->by, n, sizeof *s->by, order);
	return n;
}

static void pair_up(struct side *a, uint32_t k, struct side *b, uint32_t j)
{
	a->other[k] = j;
	b->other[j] = k;
}

static void by_id(struct side *a, struct side *b)
{
	uint32_t n = sort_rest(a, id_order), m = sort_rest(b, id_order);

	for (uint32_t i = 0, j = 0; i < n && j < m;) {
		int order = id_order(&a->by[i], &b->by[j]);

		if (order == 0)
			pair_up(a, a->by[i].at, b, b->by[j].at);
		i += order <= 0;
		j += order >= 0;
	}
}

static void by_what_it_says(struct side *a, struct side *b)
{
	uint32_t n = sort_rest(a, says_order), m = sort_rest(b, says_order);

	for (uint32_t i = 0, j = 0; i < n && j < m;) {
		uint64_t x = a->by[i].says, y = b->by[j].says;

		if (x == y)
			pair_up(a, a->by[i].at, b, b->by[j].at);
		i += x <= y;
		j += x >= y;
	}
}

static bool is_an_edit(const struct img_rule *a, const struct img_rule *b)
{
	return ((a->flags & VERB) == (b->flags & VERB)) + (a->what_key == b->what_key) +
		       (a->who_key == b->who_key) >=
	       2;
}

/* The rules k..end-1 of the old policy have no counterpart; their neighbours, if any, have. */
static void by_place(struct side *a, struct side *b, uint32_t k, uint32_t end)
{
	uint32_t from = k > 0 ? a->other[k - 1] + 1 : 0;
	uint32_t to = end < a->n ? a->other[end] : b->n;

	if (to < from || to - from != end - k)
		return;
	for (uint32_t j = from; j < to; j++) {
		if (b->other[j] != NOWHERE)
			return;
	}
	for (uint32_t i = 0; i < end - k; i++) {
		if (is_an_edit(&a->rule[k + i], &b->rule[from + i]))
			pair_up(a, k + i, b, from + i);
	}
}

static void by_places(struct side *a, struct side *b)
{
	for (uint32_t k = 0, end; k < a->n; k = end + 1) {
		for (end = k; end < a->n && a->other[end] == NOWHERE;)
			end++;
		if (end > k)
			by_place(a, b, k, end);
	}
}

static int collect(const struct side *a, const struct side *b, struct rule_move **out, size_t *n)
{
	struct rule_move *to = calloc(a->n + 1, sizeof *to);

	if (!to)
		return -ENOMEM;
	*n = 0;
	for (uint32_t k = 0; k < a->n; k++) {
		uint32_t j = a->other[k];

		if (j != NOWHERE && strcmp(id_of(a, k), id_of(b, j)) != 0)
			to[(*n)++] = (struct rule_move){
				id_of(a, k), id_of(b, j), line_of(a, k), line_of(b, j)};
	}
	*out = to;
	return 0;
}

int rule_moves(const struct image *old, const struct image *now, struct rule_move **out, size_t *n)
{
	struct side a = {0}, b = {0};
	int rc = -ENOMEM;

	if (side_init(&a, old) && side_init(&b, now)) {
		by_id(&a, &b);
		by_what_it_says(&a, &b);
		by_places(&a, &b);
		rc = collect(&a, &b, out, n);
	}
	side_fini(&a);
	side_fini(&b);
	return rc;
}
