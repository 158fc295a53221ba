/* SPDX-License-Identifier: GPL-3.0-or-later
 * doctor_kernel.c - tries each kernel feature that Durward needs, in a network namespace of its own.
 *
 * A child unshares its network and asks iptables and ip6tables for one rule a feature; it does not touch the
 * machine's own tables. Owns: the child. Thread: one. Fails: findings.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "doctor_int.h"
#include "netsetup/kernel_faults.h"

enum { RULE_WORDS = 14, NO_NAMESPACE = 77 };

static const struct feature {
	const char *name, *module;
	const char *rule[RULE_WORDS]; /* behind `iptables -w` */
} features[] = {
	{"TPROXY", "xt_TPROXY",
		{"-t", "mangle", "-A", "PREROUTING", "-p", "tcp", "-j", "TPROXY", "--on-port", "1",
			"--tproxy-mark", "1/1"}},
	{"socket match", "xt_socket",
		{"-t", "mangle", "-A", "PREROUTING", "-m", "socket", "--transparent"}},
	{"NFQUEUE", "xt_NFQUEUE nfnetlink_queue",
		{"-t", "mangle", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-balance", "4400:4401",
			"--queue-bypass"}},
	{"connection marks", "xt_connmark",
		{"-t", "mangle", "-A", "POSTROUTING", "-j", "CONNMARK", "--save-mark"}},
	{"connection tracking", "nf_conntrack xt_conntrack",
		{"-t", "mangle", "-A", "FORWARD", "-m", "conntrack", "--ctdir", "REPLY"}},
	{"reverse path match", "ipt_rpfilter ip6t_rpfilter",
		{"-t", "mangle", "-A", "PREROUTING", "-m", "rpfilter", "--invert"}},
	{"packet program match", "xt_bpf",
		{"-t", "mangle", "-A", "FORWARD", "-m", "bpf", "--bytecode", "1,6 0 0 0"}},
	{"log group", "xt_NFLOG nfnetlink_log",
		{"-t", "mangle", "-A", "FORWARD", "-j", "NFLOG", "--nflog-group", "4400"}},
	{"TCP option removal", "xt_TCPOPTSTRIP",
		{"-t", "mangle", "-A", "FORWARD", "-p", "tcp", "-j", "TCPOPTSTRIP",
			"--strip-options", "30"}},
	{"port lists", "xt_multiport",
		{"-t", "mangle", "-A", "FORWARD", "-p", "tcp", "-m", "multiport", "--dports",
			"80,443"}},
	{"address types", "xt_addrtype",
		{"-t", "mangle", "-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL"}},
	{"socket of a packet", "xt_owner",
		{"-t", "mangle", "-A", "POSTROUTING", "-m", "owner", "--socket-exists"}},
	{"no tracking of own packets", "xt_CT",
		{"-t", "raw", "-A", "OUTPUT", "-j", "CT", "--notrack"}},
	{"refusal", "ipt_REJECT ip6t_REJECT", {"-t", "filter", "-A", "FORWARD", "-j", "REJECT"}},
};

/* Where the queue stands, behind everybody's mangle and filter rules; Durward can do without. */
static const struct feature security = {"table security", "iptable_security ip6table_security",
	{"-t", "security", "-A", "FORWARD", "-j", "ACCEPT"}};

static int try_rule(const char *tool, const struct feature *f)
{
	const char *argv[RULE_WORDS + 3] = {tool, "-w"};

	memcpy(argv + 2, f->rule, sizeof f->rule);
	argv[RULE_WORDS + 2] = NULL;
	return doctor_run(argv);
}

/* In the child: one status for each tool and feature comes back through the exit status. */
static int try_in_namespace(const char *tool, const struct feature *f)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(unshare(CLONE_NEWNET) < 0 ? NO_NAMESPACE : try_rule(tool, f) & 0xff);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static bool has_tool(const char *tool)
{
	const char *argv[] = {tool, "--version", NULL};

	return doctor_run(argv) == 0;
}

static void check_family(struct doctor *d, const char *tool, const char *family)
{
	struct strbuf missing = {0}, modules = {0};
	int status = 0;

	for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
		status = try_in_namespace(tool, &features[i]);
		if (status == NO_NAMESPACE)
			break;
		if (status == 0)
			continue;
		strbuf_fmt(&missing, "%s%s", missing.n ? ", " : "", features[i].name);
		strbuf_fmt(&modules, " %s", features[i].module);
	}
	if (status == NO_NAMESPACE) {
		doctor_say(d, FINDING_NOTE, family, "run it as root on the machine itself",
			"kernel features could not be tried: no network namespaces here");
	} else if (missing.n) {
		char fix[256];
		snprintf(fix, sizeof fix, "modprobe -a%s", strbuf_text(&modules));
		doctor_say(
			d, FINDING_BAD, family, fix, "the kernel lacks: %s", strbuf_text(&missing));
	} else {
		doctor_say(d, FINDING_OK, family, "", "every feature needed is there");
	}
	if (status != NO_NAMESPACE && try_in_namespace(tool, &security) != 0)
		doctor_say(d, FINDING_NOTE, family,
			"modprobe -a iptable_security ip6table_security",
			"no table security: the queue stands in mangle, where another's ACCEPT in "
			"front of it "
			"lets packets past, and what owners' mangle rules do to a queued packet is "
			"done "
			"twice");
	strbuf_fini(&missing);
	strbuf_fini(&modules);
}

void doctor_version(struct doctor *d)
{
	struct kernel_fault faults[8];
	struct kernel_version v;
	struct strbuf signature = {0};
	struct utsname u;
	size_t n;

	file_read("/proc/version_signature", 256, &signature);
	if (uname(&u) < 0 || !kernel_version(u.release, u.version, strbuf_text(&signature), &v)) {
		strbuf_fini(&signature);
		return;
	}
	strbuf_fini(&signature);
	n = kernel_faults(&v, faults, sizeof faults / sizeof *faults);
	for (size_t i = 0; i < n; i++)
		doctor_say(d, faults[i].bad ? FINDING_BAD : FINDING_INFO, "kernel version",
			"apt-get update && apt-get install linux-image-$(dpkg "
			"--print-architecture) && reboot",
			"%u.%u.%u: %s", v.major, v.minor, v.patch, faults[i].words);
	if (n == 0)
		doctor_say(
			d, FINDING_OK, "kernel version", "", "%u.%u.%u", v.major, v.minor, v.patch);
}

void doctor_kernel(struct doctor *d)
{
	if (!has_tool("iptables") || !has_tool("ip6tables")) {
		doctor_say(d, FINDING_BAD, "iptables", "apt-get install iptables",
			"iptables or ip6tables is not there");
		return;
	}
	check_family(d, "iptables", "kernel, IPv4");
	check_family(d, "ip6tables", "kernel, IPv6");
}
