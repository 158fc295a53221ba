/* SPDX-License-Identifier: GPL-3.0-or-later
 * resolve.c - keeps what a policy defines: three name spaces, duplicates, cycles of groups, and the nearest known word.
 *
 * Owns: nothing; symbols live in the parser's arena. Thread: any. Fails: reports to the diag.
 * See: durward-policy(5) "DESCRIPTION", "WHO".
 */
#include "conf_int.h"

#include "base/hash.h"

/* Bounds the work a hostile text can ask for; past it no nearest word is named. */
enum { COMPARES_MAX = 4000000, NAME_BYTES_MAX = 63 };

static enum space space_of(enum word_id kind)
{
	switch (kind) {
	case WORD_ST_DEVICE:
	case WORD_ST_PERSON:
	case WORD_ST_GROUP:
		return SPACE_WHO;
	case WORD_ST_LIST:
	case WORD_ST_APP:
		return SPACE_WHAT;
	case WORD_ST_HOURS:
		return SPACE_HOURS;
	default:
		return SPACES;
	}
}

const char *kind_words(enum word_id kind)
{
	switch (kind) {
	case WORD_ST_DEVICE:
		return "a device";
	case WORD_ST_PERSON:
		return "a person";
	case WORD_ST_GROUP:
		return "a group";
	case WORD_ST_LIST:
		return "a list";
	case WORD_ST_APP:
		return "an app";
	default:
		return "hours";
	}
}

static struct symbol **bucket(const struct symbols *s, struct slice name)
{
	uint8_t folded[NAME_BYTES_MAX + 1];
	size_t n = name.n < sizeof folded ? name.n : sizeof folded;

	word_fold(slice_of(name.p, n), folded);
	return &s->buckets[hash_fnv(folded, n, HASH_FNV_START) & s->mask];
}

struct symbol *symbol_find(const struct parser *p, enum space s, struct slice name)
{
	struct symbol *y = p->spaces[s].buckets ? *bucket(&p->spaces[s], name) : NULL;

	while (y && !word_eq(y->name, name))
		y = y->next_hash;
	return y;
}

/* The symbol whose first definition is this token; NULL for a second definition. */
struct symbol *symbol_here(const struct parser *p, enum space s, const struct token *t)
{
	struct symbol *y = t ? symbol_find(p, s, t->raw) : NULL;

	return y && y->pos.line == p->lex.number ? y : NULL;
}

static size_t *count_of(struct conf *c, enum word_id kind)
{
	switch (kind) {
	case WORD_ST_DEVICE:
		return &c->n_devices;
	case WORD_ST_PERSON:
		return &c->n_persons;
	case WORD_ST_GROUP:
		return &c->n_groups;
	case WORD_ST_LIST:
		return &c->n_lists;
	case WORD_ST_APP:
		return &c->n_apps;
	default:
		return &c->n_hours;
	}
}

static void add_symbol(struct parser *p, enum word_id kind, const struct token *t)
{
	struct symbols *s = &p->spaces[space_of(kind)];
	struct symbol *y = arena_alloc(p->mem, sizeof *y), **b = bucket(s, t->raw);

	if (!y) {
		p->oom = true;
		return;
	}
	y->name = t->raw;
	y->kind = kind;
	y->index = (uint32_t)(*count_of(p->out, kind))++;
	y->pos = pos_of(p, t);
	y->next_hash = *b;
	*b = y;
	if (s->last)
		s->last->next = y;
	else
		s->first = y;
	s->last = y;
	s->n++;
}

/* Said once, where the first one too many is defined. */
static void check_count(struct parser *p, enum word_id kind, const struct token *t)
{
	const struct conf *c = p->out;

	if (kind == WORD_ST_DEVICE && c->n_devices == CONF_DEVICES_MAX + 1)
		error(p, t,
			"a policy has at most %d devices; name networks by `group NAME net ...`",
			CONF_DEVICES_MAX);
	if ((kind == WORD_ST_PERSON || kind == WORD_ST_GROUP) &&
		c->n_persons + c->n_groups == CONF_PARTIES_MAX + 1)
		error(p, t, "a policy has at most %d persons and groups", CONF_PARTIES_MAX);
	if (kind == WORD_ST_LIST && c->n_lists == CONF_LISTS_MAX + 1)
		error(p, t, "a policy has at most %d lists", CONF_LISTS_MAX);
}

