/* SPDX-License-Identifier: GPL-3.0-or-later
 * rule_id.c - the id of each rule: the name after `as`, or 8 hexadecimal digits made from what the rule is about.
 *
 *   key   verb LF WHATs LF hours LF WHO of the block, each as written, in small letters; WHO sorted
 *   id    FNV-1a 64 over the key and the rule's number among its equals, counted from the top of the file; both halves
 *         of it folded into 32 bits
 *
 * Numbers, `because`, `notify`, `refuse` and `firm` are not in the key, so a rule that is moved, explained or hardened stays
 * itself. A setting has an id made in the same way (its verb is its name); `otherwise` is its own id, which no rule can
 * have, for keywords are no names.
 *
 * The hash is part of what is recorded: it must not change from one version to the next.
 *
 * Owns: nothing; texts live in the parser's arena. Thread: any; pure. Fails: reports to the diag; memory sets `oom`.
 * See: durward-policy(5) "RULE IDS".
 */
#include "conf_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

enum { ID_DIGITS = 8 };

/* --- keys --- */

static int word_order(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int order = n ? memcmp(x->p, y->p, n) : 0;

	return order ? order : (x->n > y->n) - (x->n < y->n);
}

static struct slice folded(struct parser *p, struct slice word)
{
	uint8_t *to = arena_alloc(p->mem, word.n + 1);

	if (!to) {
		p->oom = true;
		return slice_of(NULL, 0);
	}
	word_fold(word, to);
	return slice_of(to, word.n);
}

/* The words with blanks between; "" when memory is out. */
static const char *joined(struct parser *p, const struct slice *words, size_t n)
{
	size_t room = 1, at = 0;
	char *to;

	for (size_t k = 0; k < n; k++)
		room += words[k].n + 1;
	to = arena_alloc(p->mem, room);
	if (!to) {
		p->oom = true;
		return "";
	}
	for (size_t k = 0; k < n; k++) {
		if (k)
			to[at++] = ' ';
		if (words[k].n)
			memcpy(to + at, words[k].p, words[k].n);
		at += words[k].n;
	}
	return to;
}

const char *words_key(struct parser *p, size_t first, size_t end, bool sorted)
{
	size_t n = end > first ? end - first : 0;
	struct slice *words = arena_alloc(p->mem, (n + 1) * sizeof *words);

	if (!words) {
		p->oom = true;
		return "";
	}
	for (size_t k = 0; k < n; k++)
		words[k] = folded(p, p->lex.tokens[first + k].raw);
	if (sorted && n > 1)
		qsort(words, n, sizeof *words, word_order);
	return joined(p, words, n);
}

/* --- `as NAME` --- */

/* It could be taken for a line number, or for an id that was made. `name` is in small letters. */
static bool is_taken_for_another(struct slice name)
{
	bool letter = false, hex = name.n == ID_DIGITS;

	for (size_t k = 0; k < name.n; k++) {
		uint8_t c = name.p[k];

		letter |= (c >= 'a' && c <= 'z') || c >= 0x80;
		hex &= (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
	}
	return hex || !letter;
}

void option_as(struct parser *p, struct conf_rule *r)
{
	const struct token *t = next(p), *after;

	if (!t) {
		error(p, NULL, "`as` needs a name after it, for instance: as homework");
		return;
	}
	if (fit_name(p, t)) {
		struct slice name = folded(p, t->raw);

		if (is_taken_for_another(name))
			error(p, t,
				"%s reads like a line number or a made-up id; a rule's name has a "
				"letter in it and is not 8 hexadecimal digits",
				quote(p, t->raw));
		r->as = arena_str(p->mem, name);
		r->as_pos = pos_of(p, t);
		p->oom |= !r->as;
	}
	after = peek(p);
	if (after)
		error(p, after,
			"%s stands after `as`, which is the last option; move it before `as`",
			quote(p, after->raw));
	skip_line(p);
}

/* --- ids --- */

/* What is known by its text: an id, and the line that has it; or a key, and how many rules have it so far. */
struct known {
	const char *text;
	uint32_t n; /* line, or count */
};
struct table {
	struct known *rows;
	size_t mask;
};

static bool table_init(struct parser *p, struct table *t, size_t n)
{
	size_t size = 64;

	while (size < 2 * n)
		size *= 2;
	t->mask = size - 1;
	t->rows = arena_alloc(p->mem, size * sizeof *t->rows);
	return t->rows != NULL;
}

static uint64_t key_hash(const struct conf_rule_key *k, uint32_t ordinal)
{
	const char *parts[] = {k->verb, k->whats, k->hours, k->who};
	uint8_t number[4] = {(uint8_t)ordinal, (uint8_t)(ordinal >> 8), (uint8_t)(ordinal >> 16),
		(uint8_t)(ordinal >> 24)};
	uint64_t h = HASH_FNV_START;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		h = hash_fnv(parts[i], strlen(parts[i]), h);
		h = hash_fnv("\n", 1, h);
	}
	return hash_fnv(number, sizeof number, h);
}

