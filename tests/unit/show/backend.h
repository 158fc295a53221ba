/* SPDX-License-Identifier: GPL-3.0-or-later
 * backend.h - a whole controller with its front end in a thread of the test: a ring to push into, the supervisor's end of the socket,
 * a TCP port on loopback and a Unix socket to ask.
 */
#ifndef TEST_SHOW_HOUSE_H
#define TEST_SHOW_HOUSE_H

#include "record/folder.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/log.h"
#include "base/ring.h"
#include "controller/controller.h"
#include "model/live.h"
#include "model/message.h"
#include "show/json.h"
#include "show/show.h"

enum { LIVE_FLOWS = 3000 };

static struct {
	struct controller_in in;
	char policy_path[100], sock_path[100];
	int supervisor; /* our end */
	struct ring *ring;
	int ring_fd, signal_fd, live_fd, live_reader;
	uint16_t port;
	pthread_t thread;
	int exit_status;
} backend;

static const char good_policy[] = "device phone mac 02:00:00:00:00:09\n"
				  "fail open\n"
				  "for everyone\n"
				  "  block ads.example because \"Advertising <b>\"\n"
				  "otherwise allow\n";

static inline void write_policy(const char *text)
{
	assert_int_equal(file_write_atomic(backend.policy_path, slice_str(text), 0600), 0);
}

static inline int listen_tcp(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof sin;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(listen(fd, 64), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	backend.port = ntohs(sin.sin_port);
	return fd;
}

static inline int listen_unix(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", backend.sock_path);
	unlink(backend.sock_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static void *run_controller(void *unused)
{
	backend.exit_status = controller_main(&backend.in);
	return NULL;
}

/* Waits for a message of this type; others are passed over. Its descriptor, or -1. */
static inline int await(enum message_type type, struct message *m)
{
	struct pollfd p = {.fd = backend.supervisor, .events = POLLIN};
	int fd;

	for (int i = 0; i < 100; i++) {
		assert_true(poll(&p, 1, 60000) == 1);
		assert_int_equal(message_recv(backend.supervisor, m, &fd), 0);
		if (m->type == (uint32_t)type)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	fail_msg("no message of type %d", type);
	return -1;
}

static inline void controller_start(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	backend.supervisor = pair[0];
	assert_int_equal(ring_create(sizeof(struct event), EVENT_RING_ITEMS, &backend.ring_fd), 0);
	assert_int_equal(
		ring_map(backend.ring_fd, sizeof(struct event), EVENT_RING_ITEMS, &backend.ring),
		0);
	backend.signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(live_create(LIVE_FLOWS, &backend.live_fd, &backend.live_reader), 0);
	backend.in = (struct controller_in){.control = pair[1],
		.rings = {backend.ring_fd},
		.n_rings = 1,
		.lives = {backend.live_reader},
		.n_lives = 1,
		.ring_signal = backend.signal_fd,
		.listeners = {listen_tcp()},
		.n_listeners = 1,
		.unix_listener = listen_unix(),
		.conntrack = -1,
		.policy_path = backend.policy_path,
		.state_dir = folder,
		.web_names = "dataplane.example durward.example",
		.events_rows = 10000,
		.events_days = 30,
		.policy_edit = true,
		.front_end = &show_front_end};
	assert_int_equal(pthread_create(&backend.thread, NULL, run_controller, NULL), 0);
}

static inline void controller_end(void)
{
	struct message stop = {.type = MESSAGE_STOP};

	assert_int_equal(message_send(backend.supervisor, &stop, -1), 0);
	pthread_join(backend.thread, NULL);
	assert_int_equal(backend.exit_status, 0);
	ring_unmap(backend.ring);
	close(backend.ring_fd);
	close(backend.signal_fd);
	close(backend.live_fd);
	close(backend.live_reader);
	close(backend.supervisor);
	close(backend.in.control);
}

static inline int backend_setup(void **state)
{
	struct message m;

	if (folder_make(state) < 0)
		return -1;
	log_init("test", LOG_ERROR_);
	snprintf(backend.policy_path, sizeof backend.policy_path, "%s/policy", folder);
	snprintf(backend.sock_path, sizeof backend.sock_path, "%s/api.sock", folder);
	write_policy(good_policy);
	controller_start();
	await(MESSAGE_READY, &m);
	close(await(MESSAGE_IMAGE, &m));
	return 0;
}

static inline int backend_teardown(void **state)
{
	controller_end();
	return folder_remove(state);
}

static inline void push(struct event e)
{
	uint64_t one = 1;

	assert_true(ring_push(backend.ring, &e));
	assert_int_equal(write(backend.signal_fd, &one, sizeof one), sizeof one);
}

/* --- asking --- */

struct got {
	long status;
	struct strbuf body, head;
	struct json *json;
};

static inline size_t take(char *p, size_t size, size_t n, void *user)
{
	strbuf_add(user, slice_of(p, size * n));
	return size * n;
}

/* headers: separated by '|'. local: over the Unix socket. */
static inline struct got ask(
	bool local, const char *method, const char *path, const char *headers, const char *body)
{
	char url[512], one[512];
	struct curl_slist *list = NULL;
	struct got g = {0};
	CURL *c = curl_easy_init();

	snprintf(url, sizeof url, "http://127.0.0.1:%u%s", backend.port, path);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 20L);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	if (local)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, backend.sock_path);
	if (body)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	for (const char *p = headers; p && *p;) {
		size_t n = strcspn(p, "|");
		snprintf(one, sizeof one, "%.*s", (int)n, p);
		list = curl_slist_append(list, one);
		p += n + (p[n] == '|');
	}
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &g.body);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &g.head);
	curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &g.status);
	curl_slist_free_all(list);
	curl_easy_cleanup(c);
	g.json = jr_parse(slice_of(g.body.s, g.body.n));
	return g;
}

static inline void got_fini(struct got *g)
{
	jr_free(g->json);
	strbuf_fini(&g->body);
	strbuf_fini(&g->head);
}

static inline long ask_status(
	bool local, const char *method, const char *path, const char *headers, const char *body)
{
	struct got g = ask(local, method, path, headers, body);
	long status = g.status;

	got_fini(&g);
	return status;
}

/* Asks until path's number at key is at least n. */
static inline void await_events(unsigned n)
{
	for (int i = 0; i < 1000; i++) {
		struct got g = ask(true, "GET", "/api/v1/events?limit=1000", NULL, NULL);
		size_t have = jr_count(jr_get(g.json, "events"));
		got_fini(&g);
		if (have >= n)
			return;
		usleep(20000);
	}
	fail_msg("%u events did not come", n);
}

/* The session of a login, as a request's header. */
static inline void take_cookie(const struct got *g, char *out, size_t size)
{
	const char *p = strcasestr(strbuf_text(&g->head), "set-cookie: ");

	assert_non_null(p);
	p += strlen("set-cookie: ");
	snprintf(out, size, "Cookie: %.*s", (int)strcspn(p, ";\r"), p);
	assert_non_null(strstr(p, "HttpOnly"));
	assert_non_null(strstr(p, "SameSite=Strict"));
}

static const char json_post[] = "X-Durward: 1|Content-Type: application/json";

#endif
