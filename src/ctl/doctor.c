/* SPDX-License-Identifier: GPL-3.0-or-later
 * doctor.c - `durwardctl doctor`: what stands in the way, each with the command that mends it.
 *
 * Looks at the machine first and asks the daemon last, so that it helps most when nothing runs. Changes nothing.
 * Exit status 1 when something is bad. Owns: nothing. Thread: one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/trust.h"
#include "conf/settings_file.h"
#include "doctor_int.h"
#include "load/policy_load.h"
#include "model/mark.h"
#include "netsetup/route.h"
#include "netsetup/rules.h"

enum {
	YEAR_2024 = 1704067200,
	DISK_LOW = 50 << 20,
	RUN_S = 20,
	CONNECTIONS_LOW = 200000, /* one client can open a hundred thousand */
};

int doctor_run(const char *const *argv)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
		alarm(RUN_S);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

void doctor_say(
	struct doctor *d, enum finding f, const char *what, const char *fix, const char *fmt, ...)
{
	static const char *const keys[] = {"ok", "note", "bad"};
	static const char *const colors[] = {"\033[32m", "\033[33m", "\033[1;31m"};
	struct ctl *c = d->c;
	char words[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);
	d->bad += f == FINDING_BAD;
	d->notes += f == FINDING_NOTE;
	jw_open(&d->json, NULL, '{');
	jw_text(&d->json, "what", what);
	jw_text(&d->json, "state", keys[f]);
	jw_text(&d->json, "words", words);
	jw_text(&d->json, "fix", *fix ? fix : NULL);
	jw_close(&d->json, '}');
	if (c->json)
		return;
	printf("%s%-5s%s %s: %s\n", ctl_paint(c, colors[f]), keys[f], ctl_paint(c, "\033[0m"), what,
		words);
	if (*fix)
		printf("      mend it: %s\n", fix);
}

/* --- the machine --- */

static bool read_number(const char *path, long long *out)
{
	struct strbuf b = {0};
	bool ok = file_read(path, 64, &b) == 0 && sscanf(strbuf_text(&b), "%lld", out) == 1;

	strbuf_fini(&b);
	return ok;
}

static void check_sysctl(struct doctor *d, const char *name, enum finding worse, const char *why)
{
	char path[128], fix[128];
	long long v = 0;

	snprintf(path, sizeof path, "/proc/sys/%s", name);
	snprintf(fix, sizeof fix, "sysctl -w %s=1", name);
	if (!read_number(path, &v))
		doctor_say(d, FINDING_NOTE, name, "modprobe nf_conntrack", "not there: %s", why);
	else if (v == 0)
		doctor_say(d, worse, name, fix, "off: %s", why);
	else
		doctor_say(d, FINDING_OK, name, "", "on");
}

static void check_conntrack(struct doctor *d)
{
	long long now = 0, max = 0;
	char fix[128];

	if (!read_number("/proc/sys/net/netfilter/nf_conntrack_count", &now) ||
		!read_number("/proc/sys/net/netfilter/nf_conntrack_max", &max) || max <= 0)
		return;
	snprintf(fix, sizeof fix, "sysctl -w net.netfilter.nf_conntrack_max=%lld", max * 2);
	if (now > max / 5 * 4)
		doctor_say(d, FINDING_BAD, "connection table", fix,
			"%lld of %lld places are taken; when it is full, new connections are lost "
			"in silence",
			now, max);
	else if (max < CONNECTIONS_LOW)
		doctor_say(d, FINDING_NOTE, "connection table",
			"sysctl -w net.netfilter.nf_conntrack_max=262144",
			"%lld of %lld places taken: so small a table one client can fill, and then "
			"nobody gets a new connection (Durward bounds its own tables by client, "
			"not "
			"the kernel's)",
			now, max);
	else
		doctor_say(d, FINDING_OK, "connection table", "", "%lld of %lld places taken", now,
			max);
}

static void check_rp_filter(struct doctor *d)
{
	long long all = 0;

	if (read_number("/proc/sys/net/ipv4/conf/all/rp_filter", &all) && all == 1)
		doctor_say(d, FINDING_NOTE, "rp_filter", "sysctl -w net.ipv4.conf.all.rp_filter=2",
			"strict: a gateway with two uplinks loses answers (asymmetric routes are "
			"not "
			"supported by Durward either)");
	else
		doctor_say(d, FINDING_OK, "rp_filter", "", "%lld", all);
}

