/* SPDX-License-Identifier: GPL-3.0-or-later
 * api_access.c - the API of access: the first password, log in, log out, who is logged in.
 *
 * Owns: nothing. Thread: a worker. Fails: by the reply.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "show_int.h"

static const struct addr *peer_of(const struct request *r)
{
	return r->local ? NULL : &r->peer;
}

/* What is wrong with the database, and what fixes it. */
static void reply_failed(struct request *r)
{
	struct controller_status s;

	controller_status_get(r->show->controller, &s);
	reply_problem(r, 507, "%s; nothing was changed",
		s.admin_store_failure[0] ? s.admin_store_failure
					 : "the state directory cannot be written");
}

static void reply_result(struct request *r, enum auth_result got, unsigned wait_s)
{
	switch (got) {
	case AUTH_OK:
		reply_empty(r);
		break;
	case AUTH_WRONG:
		reply_problem(r, 403,
			"not the right password or token. Forgotten? As root on the gateway: "
			"durwardctl passwd");
		break;
	case AUTH_THROTTLED:
		r->reply.retry_after_s = wait_s;
		reply_problem(r, 429, "too many wrong guesses; try again in %u s", wait_s);
		break;
	case AUTH_WEAK:
		reply_problem(r, 422, "a password has 8 to 512 bytes");
		break;
	case AUTH_DONE_BEFORE:
		reply_problem(r, 409, "a password is set: log in with it");
		break;
	case AUTH_FAILED:
		reply_failed(r);
		break;
	}
}

void api_setup_state(struct request *r)
{
	struct strbuf *b = &r->reply.body;

	jw_open(b, NULL, '{');
	jw_bool(b, "password_set", auth_has_password(r->show->auth));
	jw_close(b, '}');
	reply_json(r, 200);
}

void api_setup_claim(struct request *r)
{
	struct json *j = request_json(r);
	const char *token = jr_get_text(j, "token"), *password = jr_get_text(j, "password");
	unsigned wait_s = 0;
	enum auth_result got = AUTH_DONE_BEFORE;

	/* with a password set, only a token that root has just made opens this door */
	got = auth_claim(r->show->auth, peer_of(r), token, password, r->reply.cookie, &wait_s);
	if (got == AUTH_WRONG && auth_has_password(r->show->auth))
		got = AUTH_DONE_BEFORE;
	reply_result(r, got, wait_s);
	jr_free(j);
}

void api_setup_token(struct request *r)
{
	struct strbuf *b = &r->reply.body;
	char token[32];

	if (!r->local) {
		reply_problem(r, 403, "not from here; as root on the gateway: durwardctl setup");
		return;
	}
	if (auth_new_token(r->show->auth, token) < 0) {
		reply_problem(r, 500, "no random numbers");
		return;
	}
	jw_open(b, NULL, '{');
	jw_text(b, "token", token);
	jw_uint(b, "minutes", 15);
	jw_bool(b, "password_set", auth_has_password(r->show->auth));
	jw_close(b, '}');
	reply_json(r, 200);
}

/* The only way out of a damaged database, and only from the console: the password in it may be the owner's. */
void api_set_aside(struct request *r)
{
	int rc;

	if (!r->local) {
		reply_problem(
			r, 403, "not from here; as root on the gateway: durwardctl set-aside");
		return;
	}
	rc = controller_admin_store_set_aside(r->show->controller);
	if (rc == -EEXIST)
		reply_problem(
			r, 409, "the database of the password and the revisions is not damaged");
	else if (rc < 0)
		reply_failed(r);
	else
		reply_empty(r);
}

void api_password(struct request *r)
{
	struct json *j = request_json(r);
	enum auth_result got = AUTH_OK;
	unsigned wait_s = 0;

	if (!r->local)
		got = auth_check(r->show->auth, &r->peer, jr_get_text(j, "old"), &wait_s);
	if (got == AUTH_OK)
		got = auth_set_password(r->show->auth, jr_get_text(j, "password"));
	reply_result(r, got, wait_s);
	jr_free(j);
}

void api_session_new(struct request *r)
{
	struct json *j = request_json(r);
	unsigned wait_s = 0;
	enum auth_result got;

	got = auth_login(
		r->show->auth, peer_of(r), jr_get_text(j, "password"), r->reply.cookie, &wait_s);
	reply_result(r, got, wait_s); /* not in one call: the order of arguments is not fixed */
	jr_free(j);
}

void api_session_end(struct request *r)
{
	auth_logout(r->show->auth, r->session);
	snprintf(r->reply.cookie, sizeof r->reply.cookie,
		"durward=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
	reply_empty(r);
}

void api_me(struct request *r)
{
	struct strbuf *b = &r->reply.body;
	char text[ADDR_TEXT];

	jw_open(b, NULL, '{');
	jw_text(b, "role", r->admin ? "admin" : "viewer");
	jw_text(b, "over", r->local ? "socket" : "web");
	if (r->local)
		jw_uint(b, "uid", r->uid);
	else
		jw_text(b, "addr", addr_format(&r->peer, text));
	jw_close(b, '}');
	reply_json(r, 200);
}
