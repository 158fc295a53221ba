/* SPDX-License-Identifier: GPL-3.0-or-later
 * parse.c - the walk over the statements of a policy, and those that stand alone: timezone, fail, otherwise.
 *
 * A misspelt word is reported and then taken for the word it was meant to be, so that one slip is one mistake.
 *
 * Owns: nothing; all in the caller's arena. Thread: any; pure. Fails: false with at least one error in the diag.
 * See: policy.md "Exactly" 2, 16, 17, 19.
 */
#include "conf/conf.h"

#include <stdio.h>

#include "conf_int.h"

const struct token *peek(const struct parser *p)
{
	return p->at < p->lex.n ? &p->lex.tokens[p->at] : NULL;
}

const struct token *next(struct parser *p)
{
	return p->at < p->lex.n ? &p->lex.tokens[p->at++] : NULL;
}

void skip_line(struct parser *p)
{
	p->at = p->lex.n;
}

struct conf_pos pos_of(const struct parser *p, const struct token *t)
{
	if (!t)
		return (struct conf_pos){p->lex.number, p->lex.end_column, 0};
	return (struct conf_pos){p->lex.number, t->column, (uint32_t)t->raw.n};
}

static void say(
	struct diag *d, enum diag_level level, struct conf_pos pos, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof text, fmt, ap);
	diag_add(d, level, pos.line, pos.column, pos.length, "%s", text);
}

void mistake(struct parser *p, const struct token *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p->d, DIAG_ERROR, pos_of(p, t), fmt, ap);
	va_end(ap);
}

void doubt(struct parser *p, struct conf_pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p->d, DIAG_WARNING, pos, fmt, ap);
	va_end(ap);
}

const char *quote(struct parser *p, struct slice word)
{
	enum { SHOWN = 60 };
	size_t n = word.n;
	char *out;

	if (n > SHOWN)
		for (n = SHOWN; n > 0 && (word.p[n] & 0xc0) == 0x80;)
			n--; /* not inside a character */
	out = arena_alloc(p->mem, n + 8);
	if (!out)
		return "this";
	snprintf(out, n + 8, "'%.*s%s'", (int)n, (const char *)word.p, n < word.n ? "..." : "");
	return out;
}

void *push(struct parser *p, void *array, size_t *n, size_t elem)
{
	bool full = *n == 0 || (*n >= 4 && (*n & (*n - 1)) == 0);
	void *a, *more;

	memcpy(&a, array, sizeof a);
	if (full) {
		more = arena_alloc(p->mem, (*n ? *n * 2 : 4) * elem);
		if (!more) {
			p->oom = true;
			memset(p->spare, 0, sizeof p->spare);
			return p->spare;
		}
		if (*n)
			memcpy(more, a, *n * elem);
		memcpy(array, &more, sizeof more);
		a = more;
	}
	return (uint8_t *)a + elem * (*n)++;
}

/* The statement as written: spaces folded, comment off. */
const char *statement_text(struct parser *p)
{
	size_t n = 1, at = 0;
	char *out;

	for (size_t i = 0; i < p->lex.n; i++)
		n += p->lex.tokens[i].raw.n + 1;
	out = arena_alloc(p->mem, n);
	if (!out) {
		p->oom = true;
		return "";
	}
	for (size_t i = 0; i < p->lex.n; i++) {
		struct slice raw = p->lex.tokens[i].raw;

		if (i)
			out[at++] = ' ';
		memcpy(out + at, raw.p, raw.n);
		at += raw.n;
	}
	return out;
}

void unknown_word(
	struct parser *p, const struct token *t, const char *is_not, unsigned roles, enum space s)
{
	const struct schema_word *row;
	bool close;
	const char *near = nearest(p, t->raw, roles, s, &close, &row);

	if (t->raw.n > 1 && t->raw.p[t->raw.n - 1] == ',')
		mistake(p, t, "%s ends with a comma; part words with spaces only",
			quote(p, t->raw));
	else if (!near)
		mistake(p, t, "%s is %s; nothing of the kind is defined", quote(p, t->raw), is_not);
	else if (close)
		mistake(p, t, "%s is %s; did you mean '%s'?", quote(p, t->raw), is_not, near);
	else
		mistake(p, t, "%s is %s; the nearest known word is '%s'", quote(p, t->raw), is_not,
			near);
}

void not_yet(struct parser *p, const struct token *t, const struct schema_word *w)
{
	mistake(p, t,
		"not yet: '%s' is a word of the language that this version does not carry out; "
		"take it out",
		w->word);
}

