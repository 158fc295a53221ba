/* SPDX-License-Identifier: GPL-3.0-or-later
 * proxy_judge.c - identifies the bytes of a relayed connection, asks the policy, and refuses.
 *
 * Each request of a connection is judged by its own Host; bytes go on only after the request or hello to which
 * they belong was allowed.
 *
 * Owns: nothing. Thread: its worker's. Fails: by conn_close(); out of memory refuses.
 * See: rows H01-H25; docs/design/decision.md "Order of evaluation".
 */
#include <errno.h>

#include "act/dial.h"
#include "act/refuse.h"
#include "act/refuse_page.h"
#include "dataplane/ask.h"
#include "dataplane/page.h"
#include "identify/http_offer.h"
#include "proxy_int.h"

static void record(struct conn *c, const struct ident *i, const struct verdict *v)
{
	struct dataplane_worker *w = c->proxy->c.worker;
	struct event e = {.kind = EVENT_DECISION, .flow = c->flow, .ident = *i, .verdict = *v};

	e.id = c->event_id = dataplane_event_id(w);
	c->requests++;
	c->last = e;
	w->counters.relay_requests += i->app == APP_HTTP;
	if (v->action == ACTION_BLOCK) {
		w->counters.refused++;
	} else {
		w->counters.allowed++;
		c->live = dataplane_live_relay(w, c->live, &e);
	}
	dataplane_event_push(w, &e);
}

static void ask(struct conn *c, const struct ident *i, struct verdict *v)
{
	c->unrecorded = false;
	dataplane_ask(c->proxy->c.worker, &c->who, &c->flow, i, STAGE_NAMED, v);
	record(c, i, v);
}

void conn_dial(struct conn *c)
{
	const struct proxy_config *cfg = &c->proxy->c;
	struct dial d = {.routes = cfg->routes,
		.dst = c->flow.dst,
		.dport = c->flow.dport,
		.mark = cfg->own_mark | c->mark};
	int rc;

	c->dial_waits = false;
	if (c->dialled)
		return;
	if (!cfg->source_gateway)
		d.src = c->flow.src;
	rc = dial_start(&d, &c->server.fd);
	if (rc == -EMFILE || rc == -ENFILE) {
		c->dial_waits = true;
		conn_back_off(c);
		return;
	}
	if (rc == 0)
		rc = loop_add(cfg->worker->loop, &c->server, EPOLLOUT);
	if (rc != 0) {
		cfg->worker->counters.relay_failed++;
		conn_close(c, false);
		return;
	}
	c->server_events = EPOLLOUT;
	c->dialled = true;
}

/* Our answer comes after the server's answers to earlier requests. Those of a pipeline may still be on their way: then
 * it waits until the server has been quiet. */
static void answer(struct conn *c)
{
	bool pipelined = c->dialled && c->requests > 1 &&
			 (c->down.bytes == c->down_at_request || c->pass_to > c->offset);

	c->state = CONN_ANSWER;
	c->deadline_ms = 0;
	c->answer_waits = pipelined;
	c->idle_since_ms = c->active_ms;
	if (c->answer.failed || c->answer.n == 0)
		conn_close(c, false);
	else
		conn_relay(c, false, false);
}

static void block_page(struct conn *c, const struct identify_result *r, const struct verdict *v)
{
	const struct dataplane_page page = {.flow = &c->flow,
		.ident = &r->ident,
		.verdict = v,
		.who = &c->who,
		.head = slice_eq(r->http.method, slice_str("HEAD"))};

	dataplane_page(c->proxy->c.worker, &page, &c->answer);
}

