/* SPDX-License-Identifier: GPL-3.0-or-later
 * child.c - starts, stops and kills the dataplane, the controller and failsafe.
 *
 * A child is this program executed again under another first word, with its descriptors on the command line (base/inherited.h):
 * a fresh address space, so that a leak in one tells nothing of the others.
 *
 * Owns: each child's pidfd and our end of its control socket. Thread: the supervisor's. Fails: -errno.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor_int.h"

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void execute(struct child *c, int control)
{
	const char *first[] = {"durward", c->role, NULL};
	struct inherited fds = c->fds;
	sigset_t none;
	char **argv;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!inherited_add(&fds, control, "control"))
		_exit(1);
	argv = inherited_argv(&fds, first);
	if (argv)
		execv("/proc/self/exe", argv);
	log_error("cannot execute the %s: %s", c->role, strerror(errno));
	_exit(1);
}

static int adopt(struct child *c, pid_t pid, int control)
{
	int rc;

	c->pid = pid;
	c->ended.fd = open_pidfd(pid);
	c->control.fd = control;
	if (c->ended.fd < 0)
		return -errno;
	rc = loop_add(c->supervisor->loop, &c->ended, EPOLLIN);
	if (rc == 0)
		rc = loop_add(c->supervisor->loop, &c->control, EPOLLIN);
	c->started_ms = clock_mono_ms();
	c->idle = 0;
	c->ready = false;
	return rc;
}

int child_start(struct child *c)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int rc = -errno;

		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	if (pid == 0)
		execute(c, pair[1]);
	close(pair[1]);
	return adopt(c, pid, pair[0]);
}

static void kill_as(uid_t uid, gid_t gid, pid_t pid)
{
	pid_t helper = fork();

	if (helper == 0) {
		/* no CAP_KILL here: the right to signal it is its own uid's */
		if (setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0)
			_exit(kill(pid, SIGKILL) == 0 ? 0 : 1);
		_exit(1);
	}
	if (helper > 0)
		waitpid(helper, NULL, 0);
}

void child_kill(struct child *c)
{
	if (c->pid <= 0)
		return;
	if (kill(c->pid, SIGKILL) != 0 && errno == EPERM)
		kill_as(c->uid, c->gid, c->pid);
}

int child_send(struct child *c, const struct message *m, int fd)
{
	if (c->pid <= 0 || c->control.fd < 0)
		return -EPIPE;
	return message_send(c->control.fd, m, fd);
}

void child_stop(struct child *c, unsigned grace_ms)
{
	struct message stop = {.type = MESSAGE_STOP};
	uint64_t until = clock_mono_ms() + grace_ms;
	bool killed = false;

	if (c->pid <= 0)
		return;
	child_send(c, &stop, -1);
	while (waitpid(c->pid, NULL, WNOHANG) == 0) {
		if (clock_mono_ms() > until && !killed) {
			log_warn("the %s did not end in %u ms: killed", c->role, grace_ms);
			child_kill(c);
			killed = true;
		}
		usleep(2000);
	}
	c->pid = 0;
	loop_del(&c->ended);
	loop_del(&c->control);
	close(c->ended.fd);
	close(c->control.fd);
	c->ended.fd = c->control.fd = -1;
}
