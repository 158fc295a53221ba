/* SPDX-License-Identifier: GPL-3.0-or-later
 * open.c - everything that the children inherit, opened while we may.
 *
 * Owns: the descriptors, for as long as the supervisor lives: a new dataplane or controller gets the same ones, and what waits in them.
 * Thread: the supervisor's. Fails: -errno, said in the log with what fixes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "act/dial.h"
#include "act/inject.h"
#include "base/file.h"
#include "base/log.h"
#include "base/ring.h"
#include "conf/settings_file.h"
#include "intercept/conns.h"
#include "intercept/nfq.h"
#include "intercept/synlog.h"
#include "intercept/tproxy.h"
#include "model/event.h"
#include "model/live.h"
#include "model/mark.h"
#include "netsetup/lsm.h"
#include "netsetup/priv.h"
#include "supervisor_int.h"
#include "who/neigh.h"

enum { FLOWS_MIN = 64 }; /* of a worker */

static int fail(int rc, const char *what, const char *fixes)
{
	log_error("%s: %s%s%s", what, strerror(-rc), *fixes ? "; " : "", fixes);
	return rc;
}

static int check_rights(void)
{
	uint64_t missing = priv_caps_missing(PRIV_CAPS_SUPERVISOR);
	char text[256];

	if (geteuid() == 0 && missing == 0)
		return 0;
	priv_caps_text(missing, text, sizeof text);
	log_error("durward supervisor needs root with the capabilities %s; start it with sudo or "
		  "by its "
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

static void count_workers(struct supervisor *su)
{
	su->workers = su->s->workers ? su->s->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (su->workers < 1 || su->workers > QUEUES_MAX)
		su->workers = su->workers < 1 ? 1 : QUEUES_MAX;
	for (unsigned i = 0; i < QUEUES_MAX; i++)
		su->queue_fd[i] = -1;
}

int open_check(struct supervisor *su)
{
	int rc = check_rights();

	if (rc == 0)
		rc = find_user(
			&su->child[SUPERVISOR_DATAPLANE], su->s->dataplane_user, "dataplane-user");
	if (rc == 0)
		rc = find_user(&su->child[SUPERVISOR_CONTROLLER], su->s->controller_user,
			"controller-user");
	if (rc == 0)
		rc = obey_users(su);
	if (rc == 0)
		rc = obey_paths(su->s);
	if (rc == 0)
		rc = obey_make_folder(su->s->run_dir, 0755, 0, 0);
	count_workers(su);
	return rc;
}

/* Once, for every child of this supervisor's life: an edit of the file counts from the next start on. */
static int hand_settings(struct supervisor *su)
{
	int fd, rc = settings_seal(su->s, &fd);

	if (rc != 0)
		return fail(rc, "settings for the children", "");
	for (size_t i = 0; i < SUPERVISOR_KINDS; i++)
		inherited_add(&su->child[i].fds, fd, "settings");
	return 0;
}

static int prepare(struct supervisor *su)
{
	const struct child *controller = &su->child[SUPERVISOR_CONTROLLER];
	uint64_t files = 0;
	int rc = obey_make_folder(su->s->state_dir, 0750, controller->uid, controller->gid);

	if (rc != 0)
		return rc;
	priv_limit_files(&files);
	log_info("%u workers, at most %llu open files", su->workers, (unsigned long long)files);
	return hand_settings(su);
}

static int open_listeners(struct supervisor *su, unsigned i)
{
	uint32_t own = mark_of(su->s->mark_mask, MARK_OWN);
	int fd, rc = tproxy_listen(AF_INET, (uint16_t)su->s->listen_port, own, &fd);

	if (rc == 0) {
		inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, fd, "listen4.%u", i);
		rc = tproxy_listen(AF_INET6, (uint16_t)su->s->listen_port, own, &fd);
	}
	if (rc == 0)
		inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, fd, "listen6.%u", i);
	if (rc != 0)
		return fail(rc, "cannot listen for diverted connections",
			rc == -EADDRINUSE ? "another program has the port: set listen-port"
					  : "modprobe xt_TPROXY");
	return 0;
}

