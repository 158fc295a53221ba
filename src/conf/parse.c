/* SPDX-License-Identifier: GPL-3.0-or-later
 * parse.c - walks over the statements of a policy, and reads those outside of blocks: timezone, fail, otherwise.
 *
 * A misspelt word is reported and then taken for the word that was meant, so that one slip gives one error.
 *
 * Owns: nothing; all in the caller's arena. Thread: any; pure. Fails: false with at least one error in the diag.
 * See: durward-policy(5) "DESCRIPTION", "WORDS".
 */
#include "conf/conf.h"

#include "conf_int.h"

/* The word at the start of a line; *misspelt when it is only near one. */
const struct schema_word *line_word(struct parser *p, bool *misspelt)
{
	enum { LINE_FAR = 8 };
	const struct token *t = next(p);
	const struct schema_word *w, *inside;

	*misspelt = false;
	if (!t || t->quoted)
		return NULL;
	w = schema_find(t->raw, ROLES_LINE_START);
	if (w)
		return w;
	*misspelt = true;
	w = meant(p, t->raw, ROLES_LINE_START);
	inside = p->where == INSIDE ? meant(p, t->raw, ROLE_VERB | ROLE_SETTING) : NULL;
	return inside && word_distance(t->raw, slice_str(inside->word), LINE_FAR) <=
				       word_distance(t->raw, slice_str(w->word), LINE_FAR)
		       ? inside
		       : w;
}

static bool zone_is_sane(struct slice z)
{
	if (z.n == 0 || z.n > 100 || z.p[0] == '/' || memmem(z.p, z.n, "..", 2))
		return false;
	for (size_t i = 0; i < z.n; i++) {
		uint8_t c = z.p[i], l = c | 0x20;

		if (!(l >= 'a' && l <= 'z') && !(c >= '0' && c <= '9') && !strchr("/_+-", c))
			return false;
	}
	return true;
}

static void read_timezone(struct parser *p)
{
	const struct token *word = &p->lex.tokens[0], *t = next(p);

	if (p->out->timezone_pos.line)
		error(p, word, "`timezone` stands once; it stands on line %u already",
			p->out->timezone_pos.line);
	else
		p->out->timezone_pos = pos_of(p, t ? t : word);
	if (!t)
		error(p, NULL, "a zone is missing; write for instance: timezone Europe/Berlin");
	else if (t->quoted || !zone_is_sane(t->raw))
		error(p, t,
			"%s is no time zone; write a name as in /usr/share/zoneinfo, for "
			"instance Europe/Berlin",
			quote(p, t->raw));
	else if (!p->out->timezone)
		p->out->timezone = arena_str(p->mem, t->raw);
	expect_end(p, "timezone ZONE");
}

static void read_fail(struct parser *p)
{
	const struct token *word = &p->lex.tokens[0];
	const struct schema_word *v;

	if (p->out->fail_line)
		error(p, word, "`fail` stands once; it stands on line %u already",
			p->out->fail_line);
	else if (p->out->n_blocks)
		error(p, word,
			"`fail` stands above the first `for`, which is on line %u; move it up",
			p->out->blocks[0].pos.line);
	if (!p->out->fail_line)
		p->out->fail_line = p->lex.number;
	v = read_value(p, "fail", ROLE_FAIL_VALUE, "open or closed");
	if (v && p->out->fail == FAIL_UNSET)
		p->out->fail = v->id == WORD_FAIL_OPEN_ ? FAIL_OPEN : FAIL_CLOSED;
	expect_end(p, "fail open|closed");
}

static void otherwise_options(struct parser *p)
{
	const struct token *t;
	bool said = false;

	while ((t = next(p))) {
		const struct schema_word *w = t->quoted ? NULL : schema_find(t->raw, ROLE_OPTION);

		if (!w && !t->quoted && (w = meant(p, t->raw, ROLE_OPTION)))
			error(p, t, "%s is no option; did you mean '%s'?%s", quote(p, t->raw),
				w->word, later_note(w));
		if (!w || w->id != WORD_OPT_BECAUSE) {
			error(p, t, "`otherwise` takes `because` only; take %s out",
				quote(p, t->raw));
			skip_line(p);
			return;
		}
		if (said)
			error(p, t, "`because` stands twice on this line; once is enough");
		said = true;
		read_because(p, t, p->out->otherwise_block, &p->out->otherwise_because);
	}
}

