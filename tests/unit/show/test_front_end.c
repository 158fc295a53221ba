/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_front_end.c - the controller alone: policy in force, doors locked and opened.
 */
#include "show/backend.h"

#include <fcntl.h>

/* --- office and policy --- */

static void the_image_comes_sealed_and_the_reload_is_numbered(void **state)
{
	struct message m, reload = {.type = MESSAGE_RELOAD};
	int fd;

	write_policy("otherwise block\n");
	assert_int_equal(message_send(backend.supervisor, &reload, -1), 0);
	fd = await(MESSAGE_IMAGE, &m);
	assert_int_equal(m.revision, 2);
	assert_false(m.fail_open);
	assert_true(m.judges_all);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW),
		F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	close(fd);
	write_policy(good_policy); /* a text seen before, but not the last one: a new number */
	assert_int_equal(message_send(backend.supervisor, &reload, -1), 0);
	close(await(MESSAGE_IMAGE, &m));
	assert_int_equal(m.revision, 3);
}

static void a_bad_file_changes_nothing_and_says_so(void **state)
{
	struct got g;
	struct message m;

	write_policy("otherwise allow\nblokc x\n");
	g = ask(true, "POST", "/api/v1/reload", NULL, "{}");
	assert_int_equal(g.status, 422);
	assert_true(jr_count(jr_get(g.json, "findings")) >= 1);
	got_fini(&g);
	g = ask(true, "GET", "/api/v1/status", NULL, NULL);
	assert_string_equal(jr_get_text(jr_get(g.json, "policy"), "state"), "last-good");
	assert_int_equal((int)jr_number(jr_get(jr_get(g.json, "policy"), "revision"), 0), 1);
	got_fini(&g);
	controller_end(); /* and at the next start the last good one is taken */
	controller_start();
	await(MESSAGE_READY, &m);
	close(await(MESSAGE_IMAGE, &m));
	assert_int_equal(m.revision, 1);
	assert_true(m.fail_open);
}

/* --- lists --- */

static void put_list(int names)
{
	char path[128];
	struct strbuf b = {0};

	for (int i = 0; i < names; i++)
		strbuf_fmt(&b, "n%d.example\n", i);
	snprintf(path, sizeof path, "%s/adult.txt", folder);
	assert_int_equal(file_write_atomic(path, slice_of(b.s ? b.s : "", b.n), 0600), 0);
	strbuf_fini(&b);
}

/* What status says of the one list. */
static void expect_list(const char *state, int names, const char *problem)
{
	struct got g = ask(true, "GET", "/api/v1/status", NULL, NULL);
	const struct json *l = jr_at(jr_get(g.json, "lists"), 0);

	assert_string_equal(jr_get_text(l, "name"), "adult");
	assert_string_equal(jr_get_text(l, "state"), state);
	assert_int_equal((int)jr_number(jr_get(l, "names"), 0), names);
	assert_true(jr_get_text(l, "last_good")[0]);
	assert_int_equal(strstr(g.body.s, "list 'adult'") != NULL, *problem != 0);
	assert_non_null(strstr(jr_get_text(l, "failure"), problem));
	got_fini(&g);
}

static long reload(const char *body, int warnings)
{
	struct got g = ask(true, "POST", "/api/v1/reload", NULL, body);
	long status = g.status;

	if (status == 200)
		assert_int_equal((int)jr_number(jr_get(g.json, "warnings"), -1), warnings);
	got_fini(&g);
	return status;
}

static void a_list_that_shrinks_keeps_its_last_good_copy(void **state)
{
	struct got g;
	struct message m;

	put_list(10);
	write_policy("fail open\nlist adult adult.txt format domains\nfor everyone\nblock adult\n"
		     "otherwise allow\n");
	assert_int_equal(reload("{}", 0), 200);
	expect_list("current", 10, "");
	put_list(3);
	assert_int_equal(reload("{}", 1), 200);
	expect_list("last-good", 10, "has shrunk from 10 names to 3");
	g = ask(true, "GET", "/api/v1/explain?who=everyone&name=n9.example", NULL, NULL);
	assert_string_equal(jr_get_text(g.json, "verdict"), "block");
	got_fini(&g);
	g = ask(true, "GET", "/metrics", NULL, NULL);
	assert_non_null(strstr(g.body.s, "durward_list_entries{list=\"adult\"} 10\n"));
	assert_non_null(strstr(g.body.s, "durward_list_kept{list=\"adult\"} 1\n"));
	got_fini(&g);
	assert_int_equal(reload("{\"accept_lists\":\"adult\"}", 0), 400);
	assert_int_equal(reload("{\"accept_lists\":[\"*\"]}", 0), 400);
	assert_int_equal(reload("{\"accept_lists\":false}", 1), 200);
	expect_list("last-good", 10, "has shrunk");
	controller_end(); /* a start is no consent */
	controller_start();
	close(await(MESSAGE_IMAGE, &m));
	expect_list("last-good", 10, "has shrunk");
	assert_int_equal(reload("{\"accept_lists\":[\"ADULT\"]}", 0), 200);
	expect_list("current", 3, "");
	put_list(0);
	assert_int_equal(reload("{\"accept_lists\":true}", 1), 200); /* it has no entry */
	expect_list("current", 0, "");
}