static bool name_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
	       c == '_' || c >= 0x80;
}

bool fit_name(struct parser *p, const struct token *t)
{
	const struct schema_word *w = schema_find(t->raw, ROLES_KEYWORD);

	if (t->quoted) {
		error(p, t, "a name stands without quotes");
		return false;
	}
	if (w) {
		error(p, t, "%s is a word of the language%s; a definition needs another name",
			quote(p, t->raw), w->later ? " (of a later version)" : "");
		return false;
	}
	for (size_t i = 0; i < t->raw.n; i++) {
		if (name_byte(t->raw.p[i]))
			continue;
		error(p, t, "%s cannot be defined; a name is made of letters, digits, '-' and '_'",
			quote(p, t->raw));
		return true; /* noted all the same, so that its uses are no further errors */
	}
	if (t->raw.n > NAME_BYTES_MAX)
		error(p, t, "this name is longer than %d bytes; shorten it", NAME_BYTES_MAX);
	return t->raw.n <= NAME_BYTES_MAX;
}

static void declare(struct parser *p, enum word_id kind)
{
	const struct token *t = peek(p);
	const struct symbol *old;

	if (!t) {
		error(p, NULL, "a name is missing; write: %s", schema_words[kind].grammar);
		return;
	}
	if (!fit_name(p, t))
		return;
	old = symbol_find(p, space_of(kind), t->raw);
	if (!old) {
		add_symbol(p, kind, t);
		check_count(p, kind, t);
	} else if (kind != WORD_ST_APP || old->kind != WORD_ST_APP) {
		error(p, t, "%s is defined twice; it is %s since line %u", quote(p, t->raw),
			kind_words(old->kind), old->pos.line);
	}
}

static void symbols_init(struct parser *p, size_t text_bytes)
{
	size_t n = 64;

	while (n < 65536 && n < text_bytes / 32)
		n *= 2;
	for (int i = 0; i < SPACES; i++) {
		p->spaces[i].buckets = arena_alloc(p->mem, n * sizeof(struct symbol *));
		p->spaces[i].mask = n - 1;
		if (!p->spaces[i].buckets)
			p->oom = true;
	}
}

static void *array_of(struct parser *p, size_t n, size_t elem)
{
	void *a = arena_alloc(p->mem, n * elem);

	if (!a)
		p->oom = true;
	return a;
}

void symbols_declare(struct parser *p, struct slice text)
{
	struct conf *c = p->out;

	symbols_init(p, text.n);
	lexer_init(&p->lex, text, p->mem, NULL);
	while (!p->oom && lexer_line(&p->lex)) {
		const struct schema_word *w;
		bool misspelt;

		p->at = 0;
		w = line_word(p, &misspelt);
		if (w && w->role == ROLE_STATEMENT)
			p->where = w->id == WORD_ST_FOR ? INSIDE : OUTSIDE;
		if (w && w->id == WORD_ST_TIMEZONE)
			p->timezone_seen = true;
		if (w && space_of(w->id) != SPACES && w->role == ROLE_STATEMENT)
			declare(p, w->id);
	}
	p->oom |= p->lex.failed;
	c->devices = array_of(p, c->n_devices, sizeof *c->devices);
	c->persons = array_of(p, c->n_persons, sizeof *c->persons);
	c->groups = array_of(p, c->n_groups, sizeof *c->groups);
	c->lists = array_of(p, c->n_lists, sizeof *c->lists);
	c->apps = array_of(p, c->n_apps, sizeof *c->apps);
	c->hours = array_of(p, c->n_hours, sizeof *c->hours);
}

/* --- the nearest word --- */

enum { FAR = 40 };

static void consider(struct parser *p, struct slice word, struct slice candidate, unsigned *best,
	struct slice *out)
{
	unsigned d = word_distance(word, candidate, *best - 1);

	p->compares++;
	if (d < *best) {
		*best = d;
		*out = candidate;
	}
}