static int open_queue(struct supervisor *su, unsigned i)
{
	struct nfq_config config = {.queue = (uint16_t)(su->s->queue_first + i)};
	struct nfq *q;
	int rc = nfq_bind(&config, &q);

	if (rc != 0)
		return fail(rc, "cannot bind the packet queue",
			rc == -EBUSY ? "another program has its number: set queue-first"
				     : "modprobe nfnetlink_queue");
	su->queue_fd[i] = fcntl(nfq_socket(q), F_DUPFD_CLOEXEC, 3);
	nfq_free(q);
	if (su->queue_fd[i] < 0)
		return fail(-errno, "queue", "");
	inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, su->queue_fd[i], "queue.%u", i);
	return 0;
}

/* Netlink sockets that ask and listen: made without the right to change anything, so that none of their holders has it, the
 * dataplane with its CAP_NET_ADMIN included. Only the sockets of queue and log group keep it: verdicts need it. */
static int open_asking(struct supervisor *su)
{
	int fd = -1, rc = 0;

	for (unsigned i = 0; i < su->workers && rc == 0; i++) {
		rc = dial_routes_open(&fd);
		if (rc == 0)
			inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, fd, "routes.%u", i);
	}
	if (rc == 0)
		rc = neigh_socket_open(&fd);
	if (rc == 0)
		inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, fd, "neigh");
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	if (rc == 0 && fd >= 0)
		su->conntrack_fd = fd;
	return rc;
}

static int open_without_rights(struct supervisor *su)
{
	int back, rc = priv_caps_aside(PRIV_CAP(CAP_NET_ADMIN));

	if (rc == 0)
		rc = open_asking(su);
	back = priv_caps_back(PRIV_CAP(CAP_NET_ADMIN));
	rc = rc ? rc : back;
	return rc ? fail(rc, "routes and neighbours", "") : 0;
}

/* The dataplane's records of live flows outlive it; the controller may look. */
static int open_live(struct supervisor *su, unsigned i)
{
	uint32_t flows = su->s->flow_limit / su->workers;
	int fd, reader, rc;

	rc = live_create(flows > FLOWS_MIN ? flows : FLOWS_MIN, &fd, &reader);
	if (rc != 0)
		return fail(rc, "table of live flows", "");
	inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, fd, "live.%u", i);
	inherited_add(&su->child[SUPERVISOR_CONTROLLER].fds, reader, "live.%u", i);
	return 0;
}

static int open_worker(struct supervisor *su, unsigned i)
{
	int fd, rc = open_listeners(su, i);

	if (rc == 0)
		rc = open_queue(su, i);
	if (rc != 0)
		return rc;
	rc = conns_open(&fd);
	if (rc != 0)
		return fail(rc, "connection table", "modprobe nf_conntrack_netlink");
	inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, fd, "conns.%u", i);
	rc = ring_create(sizeof(struct event), EVENT_RING_ITEMS, &fd);
	if (rc != 0)
		return fail(rc, "ring of events", "");
	inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, fd, "ring.%u", i);
	inherited_add(&su->child[SUPERVISOR_CONTROLLER].fds, fd, "ring.%u", i);
	return open_live(su, i);
}

enum { ENDS_BYTES = 8 << 20 };

