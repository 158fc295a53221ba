/* SPDX-License-Identifier: GPL-3.0-or-later
 * show_int.h - one request from its head to its reply, and what the files of show/ ask of each other. Private to show/.
 *
 *   http.c     libmicrohttpd: head -> router_admit() -> body -> a worker: route->handle() -> reply
 *   door.c     TCP: waits for whole heads, checks them, makes room
 *   router.c   Host, route, who asks, CSRF: every request passes it; the default is to deny
 *   auth.c     password, sessions, setup token, throttle
 *   sse.c      the live stream
 *   api_*.c    handlers: read request_arg() and r->body, fill r->reply
 */
#ifndef SHOW_SHOW_INT_H
#define SHOW_SHOW_INT_H

#include <pthread.h>

#include "base/addr.h"
#include "controller/access.h"
#include "controller/controller.h"
#include "controller/events.h"
#include "controller/policy.h"
#include "controller/status.h"
#include "show/json.h"

enum { TOKEN_HEX = 65, BODY_SMALL = 4096, BODY_POLICY = 8 << 20 };

struct MHD_Connection;
struct auth;
struct sse;
struct request;

enum scope { SCOPE_OPEN, SCOPE_READ, SCOPE_POLICY, SCOPE_ADMIN };

struct route {
	const char *method, *path;
	enum scope scope;
	void (*handle)(struct request *r);
	const char *help;
};

struct show {
	struct controller *controller;
	const struct controller_in *in;
	struct auth *auth;
	struct sse *sse;
	struct http *http;
};

struct reply {
	unsigned status; /* 0 = not filled yet */
	const char *type;
	struct strbuf body;
	char etag[40]; /* with its quotes; "" = none */
	char cookie[160];
	unsigned retry_after_s;
	char allow[40];	   /* for 405 */
	bool page;	   /* may be cached and carries the pages' policy; else no-store */
	const void *fixed; /* instead of body: bytes that live for ever */
	size_t n_fixed;
	bool gzip;
	bool stream; /* sse.c answers */
};

enum stage { STAGE_HEAD, STAGE_BODY, STAGE_WORK, STAGE_DONE };

struct request {
	struct show *show;
	struct MHD_Connection *connection;
	const struct route *route;
	const char *method, *path;
	bool local;		 /* over the Unix socket */
	uint32_t uid;		 /* local: of the peer */
	struct addr peer;	 /* else its address */
	int fd;			 /* its socket, libmicrohttpd's */
	bool known;		 /* logged in, or local */
	bool admin;		 /* a session, or root or ourselves on the socket */
	char session[TOKEN_HEX]; /* digest; "" = none */
	struct strbuf body;
	size_t body_max;
	enum stage stage;
	struct reply reply;
	struct request *next;
};

/* --- http.c --- */
const char *request_arg(const struct request *r, const char *name);    /* NULL: not there */
const char *request_header(const struct request *r, const char *name); /* NULL: not there */
const char *http_reason(unsigned status); /* the reason phrase of RFC 9110 15 or RFC 6585; static */
struct json *request_json(const struct request *r); /* NULL: not a JSON object; caller frees */

/* --- router.c --- */
void router_admit(struct request
		*r); /* head only: fills the reply when refused, else sets route, known, body_max */
void reply_json(struct request *r, unsigned status); /* r->reply.body holds it */
/* A problem (RFC 9457), whose title is the reason phrase of the status; the detail is a sentence for a person. */
void reply_problem(struct request *r, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void reply_errno(struct request *r, int rc, const char *what);
void reply_empty(struct request *r); /* 204 */
extern const struct route show_routes[];
extern const size_t show_n_routes;
const char *scope_key(enum scope s);

/* --- auth.c --- */
int auth_new(struct show *s, struct auth **out);
void auth_free(struct auth *a);
bool auth_has_password(struct auth *a);
bool auth_session_alive(struct auth *a, const char *digest); /* touches it */
/* From the Cookie header: fills digest when it names a live session. */
bool auth_cookie(struct auth *a, const char *cookie, char digest[static TOKEN_HEX]);
enum auth_result { AUTH_OK, AUTH_WRONG, AUTH_THROTTLED, AUTH_WEAK, AUTH_DONE_BEFORE, AUTH_FAILED };
/* peer NULL: no throttle. On AUTH_OK a session begins; cookie is the Set-Cookie value. *wait_s with AUTH_THROTTLED. */
enum auth_result auth_login(struct auth *a, const struct addr *peer, const char *password,
	char cookie[static 160], unsigned *wait_s);
enum auth_result auth_claim(struct auth *a, const struct addr *peer, const char *token,
	const char *password, char cookie[static 160], unsigned *wait_s);
enum auth_result auth_check(
	struct auth *a, const struct addr *peer, const char *password, unsigned *wait_s);
enum auth_result auth_set_password(struct auth *a, const char *password); /* ends every session */
int auth_new_token(struct auth *a, char out[static 32]); /* text form; also in STATE/setup-token */
void auth_logout(struct auth *a, const char *digest);

/* Whether a Cookie header names a session that was alive a moment ago: from memory, for who gets room. */
bool auth_recalls(struct auth *a, struct slice cookie);

/* --- door.c --- */
struct door;
struct guest;
struct MHD_Daemon;
int door_new(struct auth *auth, struct door **out);
int door_open(struct door *d, struct MHD_Daemon *daemon);
int door_listen(struct door *d, int fd); /* any thread, any time: a TCP socket that listens */
void door_stop(struct door *d);		 /* nobody comes in any more; who is in stays */
void door_free(struct door *d);		 /* after the daemon; NULL is fine */
struct guest *door_started(struct door *d, int fd);
void door_left(struct door *d, struct guest *g);
bool door_waits_for(struct door *d, int fd); /* false: sent away, nobody will read an answer */
void door_stays(struct door *d, int fd);     /* it streams: no deadline */

/* --- sse.c --- */
int sse_new(struct show *s, struct sse **out);
void sse_free(struct sse *s);
void sse_wake(struct sse *s);	    /* any thread */
void sse_close(struct sse *s);	    /* ends every stream */
void sse_handle(struct request *r); /* handler of /stream: checks; marks r->reply.stream */
struct MHD_Response;
struct MHD_Response *sse_response(struct request *r); /* NULL: no more streams */
unsigned sse_clients(struct sse *s);

/* --- rows.c --- */
void row_write(struct strbuf *b, const char *key, const struct row *r);
int row_version(void); /* of the members of an event: the greatest SINCE of tbl/event_columns.h */
void row_schema(struct strbuf *b, const char *key); /* an event in openapi.json */
/* The members of a row with these JSON names, in the order of the table; fields of the object that is open. */
void row_write_members(struct strbuf *b, const struct row *r, const char *const *names, size_t n);
/* Reads verdict= name= who= rule= since= until= after= before= limit= reference=. False: the reply says what is wrong. */
bool row_filter_read(struct request *r, struct row_filter *f);

/* --- assets.c --- */
bool assets_handle(struct request *r); /* false: no such page */

/* --- work: api_*.c --- */
#define ROUTE(method, path, scope, handler, help) void api_##handler(struct request *r);
#include "tbl/api_routes.h"
#undef ROUTE

#endif
