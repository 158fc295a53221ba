/* SPDX-License-Identifier: GPL-3.0-or-later
 * foreign.c - rules of others in what iptables-save printed.
 *
 * Owns: nothing. Thread: any. Fails: never. See: netsetup/foreign.h.
 */
#include "netsetup/foreign.h"

#include <inttypes.h>

#include "foreign_int.h"

/* One rule of the text: `-A CHAIN matches -j TARGET options`. */
struct rule {
	struct foreign_in *in;
	struct slice table, chain;
	unsigned number; /* in its chain, from 1 */
	struct words words;
	size_t target; /* place of the target's name; 0: none */
	struct strbuf text, fix;
};

static bool slice_is(struct slice s, const char *text)
{
	return slice_eq(s, slice_str(text));
}

static bool begins(struct slice s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && memcmp(s.p, with, n) == 0;
}

static bool is_ours(const struct rule *r)
{
	return begins(r->chain, "DURWARD-") ||
	       (r->target && begins(r->words.w[r->target], "DURWARD-"));
}

static struct slice target_of(const struct rule *r)
{
	return r->target ? r->words.w[r->target] : slice_of(NULL, 0);
}

/* Fills `text` with the rule as a person would look for it. */
static void say_rule(struct rule *r)
{
	strbuf_reset(&r->text);
	strbuf_fmt(&r->text, "%s -t %.*s", r->in->tool, (int)r->table.n, (const char *)r->table.p);
	words_add(&r->text, &r->words, 0, r->words.n);
}

/* `TOOL -t TABLE -R CHAIN NUMBER matches -j TARGET`: the same rule, its options still to come. */
static void begin_replacement(struct rule *r)
{
	strbuf_reset(&r->fix);
	strbuf_fmt(&r->fix, "%s -t %.*s -R %.*s %u", r->in->tool, (int)r->table.n,
		(const char *)r->table.p, (int)r->chain.n, (const char *)r->chain.p, r->number);
	words_add(&r->fix, &r->words, 2, r->target + 1);
}

static bool option(const struct rule *r, const char *name, struct slice *value)
{
	size_t at = words_find(&r->words, name);

	if (at <= r->target || at + 1 >= r->words.n)
		return false;
	*value = r->words.w[at + 1];
	return true;
}

/* "0x1/0xff" or "0x1" */
static bool value_and_mask(struct slice w, uint32_t *value, uint32_t *mask)
{
	const uint8_t *slash = memchr(w.p, '/', w.n);
	size_t n = slash ? (size_t)(slash - w.p) : w.n;

	*mask = UINT32_MAX;
	return mark_read(slice_of(w.p, n), value) &&
	       (!slash || mark_read(slice_of(slash + 1, w.n - n - 1), mask));
}

static enum foreign_kind mark_kind(const struct rule *r, bool connection)
{
	if (connection)
		return FOREIGN_CONNMARK;
	return slice_is(r->chain, "PREROUTING") || slice_is(r->chain, "INPUT") ? FOREIGN_MARK_EARLY
									       : FOREIGN_MARK;
}

/* What the rule must not name: a mask of all bits names none in particular. */
static void note_used(struct rule *r, uint32_t value, uint32_t mask)
{
	r->in->used |= mask == UINT32_MAX ? value : value | mask;
}

/* --set-xmark VALUE/MASK: the bits of MASK are cleared, then those of VALUE are turned. */
static void check_set(struct rule *r, struct slice arg, bool connection)
{
	uint32_t value, mask, ours = r->in->ours;

	if (!value_and_mask(arg, &value, &mask))
		return;
	note_used(r, value, mask);
	if (!((value | mask) & ours))
		return;
	say_rule(r);
	if (!(value & ours)) {
		begin_replacement(r);
		strbuf_fmt(&r->fix, " --set-xmark 0x%" PRIx32 "/0x%" PRIx32, value, mask & ~ours);
	}
	foreign_tell(r->in, mark_kind(r, connection), &r->text, &r->fix);
}

