/* SPDX-License-Identifier: GPL-3.0-or-later
 * explain_json.c - answers a question of explain, device by device, as JSON.
 *
 * Owns: the answer's text until explain_fini(). Thread: any. Fails: as explain.h says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/iso8601.h"
#include "conf/schema.h"
#include "explain_int.h"
#include "model/conf.h"
#include "show/json.h"

enum { SUBJECTS_MAX = 257 };

/* Who may be meant by one WHO: each is asked for apart. */
struct subjects {
	struct policy_who who[SUBJECTS_MAX];
	size_t n;
};

static void add_seen(struct policy_who *w, const struct explain_seen *seen, const struct mac *m)
{
	if (seen && seen->addrs_of && w->n_addrs < WHO_ADDRS)
		w->n_addrs += seen->addrs_of(
			seen->user, m, w->addrs + w->n_addrs, WHO_ADDRS - w->n_addrs);
}

static void add_device(struct subjects *s, const struct image *img, const struct explain_seen *seen,
	uint16_t device)
{
	struct policy_who *w = &s->who[s->n++];
	struct mac macs[8];
	size_t n = policy_device_macs(img, device, macs, sizeof macs / sizeof macs[0]);
	*w = (struct policy_who){.device = device};
	for (size_t k = 0; k < n; k++)
		add_seen(w, seen, &macs[k]);
}

static void add_address(struct subjects *s, const struct explain_seen *seen, const struct addr *a)
{
	struct policy_who *w = &s->who[s->n++];
	*w = (struct policy_who){.device = -1, .addrs = {*a}, .n_addrs = 1};
	w->has_mac = seen && seen->mac_of && seen->mac_of(seen->user, a, &w->mac);
	if (w->has_mac)
		add_seen(w, seen, &w->mac);
}

static int find_subjects(const struct image *img, const char *who, const struct explain_seen *seen,
	struct subjects *s, char *why)
{
	struct policy_found f;
	struct addr a;
	struct mac m;
	s->n = 0;
	policy_find_who(img, slice_str(who), &f);
	if (f.n_devices > sizeof f.devices / sizeof f.devices[0]) {
		snprintf(why, 256, "\"%.80s\" has more than 256 devices; ask for one of them", who);
		return -ENOENT;
	}
	for (size_t k = 0; k < f.n_devices; k++)
		add_device(s, img, seen, f.devices[k]);
	if (f.has_addr)
		s->who[s->n++] = (struct policy_who){.device = -1, .addrs = {f.addr}, .n_addrs = 1};
	if (f.kind == 1 + WHO_UNKNOWN || f.kind == 1 + WHO_EVERYONE)
		s->who[s->n++] = (struct policy_who){.device = -1};
	if (f.kind == 0 && addr_parse(slice_str(who), &a)) {
		add_address(s, seen, &a);
	} else if (f.kind == 0 && mac_parse(slice_str(who), &m)) {
		s->who[s->n++] = (struct policy_who){.device = -1, .has_mac = true, .mac = m};
		add_seen(&s->who[0], seen, &m);
	}
	if (s->n > 0)
		return 0;
	snprintf(why, 256,
		f.kind ? "\"%.80s\" has no device; nothing can be asked for it"
		       : "nobody is called \"%.80s\"; a device, person or group of "
			 "the policy, an address or a MAC",
		who);
	return -ENOENT;
}

/* --- one answer --- */

static void put_moment(
	struct strbuf *b, const char *key, const struct image *img, int64_t utc_s, bool there)
{
	char text[ISO8601_TEXT];
	jw_text(b, key, there ? iso8601_format(utc_s, image_utc_offset(img, utc_s), text) : NULL);
}

static void put_line_number(struct strbuf *b, uint32_t line)
{
	if (line)
		jw_uint(b, "line", line);
	else
		jw_null(b, "line");
}

/* The id of what stands on the line, beside its number. */
static void put_id(struct strbuf *b, const struct image *img, uint32_t line)
{
	const char *id = image_line_id(img, line);
	jw_text(b, "id", *id ? id : NULL);
}

struct steps {
	struct strbuf *b;
	const struct image *img;
};