static void an_apply_may_accept_a_list_too(void **state)
{
	struct got g;
	char etag[64] = "";

	put_list(10);
	write_policy("fail open\nlist adult adult.txt format domains\nfor everyone\nblock adult\n"
		     "otherwise allow\n");
	assert_int_equal(reload("{}", 0), 200);
	put_list(3);
	g = ask(true, "GET", "/api/v1/policy", NULL, NULL);
	snprintf(etag, sizeof etag, "If-Match: %.18s", strstr(g.head.s, "ETag: ") + 6);
	got_fini(&g);
	g = ask(true, "PUT", "/api/v1/policy/apply", etag,
		"{\"accept_lists\":[\"adult\"],\"text\":\"fail open\\nlist adult adult.txt format "
		"domains\\nfor everyone\\nblock adult\\notherwise block\\n\"}");
	assert_int_equal(g.status, 200);
	assert_int_equal((int)jr_number(jr_get(g.json, "warnings"), -1), 0);
	got_fini(&g);
	expect_list("current", 3, "");
}

static void without_any_policy_the_supervisor_is_told(void **state)
{
	struct message m;

	controller_end();
	unlink(backend.policy_path);
	unlink(in_folder("image.good"));
	controller_start();
	await(MESSAGE_NO_POLICY, &m);
	assert_int_equal(ask_status(true, "GET", "/readyz", NULL, NULL), 503);
	assert_int_equal(ask_status(true, "GET", "/healthz", NULL, NULL), 200);
}

static const char *etag_of(const struct got *g)
{
	static char line[128];
	const char *p = strcasestr(strbuf_text(&g->head), "etag: ");

	snprintf(line, sizeof line, "If-Match: %.*s", p ? (int)strcspn(p + 6, "\r\n") : 0, p + 6);
	return line;
}

static void an_edit_is_applied_once_and_never_over_another(void **state)
{
	struct got g = ask(true, "GET", "/api/v1/policy", NULL, NULL);
	char match[128];
	struct strbuf file = {0};

	assert_int_equal(g.status, 200);
	assert_string_equal(jr_get_text(g.json, "text"), good_policy);
	snprintf(match, sizeof match, "%s", etag_of(&g));
	got_fini(&g);
	assert_int_equal(ask_status(true, "PUT", "/api/v1/policy/apply", "",
				 "{\"text\":\"otherwise allow\\n\"}"),
		428);
	assert_int_equal(ask_status(true, "PUT", "/api/v1/policy/apply", match,
				 "{\"text\":\"otherwise perhaps\\n\"}"),
		422);
	g = ask(true, "PUT", "/api/v1/policy/apply", match,
		"{\"text\":\"fail open\\notherwise allow # mine\\n\"}");
	assert_int_equal(g.status, 200);
	assert_int_equal((int)jr_number(jr_get(g.json, "revision"), 0), 2);
	got_fini(&g);
	assert_int_equal(file_read(backend.policy_path, 1000, &file), 0);
	assert_string_equal(strbuf_text(&file), "fail open\notherwise allow # mine\n");
	strbuf_fini(&file);
	assert_int_equal(ask_status(true, "PUT", "/api/v1/policy/apply", match,
				 "{\"text\":\"otherwise block\\n\"}"),
		412);
	g = ask(true, "GET", "/api/v1/policy/revisions", NULL, NULL);
	assert_int_equal(jr_count(jr_get(g.json, "revisions")), 2);
	got_fini(&g);
}