static void read_otherwise(struct parser *p)
{
	const struct schema_word *v;
	struct conf *c = p->out;

	if (c->otherwise_line) {
		error(p, &p->lex.tokens[0], "`otherwise` stands once; it stands on line %u already",
			c->otherwise_line);
		skip_line(p);
		return;
	}
	c->otherwise_line = p->lex.number;
	c->otherwise_text = statement_text(p);
	v = read_value(p, "otherwise", ROLE_ALLOW_VALUE | ROLE_BLOCK_VALUE, "allow or block");
	c->otherwise_block = !v || v->id == WORD_ANSWER_BLOCK_;
	otherwise_options(p);
}

static void read_statement(struct parser *p, const struct schema_word *w)
{
	p->where = OUTSIDE;
	switch (w->id) {
	case WORD_ST_TIMEZONE:
		read_timezone(p);
		break;
	case WORD_ST_FAIL:
		read_fail(p);
		break;
	case WORD_ST_DEVICE:
		read_device(p);
		break;
	case WORD_ST_PERSON:
		read_person(p);
		break;
	case WORD_ST_GROUP:
		read_group(p);
		break;
	case WORD_ST_LIST:
		read_list(p);
		break;
	case WORD_ST_APP:
		read_app(p);
		break;
	case WORD_ST_HOURS:
		read_hours(p);
		break;
	case WORD_ST_FOR:
		read_for(p);
		break;
	default:
		read_otherwise(p);
	}
}

static void unknown_line(struct parser *p)
{
	const struct token *t = &p->lex.tokens[0];

	if (p->where == OUTSIDE)
		p->where = UNCERTAIN;
	if (t->quoted)
		error(p, t, "a text cannot begin a line; a line begins with a statement or a verb");
	else if (schema_find(t->raw, ROLE_OPTION))
		error(p, t,
			"%s is an option; it stands on the line of its rule, there is no "
			"continuation",
			quote(p, t->raw));
	else if (is_name_word(t->raw) || symbol_find(p, SPACE_WHAT, t->raw) ||
		 schema_find(t->raw, ROLE_WHAT))
		error(p, t, "a verb is missing before %s; write: block %.*s", quote(p, t->raw),
			t->raw.n > 60 ? 60 : (int)t->raw.n, (const char *)t->raw.p);
	else
		unknown_word(p, t, "no statement, verb or setting", ROLES_LINE_START, SPACES);
}

static void read_line(struct parser *p)
{
	const struct schema_word *w;
	const struct token *t;
	bool misspelt;

	p->at = 0;
	w = line_word(p, &misspelt);
	if (!w) {
		unknown_line(p);
		return;
	}
	t = &p->lex.tokens[0];
	if (misspelt)
		error(p, t, "%s is no statement, verb or setting; did you mean '%s'?%s",
			quote(p, t->raw), w->word, later_note(w));
	if (w->later) {
		not_yet(p, t, w);
		if (w->role == ROLE_STATEMENT)
			p->where = UNCERTAIN;
	} else if (w->role == ROLE_STATEMENT) {
		read_statement(p, w);
	} else if (w->role == ROLE_VERB) {
		read_rule(p, w);
	} else {
		read_setting(p, w);
	}
}

/* The last line that says something; a missing last word is missing after it. */
static void check_end(struct parser *p)
{
	uint32_t line = p->last_line ? p->last_line : 1;

	if (!p->out->otherwise_line && !p->uncertain)
		diag_add(p->d, DIAG_ERROR, line, 1, 0,
			"the last word is missing; end the file with `otherwise allow` or "
			"`otherwise "
			"block`");
}

bool conf_parse(struct slice text, struct arena *mem, struct conf *out, struct diag *d)
{
	struct parser p = {.mem = mem, .out = out, .d = d};
	size_t errors = d->errors;

	*out = (struct conf){0};
	p.last_line = 0;
	symbols_declare(&p, text);
	p.where = OUTSIDE;
	lexer_init(&p.lex, text, mem, d);
	while (!p.oom && lexer_line(&p.lex)) {
		p.last_line = p.lex.number;
		if (!p.lex.broken) {
			read_line(&p);
			continue;
		}
		p.uncertain = true;
		p.where = UNCERTAIN;
	}
	if (!p.oom)
		check_end(&p);
	if (!p.oom)
		rule_ids(&p);
	if (!p.oom && !group_cycles(&p) && d->errors == errors)
		warn_all(&p);
	if (p.oom || p.lex.failed)
		diag_add(d, DIAG_ERROR, 0, 0, 0, "out of memory while reading the policy");
	diag_sort(d);
	return d->errors == errors;
}