static void add_step(void *user, enum trace_result r, uint32_t line, const char *text)
{
	const struct steps *s = user;
	jw_open(s->b, NULL, '{');
	jw_text(s->b, "step", trace_result_key(r));
	put_line_number(s->b, line);
	put_id(s->b, s->img, line);
	jw_text(s->b, "text", text);
	jw_close(s->b, '}');
}

void explain_put_rule(struct strbuf *b, const struct image *img, const struct verdict *v)
{
	const char *because = image_line_because(img, v->rule_line);
	if (v->rule_line) {
		jw_open(b, "rule", '{');
		jw_uint(b, "line", v->rule_line);
		put_id(b, img, v->rule_line);
		jw_text(b, "text", image_line_text(img, v->rule_line));
		jw_close(b, '}');
	} else {
		jw_null(b, "rule");
	}
	if (v->list != NO_LIST) {
		jw_open(b, "list", '{');
		jw_text(b, "name", image_list_name(img, v->list));
		put_line_number(b, v->list_line); /* none: of no name of it in particular */
		jw_close(b, '}');
	} else {
		jw_null(b, "list");
	}
	jw_text(b, "because", *because ? because : NULL);
}

static void put_watch(struct strbuf *b, const struct image *img, const struct verdict *v)
{
	if (v->watch_line == 0) {
		jw_null(b, "watch");
		return;
	}
	jw_open(b, "watch", '{');
	jw_uint(b, "line", v->watch_line);
	put_id(b, img, v->watch_line);
	jw_text(b, "text", image_line_text(img, v->watch_line));
	jw_text(b, "verdict", action_key(v->watch_action));
	jw_close(b, '}');
}

static void put_flow(struct strbuf *b, const struct explain_question *q)
{
	const struct flow *f = &q->query.flow;
	char proto[16], dst[ADDR_TEXT];
	jw_open(b, "flow", '{');
	jw_text(b, "proto", flow_proto_key(f->proto, proto));
	if (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP)
		jw_uint(b, "port", f->dport);
	else
		jw_null(b, "port");
	jw_bool(b, "port_assumed", q->assumed_port);
	jw_text(b, "to", addr_is_zero(&f->dst) ? NULL : addr_format(&f->dst, dst));
	jw_text(b, "kind", q->query.stage == STAGE_FIRST ? "other" : ident_kind_key(q->ident.kind));
	jw_close(b, '}');
}

static void put_who(struct strbuf *b, const struct image *img, const struct policy_who *who)
{
	const char *names[64];
	size_t n = policy_who_names(img, who, names, sizeof names / sizeof names[0]);
	jw_open(b, "who", '[');
	for (size_t k = 0; k < n; k++)
		jw_text(b, NULL, names[k]);
	jw_close(b, ']');
}

void explain_walk(
	const struct image *img, const struct explain_question *q, struct explain_walk *out)
{
	struct steps steps = {&out->steps, img};
	struct trace trace = {add_step, &steps};
	*out = (struct explain_walk){0};
	jw_open(&out->steps, NULL, '[');
	policy_eval(img, q->live, &q->query, &trace, &out->v);
	jw_close(&out->steps, ']');
}

void explain_walk_fini(struct explain_walk *w)
{
	strbuf_fini(&w->steps);
}

void explain_put_answer(struct strbuf *b, const struct image *img, const struct explain_question *q,
	const struct explain_walk *w)
{
	const struct verdict *v = &w->v;
	jw_text(b, "verdict", action_key(v->action));
	put_who(b, img, &q->query.who);
	jw_text(b, "device", v->device == NO_DEVICE ? NULL : image_device_name(img, v->device));
	jw_text(b, "name", q->named ? q->name : NULL);
	put_flow(b, q);
	put_moment(b, "at", img, q->query.now_s, true);
	jw_text(b, "by", decided_by_key(v->by));
	explain_put_rule(b, img, v);
	put_watch(b, img, v);
	put_moment(b, "until", img, (int64_t)v->until_s, v->until_s != 0);
	jw_text(b, "refuse", v->action == ACTION_BLOCK ? refuse_key(v->refuse) : NULL);
	jw_bool(b, "tcp_instead", v->tcp_instead);
	jw_uint(b, "revision", v->revision);
	jw_raw(b, "trace", strbuf_text(&w->steps));
	b->failed |= w->steps.failed;
}

