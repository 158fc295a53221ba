/* SPDX-License-Identifier: GPL-3.0-or-later
 * warn.c - finds what is no error and yet hardly meant: a rule that no flow can reach, a device that no rule names, an address
 * of two devices, a missing `fail` line.
 *
 * A rule is out of reach when each of its WHATs is covered by an earlier rule that decides for the same clients at the
 * same hours. Only the file itself is considered, not the content of lists; so no warning is wrong, but not every
 * unreachable rule is found. Grants and pauses skip a plain block, so a plain block never covers a firm rule.
 *
 * Owns: nothing. Thread: any. Fails: it stops without a word when memory or the bound on work is used up.
 */
#include "conf_int.h"

enum { WORK_MAX = 20000000 };

/* Who a block means, with everything inside its groups and persons. */
struct closure {
	bool everyone, unknown;
	uint8_t *devices, *persons, *groups;
	uint32_t *pending; /* groups to open */
	size_t n_pending;
};

struct weigh {
	struct parser *p;
	const struct conf *c;
	struct closure who;
	uint32_t **
		by; /* for each block: line that covers the WHATs of its rules, one after another */
	uint64_t work;
};

/* --- who covers whom --- */

static void closure_add(struct weigh *w, const struct conf_who *m)
{
	struct closure *k = &w->who;
	const struct conf_person *person;

	if (m->kind == WHO_EVERYONE) {
		k->everyone = true;
	} else if (m->kind == WHO_UNKNOWN) {
		k->unknown = true;
	} else if (m->kind == WHO_DEVICE) {
		k->devices[m->index] = 1;
	} else if (m->kind == WHO_PERSON && !k->persons[m->index]) {
		k->persons[m->index] = 1;
		person = &w->c->persons[m->index];
		for (size_t i = 0; i < person->n_owns; i++)
			k->devices[person->owns[i].index] = 1;
	} else if (m->kind == WHO_GROUP && !k->groups[m->index]) {
		k->groups[m->index] = 1;
		k->pending[k->n_pending++] = m->index;
	}
}

static void closure_of(struct weigh *w, const struct conf_who *who, size_t n)
{
	struct closure *k = &w->who;

	k->everyone = k->unknown = false;
	memset(k->devices, 0, w->c->n_devices);
	memset(k->persons, 0, w->c->n_persons);
	memset(k->groups, 0, w->c->n_groups);
	k->n_pending = 0;
	for (size_t i = 0; i < n; i++)
		closure_add(w, &who[i]);
	while (k->n_pending) {
		const struct conf_group *g = &w->c->groups[k->pending[--k->n_pending]];

		for (size_t i = 0; i < g->n_members; i++)
			closure_add(w, &g->members[i]);
	}
}

static bool contains(const struct weigh *w, const struct conf_who *m)
{
	const struct closure *k = &w->who;

	if (k->everyone)
		return true;
	switch (m->kind) {
	case WHO_EVERYONE:
		return false;
	case WHO_UNKNOWN:
		return k->unknown;
	case WHO_DEVICE:
		return k->devices[m->index];
	case WHO_PERSON:
		return k->persons[m->index];
	default:
		return k->groups[m->index];
	}
}

static bool contains_all(const struct weigh *w, const struct conf_who *who, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!contains(w, &who[i]))
			return false;
	return n > 0;
}

/* --- what covers what --- */

static bool name_covers(const struct conf_name *e, const struct conf_name *r)
{
	size_t en = strlen(e->name), rn = strlen(r->name);
	bool same = en == rn && memcmp(e->name, r->name, rn) == 0;
	bool below = rn > en && r->name[rn - en - 1] == '.' &&
		     memcmp(r->name + rn - en, e->name, en) == 0;

	if (e->scope == SCOPE_SELF)
		return same && r->scope == SCOPE_SELF;
	if (e->scope == SCOPE_BELOW)
		return below || (same && r->scope == SCOPE_BELOW);
	return same || below;
}

static bool what_has_name(struct weigh *w, const struct conf_what *e, const struct conf_name *r)
{
	const struct conf_app *app;

	w->work++;
	if (e->kind == WHAT_NAME)
		return name_covers(&e->name, r);
	if (e->kind != WHAT_APP)
		return false;
	app = &w->c->apps[e->index];
	w->work += app->n_names;
	for (size_t i = 0; i < app->n_names; i++)
		if (name_covers(&app->names[i], r))
			return true;
	return false;
}

static bool app_covered(struct weigh *w, const struct conf_what *e, const struct conf_app *r)
{
	for (size_t i = 0; i < r->n_names; i++)
		if (!what_has_name(w, e, &r->names[i]))
			return false;
	return r->n_names > 0;
}

