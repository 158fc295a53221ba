/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_events.c - the controller alone: events asked for, and streamed.
 */
#include "show/backend.h"

#include "model/reference.h"

/* --- events --- */

static void events_are_found_and_hostile_names_are_harmless(void **state)
{
	struct event e = event_of("www.ads.example", ACTION_BLOCK);
	struct got g;
	const struct json *row;

	e.verdict.rule_line = 4;
	e.verdict.revision = 1;
	e.verdict.device = 0;
	push(e);
	push(event_of("<img src=x onerror=alert(1)>", ACTION_ALLOW));
	await_events(2);
	g = ask(true, "GET", "/api/v1/events?verdict=block&name=ADS&who=phone", NULL, NULL);
	assert_int_equal(g.status, 200);
	assert_int_equal(jr_count(jr_get(g.json, "events")), 1);
	assert_true(jr_number(jr_get(g.json, "version"), 0) >= 4);
	row = jr_at(jr_get(g.json, "events"), 0);
	assert_string_equal(jr_get_text(row, "who"), "phone");
	assert_string_equal(jr_get_text(row, "because"), "Advertising <b>");
	assert_string_equal(jr_get_text(jr_get(row, "rule"), "text"),
		"block ads.example because \"Advertising <b>\"");
	assert_null(strchr(strbuf_text(&g.body), '<'));
	got_fini(&g);
	g = ask(true, "GET", "/api/v1/events?name=onerror", NULL, NULL);
	assert_int_equal(jr_count(jr_get(g.json, "events")), 1);
	assert_null(strchr(strbuf_text(&g.body), '<'));
	assert_string_equal(jr_get_text(jr_at(jr_get(g.json, "events"), 0), "name"),
		"<img src=x onerror=alert(1)>");
	got_fini(&g);
	static const char *const bad[] = {"verdict=perhaps", "after=x", "limit=100000",
		"who=nobody", "since=yesterday", "rule=-1", "rule=", "rule=a/b",
		"rule=0123456789012345678901234567890123456789012345678901234567890123",
		"before=-2"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char path[128];
		snprintf(path, sizeof path, "/api/v1/events?%s", bad[i]);
		assert_int_equal(ask_status(true, "GET", path, NULL, NULL), 400);
	}
	g = ask(true, "GET", "/api/v1/events?rule=4", NULL, NULL);
	assert_int_equal(jr_count(jr_get(g.json, "events")), 1);
	got_fini(&g);
	g = ask(true, "GET", "/api/v1/events?rule=no-such-rule", NULL, NULL);
	assert_int_equal(g.status, 200);
	assert_int_equal(jr_count(jr_get(g.json, "events")), 0);
	got_fini(&g);
	assert_int_equal(ask_status(true, "GET", "/api/v1/events?since=15m", NULL, NULL), 200);
	g = ask(true, "GET", "/api/v1/devices", NULL, NULL);
	assert_int_equal(g.status, 200);
	got_fini(&g);
}

static void a_block_pages_reference_finds_its_decision_and_no_other(void **state)
{
	struct event e = event_of("one.ads.example", ACTION_BLOCK);
	char ref[REFERENCE_TEXT], path[128];
	struct got g;

	push(e);
	snprintf(e.ident.name, sizeof e.ident.name, "two.ads.example");
	e.flow.sport++;
	push(e);
	snprintf(e.ident.name, sizeof e.ident.name, "six.ads.example");
	e.wall_ms++;
	push(e);
	await_events(3);
	reference_write(e.wall_ms - 1, e.flow.sport, ref);
	snprintf(path, sizeof path, "/api/v1/events?reference=%s", ref);
	g = ask(true, "GET", path, NULL, NULL);
	assert_int_equal(jr_count(jr_get(g.json, "events")), 1);
	assert_string_equal(
		jr_get_text(jr_at(jr_get(g.json, "events"), 0), "name"), "two.ads.example");
	assert_string_equal(jr_get_text(jr_at(jr_get(g.json, "events"), 0), "reference"), ref);
	got_fini(&g);
	assert_int_equal(
		ask_status(true, "GET", "/api/v1/events?reference=06DK-10ZC", NULL, NULL), 400);
}

/* --- the stream --- */

struct listener {
	pthread_t thread;
	pthread_mutex_t lock;
	struct strbuf text;
	char path[128], header[256];
	bool tcp;
	long status;
	bool stop;
};

static size_t hear(char *p, size_t size, size_t n, void *user)
{
	struct listener *l = user;

	pthread_mutex_lock(&l->lock);
	strbuf_add(&l->text, slice_of(p, size * n));
	pthread_mutex_unlock(&l->lock);
	return size * n;
}

static int look(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct listener *l = user;
	bool stop;

	pthread_mutex_lock(&l->lock);
	stop = l->stop;
	pthread_mutex_unlock(&l->lock);
	return stop;
}

