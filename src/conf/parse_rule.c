/* SPDX-License-Identifier: GPL-3.0-or-later
 * parse_rule.c - reads blocks: `for`, allow and block with their options, and the settings.
 *
 * Owns: nothing. Thread: any. Fails: reports to the diag. See: durward-policy(5) "WORDS", "RULES".
 */
#include "conf_int.h"

#include "model/verdict.h"

/* --- who --- */

static enum conf_who_kind who_kind(enum word_id kind)
{
	return kind == WORD_ST_DEVICE	? WHO_DEVICE
	       : kind == WORD_ST_PERSON ? WHO_PERSON
					: WHO_GROUP;
}

static void wrong_who(struct parser *p, const struct token *t, unsigned roles)
{
	const struct symbol *y = symbol_find(p, SPACE_WHAT, t->raw);
	const struct schema_word *w = schema_find(t->raw, ROLES_KEYWORD);

	if (t->quoted)
		error(p, t, "a name stands without quotes");
	else if (w && w->role == ROLE_WHO)
		error(p, t, "'%s' stands after `for` only", w->word);
	else if (looks_like_address(t->raw))
		error(p, t,
			"a bare address; define a device or a group (group NAME net ...) and write "
			"its NAME");
	else if (y)
		error(p, t, "%s is %s; here stands a device, person or group", quote(p, t->raw),
			kind_words(y->kind));
	else
		unknown_word(p, t, "no device, person or group", roles, SPACE_WHO);
}

/* roles: ROLE_WHO where `everyone` and the like may stand, else 0. */
bool read_who(struct parser *p, const struct token *t, unsigned roles, struct conf_who *out)
{
	const struct schema_word *w = t->quoted ? NULL : schema_find(t->raw, roles);
	const struct symbol *y = t->quoted ? NULL : symbol_find(p, SPACE_WHO, t->raw);

	*out = (struct conf_who){.pos = pos_of(p, t)};
	if (w) {
		out->kind = w->id == WORD_WHO_EVERYONE ? WHO_EVERYONE : WHO_UNKNOWN;
	} else if (y) {
		out->kind = who_kind(y->kind);
		out->index = y->index;
	} else {
		wrong_who(p, t, roles);
		return false;
	}
	return true;
}

void read_for(struct parser *p)
{
	struct conf_block *b;
	const struct token *t;
	struct conf_who w;

	if (p->out->otherwise_line)
		error(p, &p->lex.tokens[0],
			"`for` after the last word; move it above `otherwise` (line %u)",
			p->out->otherwise_line);
	b = push(p, &p->out->blocks, &p->out->n_blocks, sizeof *b);
	b->pos = pos_of(p, &p->lex.tokens[0]);
	b->text = statement_text(p);
	b->who_key = words_key(p, 1, p->lex.n, true);
	p->where = INSIDE;
	if (!peek(p))
		error(p, NULL, "`for` needs somebody after it, for instance: for everyone");
	while ((t = next(p)))
		if (read_who(p, t, ROLE_WHO, &w))
			*(struct conf_who *)push(p, &b->who, &b->n_who, sizeof w) = w;
}

static struct conf_block *block_here(struct parser *p, const struct schema_word *w)
{
	if (p->where == INSIDE && p->out->n_blocks)
		return &p->out->blocks[p->out->n_blocks - 1];
	if (p->where == OUTSIDE)
		error(p, &p->lex.tokens[0],
			"`%s` stands outside a block; put a `for` above it, for instance: for "
			"everyone",
			w->word);
	p->nowhere = (struct conf_block){.who_key = ""};
	return &p->nowhere;
}

/* --- options --- */

static void option_hours(struct parser *p, struct conf_rule *r)
{
	const struct token *t;
	size_t first = p->at;
	bool any = false;

	while ((t = peek(p)) && !t->quoted && !schema_find(t->raw, ROLE_OPTION | ROLE_WHAT) &&
		!is_name_word(t->raw)) {
		const struct symbol *y = symbol_find(p, SPACE_HOURS, t->raw);

		if (!y && any && meant(p, t->raw, ROLE_OPTION))
			break; /* the options' walk tells it */
		next(p);
		if (y)
			*(uint32_t *)push(p, &r->hours, &r->n_hours, sizeof(uint32_t)) = y->index;
		else
			unknown_word(p, t, "no hours", 0, SPACE_HOURS);
		any = true;
	}
	r->key.hours = words_key(p, first, p->at, false);
	if (!any)
		error(p, t, "`hours` needs the name of a line `hours NAME ...` after it");
}

static void option_refuse(struct parser *p, const struct token *option, struct conf_rule *r)
{
	const struct schema_word *v =
		read_value(p, "refuse", ROLE_REFUSE_VALUE, "reset, alert, drop or page");

	if (!r->block)
		warning(p, pos_of(p, option), "`refuse` on an allow does nothing; take it out");
	if (v)
		r->refuse = v->id == WORD_REFUSE_RESET_	  ? REFUSE_RESET
			    : v->id == WORD_REFUSE_ALERT_ ? REFUSE_ALERT
			    : v->id == WORD_REFUSE_DROP_  ? REFUSE_DROP
							  : REFUSE_PAGE;
}

/* The value of an option that is not carried out yet: mismatch verify, on tcp/443, via NAME. */
static void option_later(struct parser *p, const struct token *t, const struct schema_word *w)
{
	not_yet(p, t, w);
	t = peek(p);
	if (w->id != WORD_OPT_NOTIFY && t && !t->quoted && !schema_find(t->raw, ROLE_OPTION))
		next(p);
}

