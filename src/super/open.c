/* SPDX-License-Identifier: GPL-3.0-or-later
 * open.c - everything that the children inherit, opened while we may.
 *
 * Owns: the descriptors, for as long as the super lives: a new gate or desk gets the same ones, and what waits in them.
 * Thread: the super's. Fails: -errno, said in the log with what mends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "act/dial.h"
#include "act/inject.h"
#include "base/addr.h"
#include "base/file.h"
#include "base/log.h"
#include "base/ring.h"
#include "intercept/nfq.h"
#include "intercept/synlog.h"
#include "intercept/tproxy.h"
#include "model/event.h"
#include "model/mark.h"
#include "netsetup/priv.h"
#include "super_int.h"
#include "who/neigh.h"

static int fail(int rc, const char *what, const char *mends)
{
	log_error("%s: %s%s%s", what, strerror(-rc), *mends ? "; " : "", mends);
	return rc;
}

static int check_rights(void)
{
	uint64_t missing = priv_caps_missing(PRIV_CAPS_SUPER);
	char text[256];

	if (geteuid() == 0 && missing == 0)
		return 0;
	priv_caps_text(missing, text, sizeof text);
	log_error("durward super needs root with the capabilities %s; start it with sudo or by its "
		  "service",
		missing ? text : "it has, and user 0");
	return -EPERM;
}

static int find_user(struct child *c, const char *name, const char *setting)
{
	struct priv_user u;
	int rc = priv_user_find(name, &u);

	if (rc != 0) {
		log_error("no user \"%s\" (setting %s): systemd-sysusers makes it, or name another",
			name, setting);
		return rc;
	}
	c->uid = u.uid;
	c->gid = u.gid;
	return 0;
}

static int make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;

	if (mkdir(path, mode) != 0 && errno != EEXIST)
		return fail(-errno, path, "its parent folder must exist");
	if (stat(path, &st) == 0 && st.st_uid == uid && (st.st_mode & 07777) == mode)
		return 0; /* as the package's tmpfiles made it: no right to chown is needed */
	if (chown(path, uid, gid) != 0 || chmod(path, mode) != 0)
		return fail(-errno, path, "the folder must be ours");
	return 0;
}

/* One copy a run folder: a second one says so and touches nothing. */
static int take_lock(struct super *su)
{
	char path[SETTING_TEXT + 8], pid[24] = "";

	snprintf(path, sizeof path, "%s/lock", su->s->run_dir);
	su->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (su->lock_fd < 0)
		return fail(-errno, path, "");
	if (flock(su->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		ssize_t n = read(su->lock_fd, pid, sizeof pid - 1);

		pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
		log_error("durward already runs here (pid %s, %s); stop it first", pid, path);
		close(su->lock_fd);
		su->lock_fd = -1;
		return -EALREADY;
	}
	snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(su->lock_fd, 0) != 0 || write(su->lock_fd, pid, strlen(pid)) < 0)
		return fail(-errno, path, "");
	return 0;
}

static void count_workers(struct super *su)
{
	su->workers = su->s->workers ? su->s->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (su->workers < 1 || su->workers > QUEUES_MAX)
		su->workers = su->workers < 1 ? 1 : QUEUES_MAX;
	for (unsigned i = 0; i < QUEUES_MAX; i++)
		su->queue_fd[i] = -1;
}

static int prepare(struct super *su)
{
	uint64_t files = 0;
	int rc = check_rights();

	if (rc == 0)
		rc = find_user(&su->gate, su->s->gate_user, "gate-user");
	if (rc == 0)
		rc = find_user(&su->desk, su->s->desk_user, "desk-user");
	if (rc == 0)
		rc = make_folder(su->s->run_dir, 0755, 0, 0);
	if (rc == 0)
		rc = take_lock(su);
	if (rc != 0)
		return rc;
	count_workers(su);
	force_first(
		su); /* before anything is opened: with `fail closed` nothing passes from here on */
	rc = make_folder(su->s->state_dir, 0750, su->desk.uid, su->desk.gid);
	if (rc != 0)
		return rc;
	priv_limit_files(&files);
	log_info("%u workers, at most %llu open files", su->workers, (unsigned long long)files);
	return 0;
}

