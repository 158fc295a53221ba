/* SPDX-License-Identifier: GPL-3.0-or-later
 * alone.c - lets one Durward run in a run folder and in a network namespace; a second one says so and touches nothing.
 *
 * There are two locks: a file in the run folder, and an NFQUEUE number that no rule leads to. The chains have fixed names, so a
 * namespace can have one copy only, whatever its settings say. Only a process that may change the rules can take such a number,
 * the number is free again when its holder ends, and /proc shows it to systemd/stopped and unguard, which must not touch a
 * running copy either.
 *
 * Owns: what it hands out. Thread: the supervisor's, failsafe's, boot guard's. Fails: -EALREADY, said in the log; without a lock
 * that cannot be tried it goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "intercept/nfq.h"
#include "supervisor_int.h"

enum {
	ALONE_QUEUE =
		65407, /* systemd/stopped and unguard know it, too; beyond queue-first's largest + 64 */
	STEP_US = 50000,
	LATE_MS =
		2000, /* what a dying supervisor had just forked may hold its locks for a moment */
};

static int lock_file(const struct settings *s)
{
	char path[SETTING_TEXT + 8];
	int fd, rc;

	snprintf(path, sizeof path, "%s/lock", s->run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		rc = -errno;
		log_error("%s: %s", path, strerror(-rc));
		return rc;
	}
	return fd;
}

/* The process that the file names; 0: none. */
static pid_t holder_of(int fd)
{
	char pid[24] = "";
	ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

	return n > 0 ? (pid_t)atoi(pid) : 0;
}

/* A dead supervisor's lock is held by its failsafe, while it does what `fail` says: that ends, and then it is our turn (-EAGAIN). */
static int take_file(int fd, bool last)
{
	pid_t holder;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EINTR)
		return -EAGAIN;
	if (errno != EWOULDBLOCK)
		return -errno;
	holder = holder_of(fd);
	return holder <= 0 || kill(holder, 0) == 0 || errno != ESRCH || last ? -EALREADY : -EAGAIN;
}

/* The queue's descriptor; -EBUSY: another holds it. */
static int take_queue(void)
{
	struct nfq_config config = {.queue = ALONE_QUEUE, .max_len = 1, .socket_bytes = 4096};
	struct nfq *q;
	int fd, rc = nfq_bind(&config, &q);

	if (rc != 0)
		return rc;
	fd = fcntl(nfq_socket(q), F_DUPFD_CLOEXEC, 3);
	rc = fd < 0 ? -errno : fd;
	nfq_free(q);
	return rc;
}

/* Whoever holds the queue: a socket's number, which is its process's where that has no other. */
static unsigned queue_holder(void)
{
	struct strbuf text = {0};
	char *line, *rest;
	unsigned queue, holder = 0;

	if (file_read("/proc/net/netfilter/nfnetlink_queue", 1 << 20, &text) == 0) {
		rest = text.s;
		while ((line = strsep(&rest, "\n")))
			if (sscanf(line, "%u %u", &queue, &holder) == 2 && queue == ALONE_QUEUE)
				break;
		holder = line ? holder : 0;
	}
	strbuf_fini(&text);
	return holder;
}

static int write_pid(int fd)
{
	char pid[24];

	snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	return ftruncate(fd, 0) != 0 || pwrite(fd, pid, strlen(pid), 0) < 0 ? -errno : 0;
}

int alone_take(struct supervisor *su, bool last)
{
	int fd = lock_file(su->s), rc = fd < 0 ? fd : take_file(fd, last);

	if (rc == -EALREADY)
		log_error("durward already runs here (pid %d, %s/lock); stop it first",
			(int)holder_of(fd), su->s->run_dir);
	if (rc == 0) {
		rc = su->alone_fd = take_queue();
		if (rc == -EBUSY)
			log_error("durward already runs in this network namespace, with another "
				  "run-dir (process %u holds queue %d); stop it first",
				queue_holder(), ALONE_QUEUE);
		/* another error: the queues themselves will say what is missing */
		rc = rc == -EBUSY ? -EALREADY : write_pid(fd);
	}
	if (rc != 0 && fd >= 0)
		close(fd);
	su->lock_fd = rc == 0 ? fd : -1;
	return rc;
}

bool alone_after(const struct settings *s, int *lock_fd)
{
	uint64_t until = clock_mono_ms() + LATE_MS;
	int queue;

	*lock_fd = lock_file(s);
	do {
		if (*lock_fd < 0 || flock(*lock_fd, LOCK_EX | LOCK_NB) == 0) {
			queue = take_queue();
			if (queue >= 0)
				close(queue);
			if (queue != -EBUSY)
				return true;
		}
		usleep(STEP_US);
	} while (clock_mono_ms() < until);
	if (*lock_fd >= 0)
		close(*lock_fd);
	return false;
}
