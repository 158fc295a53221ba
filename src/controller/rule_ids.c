/* SPDX-License-Identifier: GPL-3.0-or-later
 * rule_ids.c - a rule through its ids: which it had before, and where it stands today.
 *
 * An edit through the API is told apart from one by hand: there, what goes on under another id (decide/rule_moves.h) is
 * recorded, and what was decided under the old one is still found. By hand, a changed id starts anew.
 *
 * Owns: nothing. Thread: any; rules_moved() with policy_lock held. Fails: rules_moved() by the log, the rest never.
 */
#include "controller_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "decide/rule_moves.h"

enum { HOPS = 32, SAID = 20 };

/* --- a policy follows another --- */

static void record(struct controller *d, const struct rule_move *m, size_t n, uint32_t revision)
{
	struct admin_store_rule_move *rows = calloc(n, sizeof *rows);
	int rc = -ENOMEM;

	for (size_t i = 0; rows && i < n; i++) {
		rows[i].revision = revision;
		row_text_set(rows[i].was, sizeof rows[i].was, m[i].was);
		row_text_set(rows[i].became, sizeof rows[i].became, m[i].is);
	}
	if (rows)
		rc = admin_store_rules_moved(d->admin_store, rows, n);
	if (rc < 0)
		log_warn("what rules with new ids decided before cannot be found by these: %s",
			admin_store_words(rc));
	free(rows);
}

void rules_moved(struct controller *d, const struct image *now, uint32_t revision, bool keep)
{
	struct controller_snapshot *old = controller_snapshot_get(d);
	struct rule_move *m = NULL;
	size_t n = 0;
	int rc = old ? rule_moves(old->image, now, &m, &n) : 0;

	if (rc < 0)
		log_warn("out of memory: nobody knows which rules have new ids");
	for (size_t i = 0; i < n && i < SAID; i++)
		log_note("the rule of line %u is known as %s now; it was %s on line %u%s",
			m[i].is_line, m[i].is, m[i].was, m[i].was_line,
			keep ? "" : ", and its counters start anew");
	if (n > 0 && keep)
		record(d, m, n, revision);
	free(m);
	controller_snapshot_put(d, old);
}

/* --- the filter rule=ID --- */

/* The id of today: what is in force keeps its own, what was renamed goes on. */
static void follow(struct controller *d, const struct image *img, char id[static ROW_WORD])
{
	struct admin_store_rule_move m;

	for (int k = 0; k < HOPS && !image_line_of(img, id); k++) {
		if (admin_store_rule_became(d->admin_store, id, &m) < 0)
			break;
		row_text_set(id, ROW_WORD, m.became);
	}
}

void controller_filter_rule(struct controller *d, const char *id, struct row_filter *f)
{
	struct controller_snapshot *now = controller_snapshot_get(d);
	struct admin_store_rule_move was[FILTER_WAS];
	char today[ROW_WORD];

	row_text_set(f->rule_id, sizeof f->rule_id, id);
	row_text_set(today, sizeof today, id);
	if (now)
		follow(d, now->image, today);
	/* an id that leads nowhere is asked for as it is */
	if (now && image_line_of(now->image, today))
		row_text_set(f->rule_id, sizeof f->rule_id, today);
	if (admin_store_rule_was(d->admin_store, f->rule_id, was, FILTER_WAS, &f->n_was) < 0)
		f->n_was = 0;
	for (size_t i = 0; i < f->n_was; i++) {
		row_text_set(f->was[i].id, sizeof f->was[i].id, was[i].was);
		f->was[i].before = was[i].revision;
	}
	controller_snapshot_put(d, now);
}

/* --- the line of today --- */

void rules_today_init(struct rules_today *t, struct controller *d)
{
	memset(t, 0, sizeof *t);
	t->controller = d;
	t->image = controller_snapshot_get(d);
}

void rules_today_fini(struct rules_today *t)
{
	controller_snapshot_put(t->controller, t->image);
}

void rules_today_set(struct rules_today *t, struct row *r)
{
	struct rule_place *p;
	char id[ROW_WORD];

	r->rule_today = 0;
	if (!t->image || !r->rule_id[0])
		return;
	p = &t->known[hash_fnv(r->rule_id, strlen(r->rule_id), HASH_FNV_START) %
		      (sizeof t->known / sizeof *t->known)];
	if (strcmp(p->id, r->rule_id) != 0) {
		row_text_set(p->id, sizeof p->id, r->rule_id);
		row_text_set(id, sizeof id, r->rule_id);
		follow(t->controller, t->image->image, id);
		p->line = image_line_of(t->image->image, id);
	}
	r->rule_today = p->line;
}
