/* SPDX-License-Identifier: GPL-3.0-or-later
 * http.c - runs libmicrohttpd's daemons, which no other file uses: listeners, requests, replies, workers.
 *
 * One epoll thread for TCP and one for the Unix socket read heads and bodies and write replies; handlers run on WORKERS
 * threads while their connection is suspended, so that a slow compile or a password hash delays nobody's live stream.
 * Strangers, whose passwords are hashed, have a worker of their own. TCP connections come from door.c.
 *
 * Before 1.0.3 libmicrohttpd's poll() loop skips ready connections behind one that was just suspended; the epoll loop, which is
 * used here, walks another list and does not (test_door.c sends requests beside streams).
 *
 * Owns: daemons, workers, each request from its first byte to its end. Fails: start -errno.
 * See: libmicrohttpd(3); durward-api(7) "Connections".
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "show/show.h"
#include "show_int.h"

enum {
	OWN_WORKERS = 2,
	WORKERS = OWN_WORKERS + 1, /* the last one is the strangers' */
	CONNECTIONS = 128,	   /* of the Unix socket */
	GUESTS = 1024,		   /* more than the door lets in */
	TIMEOUT_S = 10,
	MEMORY = 32 * 1024,
	DAEMONS = 2,
};

struct http {
	struct show *show;
	struct door *door;
	struct MHD_Daemon *daemons[DAEMONS];
	size_t n_daemons;
	pthread_t workers[WORKERS];
	size_t n_workers;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct lane {
		struct request *first, *last; /* waiting for a worker */
	} own, strangers;
	bool stop;
};

/* --- what handlers may ask --- */

const char *http_reason(unsigned status)
{
	return MHD_get_reason_phrase_for(status);
}

const char *request_arg(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

struct json *request_json(const struct request *r)
{
	struct json *j = jr_parse(slice_of(r->body.s, r->body.n));

	if (j && !jr_is_object(j)) {
		jr_free(j);
		return NULL;
	}
	return j;
}

/* --- who is there --- */

static int socket_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	return i ? (int)i->connect_fd : -1;
}

