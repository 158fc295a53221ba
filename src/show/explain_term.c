/* SPDX-License-Identifier: GPL-3.0-or-later
 * explain_term.c - explains an app, a built-in set or a list, named by its word: what holds for its names.
 *
 * Each name of an app or a set is explained as a site of its own, and names with the same answer are put together. A list is
 * explained once, as a name that only this list has: which line such a name meets first.
 *
 * Owns: nothing beyond the call. Thread: any. Fails: through the text.
 */
#include <string.h>

#include "explain_int.h"
#include "show/json.h"

enum { PARTS_MAX = 32, NAMES_ASKED = 256 };

/* Names with one answer. */
struct part {
	struct explain_walk walk;
	struct strbuf names; /* an array of JSON, still open; empty: any of a list's */
};
struct parts {
	struct part part[PARTS_MAX];
	size_t n;
	uint32_t asked;
};

static bool same_answer(const struct verdict *a, const struct verdict *b)
{
	return a->action == b->action && a->by == b->by && a->rule_line == b->rule_line &&
	       a->list == b->list;
}

/* Takes the walk. false: no room for another answer */
static bool add_answer(struct parts *p, struct explain_walk *w, struct slice name)
{
	size_t k = 0;

	while (k < p->n && !same_answer(&p->part[k].walk.v, &w->v))
		k++;
	if (k == PARTS_MAX) {
		explain_walk_fini(w);
		return false;
	}
	if (k < p->n)
		explain_walk_fini(w);
	else
		p->part[p->n++].walk = *w;
	if (name.n && !p->part[k].names.n)
		jw_open(&p->part[k].names, NULL, '[');
	if (name.n)
		jw_slice(&p->part[k].names, NULL, name);
	p->asked++;
	return true;
}

/* "=x" is asked for as x; "*.x" as what no site is called, but is below x. */
static void ask_name(
	const struct image *img, struct explain_question *q, struct slice name, struct parts *p)
{
	struct slice host = name.p[0] == '=' ? slice_of(name.p + 1, name.n - 1) : name;
	struct explain_walk w;

	if (host.n > NAME_MAX_)
		return;
	memcpy(q->ident.name, host.p, host.n);
	q->ident.name[host.n] = 0;
	q->ident.name_len = (uint8_t)host.n;
	explain_walk(img, q, &w);
	add_answer(p, &w, name);
}

static void ask_names(
	const struct image *img, struct explain_question *q, const char *names, struct parts *p)
{
	for (const char *s = names; *s && p->asked < NAMES_ASKED; s += strspn(s, " ")) {
		size_t n = strcspn(s, " ");

		ask_name(img, q, slice_of(s, n), p);
		s += n;
	}
}

static void ask_list(const struct image *img, struct explain_question *q,
	const struct policy_term *term, struct parts *p)
{
	struct explain_walk w;

	q->query.member = 1 + term->set;
	explain_walk(img, q, &w);
	q->query.member = 0;
	add_answer(p, &w, slice_of(NULL, 0));
}

static void put_part(struct strbuf *b, const struct image *img, struct part *p)
{
	jw_open(b, NULL, '{');
	jw_text(b, "verdict", action_key(p->walk.v.action));
	if (p->names.n) {
		jw_close(&p->names, ']');
		jw_raw(b, "names", strbuf_text(&p->names));
	} else {
		jw_null(b, "names");
	}
	explain_put_rule(b, img, &p->walk.v);
	jw_close(b, '}');
	b->failed |= p->names.failed;
}

static void put_term(struct strbuf *b, const struct policy_term *term, const struct parts *p)
{
	jw_open(b, "what", '{');
	jw_text(b, "word", term->word);
	jw_text(b, "kind",
		term->kind == WHAT_LIST	 ? "list"
		: term->kind == WHAT_APP ? "app"
					 : "set");
	jw_uint(b, "names", term->count);
	jw_uint(b, "not_asked", term->kind == WHAT_LIST ? 0 : term->count - p->asked);
	jw_close(b, '}');
}

/* The first refusal is what a person asks about. */
static const struct part *main_part(const struct parts *p, bool *mixed)
{
	const struct part *first = NULL;

	*mixed = false;
	for (size_t k = 0; k < p->n; k++) {
		*mixed |= p->part[k].walk.v.action != p->part[0].walk.v.action;
		if (!first && p->part[k].walk.v.action == ACTION_BLOCK)
			first = &p->part[k];
	}
	return first ? first : &p->part[0];
}

bool explain_term_answer(struct strbuf *b, const struct image *img, struct explain_question *q,
	const struct policy_term *term)
{
	struct parts p = {0};
	const struct part *first;
	bool mixed, blocked;

	q->named = false;
	if (term->kind == WHAT_LIST || !*term->names)
		ask_list(img, q, term, &p);
	else
		ask_names(img, q, term->names, &p);
	first = main_part(&p, &mixed);
	blocked = first->walk.v.action == ACTION_BLOCK;
	jw_open(b, NULL, '{');
	explain_put_answer(b, img, q, &first->walk);
	put_term(b, term, &p);
	jw_bool(b, "mixed", mixed);
	jw_open(b, "parts", '[');
	for (size_t k = 0; k < p.n; k++)
		put_part(b, img, &p.part[k]);
	jw_close(b, ']');
	jw_close(b, '}');
	for (size_t k = 0; k < p.n; k++) {
		explain_walk_fini(&p.part[k].walk);
		strbuf_fini(&p.part[k].names);
	}
	return blocked;
}