static void check_clock(struct doctor *d)
{
	struct timex t = {0};
	int state = adjtimex(&t);

	if (time(NULL) < YEAR_2024)
		doctor_say(d, FINDING_BAD, "clock", "timedatectl set-ntp true",
			"it is wrong: hours of the policy would be, too");
	else if (state == TIME_ERROR || (t.status & STA_UNSYNC))
		doctor_say(d, FINDING_NOTE, "clock", "timedatectl set-ntp true",
			"nothing keeps it right; hours of the policy depend on it");
	else
		doctor_say(d, FINDING_OK, "clock", "", "synchronised");
}

static void check_disk(struct doctor *d)
{
	const char *dir = d->settings.state_dir;
	struct statvfs fs;
	char fix[SETTING_TEXT + 64];
	unsigned long long free_bytes;

	if (statvfs(dir, &fs) < 0) {
		snprintf(fix, sizeof fix, "systemd-tmpfiles --create durward.conf");
		doctor_say(d, FINDING_BAD, "state directory", fix, "%s: %s", dir, strerror(errno));
		return;
	}
	free_bytes = (unsigned long long)fs.f_bavail * fs.f_frsize;
	snprintf(fix, sizeof fix, "du -xh / | sort -h | tail    # and make room on %s", dir);
	if (fs.f_flag & ST_RDONLY)
		doctor_say(d, FINDING_BAD, "state directory", "mount -o remount,rw",
			"%s is read-only", dir);
	else if (free_bytes < DISK_LOW)
		doctor_say(d, FINDING_BAD, "state directory", fix, "only %llu MB free in %s",
			free_bytes >> 20, dir);
	else
		doctor_say(d, FINDING_OK, "state directory", "", "%s, %llu MB free", dir,
			free_bytes >> 20);
}

/* --- ours --- */

static void check_policy(struct doctor *d)
{
	struct policy_load_in in = {.path = d->settings.policy, .check_only = true};
	struct policy_loaded l = {0};
	char fix[SETTING_TEXT + 32], dir[SETTING_TEXT + 32];
	int rc;

	snprintf(dir, sizeof dir, "%s/good-lists", d->settings.state_dir);
	in.good_dir = dir;
	rc = policy_load(&in, &l);

	snprintf(fix, sizeof fix, "durwardctl check %s", d->settings.policy);
	if (rc < 0 && l.diag.errors == 0)
		doctor_say(d, FINDING_BAD, "policy file", fix, "%s: %s", d->settings.policy,
			strerror(-rc));
	else if (l.diag.errors)
		doctor_say(d, FINDING_BAD, "policy file", fix, "%zu mistakes in %s", l.diag.errors,
			d->settings.policy);
	else if (l.diag.warnings)
		doctor_say(d, FINDING_NOTE, "policy file", fix, "%zu warnings in %s",
			l.diag.warnings, d->settings.policy);
	else
		doctor_say(d, FINDING_OK, "policy file", "", "%s", d->settings.policy);
	policy_loaded_fini(&l);
}

static void check_rules(struct doctor *d)
{
	char installed[SETTING_TEXT], *script = d->settings.rules_script;
	char params[SETTING_TEXT + 16];
	const char *argv[] = {NULL, "status", "--params", params, NULL};
	char why[TRUST_WHY];
	int status, fd;

	if (!script[0]) {
		rules_script_installed(installed, sizeof installed);
		script = installed;
	}
	argv[0] = script;
	snprintf(params, sizeof params, "%s/rules", d->settings.run_dir);
	fd = trust_open(script, TRUST_FILE, why);
	if (fd == -EPERM) {
		doctor_say(d, FINDING_BAD, "packet rules", "", "not looked at: %s", why);
		return;
	}
	if (fd >= 0)
		close(fd);
	status = doctor_run(argv);
	switch (status) {
	case 0:
		doctor_say(d, FINDING_OK, "packet rules", "", "in force, both families");
		break;
	case 1:
		doctor_say(d, FINDING_BAD, "packet rules", "systemctl restart durward",
			"a refusal of all forwarded traffic stands (fail closed)");
		break;
	case 3:
		doctor_say(d, FINDING_BAD, "packet rules", "systemctl start durward",
			"not in force: nothing is filtered");
		break;
	case 4:
		doctor_say(d, FINDING_BAD, "packet rules", "systemctl restart durward",
			"IPv4 and IPv6 differ");
		break;
	default:
		doctor_say(
			d, FINDING_BAD, "packet rules", "make install", "%s cannot be run", script);
	}
}

