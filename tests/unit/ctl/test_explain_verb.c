/* SPDX-License-Identifier: GPL-3.0-or-later
 * durwardctl explain: its words, its exit statuses, and a batch answered line by line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../src/ctl/explain.c"
#include "base/file.h"
#include "show/json.h"

int ctl_usage(const char *verb, const char *why)
{
	return EXIT_USAGE;
}

void ctl_good_lists(struct policy_load_in *in, struct ctl_places *places)
{
	in->as_it_is = true;
}

/* a daemon that is not there, and what it was asked */
static char asked[512];

int explain_daemon(struct ctl *c, const char *query, struct api_answer *out)
{
	snprintf(asked, sizeof asked, "%s", query);
	return -ECONNREFUSED;
}

void ctl_safe(struct strbuf *b, const char *text)
{
	strbuf_str(b, text);
}

void api_answer_fini(struct api_answer *a)
{
}

void api_escape(struct strbuf *b, const char *text)
{
	strbuf_str(b, text);
}

static char folder[] = "/tmp/durward-explain-XXXXXX";
static char policy[64], batch[64], out[64], wrong[64];

static void write_file(char path[64], const char *name, const char *text)
{
	snprintf(path, 64, "%s/%s", folder, name);
	assert_int_equal(file_write_atomic(path, slice_str(text), 0600), 0);
}

static int make(void **state)
{
	char list[64];
	assert_non_null(mkdtemp(folder));
	write_file(list, "bad.txt", "# two\nbad.example\n");
	write_file(policy, "policy",
		"fail closed\ndevice phone mac a4:83:e7:10:22:31\nlist bad bad.txt format domains\n"
		"for phone\nblock bad because \"No\"\notherwise allow\n");
	write_file(wrong, "wrong", "for nobody\notherwise\n");
	write_file(batch, "batch",
		"{\"who\":\"phone\",\"name\":\"www.bad.example\"}\n\nnonsense\n"
		"{\"who\":\"phone\",\"addr\":\"192.0.2.1\",\"port\":\"tcp/22\"}\r\n");
	snprintf(out, sizeof out, "%s/out", folder);
	return 0;
}

static int drop(void **state)
{
	static const char *const names[] = {"bad.txt", "policy", "batch", "wrong", "out"};
	char path[64];
	for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[k]);
		unlink(path);
	}
	return rmdir(folder);
}

