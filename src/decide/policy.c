/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy.c - walks the policy for one flow: the first allow or block that applies wins.
 *
 *   who asks -> each `for` that contains the client, in file order -> its rules: WHAT, then hours -> decides
 *                                  no rule: the setting for flows without a readable name -> `otherwise`
 *
 * Judging and explaining a flow use this one function; explain passes a trace.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: docs/design/decision.md "Order of evaluation"; durward-policy(5).
 */
#include "decide/policy.h"

#include "image_int.h"
#include "policy_int.h"

enum fit { FIT_NO, FIT_NO_ADDRESS, FIT_NO_HOURS, FIT_YES };

static void decide(struct walk *w, bool block, enum decided_by by, uint32_t line)
{
	const struct img_line *rows = image_at(w->img, SEC_LINES);
	w->out->action = block ? ACTION_BLOCK : ACTION_ALLOW;
	w->out->by = by;
	w->out->rule_line = rows[line].line;
	if (line)
		walk_tell(w, TRACE_DECIDES, line);
}

/* --- one rule --- */

static bool port_fits(const struct walk *w, const struct img_what *what)
{
	const struct conf_port *port = IMAGE_ROWS(w->img, PORTS, struct conf_port);
	const struct flow *f = &w->q->flow;
	uint8_t proto = f->proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP : f->proto;
	for (uint32_t k = what->part.first; k < what->part.first + what->part.n; k++) {
		uint8_t wanted = port[k].proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP : port[k].proto;
		if (wanted == proto &&
			(port[k].kind != PORT_PORTS ||
				(f->dport >= port[k].first && f->dport <= port[k].last)))
			return true;
	}
	return false;
}

static bool dst_in(const struct walk *w, struct img_slice s)
{
	const struct img_range *r = IMAGE_ROWS(w->img, RANGES, struct img_range) + s.first;
	return w->has_dst && cidrset_has(r, s.n, &w->q->flow.dst);
}

static bool what_fits(const struct walk *w, const struct img_what *what, uint32_t *list_line)
{
	switch ((enum what_kind)what->kind) {
	case WHAT_EVERYTHING:
		return true;
	case WHAT_NAME:
	case WHAT_LIST:
	case WHAT_APP:
	case WHAT_SET:
		if (w->q->member)
			return what->set == w->q->member - 1;
		return w->named && domset_find(&w->names, what->set, list_line);
	case WHAT_NET:
		return dst_in(w, what->part);
	case WHAT_LOCAL_NETWORKS:
		return dst_in(w, w->img->local);
	case WHAT_PORT:
		return port_fits(w, what);
	}
	return false;
}

static bool needs_address(const struct img_what *what)
{
	return (what->kind == WHAT_NET && what->part.n > 0) || what->kind == WHAT_LOCAL_NETWORKS;
}

static bool hours_fit(const struct walk *w, const struct img_rule *rule)
{
	const struct img_window *windows = IMAGE_ROWS(w->img, WINDOWS, struct img_window);
	return !(rule->flags & RULE_HOURS) ||
	       window_inside(windows + rule->windows.first, rule->windows.n, w->wall_s);
}

/* The WHATs are alternatives; the leftmost that matches is reported. */
static enum fit rule_fits(const struct walk *w, const struct img_rule *rule,
	const struct img_what **which, uint32_t *list_line)
{
	const struct img_what *what = IMAGE_ROWS(w->img, WHATS, struct img_what);
	enum fit miss = FIT_NO;
	what += rule->whats.first;
	for (uint32_t k = 0; k < rule->whats.n; k++) {
		*which = &what[k];
		if (what_fits(w, &what[k], list_line))
			return hours_fit(w, rule) ? FIT_YES : FIT_NO_HOURS;
		if (needs_address(&what[k]) && !w->has_dst)
			miss = FIT_NO_ADDRESS;
	}
	return miss;
}

static bool allows_by_name(const struct walk *w, const struct img_rule *rule)
{
	const struct img_what *what =
		IMAGE_ROWS(w->img, WHATS, struct img_what) + rule->whats.first;
	if ((rule->flags & (RULE_BLOCK | RULE_WATCH)) || !hours_fit(w, rule))
		return false;
	for (uint32_t k = 0; k < rule->whats.n; k++)
		if (what[k].kind == WHAT_NAME || what[k].kind == WHAT_LIST ||
			what[k].kind == WHAT_APP || what[k].kind == WHAT_SET)
			return true;
	return false;
}