static void check_lists_every_error(void **state)
{
	struct got g = ask(true, "POST", "/api/v1/policy/check", NULL,
		"{\"text\":\"for everyone\\n block nosuch\\n allow what\\n\"}");

	assert_int_equal(g.status, 200);
	assert_false(jr_true(jr_get(g.json, "ok")));
	assert_true(jr_count(jr_get(g.json, "findings")) >= 3);
	got_fini(&g);
}

static void explain_answers_from_the_policy_in_force(void **state)
{
	struct got g =
		ask(true, "GET", "/api/v1/explain?who=phone&name=www.ads.example", NULL, NULL);

	assert_int_equal(g.status, 200);
	assert_string_equal(jr_get_text(g.json, "verdict"), "block");
	assert_int_equal((int)jr_number(jr_get(jr_get(g.json, "rule"), "line"), 0), 4);
	got_fini(&g);
	assert_int_equal(
		ask_status(true, "GET", "/api/v1/explain?who=nobody&name=a.example", NULL, NULL),
		404);
	assert_int_equal(ask_status(true, "GET", "/api/v1/explain?who=phone", NULL, NULL), 400);
}

/* --- the door --- */

static void strangers_stay_outside(void **state)
{
	static const struct {
		const char *method, *path, *headers, *body;
		long status;
	} cases[] = {
		{"GET", "/healthz", "", NULL, 200},
		{"GET", "/", "", NULL, 200},
		{"GET", "/activity", "", NULL, 200}, /* the page routes by itself */
		{"GET", "/nosuch.js", "", NULL, 404},
		{"GET", "/../policy", "", NULL, 404},
		{"GET", "/api/openapi.json", "", NULL, 200},
		{"GET", "/api/v1/setup", "", NULL, 200},
		{"GET", "/metrics", "", NULL, 200}, /* from loopback */
		{"GET", "/api/v1/status", "", NULL, 401},
		{"GET", "/api/v1/events", "", NULL, 401},
		{"GET", "/api/v1/stream", "", NULL, 401},
		{"GET", "/api/v1/policy", "", NULL, 401},
		{"GET", "/api/v1/me", "Cookie: durward=00", NULL, 401},
		{"GET", "/api/v1/nothing", "", NULL, 404},
		{"PATCH", "/api/v1/policy", "", NULL, 405},
		{"POST", "/api/v1/reload", "X-Durward: 1|Content-Type: application/json", "{}",
			401},
		{"GET", "/healthz", "Host: evil.example", NULL, 421},
		{"GET", "/healthz", "Host: dataplane.example:8480", NULL, 200},
		{"GET", "/healthz", "Host: DATAPLANE.example", NULL, 200},
		{"GET", "/healthz", "Host: dataplane.example.evil.example", NULL, 421},
		{"GET", "/healthz", "Host: [::1]:8480", NULL, 200},
		{"GET", "/healthz", "Host: localhost:1", NULL, 200},
		{"POST", "/api/v1/session", "Content-Type: application/json", "{}", 403},
		{"POST", "/api/v1/session", "X-Durward: 1|Content-Type: text/plain", "{}", 415},
		{"POST", "/api/v1/session",
			"X-Durward: 1|Content-Type: application/json|Origin: http://evil.example",
			"{}", 403},
		{"POST", "/api/v1/session",
			"X-Durward: 1|Content-Type: application/json|Sec-Fetch-Site: cross-site",
			"{}", 403},
		{"POST", "/api/v1/setup/token", "X-Durward: 1|Content-Type: application/json", "{}",
			401},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		long got = ask_status(
			false, cases[i].method, cases[i].path, cases[i].headers, cases[i].body);
		if (got != cases[i].status)
			fail_msg("%s %s [%s]: %ld, not %ld", cases[i].method, cases[i].path,
				cases[i].headers, got, cases[i].status);
	}
}

static void every_answer_carries_the_headers_that_keep_a_browser_safe(void **state)
{
	struct got g = ask(false, "GET", "/", NULL, NULL);

	assert_non_null(strstr(strbuf_text(&g.head), "script-src 'self'"));
	assert_non_null(strstr(strbuf_text(&g.head), "require-trusted-types-for 'script'"));
	assert_non_null(strstr(strbuf_text(&g.head), "frame-ancestors 'none'"));
	assert_non_null(strstr(strbuf_text(&g.head), "nosniff"));
	assert_non_null(strstr(strbuf_text(&g.head), "text/html"));
	assert_non_null(strstr(strbuf_text(&g.body), "Durward"));
	const char *etag = etag_of(&g);
	char seen[128];
	snprintf(seen, sizeof seen, "If-None-Match: %s", etag + strlen("If-Match: "));
	got_fini(&g);
	assert_int_equal(ask_status(false, "GET", "/", seen, NULL), 304);
	g = ask(false, "GET", "/api/v1/status", NULL, NULL);
	assert_non_null(strstr(strbuf_text(&g.head), "no-store"));
	assert_non_null(strstr(strbuf_text(&g.head), "application/problem+json"));
	got_fini(&g);
}