static void refuse(struct conn *c, const struct identify_result *r, const struct verdict *v)
{
	uint8_t alert[REFUSE_ALERT_SIZE];
	bool http = r->ident.app == APP_HTTP;

	if (v->refuse == REFUSE_RESET || v->refuse == REFUSE_DROP) {
		conn_close(c, false);
		return;
	}
	if (http && r->ident.kind == IDENT_EVASIVE) {
		refuse_page_error(r->ident.anomaly == ANOMALY_TOO_LARGE ? REFUSE_HTTP_TOO_LARGE
				  : r->ident.anomaly == ANOMALY_TIMEOUT ? REFUSE_HTTP_TIMEOUT
									: REFUSE_HTTP_BAD_REQUEST,
			false, &c->answer);
	} else if (http) {
		block_page(c, r, v);
	} else if (r->ident.app == APP_TLS) {
		refuse_alert_record(REFUSE_ALERT_UNRECOGNIZED_NAME, alert);
		strbuf_add(&c->answer, slice_of(alert, sizeof alert));
	}
	answer(c);
}

/* What stands before this request belongs to the one before it, which was allowed. */
static void pass_before(struct conn *c, const struct identify_result *r)
{
	uint64_t start = r->safe_to == UINT64_MAX ? c->ident.pos : r->safe_to - r->http.head_len;

	if (r->ident.app == APP_HTTP && c->requests && start > c->pass_to)
		c->pass_to = start;
}

/* As flow_offer.c: the server is not offered what we would refuse. */
static void take_offers_out(struct conn *c, const struct identify_result *r)
{
	struct http_offer o = {0};
	uint64_t from = r->safe_to - r->http.head_len;
	uint8_t *head = c->bytes + (from - c->offset);
	size_t at;

	if (r->ident.app != APP_HTTP || r->safe_to == UINT64_MAX || from < c->offset ||
		r->http.in_body)
		return;
	while (http_offer_find(&o, slice_of(head, r->http.head_len), &at))
		head[at] = HTTP_OFFER_NONE;
}

static void judge_one(struct conn *c, const struct identify_result *r)
{
	struct verdict v;

	pass_before(c, r);
	ask(c, &r->ident, &v);
	if (v.action == ACTION_BLOCK) {
		refuse(c, r, &v);
		return;
	}
	c->asked = false;
	c->down_at_request = c->down.bytes;
	c->pass_to = r->safe_to;
	take_offers_out(c, r);
	conn_undecided(c, false);
	conn_dial(c);
}

void conn_judge(struct conn *c)
{
	struct proxy *p = c->proxy;
	struct identify_result r;
	enum identify_step step = IDENTIFY_WAIT;
	uint64_t now = p->c.worker->now_ms;

	while (!c->dead && c->state == CONN_JUDGED) {
		step = stream_ident_next(
			&c->ident, c->offset, slice_of(c->bytes, c->n), p->scratch, &r);
		if (step != IDENTIFY_RESULT)
			break;
		r.ident.packet = (uint16_t)(c->requests + 1);
		judge_one(c, &r);
	}
	if (c->dead || c->state != CONN_JUDGED)
		return;
	if (step == IDENTIFY_DONE) {
		c->pass_to = UINT64_MAX;
		c->state = CONN_OPEN;
		c->deadline_ms = 0;
		return;
	}
	if (c->ident.pos > c->pass_to && c->requests)
		c->pass_to = c->ident.pos;
	/* bytes that no verdict covers yet: the clock runs, and they count against the client's quota */
	if (c->offset + c->n > c->pass_to) {
		if (!c->deadline_ms)
			c->deadline_ms = now + p->c.hello_deadline_ms;
		if (c->up.eof)
			conn_judge_evasive(c, ANOMALY_TIMEOUT); /* nothing more will come */
		else if (!conn_undecided(c, true))
			conn_judge_evasive(c, ANOMALY_OVERLOAD);
	} else {
		c->deadline_ms = 0;
		conn_undecided(c, !c->requests);
	}
}

