/* SPDX-License-Identifier: GPL-3.0-or-later
 * sse.c - the live stream: GET /api/v1/stream as server-sent events.
 *
 *   event: hello    data {"id":N,"revision":R}      first; N is where the stream begins
 *   event: events   data [row, ...]                 newest first inside a batch, at most 10 batches a second
 *   event: lagged   data {"from":A,"to":B}          rows A..B have left the memory: fetch them from /events?after=
 *   : ping                                          every 15 s; a vanished reader is noticed only by writing to it
 *
 * Each event carries `id:`, and Last-Event-ID resumes. A reader with nothing to read is suspended and costs nothing; the
 * recorder's news or the tick of a thread resume it. The lock orders "found nothing, suspend" against "news, resume".
 *
 * Owns: the streams and the tick thread. Thread: libmicrohttpd's read, any wakes. Source: WHATWG HTML 9.2.
 */
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "show_int.h"

enum {
	STREAMS = 32,
	STREAMS_ADDRESS = 6,
	BATCH = 100,
	BATCH_MS = 100,
	PING_MS = 15000,
	BLOCK = 16384,
};

struct stream {
	struct sse *sse;
	struct MHD_Connection *connection;
	int fd; /* of the connection; -1 = not known */
	struct addr peer;
	bool local;
	char session[TOKEN_HEX];
	struct row_filter filter;
	uint64_t at; /* id already given */
	uint64_t sent_ms, batch_ms;
	uint64_t due_ms;   /* suspended: when the tick resumes it without news */
	struct strbuf out; /* waiting for the socket */
	size_t given;
	bool suspended, ended;
	bool gone; /* its reader has closed; under the lock */
	struct stream *next;
};

struct sse {
	struct show *show;
	pthread_mutex_t lock;
	pthread_cond_t tick;
	pthread_t thread;
	bool thread_runs, closing;
	uint64_t news;
	unsigned count;
	struct stream *streams;
};

/* --- suspend and resume (under the lock) --- */

static void resume(struct stream *s)
{
	if (!s->suspended)
		return;
	s->suspended = false;
	MHD_resume_connection(s->connection);
}

void sse_wake(struct sse *sse)
{
	pthread_mutex_lock(&sse->lock);
	sse->news++;
	for (struct stream *s = sse->streams; s; s = s->next)
		resume(s);
	pthread_mutex_unlock(&sse->lock);
}

/* Resumes those whose time has come; returns when the next one's does. */
static uint64_t resume_due(struct sse *sse, uint64_t now)
{
	uint64_t next = now + PING_MS;

	for (struct stream *s = sse->streams; s; s = s->next) {
		if (s->suspended && now >= s->due_ms)
			resume(s);
		else if (s->suspended && s->due_ms < next)
			next = s->due_ms;
	}
	return next;
}

static void *run_tick(void *user)
{
	struct sse *sse = user;

	pthread_setname_np(pthread_self(), "web-tick");
	pthread_mutex_lock(&sse->lock);
	while (!sse->closing) {
		uint64_t next = resume_due(sse, clock_mono_ms());
		struct timespec until = {
			.tv_sec = (time_t)(next / 1000), .tv_nsec = (long)(next % 1000) * 1000000};

		pthread_cond_timedwait(&sse->tick, &sse->lock, &until);
	}
	pthread_mutex_unlock(&sse->lock);
	return NULL;
}

/* --- what is written --- */

static void add_event(struct stream *s, const char *name, uint64_t id, const char *data)
{
	strbuf_fmt(
		&s->out, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)id, name, data);
}

static void add_lagged(struct stream *s, uint64_t from, uint64_t to)
{
	struct strbuf b = {0};

	jw_open(&b, NULL, '{');
	jw_uint(&b, "from", from);
	jw_uint(&b, "to", to);
	jw_close(&b, '}');
	add_event(s, "lagged", to, strbuf_text(&b));
	strbuf_fini(&b);
}

