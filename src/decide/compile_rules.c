/* SPDX-License-Identifier: GPL-3.0-or-later
 * compile_rules.c - compiles the lines, blocks and rules of a policy, and every name they can match.
 *
 * Sets of names are numbered: first lists, then apps, built-in sets, and one set for each single name in a rule.
 *
 * Owns: nothing. Thread: any; pure. Fails: through the build.
 */
#include "compile_int.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "model/verdict.h"

static const char *const ech_public_names[] = {
#define ECH_PUBLIC_NAME(n) n,
#include "tbl/sets.h"
#undef ECH_PUBLIC_NAME
};
enum { N_BUILTIN = sizeof ech_public_names / sizeof ech_public_names[0] };

/* --- lines --- */

static void add_line(
	struct build *b, uint32_t line, const char *text, const char *because, const char *id)
{
	struct img_line row = {
		line, build_text(b, text), build_text(b, because), build_text(b, id)};
	struct img_line *to = line ? build_add(b, SEC_LINES, 1) : NULL;
	if (to)
		*to = row;
}

static int line_order(const void *a, const void *b)
{
	uint32_t x = ((const struct img_line *)a)->line, y = ((const struct img_line *)b)->line;
	return (x > y) - (x < y);
}

static void add_setting_line(struct build *b, const struct conf_setting *s)
{
	if (s->answer != ANSWER_UNSET)
		add_line(b, s->line, s->text, NULL, s->id);
}

static void add_lines(struct build *b)
{
	const struct conf *c = b->in->conf;
	build_add(b, SEC_LINES, 1); /* line 0 */
	for (size_t k = 0; k < c->n_blocks; k++) {
		const struct conf_block *from = &c->blocks[k];
		add_line(b, from->pos.line, from->text, NULL, NULL);
		for (size_t r = 0; r < from->n_rules; r++)
			add_line(b, from->rules[r].line, from->rules[r].text,
				from->rules[r].because, from->rules[r].id);
		add_setting_line(b, &from->no_name);
		add_setting_line(b, &from->hidden_names);
		add_setting_line(b, &from->evasive);
	}
	add_line(b, c->otherwise_line, c->otherwise_text, c->otherwise_because, CONF_OTHERWISE_ID);
	if (!b->err)
		qsort(b->part[SEC_LINES].bytes, b->part[SEC_LINES].n, sizeof(struct img_line),
			line_order);
}

uint32_t build_line(struct build *b, uint32_t line)
{
	struct img_line key = {.line = line};
	const struct img_line *rows = (const void *)b->part[SEC_LINES].bytes, *row;
	if (b->err)
		return 0;
	row = bsearch(&key, rows, b->part[SEC_LINES].n, sizeof *rows, line_order);
	return row ? (uint32_t)(row - rows) : 0;
}

/* --- sets --- */

static uint32_t set_of(const struct build *b, const struct conf_what *w)
{
	const struct conf *c = b->in->conf;
	switch (w->kind) {
	case WHAT_LIST:
		return w->index;
	case WHAT_APP:
		return (uint32_t)c->n_lists + w->index;
	case WHAT_SET:
		return (uint32_t)(c->n_lists + c->n_apps) + w->index;
	default:
		return NO_SET;
	}
}

/* "Your definition shadows a built-in set": also where the engine itself asks it. */
static uint32_t find_ech_set(const struct conf *c)
{
	static const char name[] = "ech-public-names";
	for (size_t k = 0; k < c->n_lists; k++) {
		if (strcasecmp(c->lists[k].name, name) == 0)
			return (uint32_t)k;
	}
	for (size_t k = 0; k < c->n_apps; k++) {
		if (strcasecmp(c->apps[k].name, name) == 0)
			return (uint32_t)(c->n_lists + k);
	}
	return (uint32_t)(c->n_lists + c->n_apps) + SET_ECH_PUBLIC_NAMES;
}

