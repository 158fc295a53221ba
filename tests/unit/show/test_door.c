/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_door.c - strangers who are slow, many, odd or gone take nothing from others. Real sockets; each 127.x.y.z is a
 * client of its own.
 */
#include "show/backend.h"

#include <time.h>

#define AT_ONCE                                                                                    \
	4.0 /* seconds, on a busy machine; a place that is never given back takes 30 and more */
enum { MANY = 400 };

static int fds[MANY];

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A connection from 127.1.a.b. */
static int dial(unsigned client)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				   .sin_port = htons(backend.port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
			   from = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f010001u + client)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* All that comes until the end, or until `patience` is over. */
static void hear_all(int fd, double patience, struct strbuf *out)
{
	double end = now_s() + patience;
	char bytes[4096];

	strbuf_reset(out);
	while (now_s() < end) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n = poll(&p, 1, 100) > 0 ? recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) : -1;

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return;
		if (n > 0)
			strbuf_add(out, slice_of(bytes, (size_t)n));
	}
}

static bool has_ended(int fd)
{
	char bytes[512];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
		;
	return n == 0 || errno != EAGAIN;
}

static void hang_up(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

static void log_in(char *cookie, size_t size)
{
	struct got g;

	assert_int_equal(
		ask_status(true, "PUT", "/api/v1/password", NULL, "{\"password\":\"long enough\"}"),
		204);
	g = ask(false, "POST", "/api/v1/session", json_post, "{\"password\":\"long enough\"}");
	assert_int_equal(g.status, 204);
	take_cookie(&g, cookie, size);
	got_fini(&g);
}

/* The slowest of some requests of each kind: a stranger's, the owner's, the socket's. */
static void expect_prompt(const char *cookie)
{
	double worst[3] = {0};

	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < 3; k++) {
			double t = now_s();
			long got = ask_status(k == 2, "GET", k == 0 ? "/" : "/api/v1/status",
				k == 1 ? cookie : "", NULL);

			assert_int_equal(got, 200);
			t = now_s() - t;
			worst[k] = t > worst[k] ? t : worst[k];
		}
	}
	printf("slowest: a stranger %.3f s, the owner %.3f s, the socket %.3f s\n", worst[0],
		worst[1], worst[2]);
	for (int k = 0; k < 3; k++)
		assert_true(worst[k] < AT_ONCE);
}

/* --- slow --- */

static void slow_heads_from_many_addresses_shut_nobody_out(void **state)
{
	char cookie[256];
	unsigned ended = 0;

	log_in(cookie, sizeof cookie);
	for (unsigned i = 0; i < MANY; i++) { /* 100 clients, four connections each */
		fds[i] = dial(i / 4);
		say(fds[i], "GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ");
	}
	expect_prompt(cookie);
	for (int s = 0; s < 200 && ended < MANY; s++) { /* a byte now and then moves no deadline */
		ended = 0;
		for (unsigned i = 0; i < MANY; i++) {
			say(fds[i], "x");
			ended += has_ended(fds[i]);
		}
		usleep(200000);
	}
	assert_int_equal(ended, MANY);
	expect_prompt(cookie);
	hang_up(MANY);
}

static void slow_bodies_from_many_addresses_shut_nobody_out(void **state)
{
	char cookie[256];

	log_in(cookie, sizeof cookie);
	for (unsigned i = 0; i < MANY; i++) {
		fds[i] = dial(i / 4);
		say(fds[i], "POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Durward: 1\r\n"
			    "Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{");
	}
	expect_prompt(cookie);
	for (int round = 0; round < 5; round++) {
		for (unsigned i = 0; i < MANY; i++)
			say(fds[i], " ");
		usleep(100000);
	}
	expect_prompt(cookie);
	hang_up(MANY);
}