static bool nets_cover(const struct conf_what *e, const struct conf_what *r)
{
	for (size_t i = 0; i < r->n_nets; i++) {
		bool in = false;

		for (size_t j = 0; j < e->n_nets && !in; j++)
			in = e->nets[j].bits <= r->nets[i].bits &&
			     cidr_has(&e->nets[j], &r->nets[i].net);
		if (!in)
			return false;
	}
	return true;
}

static bool port_covers(const struct conf_port *e, const struct conf_port *r)
{
	if (e->proto != r->proto)
		return false;
	if (e->kind != PORT_PORTS)
		return e->kind == PORT_ANY || r->kind == e->kind;
	return r->kind == PORT_PORTS && e->first <= r->first && r->last <= e->last;
}

static bool ports_cover(const struct conf_what *e, const struct conf_what *r)
{
	for (size_t i = 0; i < r->n_ports; i++) {
		bool in = false;

		for (size_t j = 0; j < e->n_ports && !in; j++)
			in = port_covers(&e->ports[j], &r->ports[i]);
		if (!in)
			return false;
	}
	return true;
}

static bool what_covers(struct weigh *w, const struct conf_what *e, const struct conf_what *r)
{
	w->work++;
	if (r->kind == WHAT_NET && r->n_nets == 0)
		return false; /* can never match anyway, and that is told */
	if (e->kind == WHAT_EVERYTHING)
		return true;
	if (r->kind == WHAT_NAME)
		return what_has_name(w, e, &r->name);
	if (r->kind == WHAT_APP && !(e->kind == WHAT_APP && e->index == r->index))
		return app_covered(w, e, &w->c->apps[r->index]);
	if (e->kind != r->kind)
		return false;
	if (r->kind == WHAT_NET)
		w->work += e->n_nets * r->n_nets;
	if (r->kind == WHAT_PORT)
		w->work += e->n_ports * r->n_ports;
	return r->kind == WHAT_NET    ? nets_cover(e, r)
	       : r->kind == WHAT_PORT ? ports_cover(e, r)
				      : e->index == r->index;
}

/* --- rule covers rule --- */

static bool hours_cover(const struct conf_rule *e, const struct conf_rule *r)
{
	if (e->n_hours == 0)
		return true;
	for (size_t i = 0; i < r->n_hours; i++) {
		bool in = false;

		for (size_t j = 0; j < e->n_hours && !in; j++)
			in = e->hours[j] == r->hours[i];
		if (!in)
			return false;
	}
	return r->n_hours > 0;
}

/* A grant skips plain blocks, a pause all but a firm allow. */
static bool decides_before(const struct conf_rule *e, const struct conf_rule *r)
{
	if (e->watch || !hours_cover(e, r))
		return false;
	if (!r->firm)
		return true;
	return r->block ? e->firm || !e->block : e->firm && !e->block;
}

static void weigh_rule(
	struct weigh *w, const struct conf_rule *e, const struct conf_rule *r, uint32_t *by)
{
	w->work++;
	if (!decides_before(e, r))
		return;
	for (size_t i = 0; i < r->n_whats; i++)
		for (size_t j = 0; j < e->n_whats && !by[i] && w->work < WORK_MAX; j++)
			if (what_covers(w, &e->whats[j], &r->whats[i]))
				by[i] = e->line;
}

/* Holds the rules of block `from` against those of block `to`, itself or a later one. */
static void weigh_blocks(struct weigh *w, size_t from, size_t to)
{
	const struct conf_block *a = &w->c->blocks[from], *b = &w->c->blocks[to];
	uint32_t *by = w->by[to];

	for (size_t r = 0; r < b->n_rules; by += b->rules[r].n_whats, r++)
		for (size_t e = 0; e < (from == to ? r : a->n_rules) && w->work < WORK_MAX; e++)
			weigh_rule(w, &a->rules[e], &b->rules[r], by);
}

static void tell_setting(struct weigh *w, const struct conf_setting *e,
	const struct conf_setting *r, const char *word)
{
	if (e->line && r->line && r->answer != ANSWER_UNSET)
		warning(w->p, (struct conf_pos){r->line, 1, 0},
			"this `%s` is never asked; line %u states it before for the same clients",
			word, e->line);
}

static void tell_settings(struct weigh *w, const struct conf_block *a, const struct conf_block *b)
{
	tell_setting(w, &a->no_name, &b->no_name, "no-name");
	tell_setting(w, &a->hidden_names, &b->hidden_names, "hidden-names");
	tell_setting(w, &a->evasive, &b->evasive, "evasive");
}

