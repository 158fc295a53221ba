/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_rules.c - the parameter file, and running a script.
 */
#include "netsetup/rules.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#include <cmocka.h>

static char folder[] = "/tmp/durward-rules.XXXXXX";

static char real_script[4200];

static int enter(void **state)
{
	char here[4096];

	(void)state;
	if (getcwd(here, sizeof here)) /* the tests run in the tree's top folder */
		snprintf(real_script, sizeof real_script, "%s/iptables/durward-rules", here);
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	(void)state;
	unlink("params");
	unlink("script");
	return rmdir(folder);
}

static void script(const char *body)
{
	struct strbuf b = {0};

	strbuf_fmt(&b, "#!/bin/sh\n%s\n", body);
	assert_int_equal(file_write_atomic("script", slice_of(b.s, b.n), 0755), 0);
	strbuf_fini(&b);
}

static void parameters_are_lines(void **state)
{
	struct settings s = {.mark_mask = 0xff000000,
		.queue_first = 4400,
		.listen_port = 4480,
		.route_table = 4480,
		.route_priority = 4481,
		.hold_priority = 10,
		.run_dir = "/run/durward",
		.inspect_tcp = {.r = {{443, 443}, {8000, 8010}}, .n = 2},
		.inspect_udp = {.r = {{443, 443}}, .n = 1}};
	struct route_sides sides = {.uplinks = "wan ppp0",
		.switched = "lan0 lan1",
		.bridges = "lan0=00:00:5e:00:53:01"};
	struct rules_params p = {.settings = &s, .queues = 2, .sides = &sides, .catch_all = true};
	struct strbuf b = {0};

	(void)state;
	assert_int_equal(rules_params_write("params", &p), 0);
	assert_int_equal(file_read("params", 4096, &b), 0);
	assert_string_equal(strbuf_text(&b), "mark-mask 0xff000000\n"
					     "queue-first 4400\n"
					     "queue-count 2\n"
					     "listen-port 4480\n"
					     "inspect-tcp 443,8000-8010\n"
					     "starttls-tcp none\n"
					     "inspect-udp 443\n"
					     "proxy-tcp none\n"
					     "uplinks wan ppp0\n"
					     "client-interfaces lan0 lan1\n"
					     "own-nets none\n"
					     "bridges lan0=00:00:5e:00:53:01\n"
					     "catch-all yes\n"
					     "fail closed\n"
					     "hold no\n"
					     "run-dir /run/durward\n"
					     "route-table 4480\n"
					     "route-priority 4481\n"
					     "hold-priority 10\n");
	strbuf_fini(&b);
}

static void a_script_is_heard(void **state)
{
	struct rules_result r;

	(void)state;
	script("echo \"$1 $2 $3 $HOME\"; echo bad >&2; exit 3");
	assert_int_equal(rules_run("./script", RULES_VERB_FAILED, "params", 5000, &r), 0);
	assert_int_equal(r.status, 3);
	assert_string_equal(r.tail, "failed --params params \nbad\n");
	script("env | grep -vE '^(PWD|SHLVL|_|PATH|LC_ALL|OLDPWD)=' ; kill -9 $$");
	assert_int_equal(rules_run("./script", RULES_VERB_UP, "params", 5000, &r), 0);
	assert_int_equal(r.status, 128 + 9);
	assert_string_equal(r.tail, "");
}

static void only_the_last_words_are_kept(void **state)
{
	struct rules_result r;

	(void)state;
	script("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done");
	assert_int_equal(rules_run("./script", RULES_VERB_UP, "params", 20000, &r), 0);
	assert_int_equal(strlen(r.tail), RULES_TAIL - 1);
	assert_string_equal(r.tail + strlen(r.tail) - 10, "line 1999\n");
}

static void a_stuck_script_is_killed_with_its_children(void **state)
{
	struct rules_result r;
	uint64_t start = clock_mono_ms();

	(void)state;
	script("echo waiting; sleep 60 & sleep 60");
	assert_int_equal(rules_run("./script", RULES_VERB_UP, "params", 200, &r), 0);
	assert_int_equal(r.status, 124);
	assert_string_equal(r.tail, "waiting\n");
	assert_true(clock_mono_ms() - start < 30000);
}