static void consider_words(struct parser *p, struct slice word, unsigned roles, bool later,
	unsigned *best, struct slice *found, const struct schema_word **row)
{
	for (size_t i = 0; i < WORDS; i++) {
		unsigned before = *best;

		if (schema_words[i].role & roles && schema_words[i].later == later)
			consider(p, word, slice_str(schema_words[i].word), best, found);
		if (*best < before)
			*row = &schema_words[i];
	}
}

const char *nearest(struct parser *p, struct slice word, unsigned roles, enum space s, bool *close,
	const struct schema_word **row)
{
	unsigned best = FAR, before, slip = word_slip(word.n);
	struct slice found = {0};

	*row = NULL;
	consider_words(p, word, roles, false, &best, &found, row);
	for (struct symbol *y = s < SPACES ? p->spaces[s].first : NULL;
		y && best > 0 && p->compares < COMPARES_MAX; y = y->next) {
		before = best;
		consider(p, word, y->name, &best, &found);
		if (best < before)
			*row = NULL;
	}
	/* a word of a later version only where it is plainly meant */
	before = best;
	best = best < slip + 1 ? best : slip + 1;
	if (best > 0)
		consider_words(p, word, roles, true, &best, &found, row);
	best = best < before && *row && (*row)->later ? best : before;
	*close = best <= slip;
	return found.p ? arena_str(p->mem, found) : NULL;
}

const struct schema_word *meant(struct parser *p, struct slice word, unsigned roles)
{
	const struct schema_word *row;
	bool close;

	nearest(p, word, roles, SPACES, &close, &row);
	return close ? row : NULL;
}

/* --- groups inside each other --- */

enum visit { NEW, OPEN, DONE };

/* Depth first with a stack of our own: nesting is as deep as the file likes. */
struct frame {
	uint32_t group;
	size_t member;
};

static void report_cycle(struct parser *p, const struct frame *stack, size_t depth, uint32_t to)
{
	const struct conf_group *g = &p->out->groups[stack[depth].group];
	const struct conf_pos pos = g->members[stack[depth].member].pos;
	const char *name = p->out->groups[to].name;

	if (stack[depth].group == to)
		diag_add(p->d, DIAG_ERROR, pos.line, pos.column, pos.length,
			"group '%s' contains itself; take it out", name);
	else
		diag_add(p->d, DIAG_ERROR, pos.line, pos.column, pos.length,
			"group '%s' contains '%s', which contains it again (line %u); take one of "
			"them out",
			g->name, name, p->out->groups[to].pos.line);
}

/* One step of the walk; returns the new depth. */
static size_t walk_group(
	struct parser *p, struct frame *stack, size_t depth, uint8_t *seen, bool *cycle)
{
	struct frame *f = &stack[depth];
	const struct conf_group *g = &p->out->groups[f->group];
	const struct conf_who *m;

	if (f->member >= g->n_members) {
		seen[f->group] = DONE;
		return depth - 1;
	}
	m = &g->members[f->member];
	if (m->kind == WHO_GROUP && seen[m->index] == NEW) {
		seen[m->index] = OPEN;
		stack[depth + 1] = (struct frame){m->index, 0};
		f->member++;
		return depth + 1;
	}
	if (m->kind == WHO_GROUP && seen[m->index] == OPEN) {
		report_cycle(p, stack, depth, m->index);
		*cycle = true;
	}
	f->member++;
	return depth;
}

bool group_cycles(struct parser *p)
{
	size_t n = p->out->n_groups;
	uint8_t *seen = array_of(p, n + 1, 1);
	struct frame *stack = array_of(p, n + 2, sizeof *stack);
	bool cycle = false;

	for (size_t i = 0; seen && stack && i < n; i++) {
		size_t depth = 1; /* stack[0] stays empty, so that 0 is the end */

		if (seen[i] != NEW)
			continue;
		seen[i] = OPEN;
		stack[1] = (struct frame){(uint32_t)i, 0};
		while (depth > 0)
			depth = walk_group(p, stack, depth, seen, &cycle);
	}
	return cycle;
}
