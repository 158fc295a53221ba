/* SPDX-License-Identifier: GPL-3.0-or-later
 * rules.c - runs iptables/durward-rules and writes the parameters it reads.
 *
 * Owns: nothing after return. Thread: any. Fails: 0 or -errno; the script's failure by struct rules_result.
 * The script gets a process group of its own, so that a stuck one is killed with its children.
 * See: posix_spawn(3), pidfd_open(2).
 */
#include "netsetup/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

void rules_script_installed(char *out, size_t size)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	out[0] = 0;
	for (int up = 0; up < 2 && n > 0; up++)
		while (n > 0 && exe[--n] != '/') {
		}
	if (n < 0)
		return;
	exe[n] = 0;
	if (snprintf(out, size, "%s/lib/durward/durward-rules", exe) >= (int)size)
		out[0] = 0;
}

static void add_ports(struct strbuf *b, const char *key, const struct port_set *s)
{
	strbuf_fmt(b, "%s ", key);
	for (uint8_t i = 0; i < s->n && i < SETTING_PORTS; i++) {
		strbuf_fmt(b, "%s%u", i ? "," : "", s->r[i].first);
		if (s->r[i].last != s->r[i].first)
			strbuf_fmt(b, "-%u", s->r[i].last);
	}
	strbuf_str(b, s->n ? "\n" : "none\n");
}

static void add_words(struct strbuf *b, const char *key, const char *words)
{
	strbuf_fmt(b, "%s %s\n", key, words[0] ? words : "none");
}

int rules_params_write(const char *path, const struct rules_params *p)
{
	const struct settings *s = p->settings;
	struct strbuf b = {0};
	int err;

	strbuf_fmt(&b, "mark-mask 0x%08" PRIx32 "\n", s->mark_mask);
	strbuf_fmt(&b, "queue-first %" PRIu32 "\nqueue-count %" PRIu32 "\n", s->queue_first,
		p->queues);
	strbuf_fmt(&b, "listen-port %" PRIu32 "\n", s->listen_port);
	add_ports(&b, "inspect-tcp", &s->inspect_tcp);
	add_ports(&b, "starttls-tcp", &s->starttls_tcp);
	add_ports(&b, "inspect-udp", &s->inspect_udp);
	add_ports(&b, "proxy-tcp", &s->proxy_tcp);
	add_words(&b, "uplinks", p->sides->uplinks);
	add_words(&b, "client-interfaces", p->sides->switched);
	add_words(&b, "own-nets", p->sides->own_nets);
	add_words(&b, "bridges", p->sides->bridges);
	strbuf_fmt(&b, "catch-all %s\n", p->catch_all ? "yes" : "no");
	strbuf_fmt(
		&b, "fail %s\nhold %s\n", p->fail_open ? "open" : "closed", p->hold ? "yes" : "no");
	strbuf_fmt(&b, "run-dir %s\n", s->run_dir);
	strbuf_fmt(&b,
		"route-table %" PRIu32 "\nroute-priority %" PRIu32 "\nhold-priority %" PRIu32 "\n",
		s->route_table, s->route_priority, s->hold_priority);
	err = b.failed ? -ENOMEM : file_write_atomic(path, slice_of(b.s, b.n), 0644);
	strbuf_fini(&b);
	return err;
}

static const char *verb_word(enum rules_verb verb)
{
	switch (verb) {
	case RULES_VERB_UP:
		return "up";
	case RULES_VERB_DOWN:
		return "down";
	case RULES_VERB_FAILED:
		return "failed";
	case RULES_VERB_STATUS:
		return "status";
	case RULES_VERB_CHECK:
		return "check";
	case RULES_VERB_PRINT:
		return "print";
	}
	return "status";
}

/* Default signals, nothing blocked, a process group of its own. */
static int spawn_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	err = posix_spawnattr_setsigmask(attr, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attr, &all);
	if (!err)
		err = posix_spawnattr_setpgroup(attr, 0);
	if (!err)
		err = posix_spawnattr_setflags(attr,
			POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	return -err;
}

