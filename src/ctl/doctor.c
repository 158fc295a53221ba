/* SPDX-License-Identifier: GPL-3.0-or-later
 * doctor.c - `durwardctl doctor`: finds what stands in the way, and prints the command that fixes it.
 *
 * The verb looks at the machine first and asks the daemon last, so that it helps when nothing runs and before the first start;
 * then it does not miss what only a start brings. It changes nothing. Exit status 1 when something is bad.
 *
 * Owns: nothing. Thread: one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include "netsetup/priv.h"
#include "netsetup/route.h"
#include "netsetup/rules.h"

enum {
	YEAR_2024 = 1704067200,
	DISK_LOW = 50 << 20,
	RUN_S = 20,
	OUTPUT_MAX = 8 << 20,
	START_TRIES = 30,
	START_STEP_US = 100000,
	CONNECTIONS_LOW = 200000, /* one client can open a hundred thousand */
};

/* In the child: no input, no words on the terminal, root's usual PATH. */
static void become(const char *const *argv, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, 0);
	dup2(out < 0 ? null : out, 1);
	dup2(null, 2);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("LC_ALL", "C", 1);
	alarm(RUN_S);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static int ended(pid_t pid)
{
	int status = 0;

	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

int doctor_run(const char *const *argv)
{
	pid_t pid = fork();

	if (pid == 0)
		become(argv, -1);
	return ended(pid);
}

int doctor_output(const char *const *argv, struct strbuf *out)
{
	char buf[65536];
	int pipes[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		become(argv, pipes[1]);
	close(pipes[1]);
	while (pid > 0 && out->n < OUTPUT_MAX && (n = read(pipes[0], buf, sizeof buf)) > 0)
		strbuf_add(out, slice_of(buf, (size_t)n));
	close(pipes[0]);
	return ended(pid);
}

static void print_finding(
	struct doctor *d, enum finding f, const char *what, const char *words, const char *fix)
{
	static const char *const keys[] = {"ok", "info", "note", "bad"};
	static const char *const colors[] = {"\033[32m", "\033[36m", "\033[33m", "\033[1;31m"};
	struct strbuf safe = {0};

	/* rules of others are quoted here */
	ctl_safe(&safe, words);
	printf("%s%-5s%s %s: %s\n", ctl_paint(d->c, colors[f]), keys[f], ctl_paint(d->c, "\033[0m"),
		what, strbuf_text(&safe));
	strbuf_reset(&safe);
	ctl_safe(&safe, fix);
	if (*fix)
		printf("      %s: %s\n", f == FINDING_INFO ? "if it is not meant so" : "fix it",
			strbuf_text(&safe));
	strbuf_fini(&safe);
}

void doctor_say(
	struct doctor *d, enum finding f, const char *what, const char *fix, const char *fmt, ...)
{
	static const char *const keys[] = {"ok", "info", "note", "bad"};
	struct strbuf words = {0};
	va_list ap;

	va_start(ap, fmt);
	strbuf_vfmt(&words, fmt, ap);
	va_end(ap);
	d->bad += f == FINDING_BAD;
	d->notes += f == FINDING_NOTE;
	jw_open(&d->json, NULL, '{');
	jw_text(&d->json, "what", what);
	jw_text(&d->json, "state", keys[f]);
	jw_text(&d->json, "words", strbuf_text(&words));
	jw_text(&d->json, "fix", *fix ? fix : NULL);
	jw_close(&d->json, '}');
	if (!d->c->json)
		print_finding(d, f, what, strbuf_text(&words), fix);
	strbuf_fini(&words);
}

/* --- the machine --- */

bool doctor_number(const char *path, long long *out)
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
	if (!doctor_number(path, &v))
		doctor_say(d, FINDING_NOTE, name,
			strncmp(name, "net/ipv6/", 9) == 0
				? "sed -i 's/ipv6.disable=1//' /etc/default/grub && update-grub "
				  "&& reboot"
				: "modprobe nf_conntrack",
			"not there: %s", why);
	else if (v == 0)
		doctor_say(d, worse, name, fix, "off: %s", why);
	else
		doctor_say(d, FINDING_OK, name, "", "on");
}

/* 2, the kernel's default, tells of a flow's end only if somebody listened when it began. */
static void check_events(struct doctor *d)
{
	const char *name = "net/netfilter/nf_conntrack_events";
	long long v = 0;

	if (!doctor_number("/proc/sys/net/netfilter/nf_conntrack_events", &v))
		doctor_say(d, FINDING_NOTE, name, "modprobe nf_conntrack",
			"not there: bytes and durations of connections are not known");
	else if (v != 1)
		doctor_say(d, FINDING_NOTE, name, "sysctl -w net/netfilter/nf_conntrack_events=1",
			"%lld: the end of flows that began while nobody listened is not told, "
			"their "
			"bytes are lost (durward-rules up sets it to 1)",
			v);
	else
		doctor_say(d, FINDING_OK, name, "", "1");
}

/* What tells a client's bytes that run far ahead of its server: conntrack's window, which this takes away. */
static void check_liberal(struct doctor *d)
{
	const char *name = "net/netfilter/nf_conntrack_tcp_be_liberal";
	long long v = 0;

	if (doctor_number("/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal", &v) && v != 0)
		doctor_say(d, FINDING_BAD, name,
			"sysctl -w net/netfilter/nf_conntrack_tcp_be_liberal=0",
			"on: segments out of the window are taken for valid, and a name can hide "
			"behind them");
}

static void check_conntrack(struct doctor *d)
{
	long long now = 0, max = 0;
	char fix[128];

	if (!doctor_number("/proc/sys/net/netfilter/nf_conntrack_count", &now) ||
		!doctor_number("/proc/sys/net/netfilter/nf_conntrack_max", &max) || max <= 0)
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

/* Where `make install` put it: beside the script, ../../share/doc/durward/ from its folder. */
static const char *sample_policy(char out[static SETTING_TEXT + 64])
{
	char script[SETTING_TEXT], *cut;

	rules_script_installed(script, sizeof script);
	cut = strstr(script, "/lib/durward/");
	if (cut)
		*cut = 0;
	snprintf(out, SETTING_TEXT + 64, "%s/share/doc/durward/sample.policy", script);
	if (!cut || access(out, R_OK) < 0)
		snprintf(out, SETTING_TEXT + 64, "docs/sample.policy");
	return out;
}

static void check_policy(struct doctor *d)
{
	struct policy_load_in in = {.path = d->settings.policy, .check_only = true};
	struct policy_loaded l = {0};
	char fix[3 * SETTING_TEXT], dir[SETTING_TEXT + 32], sample[SETTING_TEXT + 64];
	int rc;

	snprintf(dir, sizeof dir, "%s/good-lists", d->settings.state_dir);
	in.good_dir = dir;
	rc = policy_load(&in, &l);

	snprintf(fix, sizeof fix, "durwardctl check %s", d->settings.policy);
	if (access(d->settings.policy, F_OK) < 0 && errno == ENOENT) {
		snprintf(fix, sizeof fix, "cp %s %s", sample_policy(sample), d->settings.policy);
		doctor_say(
			d, FINDING_BAD, "policy file", fix, "%s is not there", d->settings.policy);
	} else if (rc < 0 && l.diag.errors == 0)
		doctor_say(d, FINDING_BAD, "policy file", fix, "%s: %s", d->settings.policy,
			strerror(-rc));
	else if (l.diag.errors)
		doctor_say(d, FINDING_BAD, "policy file", fix, "%zu errors in %s", l.diag.errors,
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
		if (d->fresh)
			return;
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

/* The rules in force were written with the settings of the start; bits that have moved since move at the next. */
static void check_marks(struct doctor *d)
{
	char path[SETTING_TEXT + 16];
	struct strbuf b = {0};
	const char *at;
	uint32_t mask;

	snprintf(path, sizeof path, "%s/rules", d->settings.run_dir);
	file_read(path, 1 << 16, &b);
	at = strstr(strbuf_text(&b), "mark-mask ");
	if (at && sscanf(at, "mark-mask %" SCNx32, &mask) == 1 && mask != d->settings.mark_mask)
		doctor_say(d, FINDING_BAD, "settings", "systemctl restart durward",
			"mark-mask is 0x%08" PRIx32 " in %s, but 0x%08" PRIx32 " is in force",
			d->settings.mark_mask, d->settings_path, mask);
	strbuf_fini(&b);
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

static void check_users(struct doctor *d)
{
	const char *const users[] = {d->settings.dataplane_user, d->settings.controller_user};
	struct priv_user u;

	for (size_t i = 0; i < 2; i++)
		if (priv_user_find(users[i], &u) < 0)
			doctor_say(d, FINDING_BAD, "users", "systemd-sysusers",
				"there is no user '%s'", users[i]);
}

/* Has anything been kept in the state directory? Every start keeps something there. */
static bool ever_started(const struct doctor *d)
{
	DIR *dir = opendir(d->settings.state_dir);
	const struct dirent *e;
	bool any = !dir && errno != ENOENT;

	while (dir && (e = readdir(dir)))
		any = any || e->d_type == DT_REG || e->d_type == DT_UNKNOWN;
	if (dir)
		closedir(dir);
	return any || access(d->c->socket, F_OK) == 0;
}

/* The status, NULL when there is none (then a says why). */
static struct json *ask_status(struct doctor *d, struct api_answer *a)
{
	api_call(d->c, "GET", "/api/v1/status", NULL, a);
	return a->status == 200 ? jr_parse(slice_of(a->body.s, a->body.n)) : NULL;
}

/* While it starts, rules, route and daemon are not there together: what one looks at then is no finding. */
static void await_start(struct doctor *d)
{
	bool starts = true;

	for (int i = 0; i < START_TRIES && starts; i++) {
		struct api_answer a;
		struct json *j;

		if (i > 0)
			usleep(START_STEP_US);
		j = ask_status(d, &a);
		starts = strcmp(jr_get_text(j, "state"), "starting") == 0;
		jr_free(j);
		api_answer_fini(&a);
	}
}

static void check_daemon(struct doctor *d)
{
	const struct json *problems;
	struct api_answer a;
	struct json *j;

	j = ask_status(d, &a);
	problems = jr_get(j, "problems");
	if (!j && d->fresh)
		doctor_say(d, FINDING_NOTE, "daemon",
			"systemctl daemon-reload && systemctl enable --now durward",
			"never started here: nothing is filtered yet");
	else if (!j)
		doctor_say(d, FINDING_BAD, "daemon", "systemctl start durward", "%s",
			a.status ? "it refuses to say how it is" : a.failure);
	for (size_t i = 0; i < jr_count(problems); i++)
		doctor_say(d, FINDING_BAD, "daemon", "durwardctl status", "%s",
			jr_text(jr_at(problems, i)));
	if (j && strcmp(jr_get_text(j, "state"), "starting") == 0)
		doctor_say(d, FINDING_NOTE, "daemon", "durwardctl status", "it is still starting");
	else if (j && jr_count(problems) == 0)
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
	else if (!path && access(SETTINGS_DEFAULT_PATH, F_OK) != 0)
		doctor_say(d, FINDING_INFO, "settings", "", "no %s: the defaults hold",
			SETTINGS_DEFAULT_PATH);
	else
		doctor_say(
			d, FINDING_OK, "settings", "", "%s", path ? path : SETTINGS_DEFAULT_PATH);
	strbuf_fini(&said);
}

static void check_all(struct doctor *d)
{
	await_start(d);
	doctor_version(d);
	if (geteuid() == 0)
		doctor_kernel(d);
	else
		doctor_say(d, FINDING_NOTE, "root", "sudo durwardctl doctor",
			"without it, kernel and rules cannot be looked at");
	check_sysctl(d, "net/ipv4/ip_forward", FINDING_BAD, "nothing is forwarded");
	check_sysctl(d, "net/ipv6/conf/all/forwarding", FINDING_NOTE, "no IPv6 is forwarded");
	doctor_net(d);
	if (geteuid() == 0)
		doctor_rules(d);
	if (!d->fresh)
		check_sysctl(d, "net/netfilter/nf_conntrack_acct", FINDING_NOTE,
			"bytes of connections are not counted (durward-rules up turns it on)");
	if (!d->fresh)
		check_events(d);
	check_liberal(d);
	check_conntrack(d);
	check_clock(d);
	check_disk(d);
	check_users(d);
	check_policy(d);
	if (geteuid() == 0)
		check_rules(d);
	if (!d->fresh) {
		check_marks(d);
		check_route(d);
	}
	check_daemon(d);
}

int ctl_doctor(struct ctl *c, int argc, char **argv)
{
	struct doctor d = {.c = c, .settings_path = SETTINGS_DEFAULT_PATH};
	const char *path = NULL;

	if (argc == 3 && strcmp(argv[1], "--settings") == 0)
		d.settings_path = path = argv[2];
	else if (argc > 1)
		return ctl_usage(argv[0], "no such argument");
	jw_open(&d.json, NULL, '{');
	jw_open(&d.json, "findings", '[');
	read_settings(&d, path);
	d.fresh = !ever_started(&d);
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