/* The rows after s->at, newest first. */
static void add_rows(struct stream *s)
{
	struct row *rows = malloc(BATCH * sizeof *rows);
	uint64_t from = s->at, lost = 0;
	struct strbuf b = {0};
	size_t n;

	if (!rows)
		return;
	n = controller_tail(
		s->sse->show->controller, &s->filter, s->at, rows, BATCH, &s->at, &lost);
	if (lost)
		add_lagged(s, from + 1, lost);
	if (n > 0) {
		jw_open(&b, NULL, '[');
		while (n-- > 0)
			row_write(&b, NULL, &rows[n]);
		jw_close(&b, ']');
		add_event(s, "events", s->at, strbuf_text(&b));
	}
	strbuf_fini(&b);
	free(rows);
}

static void add_ping(struct stream *s)
{
	strbuf_str(&s->out, ": ping\n\n");
	if (s->session[0] && !auth_session_alive(s->sse->show->auth, s->session))
		s->ended = true;
}

/* Fills s->out with what there is to say now. */
static void fill(struct stream *s, uint64_t now)
{
	strbuf_reset(&s->out);
	s->given = 0;
	add_rows(s);
	if (s->out.n > 0)
		s->batch_ms = now;
	else if (now >= s->sent_ms + PING_MS)
		add_ping(s);
	if (s->out.n > 0)
		s->sent_ms = now;
}

/* --- libmicrohttpd asks for bytes --- */

static ssize_t give(struct stream *s, char *to, size_t max)
{
	size_t n = s->out.n - s->given;

	n = n < max ? n : max;
	memcpy(to, s->out.s + s->given, n);
	s->given += n;
	return (ssize_t)n;
}

/* True when it was suspended; false: look again. Between look and suspend there may have been news. */
static bool suspend(struct stream *s, uint64_t seen, uint64_t due_ms)
{
	struct sse *sse = s->sse;
	bool slept = false;

	pthread_mutex_lock(&sse->lock);
	if (!sse->closing && sse->news == seen) {
		s->suspended = true;
		s->due_ms = due_ms;
		pthread_cond_signal(&sse->tick);
		MHD_suspend_connection(s->connection);
		slept = true;
	}
	pthread_mutex_unlock(&sse->lock);
	return slept;
}

static uint64_t read_news(const struct stream *s, bool *closing)
{
	struct sse *sse = s->sse;
	uint64_t n;

	pthread_mutex_lock(&sse->lock);
	n = sse->news;
	*closing = sse->closing || s->gone;
	pthread_mutex_unlock(&sse->lock);
	return n;
}

static ssize_t on_read(void *stream, uint64_t pos, char *buf, size_t max)
{
	struct stream *s = stream;
	bool closing;

	if (s->given < s->out.n)
		return give(s, buf, max);
	for (int turn = 0; turn < 3; turn++) {
		uint64_t seen = read_news(s, &closing), now = clock_mono_ms();
		bool early = now < s->batch_ms + BATCH_MS;

		if (closing || s->ended || s->out.failed)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (!early)
			fill(s, now);
		if (s->given < s->out.n)
			return give(s, buf, max);
		if (suspend(s, seen, early ? s->batch_ms + BATCH_MS : s->sent_ms + PING_MS))
			return 0;
	}
	return 0;
}

static void unlink_stream(struct sse *sse, struct stream *gone)
{
	pthread_mutex_lock(&sse->lock);
	for (struct stream **s = &sse->streams; *s; s = &(*s)->next) {
		if (*s != gone)
			continue;
		*s = gone->next;
		sse->count--;
		break;
	}
	pthread_mutex_unlock(&sse->lock);
}

static void on_free(void *stream)
{
	struct stream *s = stream;

	unlink_stream(s->sse, s);
	strbuf_fini(&s->out);
	free(s);
}

/* --- beginning --- */