static void note_watch(struct walk *w, const struct img_rule *rule)
{
	const struct img_line *rows = image_at(w->img, SEC_LINES);
	if (w->out->watch_line == 0) {
		w->out->watch_line = rows[rule->line].line;
		w->out->watch_action = rule->flags & RULE_BLOCK ? ACTION_BLOCK : ACTION_ALLOW;
	}
	walk_tell(w, TRACE_WATCH, rule->line);
}

static void note_match(struct walk *w, const struct img_rule *rule, const struct img_what *what,
	uint32_t list_line)
{
	const struct img_window *windows = IMAGE_ROWS(w->img, WINDOWS, struct img_window);
	if (what->kind == WHAT_LIST && what->set < w->img->n_lists) {
		w->out->list = (uint16_t)what->set;
		w->out->list_line = list_line;
	}
	w->out->refuse = rule->flags & RULE_BLOCK ? (uint8_t)rule->refuse : REFUSE_DEFAULT;
	if (rule->flags & RULE_HOURS)
		w->out->until_s =
			(uint64_t)window_until(windows + rule->windows.first, rule->windows.n,
				image_at(w->img, SEC_TZ), image_count(w->img, SEC_TZ), w->q->now_s);
}

static bool try_rule(struct walk *w, const struct img_rule *rule)
{
	static const enum trace_result missed[] = {[FIT_NO] = TRACE_NO_MATCH,
		[FIT_NO_ADDRESS] = TRACE_NO_ADDRESS,
		[FIT_NO_HOURS] = TRACE_NO_HOURS};
	const struct img_what *what = NULL;
	uint32_t list_line = 0;
	enum fit fit = rule_fits(w, rule, &what, &list_line);
	if (fit == FIT_NO && w->q->stage == STAGE_FIRST && allows_by_name(w, rule))
		w->out->name_matters = true;
	if (fit != FIT_YES) {
		walk_tell(w, missed[fit], rule->line);
		return false;
	}
	if (rule->flags & RULE_WATCH) { /* never stops the walk */
		note_watch(w, rule);
		return false;
	}
	note_match(w, rule, what, list_line);
	decide(w, rule->flags & RULE_BLOCK, BY_RULE, rule->line);
	return true;
}

/* --- the walk --- */

static bool block_contains(const struct walk *w, const struct img_block *b)
{
	const struct img_who *who = IMAGE_ROWS(w->img, WHO, struct img_who) + b->who.first;
	for (uint32_t k = 0; k < b->who.n; k++) {
		if (who_is(&w->who, &who[k]))
			return true;
	}
	return false;
}

static bool walk_blocks(struct walk *w)
{
	const struct img_block *block = image_at(w->img, SEC_BLOCKS);
	const struct img_rule *rule = image_at(w->img, SEC_RULES);
	for (uint32_t k = 0; k < image_count(w->img, SEC_BLOCKS); k++) {
		if (!block_contains(w, &block[k])) {
			walk_tell(w, TRACE_SKIP_BLOCK, block[k].line);
			continue;
		}
		for (uint32_t r = 0; r < block[k].rules.n; r++) {
			if (try_rule(w, &rule[block[k].rules.first + r]))
				return true;
		}
	}
	return false;
}

/* --- where no rule decided --- */

static void decide_otherwise(struct walk *w)
{
	decide(w, w->img->flags & IMAGE_OTHERWISE_BLOCK, BY_OTHERWISE, w->img->otherwise);
}

/* The first block that contains the client and states the setting (at `field` in struct img_block), or unset. */
static struct img_setting setting(const struct walk *w, size_t field)
{
	const struct img_block *block = image_at(w->img, SEC_BLOCKS);
	struct img_setting s = {ANSWER_UNSET, 0};
	for (uint32_t k = 0; k < image_count(w->img, SEC_BLOCKS); k++) {
		memcpy(&s, (const uint8_t *)&block[k] + field, sizeof s);
		if (s.answer != ANSWER_UNSET && block_contains(w, &block[k]))
			return s;
	}
	return (struct img_setting){ANSWER_UNSET, 0};
}

