/* SPDX-License-Identifier: GPL-3.0-or-later
 * api.c - calls the API over the Unix socket. Only this file of the tool uses libcurl.
 *
 * The daemon knows us by our uid (SO_PEERCRED), so no password is needed. Owns: nothing after return. Thread: one.
 * Fails: api_answer.status 0 with words.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl_int.h"

enum { TIMEOUT_S = 60, CONNECT_MS = 3000, ANSWER_MAX = 64 << 20 };

static size_t take(char *p, size_t size, size_t n, void *user)
{
	struct strbuf *b = user;

	if (b->n + size * n > ANSWER_MAX)
		return 0;
	strbuf_add(b, slice_of(p, size * n));
	return size * n;
}

/* What the person should do about a socket that does not answer. */
static void explain_failure_with(const char *path, CURLcode rc, char out[static 256])
{
	if (access(path, F_OK) < 0)
		snprintf(out, 256,
			"%s is not there: durward does not run (systemctl start durward), or "
			"--socket names another place",
			path);
	else if (access(path, R_OK | W_OK) < 0)
		snprintf(out, 256, "%s: %s: be root, or a member of the group durward", path,
			strerror(errno));
	else
		snprintf(out, 256, "%s: the daemon does not answer: %s", path,
			curl_easy_strerror(rc));
}

static CURL *prepare(struct ctl *c, const char *path, char url[static 4096])
{
	static bool begun;
	CURL *h;

	if (!begun)
		curl_global_init(CURL_GLOBAL_DEFAULT);
	begun = true;
	h = curl_easy_init();
	if (!h)
		return NULL;
	snprintf(url, 4096, "http://localhost%s", path);
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	return h;
}

int api_call(struct ctl *c, const char *method, const char *path, const char *body,
	struct api_answer *out)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char url[4096];
	CURL *h = prepare(c, path, url);
	CURLcode rc;

	*out = (struct api_answer){0};
	headers = curl_slist_append(headers, "X-Durward: durwardctl");
	if (!h || !headers) {
		snprintf(out->failure, sizeof out->failure, "out of memory");
		curl_slist_free_all(headers);
		curl_easy_cleanup(h);
		return -ENOMEM;
	}
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &out->body);
	if (body)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
	rc = curl_easy_perform(h);
	if (rc == CURLE_OK)
		curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &out->status);
	else
		explain_failure_with(c->socket, rc, out->failure);
	curl_slist_free_all(headers);
	curl_easy_cleanup(h);
	return rc == CURLE_OK ? 0 : -ECONNREFUSED;
}

void api_answer_fini(struct api_answer *a)
{
	strbuf_fini(&a->body);
}

int api_report(struct ctl *c, const struct api_answer *a)
{
	struct json *j;
	struct strbuf b = {0};

	if (a->status >= 200 && a->status < 300)
		return EXIT_OK;
	if (a->status == 0) {
		fprintf(stderr, "durwardctl: %s\n", a->failure);
		return EXIT_UNREACHABLE;
	}
	if (c->json) {
		printf("%s\n", strbuf_text(&a->body));
		return EXIT_FAILED;
	}
	j = jr_parse(slice_of(a->body.s, a->body.n));
	ctl_safe(&b, jr_get_text(j, "detail"));
	fprintf(stderr, "durwardctl: %s\n", b.n > 0 ? strbuf_text(&b) : "the daemon refused");
	strbuf_fini(&b);
	jr_free(j);
	return EXIT_FAILED;
}

void api_escape(struct strbuf *b, const char *text)
{
	for (const char *p = text; *p; p++) {
		unsigned char ch = (unsigned char)*p;
		if ((ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z') ||
			strchr("-._~", ch))
			strbuf_char(b, *p);
		else
			strbuf_fmt(b, "%%%02X", ch);
	}
}

/* --- streams --- */

struct lines {
	struct strbuf part; /* of a line that is not whole yet */
	bool (*line)(void *user, struct slice text);
	void *user;
	CURL *handle;
	bool enough;
};

static size_t take_lines(char *p, size_t size, size_t n, void *user)
{
	struct lines *l = user;
	const char *end = p + size * n;
	long status = 0;

	curl_easy_getinfo(l->handle, CURLINFO_RESPONSE_CODE, &status);
	while (p < end) {
		char *nl = status == 200 ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		strbuf_add(&l->part, slice_of(p, (size_t)((nl ? nl : end) - p)));
		if (!nl)
			break;
		l->enough = !l->line(l->user, slice_of(l->part.s, l->part.n));
		strbuf_reset(&l->part);
		if (l->enough)
			return 0;
		p = nl + 1;
	}
	return size * n;
}

int api_stream(
	struct ctl *c, const char *path, bool (*line)(void *user, struct slice text), void *user)
{
	struct lines l = {.line = line, .user = user};
	struct api_answer a = {0};
	char url[4096];
	CURL *h = l.handle = prepare(c, path, url);
	CURLcode rc = CURLE_OUT_OF_MEMORY;
	int status;

	if (h) {
		curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_lines);
		curl_easy_setopt(h, CURLOPT_WRITEDATA, &l);
		rc = curl_easy_perform(h);
		curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &a.status);
	}
	if (a.status == 200) { /* it was reached, and has gone, unless we had enough */
		snprintf(a.failure, sizeof a.failure, "the daemon has ended the stream");
		a.status = l.enough ? 200 : 0;
	} else if (a.status == 0) {
		explain_failure_with(c->socket, rc, a.failure);
	} else {
		a.body = l.part;
		l.part = (struct strbuf){0};
	}
	status = api_report(c, &a);
	api_answer_fini(&a);
	strbuf_fini(&l.part);
	curl_easy_cleanup(h);
	return status;
}