/* Browsers open spare connections, and say nothing on most of them: one that is let through is no row until somebody speaks. */
void conn_judge_silent(struct conn *c)
{
	struct ident i = {.kind = IDENT_NOT_PROTO, .anomaly = ANOMALY_SILENT};

	c->greeted = true;
	dataplane_ask(c->proxy->c.worker, &c->who, &c->flow, &i, STAGE_NAMED, &c->silent);
	if (c->silent.action == ACTION_BLOCK) {
		record(c, &i, &c->silent);
		conn_close(c, false);
		return;
	}
	c->unrecorded = true;
	conn_undecided(c, false);
	conn_dial(c); /* what the client says later is judged all the same */
}

void conn_server_spoke(struct conn *c)
{
	struct ident i = {.kind = IDENT_NOT_PROTO, .anomaly = ANOMALY_SERVER_FIRST};

	if (!c->unrecorded)
		return;
	c->unrecorded = false;
	record(c, &i, &c->silent);
}

void conn_judge_evasive(struct conn *c, enum anomaly anomaly)
{
	struct identify_result r = {
		.ident = {.kind = IDENT_EVASIVE, .anomaly = (uint8_t)anomaly, .app = c->ident.app}};
	struct verdict v;

	c->deadline_ms = 0;
	ask(c, &r.ident, &v);
	if (v.action == ACTION_BLOCK) {
		refuse(c, &r, &v);
		return;
	}
	c->pass_to = UINT64_MAX;
	c->state = CONN_OPEN;
	conn_undecided(c, false);
	conn_dial(c);
	conn_relay(c, false, false);
}

/* What it was judged by, or NULL: nothing was, yet. */
static const struct ident *judged_by(const struct conn *c, struct ident *silent)
{
	*silent = (struct ident){.kind = IDENT_NOT_PROTO, .anomaly = ANOMALY_SILENT};
	if (c->unrecorded)
		return silent;
	return c->requests ? &c->last.ident : NULL;
}

static bool still_refused(struct conn *c)
{
	struct dataplane_worker *w = c->proxy->c.worker;
	struct ident silent;
	const struct ident *i = judged_by(c, &silent);
	struct verdict v;

	if (!i)
		return false;
	w->counters.live_judged++;
	dataplane_ask(w, &c->who, &c->flow, i, STAGE_NAMED, &v);
	return v.action == ACTION_BLOCK;
}

/* A body of the client's is on its way, or its head is not all there: of HTTP only what lies still is left alone. */
static bool waits_for_requests(const struct conn *c)
{
	return c->state == CONN_JUDGED && c->requests && c->last.ident.app == APP_HTTP &&
	       !c->up.pipe.held && stream_ident_rest(&c->ident) == 0;
}

void conn_end_asked(struct conn *c)
{
	struct dataplane_worker *w = c->proxy->c.worker;
	struct ident silent, i;
	struct verdict v;
	const struct ident *by = judged_by(c, &silent);

	c->asked = false;
	if (c->dead || !by || !still_refused(c))
		return;
	i = *by;
	w->counters.live_cut++;
	ask(c, &i, &v);
	conn_close(c, false);
}

void conn_cut(struct conn *c)
{
	struct dataplane_worker *w = c->proxy->c.worker;
	struct verdict v = {.action = ACTION_BLOCK,
		.by = BY_HAND,
		.device = c->last.verdict.device,
		.list = NO_LIST,
		.revision = c->last.verdict.revision};
	struct ident i = c->last.ident;

	w->counters.live_cut++;
	record(c, &i, &v);
	conn_close(c, false);
}

/* As the table of live flows shows it. */
static void set_asked(struct conn *c, bool asked)
{
	struct live *l = dataplane_live_get(c->proxy->c.worker, c->live);

	c->asked = asked;
	if (l)
		l->cut = asked ? LIVE_ASKED : LIVE_GOES_ON;
}

void conn_judge_again(struct conn *c)
{
	set_asked(c, false);
	if (c->dead || c->state > CONN_OPEN || !still_refused(c))
		return;
	set_asked(c, true);
	if (!waits_for_requests(c))
		conn_end_asked(c);
}
