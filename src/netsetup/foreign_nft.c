/* SPDX-License-Identifier: GPL-3.0-or-later
 * foreign_nft.c - rules of others in what `nft -a list ruleset` printed.
 *
 * The tables that iptables-nft keeps (ip and ip6: filter, nat, mangle, raw, security) are left out, because
 * iptables-save tells more of them. A statement is `ct mark set VALUE` or `meta mark set VALUE`; VALUE is a number, a mark, or
 * several of these with & | ^ between, read from left to right.
 *
 * Owns: nothing. Thread: any. Fails: never. See: netsetup/foreign.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "foreign_int.h"

enum { NAME = 128 };

struct place {
	struct foreign_in *in;
	char table[NAME], chain[NAME],
		hook[16]; /* table: "inet fw"; hook "" in a chain that others call */
	bool passed_over, in_chain;
	struct words words; /* of the line; without comment and handle */
	uint32_t handle;
	struct strbuf text, fix;
};

static void copy(char *out, size_t size, struct slice s)
{
	snprintf(out, size, "%.*s", (int)s.n, (const char *)s.p);
}

static bool hook_is(const struct place *p, const char *hook)
{
	return strcmp(p->hook, hook) == 0;
}

static bool of_iptables(const char *table)
{
	static const char *const names[] = {"filter", "nat", "mangle", "raw", "security"};
	const char *name = strchr(table, ' ');

	if (!name || (strncmp(table, "ip ", 3) != 0 && strncmp(table, "ip6 ", 4) != 0))
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name + 1, names[i]) == 0)
			return true;
	return false;
}

static void say_rule(struct place *p)
{
	strbuf_reset(&p->text);
	strbuf_fmt(&p->text, "nft %s %s:", p->table, p->chain);
	words_add(&p->text, &p->words, 0, p->words.n);
}

static void begin_delete(struct place *p)
{
	strbuf_reset(&p->fix);
	strbuf_fmt(&p->fix, "nft delete rule %s %s handle %" PRIu32, p->table, p->chain, p->handle);
}

/* --- marks --- */

enum term { TERM_NONE, TERM_NUMBER, TERM_CT, TERM_META, TERM_OTHER };

/* One operand at *at; moves on. */
static enum term read_term(const struct words *ws, size_t *at, uint32_t *number)
{
	size_t i = *at;

	if (i >= ws->n)
		return TERM_NONE;
	if (mark_read(ws->w[i], number)) {
		*at = i + 1;
		return TERM_NUMBER;
	}
	*at = i + 2;
	if (word_is(ws, i, "ct") && word_is(ws, i + 1, "mark"))
		return TERM_CT;
	if (word_is(ws, i, "meta") && word_is(ws, i + 1, "mark"))
		return TERM_META;
	*at = i + 1;
	return TERM_OTHER;
}

struct value {
	size_t end; /* place behind it */
	enum term first;
	uint32_t kept;	    /* bits that stay what they were */
	uint32_t constants; /* of all numbers, but masks */
	uint32_t masks;	    /* bits that some mask names */
	bool simple;	    /* one number alone, or a mark and numbers */
	size_t terms;
};

/* Reads VALUE at `at`, of a statement that writes `key`. */
static struct value read_value(const struct words *ws, size_t at, enum term key)
{
	struct value v = {.simple = true, .masks = UINT32_MAX};
	char op = 0;

	for (v.end = at;; op = ws->w[v.end++].p[0]) {
		uint32_t number = 0;
		enum term t = read_term(ws, &v.end, &number);
		if (v.terms++ == 0) {
			v.first = t;
			v.kept = t == key ? UINT32_MAX : 0;
			v.constants = number;
		} else if (t != TERM_NUMBER) {
			v.kept = 0;
		} else if (op == '&') {
			v.kept &= number, v.constants &= number, v.masks &= number;
		} else {
			v.kept &= ~number, v.constants |= number;
		}
		v.simple = v.simple && (t == TERM_NUMBER || (v.terms == 1 && t != TERM_OTHER));
		if (v.end >= ws->n || ws->w[v.end].n != 1 || !strchr("&|^", ws->w[v.end].p[0]))
			return v;
	}
}

