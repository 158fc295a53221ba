/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_status.c - what the supervisor says is what status says.
 */
#include "show/backend.h"

/* Asks until the controller has read what the supervisor sent: the number of restarts tells. */
static struct got status_after(struct message *m)
{
	static uint32_t turn;
	struct got g = {0};

	m->type = MESSAGE_STATUS;
	m->dataplane_restarts = ++turn;
	assert_int_equal(message_send(backend.supervisor, m, -1), 0);
	for (int i = 0; i < 600; i++) {
		got_fini(&g);
		g = ask(true, "GET", "/api/v1/status", NULL, NULL);
		if (jr_number(jr_get(jr_get(g.json, "dataplane"), "restarts"), 0) == turn)
			return g;
		poll(NULL, 0, 50);
	}
	fail_msg("the status was never taken");
	return g;
}

static bool says(const struct got *g, const char *words)
{
	const struct json *all = jr_get(g->json, "problems");

	for (size_t i = 0; i < jr_count(all); i++)
		if (strstr(jr_text(jr_at(all, i)), words))
			return true;
	return false;
}

static void problems_of_the_supervisor_are_shown_with_their_keys(void **state)
{
	struct message m = {.rules = RULES_UP, .dataplane_pid = 7};
	struct got g = status_after(&m);

	(void)state;
	assert_int_equal(jr_count(jr_get(g.json, "problem_keys")), 0);
	assert_false(says(&g, "web"));
	got_fini(&g);
	problem_set(&m.problems, PROBLEM_WEB_LISTEN, "192.0.2.1:8480: %s", "in use");
	problem_set(&m.problems, PROBLEM_INTERFACE_MISSING, "lan9");
	g = status_after(&m);
	assert_int_equal(jr_count(jr_get(g.json, "problem_keys")), 2);
	assert_string_equal(jr_text(jr_at(jr_get(g.json, "problem_keys"), 0)), "interface-missing");
	assert_true(says(&g, "the web page cannot be reached at every web-listen address: "
			     "192.0.2.1:8480: in use; "));
	assert_true(says(&g, "does not exist: lan9; "));
	got_fini(&g);
	problem_clear(&m.problems, PROBLEM_WEB_LISTEN);
	g = status_after(&m);
	assert_false(says(&g, "web page"));
	got_fini(&g);
}

static const char *state_of(const struct got *g)
{
	return jr_get_text(g->json, "state");
}

/* Neither "down" nor a problem before it could be ready, nor "filtering" before it is; and the supervisor hears that we know. */
static void a_start_is_no_fault_and_its_end_is_heard(void **state)
{
	struct message m = {.rules = RULES_UP, .dataplane_pid = 7, .starting = true};
	struct got g = ask(true, "GET", "/api/v1/status", NULL, NULL);

	(void)state;
	assert_string_equal(state_of(&g), "starting");
	got_fini(&g);
	g = status_after(&m);
	assert_string_equal(state_of(&g), "starting");
	assert_int_equal(jr_count(jr_get(g.json, "problems")), 0);
	got_fini(&g);
	assert_int_equal(ask_status(true, "GET", "/readyz", NULL, NULL), 503);
	m.starting = false;
	g = status_after(&m);
	assert_string_equal(state_of(&g), "filtering");
	got_fini(&g);
	assert_int_equal(ask_status(true, "GET", "/readyz", NULL, NULL), 200);
	await(MESSAGE_HEARD, &m);
	m = (struct message){.rules = RULES_UP}; /* later a dataplane that is gone is a fault */
	g = status_after(&m);
	assert_string_equal(state_of(&g), "down");
	assert_true(says(&g, "no dataplane runs"));
	got_fini(&g);
}

/* A port that was taken when we started: the supervisor hands the listener in later. */
static void a_listener_that_comes_late_is_served(void **state)
{
	struct message m = {.type = MESSAGE_LISTENER};
	uint16_t first = backend.port;
	int fd = listen_tcp(); /* backend.port is the new one's */
	struct got g;

	(void)state;
	assert_int_not_equal(backend.port, first);
	assert_int_equal(message_send(backend.supervisor, &m, fd), 0);
	close(fd); /* the controller has its own */
	g = ask(false, "GET", "/healthz", NULL, NULL);
	assert_int_equal(g.status, 200);
	got_fini(&g);
	backend.port = first;
	assert_int_equal(ask_status(false, "GET", "/healthz", NULL, NULL), 200);
}

#define IN_HOUSE(t) cmocka_unit_test_setup_teardown(t, backend_setup, backend_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(a_start_is_no_fault_and_its_end_is_heard),
		IN_HOUSE(a_listener_that_comes_late_is_served),
		IN_HOUSE(problems_of_the_supervisor_are_shown_with_their_keys),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