static void check_route(struct doctor *d)
{
	struct route_policy p = {.mark = mark_of(d->settings.mark_mask, MARK_TPROXY),
		.table = d->settings.route_table,
		.priority = d->settings.route_priority};
	int rc = route_policy_check(&p);

	if (rc == 0)
		doctor_say(d, FINDING_OK, "policy route", "", "table %u, priority %u", p.table,
			p.priority);
	else
		doctor_say(d, FINDING_BAD, "policy route", "systemctl restart durward",
			"not there: the proxy path cannot work (%s)", strerror(-rc));
}

static void check_daemon(struct doctor *d)
{
	const struct json *problems;
	struct api_answer a;
	struct json *j;

	api_call(d->c, "GET", "/api/v1/status", NULL, &a);
	j = a.status == 200 ? jr_parse(slice_of(a.body.s, a.body.n)) : NULL;
	problems = jr_get(j, "problems");
	if (!j)
		doctor_say(d, FINDING_BAD, "daemon", "systemctl start durward", "%s",
			a.status ? "it refuses to say how it is" : a.trouble);
	for (size_t i = 0; i < jr_count(problems); i++)
		doctor_say(d, FINDING_BAD, "daemon", "durwardctl status", "%s",
			jr_text(jr_at(problems, i)));
	if (j && jr_count(problems) == 0)
		doctor_say(d, FINDING_OK, "daemon", "", "it filters");
	jr_free(j);
	api_answer_fini(&a);
}

static void read_settings(struct doctor *d, const char *path)
{
	struct strbuf said = {0};
	int rc = settings_read(path, &d->settings, &said);

	if (rc < 0)
		doctor_say(d, FINDING_BAD, "settings", "man durward-settings", "%.*s",
			(int)strcspn(strbuf_text(&said), "\n"), strbuf_text(&said));
	else
		doctor_say(
			d, FINDING_OK, "settings", "", "%s", path ? path : SETTINGS_DEFAULT_PATH);
	strbuf_fini(&said);
}

static void check_all(struct doctor *d)
{
	if (geteuid() == 0)
		doctor_kernel(d);
	else
		doctor_say(d, FINDING_NOTE, "root", "sudo durwardctl doctor",
			"without it, kernel and rules cannot be looked at");
	check_sysctl(d, "net/ipv4/ip_forward", FINDING_BAD, "nothing is forwarded");
	check_sysctl(d, "net/ipv6/conf/all/forwarding", FINDING_NOTE, "no IPv6 is forwarded");
	check_sysctl(d, "net/netfilter/nf_conntrack_acct", FINDING_NOTE,
		"bytes of connections are not counted (durward-rules up turns it on)");
	check_rp_filter(d);
	check_conntrack(d);
	check_clock(d);
	check_disk(d);
	check_policy(d);
	if (geteuid() == 0)
		check_rules(d);
	check_route(d);
	check_daemon(d);
}

int ctl_doctor(struct ctl *c, int argc, char **argv)
{
	struct doctor d = {.c = c};
	const char *path = NULL;

	if (argc == 3 && strcmp(argv[1], "--settings") == 0)
		path = argv[2];
	else if (argc > 1)
		return ctl_usage(argv[0], "no such argument");
	jw_open(&d.json, NULL, '{');
	jw_open(&d.json, "findings", '[');
	read_settings(&d, path);
	check_all(&d);
	jw_close(&d.json, ']');
	jw_uint(&d.json, "bad", d.bad);
	jw_uint(&d.json, "notes", d.notes);
	jw_close(&d.json, '}');
	if (c->json)
		puts(strbuf_text(&d.json));
	else
		printf("%u bad, %u to note\n", d.bad, d.notes);
	strbuf_fini(&d.json);
	return d.bad ? EXIT_FAILED : EXIT_OK;
}
