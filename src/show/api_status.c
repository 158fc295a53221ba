/* SPDX-License-Identifier: GPL-3.0-or-later
 * api_status.c - the API of status, version, health, metrics, and the list of routes for programs.
 *
 * Owns: nothing. Thread: a worker. Fails: never.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "show_int.h"

enum { SUPERVISOR_SILENT_MS = 5000 };

static const char *policy_key(enum controller_policy_state s)
{
	static const char *const keys[] = {"none", "in-force", "last-good"};

	return keys[s];
}

static const char *rules_key(const struct controller_status *s)
{
	static const char *const keys[] = {"none", "up", "open", "failed"};

	return s->supervisor_seen && s->supervisor.rules <= RULES_FAILED ? keys[s->supervisor.rules]
									 : "unknown";
}

static void write_policy(struct strbuf *b, const struct controller_status *s)
{
	jw_open(b, "policy", '{');
	jw_text(b, "state", policy_key(s->policy));
	jw_uint(b, "revision", s->revision);
	jw_bool(b, "revision_kept", s->revision_kept);
	jw_uint(b, "revision_taken", s->revision_taken);
	jw_text(b, "file", s->policy_path);
	jw_time(b, "loaded", s->policy_loaded_ms);
	jw_uint(b, "file_errors", s->file_errors);
	jw_uint(b, "file_warnings", s->file_warnings);
	jw_uint(b, "load_failures", s->load_failures);
	jw_text(b, "fail", s->fail_open ? "open" : "closed");
	jw_bool(b, "judges_all", s->judges_all);
	jw_bool(b, "edit", s->policy_edit);
	jw_uint(b, "devices", s->devices);
	jw_uint(b, "rules", s->rules);
	jw_uint(b, "names", s->names);
	jw_close(b, '}');
}

static void write_processes(struct strbuf *b, const struct controller_status *s)
{
	jw_open(b, "dataplane", '{');
	jw_bool(b, "runs", s->supervisor_seen && s->supervisor.dataplane_pid > 0);
	jw_int(b, "pid", s->supervisor.dataplane_pid);
	jw_uint(b, "restarts", s->supervisor.dataplane_restarts);
	jw_uint(b, "hangs", s->supervisor.dataplane_hangs);
	jw_close(b, '}');
	jw_open(b, "controller", '{');
	jw_int(b, "pid", s->supervisor.controller_pid);
	jw_uint(b, "restarts", s->supervisor.controller_restarts);
	jw_time(b, "started", s->start_ms);
	jw_close(b, '}');
	jw_open(b, "failsafe", '{');
	jw_int(b, "pid", s->supervisor.failsafe_pid);
	jw_close(b, '}');
	jw_text(b, "rules", rules_key(s));
	jw_uint(b, "rules_fixed", s->supervisor.rules_fixed);
	jw_time(b, "started", s->supervisor.start_wall_ms);
}

static void write_counters(struct strbuf *b, const struct controller_status *s)
{
	const struct dataplane_counters *c = &s->supervisor.counters;

	jw_open(b, "counters", '{');
#define DATAPLANE_COUNTER(field, words) jw_uint(b, #field, c->field);
#include "tbl/dataplane_counters.h"
#undef DATAPLANE_COUNTER
	jw_close(b, '}');
}

static void write_events(struct strbuf *b, const struct controller_status *s)
{
	jw_open(b, "events", '{');
	jw_uint(b, "last_id", s->events_last_id);
	jw_uint(b, "recorded", s->events_recorded);
	jw_uint(b, "summed", s->events_summed);
	jw_uint(b, "lost", s->events_lost_ring + s->events_lost_store);
	jw_uint(b, "allowed", s->allowed);
	jw_uint(b, "blocked", s->blocked);
	jw_uint(b, "watched", s->watched);
	jw_uint(b, "unnamed", s->unnamed);
	jw_uint(b, "ended", s->conntrack_matched);
	jw_close(b, '}');
}

/* --- lists --- */

static void write_list(void *buf, const struct controller_list *l)
{
	struct strbuf *b = buf;

	jw_open(b, NULL, '{');
	jw_text(b, "name", l->name);
	jw_text(b, "file", l->file);
	jw_text(b, "state", l->kept ? "last-good" : "current");
	jw_uint(b, "names", l->names);
	jw_uint(b, "lines", l->lines);
	jw_uint(b, "broken", l->broken);
	jw_text(b, "failure", l->why);
	jw_bool(b, "may_accept", l->shrunk);
	jw_time(b, "last_good", l->good_ms);
	jw_close(b, '}');
}

static void write_lists(struct strbuf *b, struct controller *d)
{
	jw_open(b, "lists", '[');
	controller_lists(d, write_list, b);
	jw_close(b, ']');
}