static void decide_no_name(struct walk *w)
{
	struct img_setting s = setting(w, offsetof(struct img_block, no_name));
	bool quic = w->q->flow.proto == IPPROTO_UDP && w->q->ident->app == APP_QUIC;
	if (s.answer == ANSWER_TCP && quic) {
		w->out->tcp_instead = true;
		decide(w, true, BY_SETTING, s.line);
	} else if (s.answer == ANSWER_ALLOW || s.answer == ANSWER_BLOCK) {
		decide(w, s.answer == ANSWER_BLOCK, BY_SETTING, s.line);
	} else { /* unstated; or `tcp`, and it is not QUIC */
		decide_otherwise(w);
	}
}

static void decide_hidden(struct walk *w)
{
	struct img_setting s = setting(w, offsetof(struct img_block, hidden_names));
	if (s.answer == ANSWER_UNSET)
		decide_otherwise(w);
	else
		decide(w, s.answer != ANSWER_ALLOW, BY_SETTING, s.line);
}

static void decide_evasive(struct walk *w)
{
	struct img_setting s = setting(w, offsetof(struct img_block, evasive));
	if (s.answer == ANSWER_NO_NAME) {
		walk_tell(w, TRACE_SETTING, s.line);
		decide_no_name(w);
		return;
	}
	if (s.line == 0)
		walk_say(w, TRACE_DECIDES, 0,
			"evasive block (what holds when the file says nothing)");
	decide(w, s.answer != ANSWER_ALLOW, BY_SETTING, s.line);
}

/* NOT-PROTO is `no-name` where a hello was to be expected; UDP that is not QUIC (calls, games) never is. */
static void decide_unruled(struct walk *w)
{
	bool expected = w->q->flow.proto == IPPROTO_TCP && w->q->flow.path != PATH_OTHER;
	switch (w->kind) {
	case IDENT_NONE:
		decide_no_name(w);
		break;
	case IDENT_OPAQUE:
		decide_hidden(w);
		break;
	case IDENT_EVASIVE:
		decide_evasive(w);
		break;
	case IDENT_NOT_PROTO:
		if (expected)
			decide_no_name(w);
		else
			decide_otherwise(w);
		break;
	default:
		decide_otherwise(w);
	}
}

/* --- start --- */

/* What kind of flow this is to the policy: ECH hides a name only where the outer name is a known provider's. */
static void classify(struct walk *w)
{
	const struct ident *id = w->q->ident;
	uint32_t line;
	w->kind = IDENT_NOT_PROTO;
	if (w->q->stage == STAGE_FIRST)
		return;
	w->kind = id->kind == IDENT_PENDING ? IDENT_EVASIVE : id->kind;
	w->named = w->q->member != 0;
	if (w->kind != IDENT_NAME || w->named)
		return;
	domset_look(&w->names, w->img, slice_of(id->name, id->name_len));
	if (id->ech && w->img->ech_set != NO_SET && domset_find(&w->names, w->img->ech_set, &line))
		w->kind = IDENT_OPAQUE;
	w->named = w->kind == IDENT_NAME;
}

void policy_eval(const struct image *img, const struct policy_live *live,
	const struct policy_query *q, const struct trace *trace, struct verdict *out)
{
	static const struct ident nothing = {.kind = IDENT_PENDING};
	struct policy_query asked = *q;
	struct walk w = {.img = img, .live = live, .q = &asked, .trace = trace, .out = out};
	if (!asked.ident)
		asked.ident = &nothing;
	*out = (struct verdict){.list = NO_LIST, .revision = img->revision};
	who_find(img, &q->who, &w.who);
	out->device = q->who.outside ? w.who.inner : w.who.device;
	if (q->stage == STAGE_FIRST && q->flow.path != PATH_OTHER) {
		out->action = ACTION_WAIT; /* the refusal is to tell the name, and so is the log */
		return;
	}
	w.has_dst = memcmp(&q->flow.dst, &(struct addr){0}, sizeof q->flow.dst) != 0;
	w.wall_s = q->now_s + image_utc_offset(img, q->now_s);
	classify(&w);
	walk_tell_who(&w);
	walk_tell_name(&w);
	if (walk_blocks(&w))
		return;
	if (w.named)
		decide_otherwise(&w);
	else
		decide_unruled(&w);
}