static void count_sets(struct build *b)
{
	const struct conf *c = b->in->conf;
	struct img_list *to = build_add(b, SEC_LISTS, c->n_lists);
	if (c->n_lists >= NO_LIST)
		build_fail(b, -E2BIG);
	for (size_t k = 0; to && k < c->n_lists; k++) {
		to[k].name = build_text(b, c->lists[k].name);
		b->n_names += b->in->lists[k].n + b->in->lists[k].n_exceptions;
	}
	for (size_t k = 0; k < c->n_apps; k++)
		b->n_names += c->apps[k].n_names;
	b->n_names += N_BUILTIN;
	compile_terms(b);
	b->head.n_lists = (uint32_t)c->n_lists;
	b->head.n_sets = (uint32_t)(c->n_lists + c->n_apps + BUILTIN_SETS);
	b->head.ech_set = find_ech_set(c);
}

/* --- rules --- */

static struct img_slice add_ports(struct build *b, const struct conf_what *w)
{
	struct img_slice s = {b->part[SEC_PORTS].n, (uint32_t)w->n_ports};
	struct conf_port *to = build_add(b, SEC_PORTS, w->n_ports);
	for (size_t k = 0; to && k < w->n_ports; k++)
		to[k] = w->ports[k];
	return s;
}

/* Can it match a flow whose name nobody knows? A net of nothing stands for a name that cannot be. */
static bool needs_no_name(const struct conf_what *w)
{
	return w->kind == WHAT_EVERYTHING || w->kind == WHAT_LOCAL_NETWORKS ||
	       w->kind == WHAT_PORT || (w->kind == WHAT_NET && w->n_nets > 0);
}

static void add_whats(struct build *b, const struct conf_rule *rule)
{
	for (size_t k = 0; k < rule->n_whats; k++) {
		const struct conf_what *from = &rule->whats[k];
		struct img_what to = {.kind = from->kind, .set = set_of(b, from)};
		if (from->kind == WHAT_NAME) {
			to.set = b->head.n_sets++;
			b->n_names++;
		}
		if (from->kind == WHAT_NET)
			to.part = build_ranges(b, from->nets, from->n_nets);
		if (from->kind == WHAT_PORT)
			to.part = add_ports(b, from);
		if (rule->block && needs_no_name(from)) /* a watched one must be counted */
			b->head.flags |= IMAGE_JUDGES_ALL;
		struct img_what *row = build_add(b, SEC_WHATS, 1);
		if (row)
			*row = to;
	}
}

static void add_windows(struct build *b, const struct conf_rule *rule)
{
	for (size_t k = 0; k < rule->n_hours; k++) {
		const struct conf_hours *h = &b->in->conf->hours[rule->hours[k]];
		struct img_window *to = build_add(b, SEC_WINDOWS, h->n_windows);
		for (size_t w = 0; to && w < h->n_windows; w++)
			to[w] = (struct img_window){
				h->windows[w].days, h->windows[w].start_min, h->windows[w].end_min};
	}
}

static uint32_t key_of(const char *text)
{
	uint64_t h = text ? hash_fnv(text, strlen(text), HASH_FNV_START) : 0;

	return (uint32_t)(h ^ h >> 32);
}

static void add_rule(struct build *b, const struct conf_rule *from)
{
	struct img_rule to = {.line = build_line(b, from->line), .refuse = from->refuse};
	to.flags |= from->watch ? RULE_WATCH : 0;
	to.flags |= from->block ? RULE_BLOCK : 0;
	to.flags |= from->firm ? RULE_FIRM : 0;
	to.flags |= from->n_hours ? RULE_HOURS : 0;
	to.whats.first = b->part[SEC_WHATS].n;
	to.windows.first = b->part[SEC_WINDOWS].n;
	add_whats(b, from);
	add_windows(b, from);
	to.whats.n = b->part[SEC_WHATS].n - to.whats.first;
	to.windows.n = b->part[SEC_WINDOWS].n - to.windows.first;
	to.what_key = key_of(from->key.whats);
	to.hours_key = key_of(from->key.hours);
	to.who_key = key_of(from->key.who);
	struct img_rule *row = build_add(b, SEC_RULES, 1);
	if (row)
		*row = to;
}

