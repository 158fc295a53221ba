/* SPDX-License-Identifier: GPL-3.0-or-later
 * api_policy.c - the API of the policy: read, check, apply, reload, revisions.
 *
 * The ETag is the digest of the file on disk, so that nobody overwrites an edit by hand without having seen it.
 * Owns: nothing. Thread: a worker. Fails: by the reply.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show_int.h"

enum {
	TAKEN_MS = 5000
}; /* for the dataplane to take a new policy; then the answer says taken:false */

static void set_etag(struct request *r, uint64_t etag)
{
	snprintf(r->reply.etag, sizeof r->reply.etag, "\"%016llx\"", (unsigned long long)etag);
}

void api_policy(struct request *r)
{
	struct strbuf text = {0}, *b = &r->reply.body;
	struct controller_status s;
	uint32_t revision;
	uint64_t etag;
	int rc = controller_policy_text(r->show->controller, &text, &revision, &etag);

	if (rc < 0 && rc != -ENOENT) {
		reply_errno(r, rc, "the policy file");
	} else {
		controller_status_get(r->show->controller, &s);
		jw_open(b, NULL, '{');
		jw_uint(b, "revision", revision);
		jw_bool(b, "kept", s.revision_kept);
		jw_text(b, "file", s.policy_path);
		jw_bool(b, "exists", rc == 0);
		jw_bool(b, "in_force", s.policy == CONTROLLER_POLICY_IN_FORCE);
		jw_bool(b, "edit", s.policy_edit);
		jw_slice(b, "text", slice_of(text.s, text.n));
		jw_close(b, '}');
		set_etag(r, etag);
		reply_json(r, 200);
	}
	strbuf_fini(&text);
}

/* --- findings --- */

static void write_findings(struct strbuf *b, const struct diag *d)
{
	jw_uint(b, "errors", d->errors);
	jw_uint(b, "warnings", d->warnings);
	jw_open(b, "findings", '[');
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_entry *e = &d->entries[i];
		jw_open(b, NULL, '{');
		jw_text(b, "level", e->level == DIAG_ERROR ? "error" : "warning");
		jw_uint(b, "line", e->line);
		jw_uint(b, "column", e->column);
		jw_uint(b, "length", e->length);
		jw_text(b, "text", e->text);
		jw_close(b, '}');
	}
	jw_close(b, ']');
}

/* 200 with {"ok":true,...}, or 422 with the errors, in the shape of a problem. */
static void reply_findings(
	struct request *r, const struct diag *d, uint32_t revision, bool put_in_force)
{
	struct strbuf *b = &r->reply.body;
	bool ok = d->errors == 0;

	jw_open(b, NULL, '{');
	jw_bool(b, "ok", ok);
	if (!ok && put_in_force) {
		jw_text(b, "type", "about:blank");
		jw_text(b, "title", http_reason(422));
		jw_uint(b, "status", 422);
		jw_text(b, "detail",
			"the policy has errors: nothing was changed, and the old one goes on");
	}
	if (ok && put_in_force) {
		jw_uint(b, "revision", revision);
		jw_bool(b, "taken",
			controller_policy_await(r->show->controller, revision, TAKEN_MS));
	}
	write_findings(b, d);
	jw_close(b, '}');
	reply_json(r, ok || !put_in_force ? 200 : 422);
}

/* The member "text" of the body. The caller frees *j. NULL: the reply says so. */
static const char *body_text(struct request *r, struct json **j)
{
	const char *text;

	*j = request_json(r);
	text = jr_text(jr_get(*j, "text"));
	if (!text)
		reply_problem(r, 400, "the body is {\"text\":\"...\"}");
	return text;
}

void api_policy_check(struct request *r)
{
	struct diag d = {0};
	struct json *j;
	const char *text = body_text(r, &j);
	int rc = text ? controller_policy_check(r->show->controller, slice_str(text), &d) : 0;

	if (text && rc < 0 && rc != -EINVAL)
		reply_errno(r, rc, "the check");
	else if (text)
		reply_findings(r, &d, 0, false);
	diag_fini(&d);
	jr_free(j);
}

/* --- apply --- */

/* "accept_lists": true, or names: lists that may be less than half of what they were. "" = none. */
static bool read_accept(struct request *r, const struct json *j, struct strbuf *accept)
{
	const struct json *v = jr_get(j, "accept_lists");
	size_t n = jr_count(v);
	bool ok = jr_is_null(v) || jr_is_bool(v) || jr_is_array(v);

	if (jr_true(v))
		strbuf_char(accept, '*');
	for (size_t i = 0; ok && i < n; i++) {
		const char *name = jr_text(jr_at(v, i));

		ok = name && *name && !strpbrk(name, " *");
		if (ok)
			strbuf_fmt(accept, "%s%s", accept->n ? " " : "", name);
	}
	if (!ok)
		reply_problem(r, 400, "accept_lists is true, or an array of names of lists");
	return ok;
}