static void a_script_is_not_waited_for(void **state)
{
	struct rules_job job;
	struct pollfd p;
	uint64_t start = clock_mono_ms();

	(void)state;
	script("echo first; sleep 1; i=0; while [ $i -lt 9000 ]; do echo line $i; i=$((i+1)); "
	       "done; exit 5");
	assert_int_equal(rules_start("./script", RULES_VERB_CHECK, "params", &job), 0);
	assert_true(clock_mono_ms() - start < 900);
	p = (struct pollfd){.fd = job.out, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_true(rules_collect(&job)); /* it says more than a pipe holds */
	assert_string_equal(job.result.tail, "first\n");
	assert_int_equal(rules_wait(&job, 60000), 0);
	assert_int_equal(job.result.status, 5);
	assert_non_null(strstr(job.result.tail, "line 8999\n"));
	assert_int_equal(job.pid, 0);
	assert_int_equal(job.pidfd, -1);
	/* what it leaves behind does not keep us, though it holds the pipe */
	start = clock_mono_ms();
	script("sleep 20 & exit 0");
	assert_int_equal(rules_run("./script", RULES_VERB_UP, "params", 30000, &job.result), 0);
	assert_int_equal(job.result.status, 0);
	assert_true(clock_mono_ms() - start < 15000);
}

static void no_script_is_an_error(void **state)
{
	struct rules_result r;

	(void)state;
	assert_int_equal(rules_run("./none", RULES_VERB_UP, "params", 200, &r), -ENOENT);
}

/* `print` needs no privilege: the script reads, and refuses what it does not know. */
/* What the real script would load for these parameters; false: not in the tree's top folder. */
static bool printed(const struct rules_params *p, struct strbuf *out)
{
	char line[8192];
	FILE *f;

	if (access(real_script, X_OK) < 0)
		return false;
	assert_int_equal(rules_params_write("params", p), 0);
	snprintf(line, sizeof line, "%s print --params params", real_script);
	f = popen(line, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		strbuf_str(out, line);
	assert_int_equal(pclose(f), 0);
	return true;
}

static struct settings usual(void)
{
	return (struct settings){.mark_mask = 0xff000000,
		.queue_first = 4400,
		.listen_port = 4480,
		.route_table = 4480,
		.route_priority = 4481,
		.hold_priority = 10,
		.run_dir = "/run/durward",
		.inspect_tcp = {.r = {{80, 80}, {443, 443}, {8000, 8010}}, .n = 3}};
}

#define NEEDS_SCRIPT(p, b)                                                                         \
	if (!printed(p, b)) {                                                                      \
		print_message("not in the tree's top folder: no iptables/durward-rules\n");        \
		skip();                                                                            \
	}

/* `print` needs no privilege: the script reads, and refuses what it does not know. */
static void the_real_script_understands_the_parameters(void **state)
{
	struct settings s = usual();
	struct route_sides sides = {.uplinks = "wan ppp0", .clients = "lan0"};
	struct rules_params p = {.settings = &s, .queues = 2, .sides = &sides};
	struct strbuf b = {0};

	(void)state;
	NEEDS_SCRIPT(&p, &b)
	assert_non_null(strstr(strbuf_text(&b), "COMMIT"));
	/* the queue stands behind everybody's rules, and no interface of a client is named there */
	assert_non_null(strstr(strbuf_text(&b), "-I FORWARD 1 -j DURWARD-FWD"));
	assert_non_null(strstr(strbuf_text(&b), "--dports 80,443,8000:8010 -g DURWARD-TLS"));
	assert_null(strstr(strbuf_text(&b), "TPROXY"));
	assert_non_null(strstr(strbuf_text(&b), "-A DURWARD-TLSR -i ppp0 "));
	assert_null(strstr(strbuf_text(&b), "--queue-bypass"));
	assert_non_null(strstr(strbuf_text(&b), "DURWARD-UNSEEN -j DROP"));
	strbuf_fini(&b);
}

static void a_proxied_port_is_inspected_where_it_is_not_diverted(void **state)
{
	struct settings s = usual();
	struct route_sides sides = {.uplinks = "wan"};
	struct rules_params p = {.settings = &s, .queues = 1, .sides = &sides, .fail_open = true};
	struct strbuf b = {0};

	(void)state;
	s.inspect_tcp = (struct port_set){.r = {{443, 443}}, .n = 1};
	s.proxy_tcp = (struct port_set){.r = {{80, 80}}, .n = 1};
	NEEDS_SCRIPT(&p, &b)
	assert_non_null(strstr(strbuf_text(&b), "--dports 443,80 -g DURWARD-TLS"));
	assert_non_null(strstr(strbuf_text(&b), "-A DURWARD-NEW -i wan -j RETURN"));
	assert_non_null(strstr(strbuf_text(&b), "TPROXY --on-port 4480"));
	assert_non_null(strstr(strbuf_text(&b), "--queue-bypass"));
	assert_null(strstr(strbuf_text(&b), "DURWARD-UNSEEN -j DROP"));
	strbuf_fini(&b);
}

static void with_one_interface_the_prefix_tells_the_direction(void **state)
{
	struct settings s = usual();
	struct route_sides sides = {.uplinks = "eth0", .own_nets = "192.0.2.0/24 2001:db8:1::/64"};
	struct rules_params p = {.settings = &s, .queues = 1, .sides = &sides};
	struct strbuf b = {0};
	const char *v6;

	(void)state;
	s.inspect_udp = (struct port_set){.r = {{443, 443}}, .n = 1};
	NEEDS_SCRIPT(&p, &b)
	v6 = strstr(strbuf_text(&b), "# IPv6");
	assert_non_null(v6);
	assert_true(strstr(strbuf_text(&b), "-A DURWARD-SIDE -s 192.0.2.0/24 -j RETURN") < v6);
	assert_non_null(strstr(v6, "-A DURWARD-SIDE -s 2001:db8:1::/64 -j RETURN"));
	assert_null(strstr(v6, "192.0.2.0"));
	assert_non_null(strstr(v6, "-A DURWARD-LOST -s 2001:db8:1::/64 -j RETURN"));
	/* behind one interface a ServerHello may be a client's: the dataplane looks at all of them */
	assert_null(strstr(strbuf_text(&b), "-g DURWARD-FINAL"));
	strbuf_fini(&b);
}

/* build/cc/unit/netsetup/test_rules -> build/cc/unit/lib/...: beside the program's folder, whatever PREFIX was */
static void the_installed_script_lies_beside_the_program(void **state)
{
	char exe[4096], said[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	(void)state;
	assert_true(n > 0);
	exe[n] = 0;
	for (int i = 0; i < 2; i++) {
		slash = strrchr(exe, '/');
		assert_non_null(slash);
		*slash = 0;
	}
	strcat(exe, "/lib/durward/durward-rules");
	rules_script_installed(said, sizeof said);
	assert_string_equal(said, exe);
	rules_script_installed(said, 8); /* no room: nothing, not half a path */
	assert_string_equal(said, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_lines),
		cmocka_unit_test(a_script_is_heard),
		cmocka_unit_test(only_the_last_words_are_kept),
		cmocka_unit_test(a_stuck_script_is_killed_with_its_children),
		cmocka_unit_test(a_script_is_not_waited_for),
		cmocka_unit_test(no_script_is_an_error),
		cmocka_unit_test(the_installed_script_lies_beside_the_program),
		cmocka_unit_test(the_real_script_understands_the_parameters),
		cmocka_unit_test(a_proxied_port_is_inspected_where_it_is_not_diverted),
		cmocka_unit_test(with_one_interface_the_prefix_tells_the_direction),
	};

	return cmocka_run_group_tests_name("rules", tests, enter, leave);
}