/* nft cannot mix two marks before Linux 6.13; iptables can, in both families where the table is of both. */
static void fix_copy(struct place *p, enum term key, uint32_t mask)
{
	static const char *const tools[] = {"iptables", "ip6tables"};

	begin_delete(p);
	for (size_t i = 0; i < 2; i++) {
		if (strncmp(p->table, i ? "ip " : "ip6 ", i ? 3 : 4) == 0)
			continue;
		strbuf_fmt(&p->fix, " && %s -t mangle -A %s -j CONNMARK %s --mask 0x%" PRIx32,
			tools[i], key == TERM_CT ? "POSTROUTING" : "PREROUTING",
			key == TERM_CT ? "--save-mark" : "--restore-mark", mask & ~p->in->ours);
	}
}

/* The same rule with `set KEY & OURS | NUMBER`, or with a mask that names ours, too. */
static void fix_mark(struct place *p, size_t at, enum term key, const struct value *v)
{
	uint32_t ours = p->in->ours;

	strbuf_reset(&p->fix);
	if (!v->simple || (v->constants & ours) || strchr(strbuf_text(&p->text), '\''))
		return;
	if (v->first == TERM_NUMBER || v->first == key) {
		strbuf_fmt(&p->fix, "nft 'replace rule %s %s handle %" PRIu32, p->table, p->chain,
			p->handle);
		words_add(&p->fix, &p->words, 0, at);
		strbuf_fmt(&p->fix, " %s mark & 0x%08" PRIx32 " | 0x%08" PRIx32,
			key == TERM_CT ? "ct" : "meta", v->first == key ? v->masks | ours : ours,
			v->constants);
		words_add(&p->fix, &p->words, v->end, p->words.n);
		strbuf_char(&p->fix, '\'');
	} else if (v->terms <= 2 && v->constants == 0) {
		fix_copy(p, key, v->masks);
	}
}

static enum foreign_kind mark_kind(const struct place *p, enum term key)
{
	if (key == TERM_CT)
		return FOREIGN_CONNMARK;
	if (hook_is(p, "prerouting"))
		return FOREIGN_MARK_ROUTE;
	return hook_is(p, "input") ? FOREIGN_MARK_EARLY : FOREIGN_MARK;
}

static void check_marks(struct place *p)
{
	const struct words *ws = &p->words;

	for (size_t i = 0; i + 3 < ws->n; i++) {
		enum term key = word_is(ws, i, "ct") ? TERM_CT : TERM_META;
		struct value v;

		if ((key == TERM_META && !word_is(ws, i, "meta")) || !word_is(ws, i + 1, "mark") ||
			!word_is(ws, i + 2, "set"))
			continue;
		v = read_value(ws, i + 3, key);
		p->in->used |= v.first == key ? ~v.kept
					      : v.constants | (v.masks == UINT32_MAX ? 0 : v.masks);
		if (!(~v.kept & p->in->ours))
			continue;
		say_rule(p);
		fix_mark(p, i + 3, key, &v);
		foreign_tell(p->in, mark_kind(p, key), &p->text, &p->fix);
	}
}

/* --- the rest --- */

static bool web_port(const struct words *ws)
{
	size_t i = words_find(ws, "dport");

	for (i++; i < ws->n; i++) {
		struct slice w = ws->w[i];
		if (w.n && w.p[w.n - 1] == ',')
			w.n--;
		if (slice_eq(w, slice_str("80")) || slice_eq(w, slice_str("443")))
			return true;
		if (w.n == 0 || ((w.p[0] < '0' || w.p[0] > '9') && w.p[0] != '{'))
			return false;
	}
	return false;
}