static const char *accept_text(const struct strbuf *accept)
{
	return accept->n ? accept->s : NULL;
}

static bool read_if_match(struct request *r, uint64_t *etag)
{
	const char *m = request_header(r, "If-Match");
	char *end;

	if (!m) {
		reply_problem(r, 428,
			"If-Match is missing: send the ETag of GET /api/v1/policy, so that no "
			"other edit is lost");
		return false;
	}
	*etag = strtoull(m + (*m == '"'), &end, 16);
	if (end - m < 16) {
		reply_problem(r, 412, "that is no ETag of ours; read the policy again");
		return false;
	}
	return true;
}

static void reply_applied(struct request *r, int rc, const struct diag *d, uint32_t revision)
{
	struct strbuf ignored = {0};
	uint64_t etag;

	switch (rc) {
	case 0:
		if (controller_policy_text(r->show->controller, &ignored, &revision, &etag) == 0)
			set_etag(r, etag);
		strbuf_fini(&ignored);
		reply_findings(r, d, revision, true);
		break;
	case -EINVAL:
		reply_findings(r, d, 0, true);
		break;
	case -ESTALE:
		reply_problem(r, 412,
			"the file has changed: somebody edited it since you read it; read it "
			"again");
		break;
	case -EROFS:
		if (!r->show->in->policy_edit) {
			reply_problem(r, 403,
				"the policy is not edited here: `policy-edit off` in the settings: "
				"edit the file, then "
				"`durwardctl reload`");
			break;
		} /* fall through */
	default:
		reply_errno(r, rc, "the policy could not be kept");
	}
}

void api_policy_apply(struct request *r)
{
	char actor[64] = "web";
	struct diag d = {0};
	struct controller_apply a = {0};
	struct strbuf accept = {0};
	uint32_t revision = 0;
	struct json *j = NULL;
	const char *text = read_if_match(r, &a.etag) ? body_text(r, &j) : NULL;

	if (r->local)
		snprintf(actor, sizeof actor, "socket, uid %u", r->uid);
	if (text && read_accept(r, j, &accept)) {
		int rc;

		a.text = slice_str(text);
		a.accept = accept_text(&accept);
		rc = controller_policy_apply(r->show->controller, &a, actor, &d, &revision);
		reply_applied(r, rc, &d, revision);
	}
	strbuf_fini(&accept);
	diag_fini(&d);
	jr_free(j);
}

void api_reload(struct request *r)
{
	struct json *j = request_json(r); /* none is fine */
	struct diag d = {0};
	struct strbuf accept = {0};
	uint32_t revision = 0;
	int rc = 0;

	if (read_accept(r, j, &accept)) {
		rc = controller_policy_reload(
			r->show->controller, "file", accept_text(&accept), &d, &revision);
		if (rc < 0 && rc != -EINVAL)
			reply_errno(r, rc, "the policy could not be loaded");
		else
			reply_findings(r, &d, revision, true);
	}
	strbuf_fini(&accept);
	diag_fini(&d);
	jr_free(j);
}

/* --- revisions --- */

static void add_revision(void *buf, const struct controller_revision *v)
{
	struct strbuf *b = buf;

	jw_open(b, NULL, '{');
	jw_uint(b, "revision", v->number);
	jw_time(b, "time", v->wall_ms);
	jw_text(b, "actor", v->actor);
	jw_bool(b, "kept", v->kept);
	jw_close(b, '}');
}

static void reply_one(struct request *r, const char *number)
{
	struct strbuf text = {0}, *b = &r->reply.body;
	uint32_t n = (uint32_t)strtoul(number, NULL, 10);
	int rc = controller_policy_revision_text(r->show->controller, n, &text);

	if (rc < 0) {
		reply_errno(r, rc, "no such revision, or its text could not be kept");
	} else {
		jw_open(b, NULL, '{');
		jw_uint(b, "revision", n);
		jw_slice(b, "text", slice_of(text.s, text.n));
		jw_close(b, '}');
		reply_json(r, 200);
	}
	strbuf_fini(&text);
}

void api_revisions(struct request *r)
{
	struct strbuf *b = &r->reply.body;
	const char *number = request_arg(r, "n");
	int rc;

	if (number) {
		reply_one(r, number);
		return;
	}
	jw_open(b, NULL, '{');
	jw_open(b, "revisions", '[');
	rc = controller_policy_revisions(r->show->controller, add_revision, b);
	if (rc < 0) {
		strbuf_fini(b);
		reply_errno(r, rc, "the revisions");
		return;
	}
	jw_close(b, ']');
	jw_close(b, '}');
	reply_json(r, 200);
}