/* Runs the verb with a line's words (@ = the policy, % = the batch, ! = a wrong policy); its output goes to *text. */
static int run(bool json, const char *line, struct strbuf *text)
{
	char words[256], *argv[16] = {(char *)(uintptr_t) "explain"}, *save = NULL;
	struct ctl c = {.json = json};
	int argc = 1;
	snprintf(words, sizeof words, "%s", line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = *w == '@' ? policy : *w == '%' ? batch : *w == '!' ? wrong : w;
	fflush(stdout);
	int kept = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
	assert_non_null(freopen(out, "w", stdout));
	assert_true(dup2(STDOUT_FILENO, STDERR_FILENO) >= 0);
	int status = ctl_explain(&c, argc, argv);
	fflush(stdout);
	dup2(kept, STDOUT_FILENO);
	dup2(kept_err, STDERR_FILENO);
	close(kept);
	close(kept_err);
	strbuf_reset(text);
	assert_int_equal(file_read(out, 1 << 20, text), 0);
	return status;
}

static void the_exit_status_says_the_verdict(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *says;
	} cases[] = {
		{"--policy @ phone www.bad.example", EXIT_BLOCKED, "line 5: block bad"},
		{"phone www.bad.example quic --policy @", EXIT_BLOCKED, "udp/443"},
		{"--policy @ phone good.example http to 192.0.2.9", EXIT_OK, "tcp/80 to 192.0.2.9"},
		{"--policy @ 192.0.2.7 bad.example at 2026-11-23T12:00:00Z", EXIT_OK, "line 6"},
		{"--policy @ phone 192.0.2.9 udp/53", EXIT_OK, "udp/53"},
		{"--policy @ phone 192.0.2.9 tcp/443 evasive", EXIT_BLOCKED, "no line of the file"},
		{"--policy @ phone 192.0.2.9 esp", EXIT_OK, "esp"},
		{"--policy @ nobody bad.example", EXIT_FAILED, "nobody is called"},
		{"--policy @ phone bad.example at noon", EXIT_USAGE, "no time"},
		{"--policy @ phone bad.example hidden", EXIT_USAGE, "is not \"hidden\""},
		{"--policy @ phone 192.0.2.9", EXIT_OK, "tcp/443 (assumed)"},
		{"--policy @ phone good.example", EXIT_OK, "tcp/443 (assumed)"},
		{"--policy @ phone good.example tcp/8443", EXIT_OK, "tcp/8443  for"},
		{"--policy @ phone", EXIT_USAGE, ""},
		{"--policy @", EXIT_USAGE, ""},
		{"--policy", EXIT_USAGE, ""},
		{"--policy @ phone bad.example smtp", EXIT_USAGE, ""},
		{"--policy @ phone bad.example tls tls", EXIT_USAGE, ""},
		{"--policy @ phone bad.example --frob", EXIT_USAGE, ""},
		{"--policy @ --batch % phone", EXIT_USAGE, ""},
		{"--policy @ --batch /nowhere", EXIT_FAILED, "No such file"},
		{"--policy /nowhere phone bad.example", EXIT_FAILED, "cannot be used"},
		{"--policy ! phone bad.example", EXIT_FAILED, "wrong:1:5"},
		{"phone bad.example quic to 192.0.2.1", EXIT_UNREACHABLE, ""},
	};
	struct strbuf text = {0};
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
		int status = run(false, cases[k].line, &text);
		if (status != cases[k].status || !strstr(strbuf_text(&text), cases[k].says))
			fail_msg("%s: status %d, %s", cases[k].line, status, strbuf_text(&text));
	}
	assert_string_equal(asked, "who=phone&name=bad.example&proto=quic&to=192.0.2.1");
	strbuf_fini(&text);
}

static void one_device_is_one_object(void **state)
{
	struct strbuf text = {0};
	assert_int_equal(run(true, "--policy @ phone a.bad.example", &text), EXIT_BLOCKED);
	struct json *o = jr_parse(slice_str(strbuf_text(&text)));
	assert_string_equal(jr_get_text(o, "verdict"), "block");
	assert_string_equal(jr_get_text(o, "name"), "a.bad.example");
	assert_string_equal(jr_get_text(o, "because"), "No");
	assert_string_equal(jr_text(jr_at(jr_get(o, "who"), 0)), "phone");
	assert_int_equal((int)jr_number(jr_get(jr_get(o, "rule"), "line"), 0), 5);
	assert_string_equal(jr_get_text(jr_get(o, "list"), "name"), "bad");
	assert_int_equal((int)jr_number(jr_get(jr_get(o, "list"), "line"), 0), 2);
	assert_true(jr_count(jr_get(o, "trace")) >= 3);
	jr_free(o);
	strbuf_fini(&text);
}

static void a_batch_is_answered_line_by_line(void **state)
{
	struct strbuf text = {0};
	assert_int_equal(run(true, "--policy @ --batch %", &text), EXIT_FAILED);
	const char *s = strbuf_text(&text);
	const char *first = strstr(s, "{\"verdict\":\"block\"");
	assert_non_null(first);
	assert_non_null(strstr(first, "\n{\"error\":"));
	assert_non_null(strstr(s, "line 3: no JSON object"));
	assert_non_null(strstr(s, "\n{\"verdict\":\"allow\""));
	strbuf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exit_status_says_the_verdict),
		cmocka_unit_test(one_device_is_one_object),
		cmocka_unit_test(a_batch_is_answered_line_by_line),
	};
	return cmocka_run_group_tests(tests, make, drop);
}