static bool has(const struct place *p, const char *word)
{
	return words_find(&p->words, word) < p->words.n;
}

static void check_roads(struct place *p)
{
	say_rule(p);
	if ((has(p, "redirect") || has(p, "dnat") || has(p, "tproxy")) && web_port(&p->words)) {
		foreign_tell(p->in, FOREIGN_TAKES_WEB, &p->text, &p->fix);
	} else if (has(p, "masquerade") || has(p, "snat")) {
		foreign_tell(p->in, FOREIGN_NAT, &p->text, &p->fix);
	} else if (has(p, "flow") && (has(p, "add") || has(p, "offload"))) {
		begin_delete(p);
		foreign_tell(p->in, FOREIGN_OFFLOAD, &p->text, &p->fix);
	} else if (has(p, "queue") && hook_is(p, "forward")) {
		foreign_tell(p->in, FOREIGN_QUEUE, &p->text, &p->fix);
	}
}

/* `type filter hook input priority filter; policy drop;`: what we send ourselves (resets, answers of the block page,
 * dialled connections) and what is diverted to our sockets carries a mark of ours. */
static void check_policy(struct place *p)
{
	size_t hook = words_find(&p->words, "hook"), policy = words_find(&p->words, "policy");
	uint32_t low = p->in->ours & -p->in->ours;

	if (hook + 1 >= p->words.n)
		return;
	copy(p->hook, sizeof p->hook, p->words.w[hook + 1]);
	if (!word_is(&p->words, policy + 1, "drop;") ||
		(!hook_is(p, "input") && !hook_is(p, "output")))
		return;
	say_rule(p);
	strbuf_fmt(&p->fix, "nft 'insert rule %s %s meta mark & 0x%08" PRIx32 " != 0 accept'",
		p->table, p->chain, hook_is(p, "input") ? low << 3 : low << 1 | low << 3);
	foreign_tell(p->in, FOREIGN_DROP, &p->text, &p->fix);
}

/* Takes ` # handle N` and a comment off: words of a comment are no statements. */
static void strip(struct place *p)
{
	struct words *ws = &p->words;
	size_t at = words_find(ws, "#");

	p->handle = 0;
	if (at + 2 < ws->n && word_is(ws, at + 1, "handle"))
		mark_read(ws->w[at + 2], &p->handle);
	if (at < ws->n)
		ws->n = at;
}

static void open_block(struct place *p)
{
	const struct words *ws = &p->words;

	if (word_is(ws, 0, "table") && ws->n >= 3) {
		snprintf(p->table, sizeof p->table, "%.*s %.*s", (int)ws->w[1].n,
			(const char *)ws->w[1].p, (int)ws->w[2].n, (const char *)ws->w[2].p);
		p->passed_over = of_iptables(p->table) ||
				 strncmp((const char *)ws->w[2].p, "durward", 7) == 0;
	} else if (word_is(ws, 0, "chain") && ws->n >= 2) {
		copy(p->chain, sizeof p->chain, ws->w[1]);
		p->hook[0] = 0;
		p->in_chain = true;
	}
}

static void read_line(struct place *p, struct slice line)
{
	if (!words_split(&p->words, line))
		return;
	strip(p);
	if (p->words.n == 0)
		return;
	if (word_is(&p->words, p->words.n - 1, "{"))
		open_block(p);
	else if (word_is(&p->words, 0, "}"))
		p->in_chain = false;
	else if (p->in_chain && !p->passed_over && word_is(&p->words, 0, "type"))
		check_policy(p);
	else if (p->in_chain && !p->passed_over) {
		check_marks(p);
		check_roads(p);
	}
}

void foreign_nft(struct foreign_in *in)
{
	struct slice text = in->text;
	struct place p = {.in = in};

	while (text.n)
		read_line(&p, line_next(&text));
	strbuf_fini(&p.text);
	strbuf_fini(&p.fix);
}