static void *listen_run(void *user)
{
	struct listener *l = user;
	char url[256];
	struct curl_slist *h = l->header[0] ? curl_slist_append(NULL, l->header) : NULL;
	CURL *c = curl_easy_init();
	CURLM *m = curl_multi_init();
	int running = 1;

	snprintf(url, sizeof url, "http://127.0.0.1:%u%s", backend.port, l->path);
	curl_easy_setopt(c, CURLOPT_URL, url);
	if (!l->tcp)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, backend.sock_path);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, hear);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, l);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, l);
	/* not curl_easy_perform, which asks look() five times a second only */
	curl_multi_add_handle(m, c);
	while (curl_multi_perform(m, &running) == CURLM_OK && running)
		curl_multi_poll(m, NULL, 0, 10, NULL);
	curl_multi_remove_handle(m, c);
	curl_multi_cleanup(m);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &l->status);
	curl_slist_free_all(h);
	curl_easy_cleanup(c);
	return NULL;
}

static void listen_at(struct listener *l, bool tcp, const char *path, const char *header)
{
	*l = (struct listener){.lock = PTHREAD_MUTEX_INITIALIZER, .tcp = tcp};
	snprintf(l->path, sizeof l->path, "%s", path);
	snprintf(l->header, sizeof l->header, "%s", header);
	assert_int_equal(pthread_create(&l->thread, NULL, listen_run, l), 0);
}

static void listen_start(struct listener *l, const char *path, const char *header)
{
	listen_at(l, false, path, header);
}

static bool heard(struct listener *l, const char *what)
{
	bool found = false;

	for (int i = 0; i < 6000 && !found; i++) {
		pthread_mutex_lock(&l->lock);
		found = strstr(strbuf_text(&l->text), what) != NULL;
		pthread_mutex_unlock(&l->lock);
		if (!found)
			usleep(10000);
	}
	return found;
}

static void listen_stop(struct listener *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_mutex_unlock(&l->lock);
}

static void listen_end(struct listener *l)
{
	listen_stop(l);
	pthread_join(l->thread, NULL);
	strbuf_fini(&l->text);
}

static void the_stream_says_hello_and_then_what_happens(void **state)
{
	struct listener all, blocked, again;

	listen_start(&all, "/api/v1/stream?topics=events", "");
	listen_start(&blocked, "/api/v1/stream?topics=events&verdict=block", "");
	assert_true(heard(&all, "event: hello"));
	assert_true(heard(&blocked, "event: hello"));
	push(event_of("one.example", ACTION_ALLOW));
	assert_true(heard(&all, "one.example"));
	push(event_of("two.example", ACTION_BLOCK));
	assert_true(heard(&all, "two.example"));
	assert_true(heard(&blocked, "two.example"));
	assert_null(strstr(strbuf_text(&blocked.text), "one.example"));
	for (int i = 0; i < 350; i++)
		push(event_of("many.example", ACTION_ALLOW));
	assert_true(heard(&all, "id: 352\nevent: events"));
	listen_start(&again, "/api/v1/stream", "Last-Event-ID: 1");
	assert_true(heard(&again, "two.example"));
	listen_end(&again);
	listen_end(&blocked);
	listen_end(&all);
}

static void a_stream_obeys_every_filter_at_once(void **state)
{
	struct event e = event_of("one.example", ACTION_BLOCK);
	struct listener l;

	e.verdict.revision = 1;
	listen_start(&l, "/api/v1/stream?verdict=block&who=phone", "");
	assert_true(heard(&l, "event: hello"));
	e.verdict.device = NO_DEVICE;
	push(e);
	e.verdict.device = 0;
	push(e);
	assert_true(heard(&l, "id: 2\nevent: events"));
	assert_null(strstr(strbuf_text(&l.text), "\"who\":null"));
	listen_end(&l);
}

/* From memory: the ids of the deciding rule and of the watch line are there as they are on disk. */
static void a_stream_is_filtered_by_a_rules_id(void **state)
{
	struct event e = event_of("one.example", ACTION_BLOCK), other = e;
	struct listener rule, watch;

	e.verdict.revision = other.verdict.revision = 1;
	e.verdict.rule_line = 4; /* block ads.example */
	other.verdict.rule_line = 5;
	other.verdict.watch_line = 4;
	listen_start(&rule, "/api/v1/stream?rule=OTHERWISE", "");
	listen_start(&watch, "/api/v1/stream?rule=3fff0a9a", "");
	assert_true(heard(&rule, "event: hello") && heard(&watch, "event: hello"));
	push(e);
	push(other);
	assert_true(heard(&rule, "id: 2\nevent: events"));
	assert_true(heard(&rule, "\"rule_id\":\"otherwise\",\"rule_line\":5,"));
	assert_null(strstr(strbuf_text(&rule.text), "\"rule_id\":\"3fff0a9a\""));
	assert_true(heard(&watch, "\"rule_id\":\"3fff0a9a\",\"rule_line\":4,"));
	assert_true(heard(&watch, "\"watch_id\":\"3fff0a9a\""));
	listen_end(&watch);
	listen_end(&rule);
}