static bool answer_one(struct strbuf *b, const struct image *img, const struct explain_question *q)
{
	struct explain_walk w;
	bool blocked;
	explain_walk(img, q, &w);
	jw_open(b, NULL, '{');
	explain_put_answer(b, img, q, &w);
	jw_close(b, '}');
	blocked = w.v.action == ACTION_BLOCK;
	explain_walk_fini(&w);
	return blocked;
}

static void answer_all(struct strbuf *b, const struct image *img, const struct subjects *s,
	struct explain_question *q, const struct policy_term *term, struct explain_answer *out)
{
	out->n = s->n;
	if (s->n != 1)
		jw_open(b, NULL, '[');
	for (size_t k = 0; k < s->n; k++) {
		q->query.who = s->who[k];
		if (s->who[k].n_addrs > 0)
			q->query.flow.src = s->who[k].addrs[0];
		out->blocked |= term ? explain_term_answer(b, img, q, term) : answer_one(b, img, q);
	}
	if (s->n != 1)
		jw_close(b, ']');
}

/* A word of the language is no host, though it could be one's name. */
static bool is_site(const char *name, char why[static 256])
{
	if (!name || !schema_find(slice_str(name), ROLE_WHAT | ROLE_BUILTIN))
		return true;
	snprintf(why, 256,
		"\"%.80s\" is a word of the policy, not a site; ask for a name, an address, a list "
		"or "
		"an app",
		name);
	return false;
}

int explain_answer(const struct image *img, const struct explain_ask *ask,
	const struct explain_seen *seen, int64_t now_s, struct explain_answer *out)
{
	struct explain_question q;
	struct policy_term term;
	bool by_term = ask->name && policy_find_term(img, slice_str(ask->name), &term);
	*out = (struct explain_answer){0};
	if (!by_term && !is_site(ask->name, out->why))
		return -EINVAL;
	if (!explain_question_read(ask, seen ? seen->settings : NULL, now_s, &q, out->why))
		return -EINVAL;
	q.live = seen && seen->live ? seen->live : &policy_live_none;
	struct subjects *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	int rc = find_subjects(img, ask->who, seen, s, out->why);
	if (rc == 0) {
		struct strbuf b = {0};
		answer_all(&b, img, s, &q, by_term ? &term : NULL, out);
		out->json = strbuf_take(&b);
		rc = out->json ? 0 : -ENOMEM;
	}
	free(s);
	return rc;
}

void explain_fini(struct explain_answer *a)
{
	free(a->json);
	a->json = NULL;
}

/* --- a question as JSON --- */

static bool take_field(
	const struct json *o, const char *key, const char **to, char number[16], char *why)
{
	const struct json *v = jr_get(o, key);
	double n = jr_number(v, -1);
	if (jr_is_null(v))
		return true;
	*to = jr_text(v);
	if (!*to && number && n >= 0 && n <= 65535) {
		snprintf(number, 16, "%d", (int)n);
		*to = number;
	}
	if (!*to)
		snprintf(why, 256, "field \"%s\" is no text; write it in quotes", key);
	return *to != NULL;
}

bool explain_ask_read(
	struct slice line, struct explain_ask *out, struct explain_hold *hold, char why[static 256])
{
	struct json *o = jr_parse(line);
	*out = (struct explain_ask){0};
	hold->json = o;
	if (!jr_get(o, "who")) {
		snprintf(why, 256,
			"no JSON object with a field \"who\"; {\"who\": ..., \"name\": ...}");
		return false;
	}
	return take_field(o, "who", &out->who, NULL, why) &&
	       take_field(o, "name", &out->name, NULL, why) &&
	       take_field(o, "addr", &out->addr, NULL, why) &&
	       take_field(o, "proto", &out->proto, NULL, why) &&
	       take_field(o, "port", &out->port, hold->number, why) &&
	       take_field(o, "kind", &out->kind, NULL, why) &&
	       take_field(o, "to", &out->to, NULL, why) && take_field(o, "at", &out->at, NULL, why);
}

void explain_ask_fini(struct explain_hold *hold)
{
	jr_free(hold->json);
	hold->json = NULL;
}
