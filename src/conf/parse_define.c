/* SPDX-License-Identifier: GPL-3.0-or-later
 * parse_define.c - reads the definitions: device, person, group, list, app.
 *
 * A second definition of a name is read and discarded, so that its own errors are reported, too.
 *
 * Owns: nothing. Thread: any. Fails: reports to the diag. See: durward-policy(5) "WORDS", "WHO".
 */
#include "conf_int.h"

/* The name token of a definition whose word is read already, and where its content goes. */
#define DEFINE(p, space, array, t, nowhere)                                                        \
	(symbol_here(p, space, t) ? &(p)->out->array[symbol_here(p, space, t)->index] : (nowhere))

static void name_it(
	struct parser *p, const struct token *t, const char **name, struct conf_pos *pos)
{
	*name = t ? arena_str(p->mem, t->raw) : NULL;
	*pos = pos_of(p, t);
	if (t && !*name)
		p->oom = true;
}

/* --- device --- */

static void read_mac(struct parser *p, struct conf_device *d, const struct token *t)
{
	struct mac m;

	if (!mac_parse(t->raw, &m)) {
		error(p, t, "%s is no MAC address; write six pairs, as in a4:83:e7:10:22:31",
			quote(p, t->raw));
		return;
	}
	*(struct mac *)push(p, &d->macs, &d->n_macs, sizeof m) = m;
}

static void read_ip(struct parser *p, struct conf_device *d, const struct token *t)
{
	struct addr a;

	if (addr_parse(t->raw, &a))
		*(struct addr *)push(p, &d->addrs, &d->n_addrs, sizeof a) = a;
	else if (memchr(t->raw.p, '/', t->raw.n))
		error(p, t,
			"%s is a network, not an address; a network belongs in a group: "
			"group NAME net ...",
			quote(p, t->raw));
	else
		error(p, t, "%s is no IP address", quote(p, t->raw));
}

/* `mac A B ip C`: each word holds until the next. */
static void device_parts(struct parser *p, struct conf_device *d)
{
	const struct schema_word *part = NULL;
	bool any = false;
	const struct token *t;

	while ((t = next(p))) {
		const struct schema_word *w = schema_find(t->raw, ROLE_DEVICE_PART);
		struct addr a;
		struct mac m;

		if (w) {
			part = w;
			if (!peek(p))
				error(p, NULL, "`%s` needs an address after it", w->word);
			any = true;
		} else if (part) {
			part->id == WORD_DEVICE_MAC ? read_mac(p, d, t) : read_ip(p, d, t);
		} else if (mac_parse(t->raw, &m) || addr_parse(t->raw, &a)) {
			error(p, t, "a bare address; write `%s` before it",
				mac_parse(t->raw, &m) ? "mac" : "ip");
			any = true;
		} else {
			unknown_word(p, t, "neither mac nor ip", ROLE_DEVICE_PART, SPACES);
			part = meant(p, t->raw, ROLE_DEVICE_PART);
			any = true;
			if (!part)
				skip_line(p);
		}
	}
	if (!any)
		error(p, NULL, "a device needs an address; write: %s",
			schema_words[WORD_ST_DEVICE].grammar);
}

void read_device(struct parser *p)
{
	struct conf_device nowhere = {0}, *d;
	const struct token *t = next(p);

	if (!t)
		return; /* told by the first walk */
	d = DEFINE(p, SPACE_WHO, devices, t, &nowhere);
	name_it(p, t, &d->name, &d->pos);
	device_parts(p, d);
}

/* --- person --- */

void read_person(struct parser *p)
{
	struct conf_person nowhere = {0}, *o;
	const struct token *name = next(p), *t = peek(p);
	struct conf_who w;

	if (!name)
		return;
	o = DEFINE(p, SPACE_WHO, persons, name, &nowhere);
	name_it(p, name, &o->name, &o->pos);
	if (t && schema_find(t->raw, ROLE_PERSON_PART)) {
		next(p);
	} else if (t && !t->quoted && meant(p, t->raw, ROLE_PERSON_PART)) {
		error(p, next(p), "%s is unknown here; did you mean 'owns'?", quote(p, t->raw));
	} else {
		error(p, t, "`owns` is missing; write: %s", schema_words[WORD_ST_PERSON].grammar);
		return skip_line(p);
	}
	if (!peek(p))
		error(p, NULL, "`owns` needs the name of a device after it");
	while ((t = next(p))) {
		if (!read_who(p, t, 0, &w))
			continue;
		if (w.kind == WHO_DEVICE)
			*(struct conf_who *)push(p, &o->owns, &o->n_owns, sizeof w) = w;
		else
			error(p, t, "%s is a %s; a person owns devices only", quote(p, t->raw),
				w.kind == WHO_PERSON ? "person" : "group");
	}
}

/* --- group --- */

static void group_interface(struct parser *p, const struct token *t, const struct schema_word *w)
{
	not_yet(p, t, w);
	t = peek(p);
	if (t && !schema_find(t->raw, ROLE_GROUP_PART) && !symbol_find(p, SPACE_WHO, t->raw))
		next(p);
}

