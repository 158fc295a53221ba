/* SPDX-License-Identifier: GPL-3.0-or-later
 * child.c - starts, kills and reaps the dataplane, the controller and failsafe, and waits for none of them.
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
	return rc;
}

/* Nothing of it is in the loop or open any more. */
static void let_go(struct child *c)
{
	loop_del(&c->ended);
	loop_del(&c->control);
	if (c->ended.fd >= 0)
		close(c->ended.fd);
	close(c->control.fd);
	c->ended.fd = c->control.fd = -1;
	c->pid = 0;
}

/* One that cannot be watched must not run: it is still root, as we are. What is left of it goes with us. */
static void disown(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, WNOHANG);
	let_go(c);
}

int child_start(struct child *c)
{
	int pair[2], rc;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		rc = -errno;
		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	if (pid == 0)
		execute(c, pair[1]);
	close(pair[1]);
	rc = adopt(c, pid, pair[0]);
	if (rc != 0)
		disown(c);
	return rc;
}

/* The helper's end. */
static void on_killer(struct watch *w, uint32_t events)
{
	struct child *c = w->user;

	(void)events;
	loop_del(w);
	close(w->fd);
	w->fd = -1;
	waitpid(c->killer_pid, NULL, WNOHANG);
}

/* No CAP_KILL here: the right to signal it is its own uid's. The pidfd of the child is what it is about, however late. */
static void kill_as(struct child *c)
{
	pid_t helper;

	if (c->killer.fd >= 0)
		return; /* one is at it */
	helper = fork();
	if (helper == 0) {
		if (setresgid(c->gid, c->gid, c->gid) == 0 &&
			setresuid(c->uid, c->uid, c->uid) == 0)
			_exit(syscall(SYS_pidfd_send_signal, c->ended.fd, SIGKILL, NULL, 0) == 0
					? 0
					: 1);
		_exit(1);
	}
	if (helper < 0)
		return;
	c->killer_pid = helper;
	c->killer = (struct watch){.fd = open_pidfd(helper), .on_event = on_killer, .user = c};
	if (c->killer.fd >= 0 && loop_add(c->supervisor->loop, &c->killer, EPOLLIN) != 0) {
		close(c->killer.fd);
		c->killer.fd = -1;
	}
}

void child_kill(struct child *c)
{
	if (c->pid <= 0)
		return;
	if (kill(c->pid, SIGKILL) != 0 && errno == EPERM)
		kill_as(c);
}

int child_send(struct child *c, const struct message *m, int fd)
{
	if (c->pid <= 0 || c->control.fd < 0)
		return -EPIPE;
	return message_send(c->control.fd, m, fd);
}

bool child_reap(struct child *c, int *status)
{
	if (c->pid <= 0 || waitpid(c->pid, status, WNOHANG) <= 0)
		return false;
	let_go(c);
	return true;
}