/* The row of this text, or the free one where it would stand (its text is NULL). */
static struct known *find(struct table *t, const char *text)
{
	size_t at = hash_fnv(text, strlen(text), HASH_FNV_START) & t->mask;

	while (t->rows[at].text && strcmp(t->rows[at].text, text) != 0)
		at = (at + 1) & t->mask;
	return &t->rows[at];
}

/* Two keys whose hashes are the same count as equals: the later one takes the next number that is free. */
static const char *made_id(struct parser *p, struct table *ids, struct table *equals,
	const struct conf_rule_key *key, uint32_t line)
{
	char whole[2 * ID_DIGITS + 1], *id = arena_alloc(p->mem, ID_DIGITS + 1);
	struct known *same, *row;

	snprintf(whole, sizeof whole, "%016llx", (unsigned long long)key_hash(key, 0));
	same = find(equals, whole);
	if (!same->text)
		same->text = arena_str(p->mem, slice_str(whole));
	if (!id || !same->text) {
		p->oom = true;
		return "";
	}
	do {
		uint64_t h = key_hash(key, ++same->n);

		snprintf(id, ID_DIGITS + 1, "%08x", (unsigned)(uint32_t)(h ^ h >> 32));
		row = find(ids, id);
	} while (row->text);
	*row = (struct known){id, line};
	return id;
}

static void name_rule(struct parser *p, struct table *ids, struct conf_rule *r)
{
	struct known *row = find(ids, r->as);

	if (row->text)
		diag_add(p->d, DIAG_ERROR, r->as_pos.line, r->as_pos.column, r->as_pos.length,
			"'%s' names two rules; line %u has it already", r->as, row->n);
	else
		*row = (struct known){r->as, r->line};
	r->id = r->as;
}

static void name_settings(
	struct parser *p, struct table *ids, struct table *equals, struct conf_block *b)
{
	static const enum word_id words[] = {
		WORD_SET_NO_NAME, WORD_SET_HIDDEN_NAMES, WORD_SET_EVASIVE};
	struct conf_setting *all[] = {&b->no_name, &b->hidden_names, &b->evasive};

	for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
		struct conf_rule_key key = {schema_words[words[k]].word, "", "", b->who_key};

		if (all[k]->answer != ANSWER_UNSET)
			all[k]->id = made_id(p, ids, equals, &key, all[k]->line);
	}
}

void rule_ids(struct parser *p)
{
	struct table ids, equals;
	size_t n = 0;

	for (size_t k = 0; k < p->out->n_blocks; k++)
		n += p->out->blocks[k].n_rules + 3;
	if (!table_init(p, &ids, n) || !table_init(p, &equals, n)) {
		p->oom = true;
		return;
	}
	for (size_t k = 0; k < p->out->n_blocks && !p->oom; k++) {
		struct conf_block *b = &p->out->blocks[k];

		for (size_t r = 0; r < b->n_rules && !p->oom; r++) {
			if (b->rules[r].as)
				name_rule(p, &ids, &b->rules[r]);
			else
				b->rules[r].id = made_id(
					p, &ids, &equals, &b->rules[r].key, b->rules[r].line);
		}
		name_settings(p, &ids, &equals, b);
	}
}