static struct img_slice add_who(struct build *b, const struct conf_block *block)
{
	struct img_slice s = {b->part[SEC_WHO].n, (uint32_t)block->n_who};
	struct img_who *to = build_add(b, SEC_WHO, block->n_who);
	for (size_t k = 0; to && k < block->n_who; k++) {
		const struct conf_who *from = &block->who[k];
		to[k] = (struct img_who){from->kind, from->index};
		if (from->kind == WHO_GROUP)
			to[k].index = b->party_of_group[from->index];
	}
	return s;
}

static struct img_setting setting(struct build *b, const struct conf_setting *s)
{
	return (struct img_setting){s->answer, build_line(b, s->line)};
}

static void add_block(struct build *b, const struct conf_block *from)
{
	struct img_block to = {
		.line = build_line(b, from->pos.line),
		.who = add_who(b, from),
		.rules = {b->part[SEC_RULES].n, (uint32_t)from->n_rules},
		.no_name = setting(b, &from->no_name),
		.hidden_names = setting(b, &from->hidden_names),
		.evasive = setting(b, &from->evasive),
	};
	for (size_t r = 0; r < from->n_rules; r++)
		add_rule(b, &from->rules[r]);
	struct img_block *row = build_add(b, SEC_BLOCKS, 1);
	if (row)
		*row = to;
}

void compile_rules(struct build *b)
{
	const struct conf *c = b->in->conf;
	add_lines(b);
	count_sets(b);
	for (size_t k = 0; k < c->n_blocks; k++)
		add_block(b, &c->blocks[k]);
	b->head.otherwise = build_line(b, c->otherwise_line);
}

/* --- names --- */

struct filling {
	struct build *b;
	struct image *image;
	struct img_name *table;
};

static void put(struct filling *f, const char *name, uint32_t set, uint32_t scope, uint32_t line)
{
	uint32_t slots = image_count(f->image, SEC_NAMES);
	if (!domset_insert(f->image, f->table, slots, slice_str(name), set, scope, line))
		build_fail(f->b, -E2BIG);
}

static void put_all(
	struct filling *f, const struct conf_name *names, size_t n, uint32_t set, bool except)
{
	for (size_t k = 0; k < n; k++)
		put(f, names[k].name, set, except ? SCOPE_EXCEPT : (uint32_t)names[k].scope,
			names[k].line);
}

/* In the same order as add_whats() numbered them. */
static void put_rule_names(struct filling *f, uint32_t set)
{
	const struct conf *c = f->b->in->conf;
	for (size_t k = 0; k < c->n_blocks; k++) {
		for (size_t r = 0; r < c->blocks[k].n_rules; r++) {
			const struct conf_rule *rule = &c->blocks[k].rules[r];
			for (size_t w = 0; w < rule->n_whats; w++) {
				const struct conf_what *what = &rule->whats[w];
				if (what->kind == WHAT_NAME)
					put(f, what->name.name, set++, what->name.scope,
						rule->line);
			}
		}
	}
}

void compile_names(struct build *b, struct image *i, struct img_name *table)
{
	const struct conf *c = b->in->conf;
	const struct list_names *lists = b->in->lists;
	struct filling f = {b, i, table};
	uint32_t set = 0;
	for (size_t k = 0; k < c->n_lists; k++, set++) {
		put_all(&f, lists[k].names, lists[k].n, set, false);
		put_all(&f, lists[k].exceptions, lists[k].n_exceptions, set, true);
	}
	for (size_t k = 0; k < c->n_apps; k++, set++)
		put_all(&f, c->apps[k].names, c->apps[k].n_names, set, false);
	for (size_t k = 0; k < N_BUILTIN; k++)
		put(&f, ech_public_names[k], set + SET_ECH_PUBLIC_NAMES, SCOPE_SELF, 1);
	put_rule_names(&f, set + BUILTIN_SETS);
}