/* --save-mark and --restore-mark: bits of one mask are cleared, those of the other come over. */
static void check_copy(struct rule *r, const char *verb, bool connection)
{
	uint32_t nf = UINT32_MAX, ct = UINT32_MAX, ours = r->in->ours;
	struct slice arg;

	if (option(r, "--nfmask", &arg))
		mark_read(arg, &nf);
	if (option(r, "--ctmask", &arg))
		mark_read(arg, &ct);
	if (option(r, "--mask", &arg) && mark_read(arg, &nf))
		ct = nf;
	note_used(r, 0, nf);
	note_used(r, 0, ct);
	if (!((nf | ct) & ours))
		return;
	say_rule(r);
	begin_replacement(r);
	strbuf_fmt(&r->fix, " %s --nfmask 0x%" PRIx32 " --ctmask 0x%" PRIx32, verb, nf & ~ours,
		ct & ~ours);
	foreign_tell(r->in, mark_kind(r, connection), &r->text, &r->fix);
}

static void check_marks(struct rule *r)
{
	struct slice target = target_of(r), arg;
	bool connection = slice_is(target, "CONNMARK");

	if (slice_is(target, "HMARK")) { /* writes all 32 bits and knows no mask */
		say_rule(r);
		strbuf_fmt(&r->fix, "%s -t %.*s -D %.*s %u", r->in->tool, (int)r->table.n,
			(const char *)r->table.p, (int)r->chain.n, (const char *)r->chain.p,
			r->number);
		foreign_tell(r->in, mark_kind(r, false), &r->text, &r->fix);
		return;
	}
	if (!connection && !slice_is(target, "MARK"))
		return;
	if (option(r, "--set-xmark", &arg) || option(r, "--set-mark", &arg))
		check_set(r, arg, connection);
	else if (words_find(&r->words, "--save-mark") < r->words.n)
		check_copy(r, "--save-mark", true);
	else if (words_find(&r->words, "--restore-mark") < r->words.n)
		check_copy(r, "--restore-mark", false);
}

/* Does a destination port option name 80 or 443, alone or in a list or range? */
static bool web_port(const struct words *ws)
{
	for (size_t i = 0; i + 1 < ws->n; i++) {
		if (!word_is(ws, i, "--dport") && !word_is(ws, i, "--dports"))
			continue;
		unsigned port = 0, first = 0;
		bool range = false;
		for (size_t k = 0; k <= ws->w[i + 1].n; k++) {
			uint8_t c = k < ws->w[i + 1].n ? ws->w[i + 1].p[k] : ',';
			if (c >= '0' && c <= '9') {
				port = port > 65535 ? port : port * 10 + (c - '0');
				continue;
			}
			if (!range)
				first = port;
			range = c == ':';
			if (!range &&
				((first <= 80 && port >= 80) || (first <= 443 && port >= 443)))
				return true;
			port = 0;
		}
	}
	return false;
}

static void check_roads(struct rule *r)
{
	struct slice t = target_of(r);
	bool takes = slice_is(t, "REDIRECT") || slice_is(t, "DNAT") || slice_is(t, "TPROXY");

	say_rule(r);
	if (takes && web_port(&r->words))
		foreign_tell(r->in, FOREIGN_TAKES_WEB, &r->text, &r->fix);
	else if (slice_is(t, "MASQUERADE") || slice_is(t, "SNAT"))
		foreign_tell(r->in, FOREIGN_NAT, &r->text, &r->fix);
	else if (slice_is(t, "NFQUEUE") && slice_is(r->chain, "FORWARD"))
		foreign_tell(r->in, FOREIGN_QUEUE, &r->text, &r->fix);
	else if (slice_is(t, "FLOWOFFLOAD")) {
		strbuf_fmt(&r->fix, "%s -t %.*s -D %.*s %u", r->in->tool, (int)r->table.n,
			(const char *)r->table.p, (int)r->chain.n, (const char *)r->chain.p,
			r->number);
		foreign_tell(r->in, FOREIGN_OFFLOAD, &r->text, &r->fix);
	}
}

/* --- what stands in front of us --- */

/* Reads a line `-A CHAIN ...`; false: another line, or one that cannot be read. */
static bool read_rule(struct slice line, struct rule *r)
{
	if (!words_split(&r->words, line) || r->words.n < 2 || !word_is(&r->words, 0, "-A"))
		return false;
	r->chain = r->words.w[1];
	r->target = words_find(&r->words, "-j");
	if (r->target == r->words.n)
		r->target = words_find(&r->words, "-g");
	r->target = r->target + 1 < r->words.n ? r->target + 1 : 0;
	return true;
}

static bool table_line(struct slice line, struct slice *table)
{
	if (line.n < 2 || line.p[0] != '*')
		return false;
	*table = slice_of(line.p + 1, line.n - 1);
	return true;
}