static void tell_rules(struct weigh *w, size_t block)
{
	const struct conf_block *b = &w->c->blocks[block];
	const uint32_t *by = w->by[block];

	for (size_t r = 0; r < b->n_rules; by += b->rules[r].n_whats, r++) {
		const struct conf_rule *rule = &b->rules[r];
		uint32_t last = 0, covered = 0;

		for (size_t i = 0; i < rule->n_whats; i++) {
			covered += by[i] != 0;
			last = by[i] > last ? by[i] : last;
		}
		if (covered && covered == rule->n_whats)
			warning(w->p, rule->pos,
				"this rule can never be reached; line %u decides before it", last);
	}
}

static bool weigh_init(struct weigh *w)
{
	const struct conf *c = w->c;
	struct arena *mem = w->p->mem;

	w->who.devices = arena_alloc(mem, c->n_devices);
	w->who.persons = arena_alloc(mem, c->n_persons);
	w->who.groups = arena_alloc(mem, c->n_groups);
	w->who.pending = arena_alloc(mem, c->n_groups * sizeof(uint32_t));
	w->by = arena_alloc(mem, c->n_blocks * sizeof *w->by);
	if (!w->who.devices || !w->who.persons || !w->who.groups || !w->who.pending || !w->by)
		return false;
	for (size_t b = 0; b < c->n_blocks; b++) {
		size_t n = 0;

		for (size_t r = 0; r < c->blocks[b].n_rules; r++)
			n += c->blocks[b].rules[r].n_whats;
		w->by[b] = arena_alloc(mem, n * sizeof(uint32_t));
		if (!w->by[b])
			return false;
	}
	return true;
}

static void warn_unreachable(struct weigh *w)
{
	const struct conf *c = w->c;

	for (size_t a = 0; a < c->n_blocks && w->work < WORK_MAX; a++) {
		closure_of(w, c->blocks[a].who, c->blocks[a].n_who);
		w->work += c->n_devices + c->n_persons + c->n_groups;
		for (size_t b = a; b < c->n_blocks && w->work < WORK_MAX; b++) {
			w->work += c->blocks[b].n_who + 1;
			if (b != a && !contains_all(w, c->blocks[b].who, c->blocks[b].n_who))
				continue;
			weigh_blocks(w, a, b);
			if (b != a)
				tell_settings(w, &c->blocks[a], &c->blocks[b]);
		}
	}
	for (size_t b = 0; b < c->n_blocks; b++)
		tell_rules(w, b);
}

/* --- devices --- */

/* By a net of any group: an address is enough. */
static bool in_a_net(const struct conf *c, const struct conf_device *d)
{
	for (size_t g = 0; g < c->n_groups; g++)
		for (size_t n = 0; n < c->groups[g].n_nets; n++)
			for (size_t a = 0; a < d->n_addrs; a++)
				if (cidr_has(&c->groups[g].nets[n], &d->addrs[a]))
					return true;
	return false;
}

/* Every group, and everybody a `for` names: who is in none of these is met by `everyone` only. */
static void warn_lonely(struct weigh *w)
{
	const struct conf *c = w->c;
	struct conf_who *all = NULL;
	size_t n = 0;

	for (size_t b = 0; b < c->n_blocks; b++)
		for (size_t i = 0; i < c->blocks[b].n_who; i++)
			*(struct conf_who *)push(w->p, &all, &n, sizeof *all) = c->blocks[b].who[i];
	for (size_t g = 0; g < c->n_groups; g++)
		*(struct conf_who *)push(w->p, &all, &n, sizeof *all) =
			(struct conf_who){.kind = WHO_GROUP, .index = (uint32_t)g};
	closure_of(w, all, n);
	for (size_t d = 0; d < c->n_devices; d++)
		if (!w->who.devices[d] && (c->n_devices > 5000 || !in_a_net(c, &c->devices[d])))
			warning(w->p, c->devices[d].pos,
				"device '%s' is in no group and no `for` names it; only rules for "
				"everyone meet it",
				c->devices[d].name);
}

void warn_all(struct parser *p)
{
	struct weigh w = {.p = p, .c = p->out};

	if (p->out->fail == FAIL_UNSET)
		warning(p, (struct conf_pos){1, 1, 0},
			"`fail` is not stated, so `closed` holds: nothing passes while the daemon "
			"is down; "
			"write fail open or fail closed above the first `for`");
	if (!weigh_init(&w))
		return;
	warn_unreachable(&w);
	warn_lonely(&w);
	warn_owned_twice(p);
}