void expect_end(struct parser *p, const char *after)
{
	const struct token *t = peek(p);

	if (t)
		mistake(p, t, "%s stands after the end of `%s`; take it out", quote(p, t->raw),
			after);
	skip_line(p);
}

/* One word out of a few; NULL when it is missing or wrong (reported). */
const struct schema_word *read_value(
	struct parser *p, const char *after, unsigned roles, const char *one_of)
{
	const struct token *t = next(p);
	const struct schema_word *w = t && !t->quoted ? schema_find(t->raw, roles) : NULL;
	const char *near;
	bool close;

	if (w && w->later) {
		not_yet(p, t, w);
		return NULL;
	}
	if (w)
		return w;
	if (!t) {
		mistake(p, NULL, "`%s` needs a word after it: %s", after, one_of);
		return NULL;
	}
	near = nearest(p, t->raw, roles, SPACES, &close, &w);
	mistake(p, t, "`%s` takes %s, not %s%s%s%s", after, one_of, quote(p, t->raw),
		close ? "; did you mean '" : "", close ? near : "", close ? "'?" : "");
	return NULL;
}

void read_because(struct parser *p, const struct token *option, bool block, const char **out)
{
	const struct token *t = peek(p);

	if (!block)
		doubt(p, pos_of(p, option),
			"`because` on an allow is shown to nobody; take it out");
	if (t && t->quoted) {
		*out = lexer_text(p->mem, next(p)->raw);
		return;
	}
	mistake(p, t, "`because` needs a text in quotes: because \"Bedtime\"");
	while ((t = peek(p)) && !t->quoted && !schema_find(t->raw, ROLE_OPTION))
		next(p);
	if (t && t->quoted)
		next(p);
}

/* The word at the start of a line; *misspelt when it is only near one. */
const struct schema_word *line_word(struct parser *p, bool *misspelt)
{
	const struct token *t = next(p);
	const struct schema_word *w;

	*misspelt = false;
	if (!t || t->quoted)
		return NULL;
	w = schema_find(t->raw, ROLES_LINE_START);
	if (w)
		return w;
	*misspelt = true;
	return meant(p, t->raw, ROLES_LINE_START);
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
		mistake(p, word, "`timezone` stands once; it stands on line %u already",
			p->out->timezone_pos.line);
	else
		p->out->timezone_pos = pos_of(p, t ? t : word);
	if (!t)
		mistake(p, NULL, "a zone is missing; write for instance: timezone Europe/Berlin");
	else if (t->quoted || !zone_is_sane(t->raw))
		mistake(p, t,
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
		mistake(p, word, "`fail` stands once; it stands on line %u already",
			p->out->fail_line);
	else if (p->out->n_blocks)
		mistake(p, word,
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
			mistake(p, t, "%s is no option; did you mean '%s'?", quote(p, t->raw),
				w->word);
		if (!w || w->id != WORD_OPT_BECAUSE) {
			mistake(p, t, "`otherwise` takes `because` only; take %s out",
				quote(p, t->raw));
			skip_line(p);
			return;
		}
		if (said)
			mistake(p, t, "`because` stands twice on this line; once is enough");
		said = true;
		read_because(p, t, p->out->otherwise_block, &p->out->otherwise_because);
	}
}

static void read_otherwise(struct parser *p)
{
	const struct schema_word *v;
	struct conf *c = p->out;

	if (c->otherwise_line) {
		mistake(p, &p->lex.tokens[0],
			"`otherwise` stands once; it stands on line %u already", c->otherwise_line);
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
		mistake(p, t,
			"a text cannot begin a line; a line begins with a statement or a verb");
	else if (schema_find(t->raw, ROLE_OPTION))
		mistake(p, t,
			"%s is an option; it stands on the line of its rule, there is no "
			"continuation",
			quote(p, t->raw));
	else if (is_name_word(t->raw) || symbol_find(p, SPACE_WHAT, t->raw) ||
		 schema_find(t->raw, ROLE_WHAT))
		mistake(p, t, "a verb is missing before %s; write: block %.*s", quote(p, t->raw),
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
		mistake(p, t, "%s is no statement, verb or setting; did you mean '%s'?",
			quote(p, t->raw), w->word);
	if (w->later) {
		if (!misspelt)
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
	if (!p.oom && !group_cycles(&p) && d->errors == errors)
		warn_all(&p);
	if (p.oom || p.lex.failed)
		diag_add(d, DIAG_ERROR, 0, 0, 0, "out of memory while reading the policy");
	diag_sort(d);
	return d->errors == errors;
}
