/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_tool.c - durwardctl itself, run against a controller: words, JSON, exit statuses, and nothing that moves a cursor.
 */
#include "show/backend.h"

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/wait.h>

static char tool[512];

static bool find_tool(void)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	self[n > 0 ? n : 0] = 0;
	snprintf(tool, sizeof tool, "%s/../../durwardctl", dirname(self));
	return access(tool, X_OK) == 0;
}

static pid_t launch(const char *line, int in, int out)
{
	static char words[256];
	char option[] = "--socket", *argv[16] = {tool, option, backend.sock_path};
	size_t n = 3;
	pid_t pid;

	snprintf(words, sizeof words, "%s", line);
	for (char *w = words; *w && n < 15; argv[n] = NULL) {
		argv[n++] = w;
		w += strcspn(w, " ");
		if (*w)
			*w++ = 0;
	}
	pid = fork();
	if (pid == 0) {
		dup2(in, 0);
		dup2(out, 1);
		dup2(out, 2);
		execv(tool, argv);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

/* Runs it to its end: exit status, and everything it said. */
static int run(const char *line, const char *input, struct strbuf *said)
{
	int in[2], out[2], status;
	char buf[4096];
	ssize_t n;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(write(in[1], input, strlen(input)), strlen(input));
	pid_t pid = launch(line, in[0], out[1]);
	close(in[0]), close(in[1]), close(out[1]);
	strbuf_reset(said);
	while ((n = read(out[0], buf, sizeof buf)) > 0)
		strbuf_add(said, slice_of(buf, (size_t)n));
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int setup(void **state)
{
	struct event e;

	if (backend_setup(state) < 0)
		return -1;
	e = event_of("www.ads.example", ACTION_BLOCK);
	e.verdict.rule_line = 4, e.verdict.revision = 1, e.verdict.device = 0;
	push(e);
	push(event_of("evil\x1b[2J.example", ACTION_ALLOW));
	await_events(2);
	return 0;
}

static void statuses_tell_how_it_went(void **state)
{
	static const struct {
		const char *line, *input;
		int status;
		const char *says;
	} cases[] = {
		{"status", "", 1, "not running"}, /* the test is a poor supervisor */
		{"status -q", "", 1, ""},
		{"status -x", "", 2, "usage"},
		{"log", "", 0, "BLOCK  phone  www.ads.example"},
		{"log blocked phone", "", 0, "line 4: block ads.example because"},
		{"log blocked phone", "", 0, "Advertising <b>\" (rule 3fff0a9a)"},
		{"log rule=3FFF0A9A", "", 0, "line 4: block"},
		{"log rule=0123abcd", "", 0, ""},
		{"log rule=a/b", "", 1, "rule= takes a line"},
		{"check --what", "", 2, "usage"},
		{"log -n 1", "", 0, "evil?[2J.example"},
		{"log 1HFA-7M00-0000", "", 0, ""},
		{"log reference=1hfa7m000000", "", 0, ""},
		{"log reference=ads", "", 1, "twelve letters"},
		{"log -n 0", "", 2, "usage"},
		{"log nobody", "", 1, "nobody of that name"},
		{"log --all", "", 2, "no such option"},
		{"-j log -n 1 blocked", "", 0, "{\"id\":1,"},
		{"reload", "", 0, "revision 2 is in force"},
		{"reload --accept-lists", "", 0, "revision 3 is in force"},
		{"reload --accept-lists x", "", 0, "warning: there is no list 'x'"},
		{"reload --accept", "", 2, "usage"},
		{"explain phone www.ads.example", "", 4, "line 4"},
		{"explain phone good.example", "", 0, "allow"},
		{"explain nobody good.example", "", 1, "nobody is called"},
		{"explain phone good.example at noon", "", 2, "no time"},
		{"-j explain --batch -",
			"{\"who\":\"phone\",\"name\":\"good.example\"}\n{\"who\":\"nobody\","
			"\"name\":\"x."
			"example\"}\n{\"who\":\"phone\",\"name\":\"ads.example\"}\n",
			1, "\n{\"error\":\"nobody is called"},
		{"setup", "", 0, "-"},
		{"passwd", "short\n", 1, "8 to 512"},
		{"passwd", "long enough\n", 0, "every session has ended"},
		{"passwd", "", 1, "no password"},
		{"nosuch", "", 2, "no verb"},
		{"", "", 2, "usage"},
		{"--socket /nonexistent status", "", 3, "durward does not run"},
	};
	struct strbuf said = {0};

	if (!find_tool())
		skip();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int got = run(cases[i].line, cases[i].input, &said);
		if (got != cases[i].status || !strstr(strbuf_text(&said), cases[i].says))
			fail_msg("`%s`: %d, not %d: %s", cases[i].line, got, cases[i].status,
				strbuf_text(&said));
		assert_null(strchr(strbuf_text(&said), '\x1b'));
	}
	write_policy("otherwise perhaps\n");
	assert_int_equal(run("reload", "", &said), 1);
	assert_non_null(strstr(strbuf_text(&said), "1:11:"));
	assert_non_null(strstr(strbuf_text(&said), "the old policy goes on"));
	strbuf_fini(&said);
}

static void watch_follows(void **state)
{
	char text[8192] = "";
	size_t at = 0;
	int out[2];

	if (!find_tool())
		skip();
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid_t pid = launch("watch blocked", 0, out[1]);
	close(out[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 6000 && !strstr(text, "live.ads.example"); i++) {
		ssize_t n = read(out[0], text + at, sizeof text - 1 - at);
		at += n > 0 ? (size_t)n : 0;
		if (i % 10 == 0) { /* it may not listen yet */
			push(event_of("other.example", ACTION_ALLOW));
			push(event_of("live.ads.example", ACTION_BLOCK));
		}
		usleep(10000);
	}
	assert_non_null(strstr(text, "live.ads.example"));
	assert_null(strstr(text, "other.example"));
	close(out[0]);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(statuses_tell_how_it_went, setup, backend_teardown),
		cmocka_unit_test_setup_teardown(watch_follows, setup, backend_teardown),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