/* A reader that closed is noticed by writing only; a page loaded again must not wait for that. */
static bool is_gone(const struct stream *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static bool has_room(struct sse *sse, const struct stream *new)
{
	unsigned same = 0, all = 0;

	for (struct stream *s = sse->streams; s; s = s->next) {
		s->gone |= is_gone(s);
		if (s->gone) {
			resume(s);
			continue;
		}
		all++;
		same += !new->local && !s->local &&addr_eq(&s->peer, &new->peer);
	}
	return !sse->closing && all < STREAMS && same < STREAMS_ADDRESS;
}

static bool link_stream(struct sse *sse, struct stream *s)
{
	bool room;

	pthread_mutex_lock(&sse->lock);
	room = has_room(sse, s);
	if (room) {
		s->next = sse->streams;
		sse->streams = s;
		sse->count++;
	}
	pthread_mutex_unlock(&sse->lock);
	return room;
}

/* Where to begin: Last-Event-ID (header or, for a first connection, argument), else now. */
static uint64_t begin_at(const struct request *r, uint64_t now_id)
{
	const char *last = request_header(r, "Last-Event-ID");
	unsigned long long id;
	char *end;

	if (!last)
		last = request_arg(r, "last_event_id");
	if (!last || *last < '0' || *last > '9')
		return now_id;
	id = strtoull(last, &end, 10);
	return *end == 0 && id <= now_id ? id : now_id;
}

static int socket_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	return i ? (int)i->connect_fd : -1;
}

static void add_hello(struct stream *s, const struct controller_status *st)
{
	struct strbuf b = {0};

	strbuf_str(&s->out, "retry: 2000\n");
	jw_open(&b, NULL, '{');
	jw_uint(&b, "id", s->at);
	jw_uint(&b, "revision", st->revision);
	jw_close(&b, '}');
	add_event(s, "hello", s->at, strbuf_text(&b));
	strbuf_fini(&b);
}

void api_stream(struct request *r)
{
	struct row_filter f = row_filter_any();
	const char *topics = request_arg(r, "topics");

	if (topics && strcmp(topics, "events") != 0) {
		reply_problem(r, 400, "topics=events is what there is");
		return;
	}
	if (!row_filter_read(r, &f))
		return;
	r->reply.status = 200;
	r->reply.type = "text/event-stream";
	r->reply.stream = true;
}

struct MHD_Response *sse_response(struct request *r)
{
	struct stream *s = calloc(1, sizeof *s);
	struct MHD_Response *m;
	struct controller_status st;

	if (!s)
		return NULL;
	s->sse = r->show->sse;
	s->connection = r->connection;
	s->fd = socket_of(r->connection);
	s->peer = r->peer;
	s->local = r->local;
	memcpy(s->session, r->session, sizeof s->session);
	s->filter = row_filter_any();
	row_filter_read(r, &s->filter);
	controller_status_get(r->show->controller, &st);
	s->at = begin_at(r, st.events_last_id);
	s->filter.after = s->filter.before = 0;
	s->sent_ms = clock_mono_ms();
	add_hello(s, &st);
	if (!link_stream(s->sse, s)) {
		strbuf_fini(&s->out);
		free(s);
		return NULL;
	}
	m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, s, on_free);
	if (!m)
		on_free(s);
	else
		MHD_add_response_header(m, "X-Accel-Buffering", "no");
	return m;
}

unsigned sse_clients(struct sse *s)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->count;
	pthread_mutex_unlock(&s->lock);
	return n;
}

int sse_new(struct show *show, struct sse **out)
{
	struct sse *s = calloc(1, sizeof *s);
	pthread_condattr_t attr;
	int rc;

	if (!s)
		return -ENOMEM;
	s->show = show;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->tick, &attr);
	pthread_condattr_destroy(&attr);
	rc = -pthread_create(&s->thread, NULL, run_tick, s);
	s->thread_runs = rc == 0;
	*out = s;
	return rc;
}

void sse_close(struct sse *s)
{
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_signal(&s->tick);
	for (struct stream *t = s->streams; t; t = t->next)
		resume(t);
	pthread_mutex_unlock(&s->lock);
}

void sse_free(struct sse *s)
{
	if (!s)
		return;
	sse_close(s);
	if (s->thread_runs)
		pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->tick);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