/* Does this chain of this table, or one that it calls, accept anything? */
static bool chain_accepts(
	const struct foreign_in *in, struct slice table, struct slice chain, int deep)
{
	struct slice text = in->text, now = {0};
	struct rule r;

	while (text.n) {
		struct slice line = line_next(&text);
		if (table_line(line, &now) || !slice_eq(now, table) || !read_rule(line, &r) ||
			!slice_eq(r.chain, chain))
			continue;
		if (slice_is(target_of(&r), "ACCEPT") ||
			(deep > 0 && r.target && chain_accepts(in, table, target_of(&r), deep - 1)))
			return true;
	}
	return false;
}

static bool lets_past(const struct foreign_in *in, const struct rule *r)
{
	struct slice t = target_of(r);

	return slice_is(t, "ACCEPT") || slice_is(t, "RETURN") ||
	       (r->target && chain_accepts(in, r->table, t, 4));
}

/* Is there a jump of ours from this chain? */
static bool have_jump(const struct foreign_in *in, const char *table, const char *chain)
{
	struct slice text = in->text, now = {0};
	struct rule r;

	while (text.n) {
		struct slice line = line_next(&text);
		if (!table_line(line, &now) && slice_is(now, table) && read_rule(line, &r) &&
			slice_is(r.chain, chain) && is_ours(&r))
			return true;
	}
	return false;
}

/* Rules before our jump that lead past it; `-R`-like numbers move, so each is deleted and added again behind us. */
static void check_front(struct foreign_in *in, const char *table, const char *chain)
{
	struct slice text = in->text, now = {0};
	struct rule r = {.in = in};

	if (!have_jump(in, table, chain))
		return;
	while (text.n) {
		struct slice line = line_next(&text);
		if (table_line(line, &now) || !slice_is(now, table) || !read_rule(line, &r) ||
			!slice_is(r.chain, chain))
			continue;
		r.table = now;
		if (is_ours(&r))
			break;
		r.number++;
		if (!lets_past(in, &r))
			continue;
		say_rule(&r);
		strbuf_fmt(&r.fix, "%s -t %s -D %s %u && %s -t %s -A %s", in->tool, table, chain,
			r.number, in->tool, table, chain);
		words_add(&r.fix, &r.words, 2, r.words.n);
		foreign_tell(in, FOREIGN_IN_FRONT, &r.text, &r.fix);
	}
	strbuf_fini(&r.text);
	strbuf_fini(&r.fix);
}

/* Docker makes a box that routed nothing before drop what no rule accepts, and keeps a chain for its owner's rules; one that
 * accepts there is taken for the answer. See docs.docker.com, "Docker on a router". */
static void check_docker(struct foreign_in *in)
{
	struct slice text = in->text, now = {0};
	bool drops = false, docker = false;
	struct strbuf rule = {0}, fix = {0};

	while (text.n) {
		struct slice line = line_next(&text);
		if (table_line(line, &now) || !slice_is(now, "filter"))
			continue;
		drops = drops || begins(line, ":FORWARD DROP");
		docker = docker || begins(line, ":DOCKER-USER ");
	}
	if (drops && docker &&
		!chain_accepts(in, slice_str("filter"), slice_str("DOCKER-USER"), 0)) {
		strbuf_fmt(&rule, "%s -P FORWARD DROP", in->tool);
		strbuf_fmt(&fix, "%s -I DOCKER-USER -i LAN -j ACCEPT", in->tool);
		foreign_tell(in, FOREIGN_DOCKER, &rule, &fix);
	}
	strbuf_fini(&rule);
	strbuf_fini(&fix);
}

void foreign_iptables(struct foreign_in *in)
{
	struct slice text = in->text, before = {0};
	struct rule r = {.in = in};

	while (text.n) {
		struct slice line = line_next(&text);
		if (table_line(line, &r.table))
			before = slice_of(NULL, 0);
		if (!read_rule(line, &r))
			continue;
		/* the save prints the rules of a chain one after the other */
		r.number = slice_eq(r.chain, before) ? r.number + 1 : 1;
		before = r.chain;
		if (is_ours(&r))
			continue;
		check_marks(&r);
		check_roads(&r);
	}
	strbuf_fini(&r.text);
	strbuf_fini(&r.fix);
	check_docker(in);
	/* where the queue stands; a kernel without the table `security` has it in mangle */
	if (have_jump(in, "security", "FORWARD"))
		check_front(in, "security", "FORWARD");
	else
		check_front(in, "mangle", "FORWARD");
	check_front(in, "mangle", "PREROUTING");
}