static int spawn(const char *script, const char *verb, const char *params, int out, pid_t *pid)
{
	char *argv[] = {(char *)script, (char *)verb, (char *)"--params", (char *)params, NULL};
	char *envp[] = {(char *)"PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
		(char *)"LC_ALL=C", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int err;

	if ((err = posix_spawn_file_actions_init(&files)))
		return -err;
	if ((err = posix_spawnattr_init(&attr))) {
		posix_spawn_file_actions_destroy(&files);
		return -err;
	}
	err = -spawn_attributes(&attr);
	if (!err)
		err = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, out, 1);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, out, 2);
	if (!err)
		err = posix_spawn(pid, script, &files, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -err;
}

/* Keeps the last RULES_TAIL - 1 bytes. */
static void keep_tail(struct rules_job *j, const char *p, size_t n)
{
	const size_t room = RULES_TAIL - 1;
	char *tail = j->result.tail;

	if (n > room) {
		p += n - room;
		n = room;
	}
	if (j->have + n > room) {
		size_t drop = j->have + n - room;

		memmove(tail, tail + drop, j->have - drop);
		j->have -= drop;
	}
	memcpy(tail + j->have, p, n);
	j->have += n;
	tail[j->have] = 0;
}

static void job_close(struct rules_job *j)
{
	if (j->out >= 0)
		close(j->out);
	if (j->pidfd >= 0)
		close(j->pidfd);
	j->out = j->pidfd = -1;
	j->pid = 0;
}

int rules_start(
	const char *script, enum rules_verb verb, const char *params_path, struct rules_job *job)
{
	int p[2], err;

	*job = (struct rules_job){.pidfd = -1, .out = -1};
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	job->out = p[0];
	err = fcntl(p[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (!err)
		err = spawn(script, verb_word(verb), params_path, p[1], &job->pid);
	close(p[1]);
	if (!err) {
		job->pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
		if (job->pidfd < 0) {
			err = -errno;
			rules_kill(job);
			rules_end(job);
		}
	}
	if (err)
		job_close(job);
	return err;
}

bool rules_collect(struct rules_job *job)
{
	char buf[1024];
	ssize_t n;

	while ((n = read(job->out, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			keep_tail(job, buf, (size_t)n);
	return n < 0 && errno == EAGAIN;
}

void rules_kill(struct rules_job *job)
{
	job->killed = true;
	kill(-job->pid, SIGKILL);
}

int rules_end(struct rules_job *job)
{
	int status, err = 0;

	while (waitpid(job->pid, &status, 0) < 0 && !err)
		err = errno == EINTR ? 0 : -errno;
	rules_collect(job);
	job_close(job);
	if (err)
		return err;
	job->result.status = job->killed	   ? 124
			     : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
						   : WEXITSTATUS(status);
	return 0;
}

int rules_wait(struct rules_job *job, uint32_t timeout_ms)
{
	uint64_t due = clock_mono_ms() + (timeout_ms < INT32_MAX ? timeout_ms : INT32_MAX);
	struct pollfd p[2] = {
		{.fd = job->pidfd, .events = POLLIN}, {.fd = job->out, .events = POLLIN}};

	for (;;) {
		uint64_t now = clock_mono_ms();

		if (now >= due) {
			rules_kill(job);
			return rules_end(job);
		}
		if (poll(p, 2, (int)(due - now)) <= 0)
			continue; /* EINTR, or time is up */
		if (p[1].revents && !rules_collect(job))
			p[1].fd = -1; /* nobody can say more */
		if (p[0].revents)
			return rules_end(job);
	}
}

int rules_run(const char *script, enum rules_verb verb, const char *params_path,
	uint32_t timeout_ms, struct rules_result *out)
{
	struct rules_job job;
	int err = rules_start(script, verb, params_path, &job);

	if (!err)
		err = rules_wait(&job, timeout_ms);
	*out = job.result;
	return err;
}