/* One attempt; false: this machine took so long that the deadline came, which is another matter. */
static bool is_outlived_by(unsigned attempt, int first)
{
	struct strbuf got = {0};
	double t = now_s();
	bool in_time, answered;

	say(first, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n");
	for (unsigned i = 0; i < MANY; i++)
		fds[i] = dial(7 + attempt);
	say(first, "\r\n"); /* older than all of them, and still there */
	in_time = now_s() - t < 3;
	assert_int_equal(ask_status(false, "GET", "/healthz", NULL, NULL), 200);
	hear_all(first, 20, &got);
	answered = strstr(strbuf_text(&got), "HTTP/1.1 200") != NULL;
	assert_true(answered || !in_time);
	strbuf_fini(&got);
	close(first);
	hang_up(MANY);
	return answered;
}

static void one_client_with_all_connections_pushes_out_itself(void **state)
{
	bool seen = false;

	for (unsigned i = 0; i < 6 && !seen; i++)
		seen = is_outlived_by(i, dial(100000 + i));
	assert_true(seen);
}

/* Their passwords are hashed one after the other, by a thread of theirs. */
static void guesses_from_many_addresses_hold_nobody_up(void **state)
{
	struct strbuf heard = {0};
	char cookie[256];

	log_in(cookie, sizeof cookie);
	for (unsigned i = 0; i < 200; i++) {
		fds[i] = dial(1000 + i);
		say(fds[i], "POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Durward: 1\r\n"
			    "Content-Type: application/json\r\nContent-Length: 24\r\n\r\n"
			    "{\"password\":\"a bad word\"}");
	}
	for (int i = 0; i < 5; i++) {
		double t = now_s();

		assert_int_equal(ask_status(false, "GET", "/api/v1/status", cookie, NULL), 200);
		assert_int_equal(ask_status(true, "GET", "/api/v1/status", NULL, NULL), 200);
		assert_true(now_s() - t < AT_ONCE);
	}
	hang_up(200);
	/* and the owner, on a device that they never used, gets in */
	fds[0] = dial(90000);
	say(fds[0], "POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Durward: 1\r\n"
		    "Content-Type: application/json\r\nContent-Length: 26\r\n\r\n"
		    "{\"password\":\"long enough\"}");
	hear_all(fds[0], 60, &heard);
	assert_int_equal(strncmp(strbuf_text(&heard), "HTTP/1.1 204", 12), 0);
	strbuf_fini(&heard);
	close(fds[0]);
}

/* --- odd --- */

#define HOST "Host: 127.0.0.1\r\n"
#define CLAIM                                                                                      \
	"POST /api/v1/session HTTP/1.1\r\n" HOST                                                   \
	"X-Durward: 1\r\nContent-Type: application/json\r\n"

static void odd_heads_are_refused_and_nothing_of_them_is_said_again(void **state)
{
	static const struct {
		const char *text, *status;
	} cases[] = {
		{CLAIM "Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}", "400"},
		{CLAIM "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "400"},
		{CLAIM "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{CLAIM "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "400"},
		{CLAIM "Content-Length: \r\n\r\n", "400"},
		{"GET /marker<b> HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n", "400"},
		{"GET /marker<b> HTTP/1.1\r\n" HOST "\r\n", "200"}, /* the page */
		{"GET /marker.js HTTP/1.1\r\n" HOST "\r\n", "404"},
		{"GET /api/v1/marker<b> HTTP/1.1\r\n" HOST "\r\n", "404"},
		{"GET /?marker<b>=marker<b> HTTP/1.1\r\n" HOST "\r\n", "200"},
		{"GET /healthz HTTP/1.1\r\nHost: marker\r\n\r\n", "421"},
		{"MARKERB /healthz HTTP/1.1\r\n" HOST "\r\n", "405"},
		{"GET /healthz HTTP/1.1\r\n" HOST "Cookie: marker<b>\r\n\r\n", "200"},
		{"GET /api/v1/me HTTP/1.1\r\n" HOST "Cookie: durward=marker<b>\r\n\r\n", "401"},
		{"POST /marker HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nmarker", "404"},
		{CLAIM "Origin: http://marker\r\nContent-Length: 2\r\n\r\n{}", "403"},
		{CLAIM "Content-Length: 22\r\n\r\n{\"password\":\"marker<b>\"}", "403"},
		{"marker\r\n\r\n", "400"},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03marker\r\n\r\n", "400"},
	};
	struct strbuf got = {0};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char want[16];
		int fd = dial(0);

		say(fd, cases[i].text);
		shutdown(fd, SHUT_WR);
		hear_all(fd, 20, &got);
		snprintf(want, sizeof want, "HTTP/1.1 %s", cases[i].status);
		if (strncmp(strbuf_text(&got), want, strlen(want)) != 0)
			fail_msg("%s\n-> %s", cases[i].text, strbuf_text(&got));
		assert_null(strcasestr(strbuf_text(&got), "marker"));
		assert_non_null(strcasestr(strbuf_text(&got), "\r\nConnection: close\r\n"));
		close(fd);
	}
	strbuf_fini(&got);
}

/* What stands behind a request is no request: there is nothing to smuggle into. */
static void a_connection_has_one_request(void **state)
{
	static const char two[] = "GET /healthz HTTP/1.1\r\n" HOST
				  "\r\nGET /api/openapi.json HTTP/1.1\r\n" HOST "\r\n";
	struct strbuf got = {0};
	int fd = dial(0);

	say(fd, two);
	hear_all(fd, 20, &got);
	assert_non_null(strstr(strbuf_text(&got), "HTTP/1.1 200"));
	assert_null(strstr(strstr(strbuf_text(&got), "HTTP/1.1") + 1, "HTTP/1.1"));
	assert_null(strstr(strbuf_text(&got), "openapi"));
	strbuf_fini(&got);
	close(fd);
}

static void a_head_too_large_is_told_so(void **state)
{
	static char head[20000];
	struct strbuf got = {0};
	int fd = dial(0);

	memset(head, 'x', sizeof head - 1);
	memcpy(head, "GET / HTTP/1.1\r\nX: ", 19);
	say(fd, head);
	hear_all(fd, 20, &got);
	assert_int_equal(strncmp(strbuf_text(&got), "HTTP/1.1 431", 12), 0);
	strbuf_fini(&got);
	close(fd);
}

/* Byte by byte a head is as good as at once. */
static void a_head_in_crumbs_is_read(void **state)
{
	static const char head[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n";
	struct strbuf got = {0};
	int fd = dial(0), one = 1;

	setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
	for (size_t i = 0; i < sizeof head - 1; i++) {
		(void)!send(fd, head + i, 1, MSG_NOSIGNAL);
		usleep(2000);
	}
	hear_all(fd, 20, &got);
	assert_int_equal(strncmp(strbuf_text(&got), "HTTP/1.1 200", 12), 0);
	strbuf_fini(&got);
	close(fd);
}

/* It marks a byte in the stream, behind which nobody can look: late, and nothing worse. */
static void an_urgent_byte_is_no_way_round(void **state)
{
	struct strbuf got = {0};
	double t = now_s();
	int fd = dial(0);

	say(fd, "GET /healthz HTTP/1.1\r\n" HOST "X: a");
	assert_int_equal(send(fd, "b", 1, MSG_OOB), 1);
	say(fd, "c\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(ask_status(false, "GET", "/healthz", NULL, NULL), 200);
	hear_all(fd, 30, &got);
	assert_null(strstr(strbuf_text(&got), " 200 "));
	assert_true(now_s() - t < 20);
	strbuf_fini(&got);
	close(fd);
}

/* --- gone --- */

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* At every stage: before, in and behind the head, in the body, in a stream; by FIN, by RST, by half. */
static void who_has_gone_costs_nothing(void **state)
{
	static const char *const said[] = {"", "GET / HT", "GET /healthz HTTP/1.1\r\n" HOST "\r\n",
		"GET / HTTP/1.1\r\n" HOST "\r\n", CLAIM "Content-Length: 40\r\n\r\n{",
		CLAIM "Content-Length: 2\r\n\r\n{}", "%COOKIE"};
	struct linger hard = {.l_onoff = 1};
	char cookie[256], stream[512];
	unsigned n = 0;
	double before;

	log_in(cookie, sizeof cookie);
	snprintf(
		stream, sizeof stream, "GET /api/v1/stream HTTP/1.1\r\n" HOST "%s\r\n\r\n", cookie);
	for (int how = 0; how < 3; how++) {
		for (size_t i = 0; i < 7; i++) {
			for (int k = 0; k < 4; k++) {
				int fd = fds[n] = dial(n / 4);

				n++;
				say(fd, said[i][0] == '%' ? stream : said[i]);
				if (how == 1)
					setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
				usleep(3000);
				if (how == 2)
					shutdown(fd, SHUT_WR);
				else
					close(fd);
			}
		}
	}
	usleep(500000);
	for (int i = 0; i < 20; i++)
		push(event_of("late.example", ACTION_ALLOW));
	usleep(500000);
	before = cpu_s();
	sleep(3);
	printf("%.3f s of CPU in 3 s\n", cpu_s() - before);
	assert_true(cpu_s() - before < 1.0);
	for (unsigned i = 2 * n / 3; i < n; i++)
		close(fds[i]);
	assert_int_equal(ask_status(false, "GET", "/api/v1/status", cookie, NULL), 200);
}

/* --- each gets their own --- */

struct asker {
	pthread_t thread;
	int number, wrong;
	const char *cookie;
};

static void *ask_for_own(void *user)
{
	struct asker *a = user;
	char path[160], own[40];

	for (int i = 0; i < 60; i++) {
		struct got g;

		snprintf(own, sizeof own, "only-%d-%d.example", a->number, i);
		if (i % 3 == 2) /* an error page in between, of another length */
			a->wrong +=
				ask_status(false, "GET", "/api/v1/none", a->cookie, NULL) != 404;
		snprintf(path, sizeof path, "/api/v1/explain?who=phone&name=%s", own);
		g = ask(false, "GET", path, a->cookie, NULL);
		const char *first = strstr(strbuf_text(&g.body), "only-");
		a->wrong += g.status != 200 || !first;
		for (const char *p = first; p; p = strstr(p + 1, "only-"))
			a->wrong += strncmp(p, own, strlen(own)) != 0;
		got_fini(&g);
	}
	return NULL;
}

/* While streams are suspended and resumed beside them: none is skipped, and nobody sees another's bytes. */
static void each_gets_his_own_answer_at_once_beside_streams(void **state)
{
	struct asker a[6];
	struct strbuf got = {0};
	char cookie[256], text[512];
	double t;

	log_in(cookie, sizeof cookie);
	for (int i = 0; i < 5; i++) {
		fds[i] = dial(50);
		snprintf(text, sizeof text, "GET /api/v1/stream HTTP/1.1\r\n" HOST "%s\r\n\r\n",
			cookie);
		say(fds[i], text);
	}
	t = now_s();
	for (int i = 0; i < 6; i++) {
		a[i] = (struct asker){.number = i, .cookie = cookie};
		assert_int_equal(pthread_create(&a[i].thread, NULL, ask_for_own, &a[i]), 0);
	}
	for (int i = 0; i < 300; i++) {
		push(event_of("stream.example", ACTION_ALLOW));
		usleep(2000);
	}
	for (int i = 0; i < 6; i++) {
		pthread_join(a[i].thread, NULL);
		assert_int_equal(a[i].wrong, 0);
	}
	printf("360 questions in %.2f s\n", now_s() - t);
	for (int i = 0; i < 5; i++) {
		hear_all(fds[i], 0.5, &got);
		assert_non_null(strstr(strbuf_text(&got), "stream.example"));
		assert_null(strstr(strbuf_text(&got), "only-"));
	}
	strbuf_fini(&got);
	hang_up(5);
}

/* The session is the cookie, and nothing around it. */
static void no_cookie_but_the_sessions_opens_the_door(void **state)
{
	char cookie[256], value[80], text[512];
	static const char *const forms[] = {"durward=%s/../x", "durward=/api/v1/setup; x=%s",
		"durward=%s%%00", "durward=\"%s\"", "$Path=/; durward=/%s", "Durward=%s",
		"xdurward=%s", "durward =%s", "durward=; Path=/api/v1/setup; v=%s", "durward=%.63s",
		"durward=%.63sG"};

	log_in(cookie, sizeof cookie);
	snprintf(value, sizeof value, "%.64s", strchr(cookie, '=') + 1);
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		int at = snprintf(text, sizeof text, "Cookie: ");

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text + at, sizeof text - (size_t)at, forms[i], value);
#pragma GCC diagnostic pop
		if (ask_status(false, "GET", "/api/v1/status", text, NULL) != 401)
			fail_msg("%s", text);
	}
	for (int i = 0; i < 4; i++) { /* nor does another way to write the path */
		static const char *const paths[] = {"/api/v1/setup/../status", "//api/v1/status",
			"/api/v1/status/", "/metrics/../api/v1/status"};
		struct got g = ask(false, "GET", paths[i], NULL, NULL);

		assert_true(g.status == 404 || strstr(strbuf_text(&g.body), "<!doctype html>"));
		got_fini(&g);
	}
	snprintf(text, sizeof text, "Cookie: a=b; durward=%s; c=d", value);
	assert_int_equal(ask_status(false, "GET", "/api/v1/status", text, NULL), 200);
}

#define IN_HOUSE(t) cmocka_unit_test_setup_teardown(t, backend_setup, backend_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(slow_heads_from_many_addresses_shut_nobody_out),
		IN_HOUSE(slow_bodies_from_many_addresses_shut_nobody_out),
		IN_HOUSE(one_client_with_all_connections_pushes_out_itself),
		IN_HOUSE(guesses_from_many_addresses_hold_nobody_up),
		IN_HOUSE(odd_heads_are_refused_and_nothing_of_them_is_said_again),
		IN_HOUSE(a_connection_has_one_request),
		IN_HOUSE(a_head_too_large_is_told_so),
		IN_HOUSE(a_head_in_crumbs_is_read),
		IN_HOUSE(an_urgent_byte_is_no_way_round),
		IN_HOUSE(who_has_gone_costs_nothing),
		IN_HOUSE(each_gets_his_own_answer_at_once_beside_streams),
		IN_HOUSE(no_cookie_but_the_sessions_opens_the_door),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
