/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/api_routes.h - every route of the API, one row each (X-macro, included many times).
 *
 * ROUTE(METHOD, "path", SCOPE, handler, "help")
 * SCOPE  OPEN    no login                     READ    a session, or a socket peer of the group
 *        POLICY  may change the policy        ADMIN   the administrator; on the socket: root
 * A path that ends in "/{id}" takes one more word there, of letters and digits.
 * A route whose method writes also needs the custom header and the JSON content type (show/auth.c).
 * router.c, openapi.json and durward-api(7) come from these rows.
 */
#ifdef ROUTE
ROUTE(GET, "/healthz", OPEN, healthz, "200 while the controller is alive")
ROUTE(GET, "/readyz", OPEN, readyz,
	"200 when policy and rules are in force, else 503 with the reasons")
ROUTE(GET, "/metrics", READ, metrics, "counters in Prometheus' text format")
ROUTE(GET, "/api/openapi.json", OPEN, openapi, "this list, for programs")
ROUTE(GET, "/api/v1/version", READ, version, "version and build")
ROUTE(GET, "/api/v1/status", READ, status, "what is in force, who runs, what was decided")
ROUTE(GET, "/api/v1/events", READ, events,
	"recorded decisions: verdict= name= who= rule= since= until= after= before= limit= "
	"reference=")
ROUTE(GET, "/api/v1/flows", READ, flows,
	"what goes on just now: verdict= name= who= rule= since= until= limit= as for events, "
	"path= "
	"sort=newest|bytes cursor=")
ROUTE(DELETE, "/api/v1/flows/{id}", POLICY, flow_cut, "cut this flow now")
ROUTE(GET, "/api/v1/stream", READ, stream,
	"decisions as they happen (server-sent events): topics=events and filters")
ROUTE(GET, "/api/v1/explain", READ, explain,
	"what would be decided: who= name= | addr= port= proto= kind= to= at=")
ROUTE(GET, "/api/v1/devices", READ, devices, "devices seen in the last 7 days")
ROUTE(GET, "/api/v1/policy", READ, policy, "the policy file, with its ETag")
ROUTE(GET, "/api/v1/policy/revisions", READ, revisions, "every policy that was in force")
ROUTE(POST, "/api/v1/policy/check", POLICY, policy_check,
	"{text}: every error in it, nothing changes")
ROUTE(PUT, "/api/v1/policy/apply", POLICY, policy_apply,
	"{text, accept_lists} with If-Match: write the file and put it in force")
ROUTE(POST, "/api/v1/policy/apply", POLICY, policy_apply, "as PUT")
ROUTE(POST, "/api/v1/reload", POLICY, reload,
	"{accept_lists}: read the policy file and its lists again")
ROUTE(GET, "/api/v1/setup", OPEN, setup_state, "whether a password has been set")
ROUTE(POST, "/api/v1/setup/claim", OPEN, setup_claim, "{token, password}: set the first password")
ROUTE(POST, "/api/v1/setup/token", ADMIN, setup_token, "a fresh one-time token (socket only)")
ROUTE(POST, "/api/v1/database/set-aside", ADMIN, set_aside,
	"puts a damaged database of password and revisions aside, a new one begins (socket only)")
ROUTE(PUT, "/api/v1/password", ADMIN, password,
	"{password, old}: a new password; old is not asked on the socket")
ROUTE(POST, "/api/v1/session", OPEN, session_new, "{password}: log in")
ROUTE(DELETE, "/api/v1/session", READ, session_end, "log out")
ROUTE(GET, "/api/v1/me", READ, me, "who is asking, and what they may do")
#endif