static int open_netlink(struct supervisor *su)
{
	struct sockaddr_nl sa = {
		.nl_family = AF_NETLINK, .nl_groups = NF_NETLINK_CONNTRACK_DESTROY};
	struct inject inject;
	int fd, room = ENDS_BYTES, rc = inject_open(&inject, su->s->mark_mask);

	if (rc != 0)
		return fail(rc, "raw sockets", "");
	for (unsigned i = 0; i < INJECT_SOCKETS; i++)
		inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, inject.fd[i], "inject.%u", i);
	rc = synlog_open((uint16_t)su->s->queue_first, &fd);
	if (rc != 0)
		return fail(rc, "cannot bind the log group of new connections",
			rc == -EBUSY ? "another program has its number: set queue-first"
				     : "modprobe nfnetlink_log");
	inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, fd, "syns");
	/* the recorder reads it ten times a second */
	if (setsockopt(su->conntrack_fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
		setsockopt(su->conntrack_fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	/* joining the group needs the right, using the socket afterwards does not */
	if (bind(su->conntrack_fd, (struct sockaddr *)&sa, sizeof sa) != 0)
		log_warn("no connection events: %s; bytes and durations will be missing; modprobe "
			 "nf_conntrack_netlink",
			strerror(errno));
	else
		inherited_add(&su->child[SUPERVISOR_CONTROLLER].fds, su->conntrack_fd, "conntrack");
	return 0;
}

static bool api_path(const struct supervisor *su, struct sockaddr_un *sa)
{
	int n = snprintf(sa->sun_path, sizeof sa->sun_path, "%s/api.sock", su->s->run_dir);

	return n > 0 && (size_t)n < sizeof sa->sun_path;
}

void close_api(const struct supervisor *su)
{
	struct sockaddr_un sa;

	if (api_path(su, &sa))
		unlink(sa.sun_path);
}

static int open_api(struct supervisor *su)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, n;

	if (!api_path(su, &sa))
		return fail(-ENAMETOOLONG, su->s->run_dir, "set a shorter run-dir");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(-errno, "api socket", "");
	unlink(sa.sun_path); /* a dead one's; the lock is ours */
	setfsgid(
		su->child[SUPERVISOR_CONTROLLER]
			.gid); /* it is born with the controller's group: no right to chown is needed */
	n = bind(fd, (struct sockaddr *)&sa, sizeof sa);
	setfsgid(0);
	if (n != 0 || chmod(sa.sun_path, 0660) != 0 || listen(fd, 64) != 0) {
		close(fd);
		return fail(-errno, sa.sun_path, "");
	}
	inherited_add(&su->child[SUPERVISOR_CONTROLLER].fds, fd, "unix");
	return 0;
}

static int open_failsafe(struct supervisor *su)
{
	int ends[2], fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0 || pipe2(ends, O_CLOEXEC) != 0)
		return fail(-errno, "failsafe", "");
	fd_set_nonblock(ends[1]);
	su->failsafe_pipe = ends[1];
	inherited_add(&su->child[SUPERVISOR_FAILSAFE].fds, fd, "supervisor");
	inherited_add(&su->child[SUPERVISOR_FAILSAFE].fds, ends[0], "pipe");
	return 0;
}

/* What the dataplane's right to send verdicts gives it besides, the kernel takes away, where it can: docs/SECURITY.md. */
static void narrow_dataplane(struct supervisor *su)
{
	struct priv_user dataplane = {.uid = su->child[SUPERVISOR_DATAPLANE].uid,
		.gid = su->child[SUPERVISOR_DATAPLANE].gid};
	int rc = lsm_verdicts_only(&dataplane, &su->lsm_fd);

	if (rc == 0)
		log_info("the dataplane sends verdicts to netfilter and nothing else (BPF LSM)");
	else
		log_info("no BPF LSM (%s): rules that the dataplane might change are put back, not "
			 "kept "
			 "from it",
			strerror(-rc));
}

int open_all(struct supervisor *su)
{
	int fd, rc = prepare(su);

	if (rc != 0)
		return rc;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return fail(-errno, "eventfd", "");
	inherited_add(&su->child[SUPERVISOR_DATAPLANE].fds, fd, "signal");
	inherited_add(&su->child[SUPERVISOR_CONTROLLER].fds, fd, "signal");
	narrow_dataplane(su);
	rc = open_without_rights(su);
	for (unsigned i = 0; i < su->workers && rc == 0; i++)
		rc = open_worker(su, i);
	if (rc == 0)
		rc = open_netlink(su);
	if (rc == 0)
		rc = open_api(su);
	if (rc == 0)
		rc = open_failsafe(su);
	if (rc != 0)
		return rc;
	web_open(su); /* nothing depends on it */
	watchdog_open(su);
	return 0;
}