static void find_peer(struct request *r)
{
	int fd = r->fd = socket_of(r->connection);
	struct sockaddr_storage ss = {0};
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof ss, cred_len = sizeof cred;
	uint16_t port;

	/* SO_PEERCRED on TCP succeeds and says uid -1: the family comes first */
	if (fd < 0 || getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	if (ss.ss_family == AF_UNIX) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) < 0)
			return;
		r->local = true;
		r->uid = cred.uid;
		r->known = true;
		r->admin = cred.uid == 0 || cred.uid == getuid();
		return;
	}
	len = sizeof ss;
	if (getpeername(fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr((struct sockaddr *)&ss, &r->peer, &port);
}

/* --- replies --- */

static void add(struct MHD_Response *m, const char *name, const char *value)
{
	if (value && *value)
		MHD_add_response_header(m, name, value);
}

static const char page_policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
	"connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

static void add_headers(struct MHD_Response *m, const struct request *r)
{
	const struct reply *p = &r->reply;
	char wait[16];

	if (!r->local)
		add(m, "Connection", "close"); /* the door looks at one head a connection */
	add(m, "Content-Type", p->type);
	add(m, "Content-Security-Policy",
		p->page ? page_policy : "default-src 'none'; frame-ancestors 'none'");
	add(m, "X-Content-Type-Options", "nosniff");
	add(m, "Referrer-Policy", "no-referrer");
	add(m, "Cross-Origin-Opener-Policy", "same-origin");
	add(m, "Cross-Origin-Resource-Policy", "same-origin");
	add(m, "Cache-Control", p->page ? "no-cache" : "no-store");
	add(m, "ETag", p->etag);
	add(m, "Set-Cookie", p->cookie);
	add(m, "Allow", p->allow);
	if (p->gzip)
		add(m, "Content-Encoding", "gzip");
	if (p->page)
		add(m, "Vary", "Accept-Encoding");
	if (p->retry_after_s) {
		snprintf(wait, sizeof wait, "%u", p->retry_after_s);
		add(m, "Retry-After", wait);
	}
}

static struct MHD_Response *response_of(struct request *r)
{
	struct reply *p = &r->reply;
	size_t n = p->body.n;
	char *bytes;

	if (p->stream)
		return sse_response(r);
	if (p->fixed)
		return MHD_create_response_from_buffer(
			p->n_fixed, (void *)p->fixed, MHD_RESPMEM_PERSISTENT);
	bytes = strbuf_take(&p->body);
	return MHD_create_response_from_buffer(bytes ? n : 0, bytes ? bytes : (void *)"",
		bytes ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_reply(struct request *r)
{
	struct MHD_Response *m = response_of(r);
	enum MHD_Result ok;

	if (!m && r->reply.stream) {
		r->reply.stream = false;
		reply_problem(
			r, 503, "32 live streams are open, or 6 from your address; close one");
		m = response_of(r);
	}
	if (!m)
		return MHD_NO;
	add_headers(m, r);
	if (r->reply.stream && !r->local)
		door_stays(r->show->http->door, r->fd);
	ok = MHD_queue_response(r->connection, r->reply.status, m);
	MHD_destroy_response(m);
	return ok;
}

/* --- workers --- */

static struct request *next_request(struct http *h, struct lane *l)
{
	struct request *r;

	pthread_mutex_lock(&h->lock);
	while (!l->first && !h->stop)
		pthread_cond_wait(&h->work, &h->lock);
	r = l->first;
	if (r) {
		l->first = r->next;
		if (!l->first)
			l->last = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	return r;
}

static void run_worker(struct http *h, struct lane *l)
{
	struct request *r;

	pthread_setname_np(pthread_self(), "web-worker");
	while ((r = next_request(h, l))) {
		if (r->local || door_waits_for(h->door, r->fd))
			r->route->handle(r);
		else
			reply_problem(r, 503, "too late: others came meanwhile");
		if (r->reply.status == 0)
			reply_problem(r, 500, "the handler gave no reply");
		r->stage = STAGE_DONE;
		MHD_resume_connection(r->connection);
	}
}

static void *run_own(void *http)
{
	run_worker(http, &((struct http *)http)->own);
	return NULL;
}

static void *run_strangers(void *http)
{
	run_worker(http, &((struct http *)http)->strangers);
	return NULL;
}

/* False when the house closes: nothing may be suspended any more. */
static bool hand_to_worker(struct http *h, struct request *r)
{
	struct lane *l = r->known ? &h->own : &h->strangers;
	bool open;

	r->next = NULL;
	pthread_mutex_lock(&h->lock);
	open = !h->stop;
	if (open) {
		r->stage = STAGE_WORK;
		MHD_suspend_connection(r->connection); /* before a worker can resume it */
		if (l->last)
			l->last->next = r;
		else
			l->first = r;
		l->last = r;
		pthread_cond_broadcast(&h->work);
	}
	pthread_mutex_unlock(&h->lock);
	return open;
}

/* --- libmicrohttpd calls --- */

static struct request *request_new(
	struct http *h, struct MHD_Connection *c, const char *url, const char *method)
{
	struct request *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->show = h->show;
	r->connection = c;
	r->path = url;
	r->method = strcmp(method, "HEAD") == 0 ? "GET" : method;
	find_peer(r);
	return r;
}

static enum MHD_Result take_head(
	struct http *h, struct MHD_Connection *c, const char *url, const char *method, void **state)
{
	struct request *r = request_new(h, c, url, method);

	if (!r)
		return MHD_NO;
	*state = r;
	router_admit(r);
	r->stage = STAGE_BODY;
	if (r->reply.status == 0)
		return MHD_YES;
	r->stage = STAGE_DONE;
	return send_reply(r); /* the body, if any, is not read */
}

static enum MHD_Result on_request(void *http, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **state)
{
	struct http *h = http;
	struct request *r = *state;

	if (!r)
		return take_head(h, c, url, method, state);
	if (r->stage == STAGE_BODY && *size > 0) {
		if (r->body.n + *size <= r->body_max)
			strbuf_add(&r->body, slice_of(data, *size));
		else
			r->body.failed = true;
		*size = 0;
		return MHD_YES;
	}
	if (r->stage == STAGE_BODY && r->body.failed) {
		strbuf_fini(&r->body);
		reply_problem(r, 413, "at most %zu bytes here", r->body_max);
		return send_reply(r);
	}
	if (r->stage == STAGE_BODY) {
		if (hand_to_worker(h, r))
			return MHD_YES;
		reply_problem(r, 503, "the controller is being stopped");
		return send_reply(r);
	}
	return r->stage == STAGE_DONE ? send_reply(r) : MHD_YES;
}

static void on_completed(
	void *http, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code)
{
	struct request *r = *state;

	if (!r)
		return;
	*state = NULL;
	strbuf_fini(&r->body);
	strbuf_fini(&r->reply.body);
	free(r);
}

static void on_connection(void *http, struct MHD_Connection *c, void **guest,
	enum MHD_ConnectionNotificationCode code)
{
	struct http *h = http;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*guest = door_started(h->door, socket_of(c));
	else
		door_left(h->door, *guest);
}

static int keep(struct http *h, struct MHD_Daemon *d)
{
	if (!d)
		return errno ? -errno : -EIO;
	h->daemons[h->n_daemons++] = d;
	return 0;
}

/* libmicrohttpd listens at the Unix socket itself: only root and the group come there. */
static int listen_unix(struct http *h, int fd)
{
	fd_set_nonblock(fd);
	return keep(h, MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0,
			       NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET, fd,
			       MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
			       MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
			       MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
			       MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
			       on_completed, h, MHD_OPTION_END));
}

static int listen_web(struct http *h, const struct controller_in *in)
{
	int rc = keep(h,
		MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
					 MHD_USE_NO_LISTEN_SOCKET,
			0, NULL, NULL, on_request, h, MHD_OPTION_CONNECTION_LIMIT, (unsigned)GUESTS,
			MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
			MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
			MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
			h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_END));

	if (rc == 0)
		rc = door_open(h->door, h->daemons[h->n_daemons - 1]);
	for (size_t i = 0; rc == 0 && i < in->n_listeners; i++) {
		int one = door_listen(h->door, in->listeners[i]);

		if (one < 0) /* which must not cost the others */
			log_error("web: a listener cannot be used: %s", strerror(-one));
	}
	return rc;
}

static int listen_all(struct http *h, const struct controller_in *in)
{
	int rc = in->unix_listener >= 0 ? listen_unix(h, in->unix_listener) : 0;

	if (rc == 0)
		rc = door_new(h->show->auth, &h->door);
	return rc == 0 ? listen_web(h, in) : rc;
}

static void http_stop(struct http *h)
{
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_broadcast(&h->work);
	pthread_mutex_unlock(&h->lock);
	door_stop(h->door);
	for (size_t i = 0; i < h->n_daemons; i++)
		MHD_quiesce_daemon(h->daemons[i]);
	for (size_t i = 0; i < h->n_workers; i++)
		pthread_join(h->workers[i], NULL);
	sse_close(h->show->sse); /* no suspended connection may be left */
	for (size_t i = 0; i < h->n_daemons; i++)
		MHD_stop_daemon(h->daemons[i]);
	door_free(h->door);
	pthread_cond_destroy(&h->work);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static int http_start(struct show *s)
{
	struct http *h = calloc(1, sizeof *h);
	int rc = 0;

	if (!h)
		return -ENOMEM;
	h->show = s;
	s->http = h;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->work, NULL);
	for (size_t i = 0; rc == 0 && i < WORKERS; i++) {
		rc = -pthread_create(
			&h->workers[i], NULL, i < OWN_WORKERS ? run_own : run_strangers, h);
		h->n_workers += rc == 0;
	}
	return rc < 0 ? rc : listen_all(h, s->in);
}

/* --- the front end --- */

static void front_end_stop(void *front_end)
{
	struct show *s = front_end;

	if (s->http)
		http_stop(s->http);
	sse_free(s->sse);
	auth_free(s->auth);
	free(s);
}

static int front_end_start(struct controller *d, const struct controller_in *in, void **front_end)
{
	struct show *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return -ENOMEM;
	s->controller = d;
	s->in = in;
	rc = auth_new(s, &s->auth);
	if (rc == 0)
		rc = sse_new(s, &s->sse);
	if (rc == 0)
		rc = http_start(s);
	if (rc < 0) {
		front_end_stop(s);
		return rc;
	}
	*front_end = s;
	return 0;
}

static int front_end_listen(void *front_end, int fd)
{
	return door_listen(((struct show *)front_end)->http->door, fd);
}

static void front_end_wake(void *front_end)
{
	sse_wake(((struct show *)front_end)->sse);
}

const struct controller_front_end show_front_end = {.start = front_end_start,
	.listen = front_end_listen,
	.wake = front_end_wake,
	.stop = front_end_stop};