static void write_list_problem(void *buf, const struct controller_list *l)
{
	struct strbuf text = {0};

	if (l->kept)
		strbuf_fmt(&text,
			"list '%s': %s; its last good copy (%llu names) stays in force%s%s",
			l->name, l->why, (unsigned long long)l->names,
			l->shrunk ? "; if the smaller list is meant: durwardctl reload "
				    "--accept-lists "
				  : "",
			l->shrunk ? l->name : "");
	else if (l->failure)
		strbuf_fmt(&text, "list '%s': no copy of it could be kept for a bad day: %s",
			l->name, strerror(-l->failure));
	if (text.n)
		jw_text(buf, NULL, strbuf_text(&text));
	strbuf_fini(&text);
}

static void write_record_problems(struct strbuf *b, const struct controller_status *s)
{
	struct strbuf text = {0};

	if (s->admin_store_failure[0])
		jw_text(b, NULL, s->admin_store_failure);
	if (s->events_failure[0])
		jw_text(b, NULL, s->events_failure);
	if (s->revision && !s->revision_kept) {
		strbuf_fmt(&text,
			"policy revision %u is in force, its text is not kept; it is tried again "
			"by "
			"itself",
			s->revision);
		jw_text(b, NULL, strbuf_text(&text));
	}
	if (s->events_aside[0]) {
		strbuf_reset(&text);
		strbuf_fmt(&text,
			"the events' database was damaged and is set aside as %s, its rows are not "
			"shown; move or delete the file when you have seen this",
			s->events_aside);
		jw_text(b, NULL, strbuf_text(&text));
	}
	strbuf_fini(&text);
}

static void write_supervisor_problems(struct strbuf *b, const struct controller_status *s)
{
	struct strbuf words = {0};

	for (int p = 0; p < PROBLEMS && s->supervisor_seen; p++) {
		if (!problem_is(&s->supervisor.problems, p))
			continue;
		strbuf_reset(&words);
		problem_words(&s->supervisor.problems, p, &words);
		jw_text(b, NULL, strbuf_text(&words));
	}
	strbuf_fini(&words);
}

/* The same for programs: the keys of tbl/problems.h. */
static void write_problem_keys(struct strbuf *b, const struct controller_status *s)
{
	jw_open(b, "problem_keys", '[');
	for (int p = 0; p < PROBLEMS && s->supervisor_seen; p++)
		if (problem_is(&s->supervisor.problems, p))
			jw_text(b, NULL, problem_key(p));
	jw_close(b, ']');
}

/* Not ready for the first time; or this controller is new, and the supervisor has not said yet how things stand. */
static bool is_starting(const struct controller_status *s)
{
	return s->supervisor_seen ? s->supervisor.starting
				  : s->now_ms < s->start_ms + SUPERVISOR_SILENT_MS;
}

static void write_process_problems(struct strbuf *b, const struct controller_status *s)
{
	if (is_starting(s))
		return;
	if (!s->supervisor_seen || s->supervisor.dataplane_pid <= 0)
		jw_text(b, NULL, "no dataplane runs: nothing is judged");
	if (s->supervisor_seen && s->supervisor.rules_by_hand)
		jw_text(b, NULL,
			"durward-rules took the rules away by hand: `durward-rules up` or a "
			"restart brings them back");
	else if (s->supervisor_seen && s->supervisor.rules != RULES_UP)
		jw_text(b, NULL, "the rules are not in force: `durward-rules status` tells more");
}

/* What a person should know, worst first. */
static void write_problems(
	struct strbuf *b, const struct controller_status *s, struct controller *d)
{
	jw_open(b, "problems", '[');
	if (s->policy == CONTROLLER_POLICY_NONE && !is_starting(s))
		jw_text(b, NULL, "no policy is in force: `durwardctl check` tells why");
	if (s->policy == CONTROLLER_POLICY_LAST_GOOD)
		jw_text(b, NULL,
			"the policy file has errors; the last good one is in force: "
			"`durwardctl check` tells where");
	write_process_problems(b, s);
	write_supervisor_problems(b, s);
	if (s->revision && s->revision_taken && s->revision_taken != s->revision)
		jw_text(b, NULL, "the dataplane still uses an earlier policy");
	controller_lists(d, write_list_problem, b);
	write_record_problems(b, s);
	if (s->disk_free && s->disk_free < 50u << 20)
		jw_text(b, NULL, "less than 50 MB are free where events are kept");
	jw_close(b, ']');
}

/* A build with sanitizers has no seccomp filter: whoever looks must see which one runs. */
static void write_build(struct strbuf *b)
{
	jw_text(b, "version", DURWARD_VERSION);
#ifdef DURWARD_SANITIZE
	jw_text(b, "sanitize", DURWARD_SANITIZE);
#endif
}