static void read_token(char *out, size_t size)
{
	struct strbuf t = {0};

	assert_int_equal(file_read(in_folder("setup-token"), 100, &t), 0);
	snprintf(out, size, "%.*s", (int)strcspn(strbuf_text(&t), "\n"), strbuf_text(&t));
	strbuf_fini(&t);
}

static void the_first_password_needs_the_token_and_then_opens_the_door(void **state)
{
	char token[64], body[256], cookie[256], headers[512];
	struct stat st;
	struct got g;

	assert_int_equal(stat(in_folder("setup-token"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	read_token(token, sizeof token);
	assert_int_equal(ask_status(false, "POST", "/api/v1/setup/claim", json_post,
				 "{\"token\":\"aaaaa\",\"password\":\"long enough\"}"),
		403);
	snprintf(body, sizeof body, "{\"token\":\"%s\",\"password\":\"short\"}", token);
	assert_int_equal(ask_status(false, "POST", "/api/v1/setup/claim", json_post, body), 422);
	snprintf(body, sizeof body, "{\"token\":\"%s\",\"password\":\"long enough\"}", token);
	g = ask(false, "POST", "/api/v1/setup/claim", json_post, body);
	assert_int_equal(g.status, 204);
	take_cookie(&g, cookie, sizeof cookie);
	got_fini(&g);
	assert_int_equal(stat(in_folder("setup-token"), &st), -1);
	assert_int_equal(ask_status(false, "POST", "/api/v1/setup/claim", json_post, body), 409);
	assert_int_equal(ask_status(false, "GET", "/api/v1/status", cookie, NULL), 200);
	assert_int_equal(ask_status(false, "GET", "/api/v1/me", cookie, NULL), 200);
	/* a change needs our header too, the cookie alone is what a foreign page would send */
	snprintf(headers, sizeof headers, "%s|Content-Type: application/json", cookie);
	assert_int_equal(ask_status(false, "POST", "/api/v1/reload", headers, "{}"), 403);
	snprintf(headers, sizeof headers, "%s|%s", cookie, json_post);
	assert_int_equal(ask_status(false, "POST", "/api/v1/reload", headers, "{}"), 200);
	assert_int_equal(ask_status(false, "POST", "/api/v1/setup/token", headers, "{}"), 403);
	assert_int_equal(ask_status(false, "DELETE", "/api/v1/session", headers, NULL), 204);
	assert_int_equal(ask_status(false, "GET", "/api/v1/status", cookie, NULL), 401);
	g = ask(false, "POST", "/api/v1/session", json_post, "{\"password\":\"long enough\"}");
	assert_int_equal(g.status, 204);
	take_cookie(&g, cookie, sizeof cookie);
	got_fini(&g);
	assert_int_equal(ask_status(false, "GET", "/api/v1/status", cookie, NULL), 200);
	/* a new password ends every session */
	assert_int_equal(
		ask_status(true, "PUT", "/api/v1/password", NULL, "{\"password\":\"another one\"}"),
		204);
	assert_int_equal(ask_status(false, "GET", "/api/v1/status", cookie, NULL), 401);
}

static void guesses_are_slowed_down_and_told_for_how_long(void **state)
{
	char token[64], body[256], words[32];
	struct got g = {0};
	int wait_s;

	for (int i = 0; i < 6; i++) {
		got_fini(&g);
		g = ask(false, "POST", "/api/v1/session", json_post,
			"{\"password\":\"wrong guess\"}");
	}
	assert_int_equal(g.status, 429);
	assert_non_null(strcasestr(strbuf_text(&g.head), "retry-after: "));
	wait_s = atoi(strcasestr(strbuf_text(&g.head), "retry-after: ") + strlen("retry-after: "));
	assert_in_range(wait_s, 1, 60);
	snprintf(words, sizeof words, "try again in %d s", wait_s);
	assert_non_null(strstr(jr_get_text(g.json, "detail"), words));
	got_fini(&g);
	assert_int_equal(ask_status(false, "POST", "/api/v1/setup/claim", json_post,
				 "{\"token\":\"aaaaa\",\"password\":\"long enough\"}"),
		429);
	/* the console is never locked, and what it was told opens the door */
	assert_int_equal(ask_status(true, "PUT", "/api/v1/password", NULL,
				 "{\"password\":\"right password\"}"),
		204);
	assert_int_equal(ask_status(false, "POST", "/api/v1/session", json_post,
				 "{\"password\":\"right password\"}"),
		429);
	g = ask(true, "POST", "/api/v1/setup/token", NULL, "{}");
	snprintf(token, sizeof token, "%s", jr_get_text(g.json, "token"));
	got_fini(&g);
	snprintf(body, sizeof body, "{\"token\":\"%s\",\"password\":\"long enough\"}", token);
	assert_int_equal(ask_status(false, "POST", "/api/v1/setup/claim", json_post, body), 204);
	assert_int_equal(ask_status(false, "POST", "/api/v1/session", json_post,
				 "{\"password\":\"long enough\"}"),
		204);
}

static void bodies_are_bounded(void **state)
{
	size_t n = 10000;
	char *body = calloc(1, n + 1);

	memset(body, 'x', n);
	assert_int_equal(ask_status(false, "POST", "/api/v1/session", json_post, body), 413);
	assert_int_equal(ask_status(false, "POST", "/api/v1/session", json_post, "[1]"), 403);
	free(body);
}

static void garbage_ends_its_own_connection_only(void **state)
{
	static const char *const heads[] = {"", "GET ", "GET / HTTP/1.1\r\n",
		"POST /api/v1/session HTTP/1.1\r\n"
		"Host: 127.0.0.1\r\nX-Durward: 1\r\nContent-Type: "
		"application/json\r\nContent-Length: 5\r\n\r\n"};
	struct sockaddr_in sin = {.sin_family = AF_INET,
		.sin_port = htons(backend.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	unsigned char junk[600];

	srand(11);
	for (int i = 0; i < 120; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		const char *head = heads[i % 4];
		for (size_t k = 0; k < sizeof junk; k++)
			junk[k] = (unsigned char)(rand() >> 4);
		assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
		(void)!send(fd, head, strlen(head), MSG_NOSIGNAL);
		(void)!send(fd, junk, (size_t)(rand() % 600), MSG_NOSIGNAL);
		close(fd);
	}
	/* those that still wait for their head to end may not have been cleared away yet */
	for (int i = 0; i < 3000 && ask_status(false, "GET", "/healthz", NULL, NULL) != 200; i++)
		usleep(20000);
	assert_int_equal(ask_status(false, "GET", "/healthz", NULL, NULL), 200);
}

static void the_list_of_routes_is_the_list_of_routes(void **state)
{
	struct got g = ask(true, "GET", "/api/openapi.json", NULL, NULL);

	assert_int_equal(g.status, 200);
	assert_non_null(jr_get(jr_get(jr_get(g.json, "paths"), "/api/v1/policy/apply"), "put"));
	assert_non_null(jr_get(jr_get(jr_get(g.json, "paths"), "/api/v1/policy/apply"), "post"));
	assert_non_null(
		jr_get(jr_get(jr_get(jr_get(jr_get(g.json, "components"), "schemas"), "Event"),
			       "properties"),
			"verdict"));
	got_fini(&g);
}

#define IN_HOUSE(t) cmocka_unit_test_setup_teardown(t, backend_setup, backend_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(the_image_comes_sealed_and_the_reload_is_numbered),
		IN_HOUSE(a_bad_file_changes_nothing_and_says_so),
		IN_HOUSE(a_list_that_shrinks_keeps_its_last_good_copy),
		IN_HOUSE(an_apply_may_accept_a_list_too),
		IN_HOUSE(without_any_policy_the_supervisor_is_told),
		IN_HOUSE(an_edit_is_applied_once_and_never_over_another),
		IN_HOUSE(check_lists_every_error),
		IN_HOUSE(explain_answers_from_the_policy_in_force),
		IN_HOUSE(strangers_stay_outside),
		IN_HOUSE(every_answer_carries_the_headers_that_keep_a_browser_safe),
		IN_HOUSE(the_first_password_needs_the_token_and_then_opens_the_door),
		IN_HOUSE(guesses_are_slowed_down_and_told_for_how_long),
		IN_HOUSE(bodies_are_bounded),
		IN_HOUSE(garbage_ends_its_own_connection_only),
		IN_HOUSE(the_list_of_routes_is_the_list_of_routes),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