static int open_listeners(struct super *su, unsigned i)
{
	uint32_t own = mark_of(su->s->mark_mask, MARK_OWN);
	int fd, rc = tproxy_listen(AF_INET, (uint16_t)su->s->listen_port, own, &fd);

	if (rc == 0) {
		handoff_add(&su->gate.hands, fd, "listen4.%u", i);
		rc = tproxy_listen(AF_INET6, (uint16_t)su->s->listen_port, own, &fd);
	}
	if (rc == 0)
		handoff_add(&su->gate.hands, fd, "listen6.%u", i);
	if (rc != 0)
		return fail(rc, "cannot listen for diverted connections",
			rc == -EADDRINUSE ? "another program has the port: set listen-port"
					  : "modprobe xt_TPROXY");
	return 0;
}

static int open_queue(struct super *su, unsigned i)
{
	struct nfq_config config = {.queue = (uint16_t)(su->s->queue_first + i)};
	struct nfq *q;
	int rc = nfq_open(&config, &q);

	if (rc != 0)
		return fail(rc, "cannot bind the packet queue",
			rc == -EBUSY ? "another program has its number: set queue-first"
				     : "modprobe nfnetlink_queue");
	su->queue_fd[i] = fcntl(nfq_fd(q), F_DUPFD_CLOEXEC, 3);
	nfq_free(q);
	if (su->queue_fd[i] < 0)
		return fail(-errno, "queue", "");
	handoff_add(&su->gate.hands, su->queue_fd[i], "queue.%u", i);
	return 0;
}

static int open_worker(struct super *su, unsigned i)
{
	int fd, rc = open_listeners(su, i);

	if (rc == 0)
		rc = open_queue(su, i);
	if (rc != 0)
		return rc;
	rc = dial_routes_open(&fd);
	if (rc != 0)
		return fail(rc, "routes", "");
	handoff_add(&su->gate.hands, fd, "routes.%u", i);
	rc = ring_create(sizeof(struct event), EVENT_RING_ITEMS, &fd);
	if (rc != 0)
		return fail(rc, "ring of events", "");
	handoff_add(&su->gate.hands, fd, "ring.%u", i);
	handoff_add(&su->desk.hands, fd, "ring.%u", i);
	return 0;
}

static int open_netlink(struct super *su)
{
	struct sockaddr_nl sa = {
		.nl_family = AF_NETLINK, .nl_groups = NF_NETLINK_CONNTRACK_DESTROY};
	struct inject inject;
	int fd, rc = inject_open(&inject, su->s->mark_mask);

	if (rc != 0)
		return fail(rc, "raw sockets", "");
	for (unsigned i = 0; i < INJECT_SOCKETS; i++)
		handoff_add(&su->gate.hands, inject.fd[i], "inject.%u", i);
	rc = neigh_socket_open(&fd);
	if (rc != 0)
		return fail(rc, "neighbour table", "");
	handoff_add(&su->gate.hands, fd, "neigh");
	rc = synlog_open((uint16_t)su->s->queue_first, &fd);
	if (rc != 0)
		return fail(rc, "cannot bind the log group of new connections",
			rc == -EBUSY ? "another program has its number: set queue-first"
				     : "modprobe nfnetlink_log");
	handoff_add(&su->gate.hands, fd, "syns");
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0)
		log_warn("no connection events: %s; bytes and durations will be missing; modprobe "
			 "nf_conntrack_netlink",
			strerror(errno));
	else
		handoff_add(&su->desk.hands, fd, "conntrack");
	return 0;
}

static bool api_path(const struct super *su, struct sockaddr_un *sa)
{
	int n = snprintf(sa->sun_path, sizeof sa->sun_path, "%s/api.sock", su->s->run_dir);

	return n > 0 && (size_t)n < sizeof sa->sun_path;
}

void close_api(const struct super *su)
{
	struct sockaddr_un sa;

	if (api_path(su, &sa))
		unlink(sa.sun_path);
}