static bool is_what(struct parser *p, const struct token *t)
{
	return !t->quoted && (is_name_word(t->raw) || looks_like_address(t->raw) ||
				     schema_find(t->raw, ROLE_WHAT | ROLE_BUILTIN) ||
				     symbol_find(p, SPACE_WHAT, t->raw));
}

/* The option at t, or NULL (reported). */
static const struct schema_word *option_word(struct parser *p, const struct token *t)
{
	const struct schema_word *w = t->quoted ? NULL : schema_find(t->raw, ROLE_OPTION);

	if (w)
		return w;
	if (t->quoted)
		error(p, t, "a text stands after `because` only; write: because %s",
			t->raw.n <= 60 ? arena_str(p->mem, t->raw) : "\"...\"");
	else if (is_what(p, t))
		error(p, t, "%s comes after an option; move it before the first option",
			quote(p, t->raw));
	else if (schema_find(t->raw, ROLES_LINE_START))
		error(p, t, "%s begins a line of its own", quote(p, t->raw));
	else
		unknown_word(p, t, "no option", ROLE_OPTION, SPACES);
	return t->quoted || is_what(p, t) ? NULL : meant(p, t->raw, ROLE_OPTION);
}

static void read_options(struct parser *p, struct conf_rule *r)
{
	const struct token *t;
	bool seen[WORDS] = {0};

	while ((t = next(p))) {
		const struct schema_word *w = option_word(p, t);

		if (!w)
			continue;
		if (seen[w->id])
			error(p, t, "`%s` stands twice on this line; once is enough", w->word);
		seen[w->id] = true;
		if (w->later)
			option_later(p, t, w);
		else if (w->id == WORD_OPT_HOURS)
			option_hours(p, r);
		else if (w->id == WORD_OPT_FIRM)
			r->firm = true;
		else if (w->id == WORD_OPT_AS)
			option_as(p, r);
		else if (w->id == WORD_OPT_BECAUSE)
			read_because(p, t, r->block, &r->because);
		else
			option_refuse(p, t, r);
	}
}

/* --- rules and settings --- */

/* The verb after `watch`; NULL when there is none that can be carried out (reported). */
static const struct schema_word *watched_verb(struct parser *p)
{
	const struct token *t = next(p);
	const struct schema_word *w = t && !t->quoted ? schema_find(t->raw, ROLE_VERB) : NULL;

	if (!t) {
		error(p, NULL, "`watch` needs a verb after it, for instance: watch block");
		return NULL;
	}
	if (!w) {
		unknown_word(p, t, "no verb", ROLE_VERB, SPACES);
		w = meant(p, t->raw, ROLE_VERB);
	} else if (w->later) {
		not_yet(p, t, w);
	} else if (w->id == WORD_VERB_WATCH) {
		error(p, t, "`watch` stands twice; once is enough");
		return watched_verb(p);
	}
	return w && !w->later && w->id != WORD_VERB_WATCH ? w : NULL;
}

void read_rule(struct parser *p, const struct schema_word *verb)
{
	struct conf_block *b = block_here(p, verb);
	struct conf_rule r = {.line = p->lex.number,
		.pos = pos_of(p, &p->lex.tokens[0]),
		.text = statement_text(p)};
	struct read_whats whats = {0};
	size_t what;

	r.watch = verb->id == WORD_VERB_WATCH;
	if (r.watch)
		verb = watched_verb(p);
	if (!verb)
		return skip_line(p);
	r.block = verb->id == WORD_VERB_BLOCK;
	r.key = (struct conf_rule_key){words_key(p, 0, p->at, false), "", "", b->who_key};
	what = p->at;
	read_whats(p, &whats);
	r.key.whats = words_key(p, what, p->at, false);
	if (!whats.any)
		error(p, peek(p),
			"`%s` needs something after it: a name, an app, a list, net, port, "
			"local-networks or everything",
			verb->word);
	r.whats = whats.whats;
	r.n_whats = whats.n;
	read_options(p, &r);
	*(struct conf_rule *)push(p, &b->rules, &b->n_rules, sizeof r) = r;
}

static const struct {
	unsigned roles;
	const char *one_of;
} answers[] = {
	[WORD_SET_NO_NAME] = {ROLE_ALLOW_VALUE | ROLE_BLOCK_VALUE | ROLE_TCP_VALUE,
		"allow, block or tcp"},
	[WORD_SET_HIDDEN_NAMES] = {ROLE_ALLOW_VALUE | ROLE_BLOCK_VALUE, "allow or block"},
	[WORD_SET_EVASIVE] = {ROLE_BLOCK_VALUE | ROLE_NO_NAME_VALUE, "block or no-name"},
};

static enum conf_answer answer_of(enum word_id id)
{
	return id == WORD_ANSWER_ALLOW_	  ? ANSWER_ALLOW
	       : id == WORD_ANSWER_BLOCK_ ? ANSWER_BLOCK
	       : id == WORD_ANSWER_TCP_	  ? ANSWER_TCP
					  : ANSWER_NO_NAME;
}

void read_setting(struct parser *p, const struct schema_word *word)
{
	struct conf_block *b = block_here(p, word);
	struct conf_setting *s = word->id == WORD_SET_NO_NAME	     ? &b->no_name
				 : word->id == WORD_SET_HIDDEN_NAMES ? &b->hidden_names
								     : &b->evasive;
	const struct schema_word *v;

	if (s->line)
		error(p, &p->lex.tokens[0],
			"`%s` is stated twice in this block; line %u says it already", word->word,
			s->line);
	v = read_value(p, word->word, answers[word->id].roles, answers[word->id].one_of);
	if (!s->line)
		*s = (struct conf_setting){.answer = v ? answer_of(v->id) : ANSWER_BLOCK,
			.line = p->lex.number,
			.text = statement_text(p)};
	expect_end(p, word->word);
}