void api_status(struct request *r)
{
	struct strbuf *b = &r->reply.body;
	struct controller_status s;
	bool blind, deaf;

	controller_status_get(r->show->controller, &s);
	blind = !s.supervisor_seen || s.supervisor.dataplane_pid <= 0;
	deaf = s.supervisor_seen && s.supervisor.rules != RULES_UP;
	jw_open(b, NULL, '{');
	write_build(b);
	jw_time(b, "now", s.now_ms);
	jw_text(b, "state",
		is_starting(&s)			     ? "starting"
		: s.policy == CONTROLLER_POLICY_NONE ? "no-policy"
		: blind || deaf			     ? "down"
						     : "filtering");
	write_policy(b, &s);
	write_processes(b, &s);
	write_counters(b, &s);
	write_events(b, &s);
	jw_uint(b, "streams", sse_clients(r->show->sse));
	jw_uint(b, "disk_free", s.disk_free);
	write_lists(b, r->show->controller);
	write_problems(b, &s, r->show->controller);
	write_problem_keys(b, &s);
	jw_close(b, '}');
	reply_json(r, 200);
}

void api_version(struct request *r)
{
	struct strbuf *b = &r->reply.body;

	jw_open(b, NULL, '{');
	write_build(b);
	jw_close(b, '}');
	reply_json(r, 200);
}

void api_healthz(struct request *r)
{
	strbuf_str(&r->reply.body, "ok\n");
	r->reply.type = "text/plain";
	r->reply.status = 200;
}

void api_readyz(struct request *r)
{
	struct strbuf *b = &r->reply.body;
	struct controller_status s;

	controller_status_get(r->show->controller, &s);
	if (is_starting(&s))
		strbuf_str(b, "it is starting\n");
	if (s.policy == CONTROLLER_POLICY_NONE)
		strbuf_str(b, "no policy is in force\n");
	if (!s.supervisor_seen || s.supervisor.dataplane_pid <= 0)
		strbuf_str(b, "no dataplane runs\n");
	if (!s.supervisor_seen || s.supervisor.rules != RULES_UP)
		strbuf_str(b, "the rules are not in force\n");
	r->reply.status = b->n ? 503 : 200;
	if (!b->n)
		strbuf_str(b, "ready\n");
	r->reply.type = "text/plain";
}

/* --- metrics --- */

static void metric(struct strbuf *b, const char *type, const char *name, const char *labels,
	const char *help, uint64_t v)
{
	if (help)
		strbuf_fmt(
			b, "# HELP durward_%s %s\n# TYPE durward_%s %s\n", name, help, name, type);
	strbuf_fmt(b, "durward_%s%s %llu\n", name, labels, (unsigned long long)v);
}

static void write_flow_metrics(struct strbuf *b, const struct controller_status *s)
{
	const struct dataplane_counters *c = &s->supervisor.counters;

	metric(b, "counter", "flows_total", "{verdict=\"allow\"}", "Decisions recorded.",
		s->allowed);
	metric(b, "counter", "flows_total", "{verdict=\"block\"}", NULL, s->blocked);
	metric(b, "counter", "flows_unnamed_total", "",
		"Decisions on inspected or proxied ports without a readable name.", s->unnamed);
	metric(b, "counter", "flows_watched_total", "", "Decisions that a watch line would change.",
		s->watched);
#define DATAPLANE_COUNTER(field, words)                                                            \
	metric(b, "counter", "dataplane_" #field "_total", "", "The dataplane: " words ".",        \
		c->field);
#include "tbl/dataplane_counters.h"
#undef DATAPLANE_COUNTER
	metric(b, "counter", "events_summed_total", "",
		"Decisions beyond a client's rows, counted in sums.", s->events_summed);
	metric(b, "gauge", "relays_active", "", "Proxied connections.",
		c->relays - c->relays_ended);
	metric(b, "counter", "drops_total", "{stage=\"nfqueue\"}",
		"Packets or events lost, by where.", c->nfq_overruns);
	metric(b, "counter", "drops_total", "{stage=\"ring\"}", NULL, s->events_lost_ring);
	metric(b, "counter", "drops_total", "{stage=\"store\"}", NULL, s->events_lost_store);
	metric(b, "counter", "drops_total", "{stage=\"end\"}", NULL, s->events_lost_ends);
}

struct list_metric {
	struct strbuf *b;
	const char *name, *help;
	uint64_t (*value)(const struct controller_list *l);
};

static uint64_t list_names(const struct controller_list *l)
{
	return l->names;
}

static uint64_t list_good_s(const struct controller_list *l)
{
	return l->good_ms / 1000;
}

static uint64_t list_kept(const struct controller_list *l)
{
	return l->kept;
}

