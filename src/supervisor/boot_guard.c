/* SPDX-License-Identifier: GPL-3.0-or-later
 * boot_guard.c - reads what `fail` says before a policy is compiled, and sets up the refusal that stands until Durward runs.
 *
 * Owns: nothing. Thread: the caller's only. Fails: BOOT_GUARD_UNKNOWN, with a word in the log. See: durward-policy(5) "FAILURE".
 */
#include "supervisor/boot_guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/log.h"
#include "conf/conf.h"
#include "netsetup/route.h"
#include "netsetup/rules.h"
#include "supervisor_int.h"

enum { POLICY_BYTES_MAX = 4 << 20, READ_S = 10, SCRIPT_MS = 20000 };

/* *sound: without an error (a list that cannot be read is not looked at here). FAIL_UNSET with *sound acts as closed. */
static enum conf_fail read_word(const char *path, bool *sound)
{
	struct strbuf text = {0};
	struct arena mem = {0};
	struct conf conf = {0};
	struct diag d = {0};

	*sound = file_read(path, POLICY_BYTES_MAX, &text) == 0 &&
		 conf_parse(slice_of(text.s, text.n), &mem, &conf, &d);
	diag_fini(&d);
	strbuf_fini(&text);
	arena_fini(&mem);
	return conf.fail;
}

static enum boot_guard_word read_words(const struct settings *s)
{
	char good[SETTING_TEXT + 16];
	enum conf_fail now, before;
	bool sound, kept;

	now = read_word(s->policy, &sound);
	if (sound)
		return now == FAIL_OPEN ? BOOT_GUARD_OPEN : BOOT_GUARD_CLOSED;
	snprintf(good, sizeof good, "%s/policy.good", s->state_dir);
	before = read_word(good, &kept);
	if (now == FAIL_CLOSED || (kept && before != FAIL_OPEN))
		return BOOT_GUARD_CLOSED;
	return now == FAIL_OPEN || kept ? BOOT_GUARD_OPEN : BOOT_GUARD_UNKNOWN;
}

/* The reader: the parser of a file that the controller may write works here with less than the controller has. */
static bool give_up(const struct priv_user *reader)
{
	const char *const nowhere[] = {NULL};
	struct priv_drop nothing = {.user = *reader};
	int landlock;

	return priv_drop(&nothing) == 0 && priv_landlock(nowhere, &landlock) == 0 &&
	       priv_seccomp(PRIV_CONTROLLER) == 0;
}

int boot_guard_begin(
	const struct settings *s, const struct priv_user *reader, struct boot_guard_reader *out)
{
	*out = (struct boot_guard_reader){.pid = fork(), .pidfd = -1};
	if (out->pid == 0) {
		alarm(READ_S);
		_exit(give_up(reader) ? (int)read_words(s) : (int)BOOT_GUARD_UNKNOWN);
	}
	if (out->pid > 0)
		out->pidfd = (int)syscall(SYS_pidfd_open, out->pid, 0);
	return out->pidfd < 0 ? -errno : 0;
}

static void forget(struct boot_guard_reader *r)
{
	if (r->pidfd >= 0)
		close(r->pidfd);
	*r = (struct boot_guard_reader){.pidfd = -1};
}

enum boot_guard_word boot_guard_answer(struct boot_guard_reader *r)
{
	int status = 0;
	pid_t pid = r->pid;
	bool ended = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status);

	forget(r);
	if (!ended) {
		log_warn("what `fail` says could not be read: taken as closed");
		return BOOT_GUARD_CLOSED;
	}
	return WEXITSTATUS(status) <= BOOT_GUARD_CLOSED ? (enum boot_guard_word)WEXITSTATUS(status)
							: BOOT_GUARD_UNKNOWN;
}

void boot_guard_drop(struct boot_guard_reader *r)
{
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, WNOHANG); /* what is left of it goes with us */
	}
	forget(r);
}

enum boot_guard_word boot_guard_ask(const struct settings *s, const struct priv_user *reader)
{
	struct boot_guard_reader r;

	boot_guard_begin(s, reader, &r); /* without a pidfd it can be waited for all the same */
	return boot_guard_answer(&r);
}

/* Rules that stand (the daemon runs, or was asked to end a moment ago) are as strict, and let decided flows go on. */
static int refuse(const char *script, const char *params, uint32_t hold_priority)
{
	struct rules_result r = {0};
	int rc = rules_run(script, RULES_VERB_STATUS, params, SCRIPT_MS, &r);

	if (rc == 0 && (strstr(r.tail, "state failed") || strstr(r.tail, "fail closed")))
		return 0;
	/* stands when others flush the refusal, or the kernel does not take it */
	route_hold_up(hold_priority);
	rc = rules_run(script, RULES_VERB_FAILED, params, SCRIPT_MS, &r);
	if (rc != 0 || r.status != 0) {
		log_error("forwarding could not be refused: %s (%d, status %d)", script, rc,
			r.status);
		return 1;
	}
	log_note("fail closed: forwarding is refused until durward runs (or: durward-rules down)");
	return 0;
}

int boot_guard_main(const struct settings *s)
{
	char script[SETTING_TEXT], params[SETTING_TEXT + 8];
	struct priv_user reader;
	int lock_fd;

	if (priv_user_find(s->controller_user, &reader) != 0) {
		log_error("no user \"%s\" (setting controller-user): systemd-sysusers makes it, or "
			  "name "
			  "another",
			s->controller_user);
		return 1;
	}
	if (reader.uid == 0)
		log_error("setting controller-user: root reads no policy; what `fail` says is "
			  "taken as "
			  "closed");
	else if (boot_guard_ask(s, &reader) != BOOT_GUARD_CLOSED)
		return 0;
	if (!alone_after(s, &lock_fd)) {
		log_note("durward runs: it needs no guard");
		return 0;
	}
	if (obey_script(s) != 0) {
		route_hold_up(s->hold_priority); /* a refusal that needs no script */
		return 1;
	}
	supervisor_script(s, script, sizeof script);
	snprintf(params, sizeof params, "%s/rules", s->run_dir);
	return refuse(script, params, s->hold_priority);
}
