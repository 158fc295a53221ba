/* SPDX-License-Identifier: GPL-3.0-or-later
 * router.c - admits every request in one place: Host, route, who asks, same site, in this order; the default is to deny.
 *
 * It decides by the head alone, before a byte of the body is read.
 * Owns: nothing. Thread: any. Fails: by filling the reply. See: durward-api(7) "Who may ask"; RFC 9457.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "show_int.h"

const struct route show_routes[] = {
#define ROUTE(method, path, scope, handler, help)                                                  \
	{#method, path, SCOPE_##scope, api_##handler, help},
#include "tbl/api_routes.h"
#undef ROUTE
};
const size_t show_n_routes = sizeof show_routes / sizeof *show_routes;

const char *scope_key(enum scope s)
{
	static const char *const keys[] = {"open", "read", "policy", "admin"};

	return keys[s];
}

/* --- replies --- */

void reply_json(struct request *r, unsigned status)
{
	r->reply.status = status;
	r->reply.type = "application/json";
}

void reply_empty(struct request *r)
{
	r->reply.status = 204;
}

void reply_problem(struct request *r, unsigned status, const char *fmt, ...)
{
	struct strbuf *b = &r->reply.body;
	char detail[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	strbuf_fini(b);
	jw_open(b, NULL, '{');
	jw_text(b, "type", "about:blank");
	jw_text(b, "title", http_reason(status));
	jw_uint(b, "status", status);
	jw_text(b, "detail", detail);
	jw_close(b, '}');
	r->reply.status = status;
	r->reply.type = "application/problem+json";
}

void reply_errno(struct request *r, int rc, const char *what)
{
	switch (rc) {
	case -ENOSPC:
	case -EDQUOT:
		reply_problem(r, 507, "%s: the disk is full; nothing was changed", what);
		break;
	case -EACCES:
	case -EPERM:
	case -EROFS:
		reply_problem(r, 507, "%s: %s; nothing was changed", what, strerror(-rc));
		break;
	case -ENOENT:
		reply_problem(r, 404, "%s: not there", what);
		break;
	default:
		reply_problem(r, 500, "%s: %s", what, strerror(-rc));
	}
}

/* --- Host: a page of a stranger's name that resolves to us may not speak to us (DNS rebinding) --- */

static bool word_in(const char *words, struct slice w)
{
	while (words && *words) {
		size_t n = strcspn(words, " ");
		if (n == w.n && strncasecmp(words, (const char *)w.p, n) == 0)
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}

static bool host_is_ours(const struct request *r, const char *host)
{
	size_t n = strlen(host);
	struct addr a;

	if (host[0] == '[') { /* [::1]:8480 */
		const char *end = strchr(host, ']');
		return end && addr_parse(slice_of(host + 1, (size_t)(end - host - 1)), &a);
	}
	n = strcspn(host, ":");
	if (addr_parse(slice_of(host, n), &a))
		return true; /* rebinding needs a name */
	return (n == 9 && strncasecmp(host, "localhost", 9) == 0) ||
	       word_in(r->show->in->web_names, slice_of(host, n));
}

static bool check_host(struct request *r)
{
	const char *host = request_header(r, "Host");

	if (r->local || (host && host_is_ours(r, host)))
		return true;
	reply_problem(r, 421,
		"reach this page by its address, or name the host in the setting web-names");
	return false;
}

/* --- route --- */

static bool is_path(const char *path, const char *asked)
{
	size_t n = strcspn(path, "{");

	if (!path[n])
		return strcmp(path, asked) == 0;
	if (strncmp(path, asked, n) != 0 || !asked[n])
		return false;
	for (asked += n; isalnum((unsigned char)*asked);)
		asked++;
	return !*asked;
}

static bool find_route(struct request *r)
{
	char *allow = r->reply.allow;

	for (size_t i = 0; i < show_n_routes; i++) {
		const struct route *t = &show_routes[i];
		if (!is_path(t->path, r->path))
			continue;
		if (strcmp(t->method, r->method) == 0) {
			r->route = t;
			allow[0] = 0;
			return true;
		}
		snprintf(allow + strlen(allow), sizeof r->reply.allow - strlen(allow), "%s%s",
			allow[0] ? ", " : "", t->method);
	}
	if (allow[0]) {
		reply_problem(r, 405, "%s takes %s", r->path, allow);
	} else if (strncmp(r->path, "/api/", 5) == 0 || strcmp(r->method, "GET") != 0 ||
		   !assets_handle(r)) {
		reply_problem(
			r, 404, "nothing is there; GET /api/openapi.json lists what there is");
	}
	return false;
}

/* --- who --- */

static bool is_metrics_from_here(const struct request *r)
{
	return addr_is_loopback(&r->peer) && strcmp(r->path, "/metrics") == 0;
}

static bool check_scope(struct request *r)
{
	if (!r->local) {
		r->known = auth_cookie(r->show->auth, request_header(r, "Cookie"), r->session);
		r->admin = r->known;
	}
	if (r->route->scope == SCOPE_OPEN || is_metrics_from_here(r))
		return true;
	if (!r->known) {
		reply_problem(r, 401, "log in first: POST /api/v1/session with the password");
		return false;
	}
	if (r->route->scope > SCOPE_READ && !r->admin) {
		reply_problem(
			r, 403, "the group may read; only root may change things over the socket");
		return false;
	}
	return true;
}

/* --- same site --- */

static bool writes(const struct request *r)
{
	return strcmp(r->method, "GET") != 0;
}

/* Origin is "null" or scheme://host[:port]; it must name the host that was asked. */
static bool origin_is_ours(const struct request *r)
{
	const char *origin = request_header(r, "Origin"), *host = request_header(r, "Host");
	const char *site = request_header(r, "Sec-Fetch-Site");
	const char *at = origin ? strstr(origin, "://") : NULL;

	if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return false;
	return !origin || (at && host && strcasecmp(at + 3, host) == 0);
}

static bool is_json(const char *type)
{
	return type && strncasecmp(type, "application/json", 16) == 0 &&
	       (type[16] == 0 || type[16] == ';' || type[16] == ' ');
}

static bool check_same_site(struct request *r)
{
	if (r->local || !writes(r))
		return true;
	if (!origin_is_ours(r) || !request_header(r, "X-Durward")) {
		reply_problem(r, 403, "a change needs the header X-Durward and no foreign Origin");
		return false;
	}
	if (strcmp(r->method, "DELETE") != 0 && !is_json(request_header(r, "Content-Type"))) {
		reply_problem(r, 415, "JSON only: Content-Type: application/json");
		return false;
	}
	return true;
}

void router_admit(struct request *r)
{
	if (check_host(r) && find_route(r) && check_scope(r) && check_same_site(r))
		r->body_max = r->route->scope == SCOPE_POLICY ? BODY_POLICY : BODY_SMALL;
}