static void group_part(struct parser *p, struct conf_group *g, const struct token *t)
{
	const struct schema_word *w = t->quoted ? NULL : schema_find(t->raw, ROLE_GROUP_PART);
	struct conf_who who;
	struct mac m;

	if (w && w->later)
		group_interface(p, t, w);
	else if (w)
		read_nets(p, t, &g->nets, &g->n_nets);
	else if (mac_parse(t->raw, &m))
		error(p, t,
			"a bare MAC address; write a line `device NAME mac %.17s` and its NAME "
			"here",
			(const char *)t->raw.p);
	else if (looks_like_address(t->raw))
		error(p, t, "a bare address; write: net %.*s", t->raw.n > 60 ? 60 : (int)t->raw.n,
			(const char *)t->raw.p);
	else if (read_who(p, t, 0, &who))
		*(struct conf_who *)push(p, &g->members, &g->n_members, sizeof who) = who;
}

void read_group(struct parser *p)
{
	struct conf_group nowhere = {0}, *g;
	const struct token *name = next(p), *t;

	if (!name)
		return;
	g = DEFINE(p, SPACE_WHO, groups, name, &nowhere);
	name_it(p, name, &g->name, &g->pos);
	if (!peek(p))
		error(p, NULL, "a group needs a member; write: %s",
			schema_words[WORD_ST_GROUP].grammar);
	while ((t = next(p)))
		group_part(p, g, t);
}

/* --- list --- */

static bool is_url(struct slice s)
{
	return memmem(s.p, s.n, "://", 3) != NULL;
}

static void list_format(struct parser *p, struct conf_list *l, bool *said)
{
	const struct schema_word *v = read_value(p, "format", ROLE_FORMAT, "domains or hosts");

	if (v)
		l->format = v->id == WORD_FORMAT_HOSTS ? LIST_HOSTS : LIST_DOMAINS;
	*said = true;
}

static void list_parts(struct parser *p, struct conf_list *l)
{
	bool said = false;
	const struct token *t;

	while ((t = next(p))) {
		const struct schema_word *w =
			t->quoted ? NULL : schema_find(t->raw, ROLE_LIST_PART);

		if (!w) {
			unknown_word(p, t, "no option of a list", ROLE_LIST_PART, SPACES);
			w = t->quoted ? NULL : meant(p, t->raw, ROLE_LIST_PART);
			if (!w) {
				said = true;
				skip_line(p);
				break;
			}
		}
		if (w->later) {
			not_yet(p, t, w);
			if (peek(p) && !schema_find(peek(p)->raw, ROLE_LIST_PART))
				next(p);
		} else {
			if (said)
				error(p, t, "`format` stands twice on this line; once is enough");
			list_format(p, l, &said);
		}
	}
	if (!said)
		error(p, NULL, "`format` is missing; add: format domains, or: format hosts");
}

void read_list(struct parser *p)
{
	struct conf_list nowhere = {0}, *l;
	const struct token *name = next(p), *t = next(p);

	if (!name)
		return;
	l = DEFINE(p, SPACE_WHAT, lists, name, &nowhere);
	name_it(p, name, &l->name, &l->pos);
	l->path = "";
	if (!t) {
		error(p, NULL, "a file is missing; write: %s", schema_words[WORD_ST_LIST].grammar);
		return;
	}
	if (!t->quoted && schema_find(t->raw, ROLE_LIST_PART)) {
		error(p, t, "a file is missing before %s", quote(p, t->raw));
		p->at--;
	} else if (is_url(t->raw)) {
		error(p, t, "not yet: a list from a URL; fetch it to a file and name the file");
	} else {
		l->path = t->quoted ? lexer_text(p->mem, t->raw) : arena_str(p->mem, t->raw);
		l->path_pos = pos_of(p, t);
		p->oom |= !l->path;
	}
	list_parts(p, l);
}

/* --- app --- */

void read_app(struct parser *p)
{
	struct conf_app nowhere = {0}, *a = &nowhere;
	const struct token *name = next(p), *t;
	struct symbol *y = name ? symbol_find(p, SPACE_WHAT, name->raw) : NULL;

	if (!name)
		return;
	if (y && y->kind == WORD_ST_APP)
		a = &p->out->apps[y->index];
	if (!a->name)
		name_it(p, name, &a->name, &a->pos);
	if (!peek(p))
		error(p, NULL, "an app needs a name of a site; write: %s",
			schema_words[WORD_ST_APP].grammar);
	while ((t = next(p))) {
		struct conf_name n;

		if (looks_like_address(t->raw))
			error(p, t,
				"%s is an address; an app is made of names, addresses stand in "
				"rules after `net`",
				quote(p, t->raw));
		else if (t->quoted || !is_name_word(t->raw))
			error(p, t,
				"%s is no name of a site; a name has a dot (a top level is "
				"written *.zip)",
				quote(p, t->raw));
		else if (read_name(p, t, &n))
			*(struct conf_name *)push(p, &a->names, &a->n_names, sizeof n) = n;
	}
}