static void readers_that_left_make_room_at_once(void **state)
{
	struct listener l;

	for (int i = 0; i < 40;
		i++) { /* more than may be open together, and no event to notice by */
		listen_start(&l, "/api/v1/stream", "");
		assert_true(heard(&l, "event: hello"));
		listen_end(&l);
	}
}

static void a_stream_that_lags_is_told(void **state)
{
	struct listener late;

	for (int i = 0; i < 4200; i++) { /* of a named device and four others: nobody floods */
		struct event e = event_of("flood.example", ACTION_ALLOW);

		e.verdict.revision = 1;
		e.verdict.device = i % 5 ? NO_DEVICE : 0;
		e.flow.src.b[15] = (uint8_t)(10 + i % 5);
		push(e);
	}
	for (int i = 0; i < 1000; i++) {
		struct got g = ask(true, "GET", "/api/v1/status", NULL, NULL);
		double id = jr_number(jr_get(jr_get(g.json, "events"), "last_id"), 0);
		got_fini(&g);
		if (id >= 4200)
			break;
		usleep(20000);
	}
	listen_start(&late, "/api/v1/stream", "Last-Event-ID: 1");
	assert_true(heard(&late, "event: lagged\ndata: {\"from\":2,\"to\":104}"));
	listen_end(&late);
}

static void streams_are_counted_and_bounded(void **state)
{
	struct listener l[32];

	for (int i = 0; i < 32; i++)
		listen_start(&l[i], "/api/v1/stream", "");
	for (int i = 0; i < 32; i++)
		assert_true(heard(&l[i], "event: hello"));
	assert_int_equal(ask_status(true, "GET", "/api/v1/stream", NULL, NULL), 503);
	for (int i = 0; i < 32; i++)
		listen_stop(&l[i]);
	for (int i = 0; i < 32; i++)
		listen_end(&l[i]);
}

static void one_address_has_six_streams(void **state)
{
	struct listener l[6];
	char cookie[256];
	struct got g;

	assert_int_equal(
		ask_status(true, "PUT", "/api/v1/password", NULL, "{\"password\":\"long enough\"}"),
		204);
	g = ask(false, "POST", "/api/v1/session", json_post, "{\"password\":\"long enough\"}");
	assert_int_equal(g.status, 204);
	take_cookie(&g, cookie, sizeof cookie);
	got_fini(&g);
	for (int i = 0; i < 6; i++)
		listen_at(&l[i], true, "/api/v1/stream", cookie);
	for (int i = 0; i < 6; i++)
		assert_true(heard(&l[i], "event: hello"));
	assert_int_equal(ask_status(false, "GET", "/api/v1/stream", cookie, NULL), 503);
	assert_int_equal(ask_status(false, "GET", "/api/v1/status", cookie, NULL), 200);
	for (int i = 0; i < 6; i++)
		listen_stop(&l[i]);
	for (int i = 0; i < 6; i++)
		listen_end(&l[i]);
}

static void without_a_database_the_last_events_are_in_memory(void **state)
{
	controller_end();
	unlink(in_folder("events.db"));
	assert_int_equal(mkdir(in_folder("events.db"), 0700), 0); /* no file can be opened there */
	controller_start();
	struct message m;
	await(MESSAGE_READY, &m);
	push(event_of("one.example", ACTION_ALLOW));
	push(event_of("two.example", ACTION_BLOCK));
	await_events(2);
	struct got g = ask(true, "GET", "/api/v1/events?verdict=block", NULL, NULL);
	assert_int_equal(jr_count(jr_get(g.json, "events")), 1);
	got_fini(&g);
	g = ask(true, "GET", "/api/v1/status", NULL, NULL);
	assert_true(jr_count(jr_get(g.json, "problems")) >= 1);
	got_fini(&g);
	rmdir(in_folder("events.db"));
}

#define IN_HOUSE(t) cmocka_unit_test_setup_teardown(t, backend_setup, backend_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(events_are_found_and_hostile_names_are_harmless),
		IN_HOUSE(a_block_pages_reference_finds_its_decision_and_no_other),
		IN_HOUSE(the_stream_says_hello_and_then_what_happens),
		IN_HOUSE(a_stream_obeys_every_filter_at_once),
		IN_HOUSE(a_stream_is_filtered_by_a_rules_id),
		IN_HOUSE(readers_that_left_make_room_at_once),
		IN_HOUSE(a_stream_that_lags_is_told),
		IN_HOUSE(streams_are_counted_and_bounded),
		IN_HOUSE(one_address_has_six_streams),
		IN_HOUSE(without_a_database_the_last_events_are_in_memory),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