static void write_list_metric(void *metrics, const struct controller_list *l)
{
	struct list_metric *m = metrics;
	char labels[160];

	snprintf(labels, sizeof labels, "{list=\"%s\"}", l->name);
	metric(m->b, "gauge", m->name, labels, m->help, m->value(l));
	m->help = NULL;
}

static void write_list_metrics(struct strbuf *b, struct controller *d)
{
	struct list_metric all[] = {
		{b, "list_entries", "Names of a list in force.", list_names},
		{b, "list_last_success_timestamp_seconds",
			"When the list's last good copy was made.", list_good_s},
		{b, "list_kept", "1 while the last good copy stands in for the list's file.",
			list_kept},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		controller_lists(d, write_list_metric, &all[i]);
}

void api_metrics(struct request *r)
{
	struct strbuf *b = &r->reply.body;
	struct controller_status s;

	controller_status_get(r->show->controller, &s);
	metric(b, "gauge", "build_info", "{version=\"" DURWARD_VERSION "\"}", "Always 1.", 1);
	write_flow_metrics(b, &s);
	metric(b, "gauge", "policy_revision", "", "Revision in force, 0 for none.", s.revision);
	metric(b, "counter", "policy_load_failures_total", "", "Policy files refused.",
		s.load_failures);
	metric(b, "gauge", "policy_load_timestamp_seconds", "", "When the policy was loaded.",
		s.policy_loaded_ms / 1000);
	write_list_metrics(b, r->show->controller);
	metric(b, "gauge", "rules_up", "", "1 when the packet rules are in force.",
		s.supervisor_seen && s.supervisor.rules == RULES_UP);
	metric(b, "counter", "dataplane_restarts_total", "",
		"Times the dataplane was started again.", s.supervisor.dataplane_restarts);
	metric(b, "gauge", "sse_clients", "", "Live streams.", sse_clients(r->show->sse));
	r->reply.type = "text/plain; version=0.0.4";
	r->reply.status = 200;
}

/* --- openapi.json, from the table --- */

static void write_events_answer(struct strbuf *b)
{
	jw_raw(b, "200",
		"{\"description\":\"the rows\",\"content\":{\"application/json\":{\"schema\":"
		"{\"type\":\"object\",\"properties\":{\"events\":{\"type\":\"array\",\"items\":"
		"{\"$ref\":\"#/components/schemas/Event\"}},\"next\":{\"type\":\"integer\","
		"\"nullable\":true},\"partial\":{\"type\":\"boolean\"},\"version\":"
		"{\"type\":\"integer\"}}}}}}");
}

static void write_operation(struct strbuf *b, const struct route *t)
{
	char method[8];
	size_t i;

	for (i = 0; i < sizeof method - 1 && t->method[i]; i++)
		method[i] = (char)(t->method[i] | 0x20);
	method[i] = 0;
	jw_open(b, method, '{');
	jw_text(b, "summary", t->help);
	jw_text(b, "x-scope", scope_key(t->scope));
	if (strstr(t->path, "{id}")) {
		jw_open(b, "parameters", '[');
		jw_open(b, NULL, '{');
		jw_text(b, "name", "id");
		jw_text(b, "in", "path");
		jw_bool(b, "required", true);
		jw_open(b, "schema", '{');
		jw_text(b, "type", "string");
		jw_close(b, '}');
		jw_close(b, '}');
		jw_close(b, ']');
	}
	jw_open(b, "responses", '{');
	if (t->handle == api_events)
		write_events_answer(b);
	jw_open(b, "default", '{');
	jw_text(b, "description", "the answer, or application/problem+json");
	jw_close(b, '}');
	jw_close(b, '}');
	jw_close(b, '}');
}

static bool seen_before(size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(show_routes[k].path, show_routes[i].path) == 0)
			return true;
	return false;
}

void api_openapi(struct request *r)
{
	struct strbuf *b = &r->reply.body;

	jw_open(b, NULL, '{');
	jw_text(b, "openapi", "3.0.3");
	jw_open(b, "info", '{');
	jw_text(b, "title", "Durward");
	jw_text(b, "version", DURWARD_VERSION);
	jw_close(b, '}');
	jw_open(b, "paths", '{');
	for (size_t i = 0; i < show_n_routes; i++) {
		if (seen_before(i))
			continue;
		jw_open(b, show_routes[i].path, '{');
		for (size_t k = i; k < show_n_routes; k++)
			if (strcmp(show_routes[k].path, show_routes[i].path) == 0)
				write_operation(b, &show_routes[k]);
		jw_close(b, '}');
	}
	jw_close(b, '}');
	jw_open(b, "components", '{');
	jw_open(b, "schemas", '{');
	row_schema(b, "Event");
	jw_close(b, '}');
	jw_close(b, '}');
	jw_close(b, '}');
	reply_json(r, 200);
}