static int open_api(struct super *su)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, n;

	if (!api_path(su, &sa))
		return fail(-ENAMETOOLONG, su->s->run_dir, "set a shorter run-dir");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(-errno, "api socket", "");
	unlink(sa.sun_path);	/* a dead one's; the lock is ours */
	setfsgid(su->desk.gid); /* it is born with the desk's group: no right to chown is needed */
	n = bind(fd, (struct sockaddr *)&sa, sizeof sa);
	setfsgid(0);
	if (n != 0 || chmod(sa.sun_path, 0660) != 0 || listen(fd, 64) != 0) {
		close(fd);
		return fail(-errno, sa.sun_path, "");
	}
	handoff_add(&su->desk.hands, fd, "unix");
	return 0;
}

/* "192.0.2.1:8480" or "[2001:db8::1]:8480" */
static int listen_web(const char *word, int *out)
{
	struct sockaddr_storage sa;
	const char *colon = strrchr(word, ':');
	struct addr a;
	socklen_t n;
	int fd, on = 1, port = colon ? atoi(colon + 1) : 0;
	struct slice host = {(const uint8_t *)word, colon ? (size_t)(colon - word) : 0};

	if (host.n > 2 && word[0] == '[' && word[host.n - 1] == ']')
		host = slice_of(word + 1, host.n - 2);
	if (port < 1 || port > 65535 || !addr_parse(host, &a))
		return -EINVAL;
	n = addr_to_sockaddr(&a, (uint16_t)port, &sa);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, sa.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
		sa.ss_family == AF_INET6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, 128) != 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

/* Listeners handed in by a service manager: sd_listen_fds(3). */
static unsigned inherit_web(struct super *su)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	unsigned n = pid && fds && atoi(pid) == (int)getpid() ? (unsigned)atoi(fds) : 0;

	if (n > 8)
		n = 8;
	for (unsigned i = 0; i < n; i++) {
		fd_set_cloexec(3 + (int)i, true);
		fd_set_nonblock(3 + (int)i);
		handoff_add(&su->desk.hands, 3 + (int)i, "web.%u", i);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	return n;
}

static int open_web(struct super *su)
{
	char words[SETTING_WORDS], *rest = words, *word;
	unsigned n = inherit_web(su);

	snprintf(words, sizeof words, "%s",
		n || strcmp(su->s->web_listen, "none") == 0 ? "" : su->s->web_listen);
	while ((word = strsep(&rest, " "))) {
		int fd = -1, rc;

		if (!*word)
			continue;
		rc = listen_web(word, &fd);
		if (rc != 0) {
			log_error("web-listen %s: %s; it wants ADDRESS:PORT or [ADDRESS]:PORT",
				word, strerror(-rc));
			return rc;
		}
		if (!handoff_add(&su->desk.hands, fd, "web.%u", n++))
			return -E2BIG;
	}
	return 0;
}

static int open_rescue(struct super *su)
{
	int ends[2], fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0 || pipe2(ends, O_CLOEXEC) != 0)
		return fail(-errno, "rescue", "");
	fd_set_nonblock(ends[1]);
	su->rescue_pipe = ends[1];
	handoff_add(&su->rescue.hands, fd, "super");
	handoff_add(&su->rescue.hands, ends[0], "pipe");
	return 0;
}

int open_all(struct super *su)
{
	int fd, rc = prepare(su);

	if (rc != 0)
		return rc;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return fail(-errno, "eventfd", "");
	handoff_add(&su->gate.hands, fd, "signal");
	handoff_add(&su->desk.hands, fd, "signal");
	for (unsigned i = 0; i < su->workers && rc == 0; i++)
		rc = open_worker(su, i);
	if (rc == 0)
		rc = open_netlink(su);
	if (rc == 0)
		rc = open_api(su);
	if (rc == 0)
		rc = open_web(su);
	if (rc == 0)
		rc = open_rescue(su);
	if (rc == 0)
		watchdog_open(su);
	return rc;
}
