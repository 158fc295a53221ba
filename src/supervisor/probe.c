/* SPDX-License-Identifier: GPL-3.0-or-later
 * probe.c - finds out from the kernel whether each worker of the dataplane still answers its queue.
 *
 *   supervisor --UDP to 127.68.82.N, our mark--> mangle OUTPUT, DURWARD-PROBE --> NFQUEUE N --> worker N: drop
 *   supervisor <--"N packets wait, the last number was M"-- /proc/net/netfilter/nfnetlink_queue
 *
 * A worker hangs when packets wait in its queue and none was answered for a while; the probes see to it that one always
 * waits. (Without them it might keep some on purpose: the halves of hellos, src/dataplane/flow_held.c.)
 * Its heartbeat says less: a thread's timer may run while its queue is not read, and the other way round a busy worker
 * answers thousands of packets between two beats. The dataplane drops a probe before it looks into it, and records and counts
 * nothing, so a client gains nothing by an imitation (it cannot make one: the hook is OUTPUT).
 * Why no veth pair, to cross FORWARD: an interface of ours would be seen by every program that configures networks, by
 * the look at interfaces and by the administrator's own rules, which may drop the probe; what could break between
 * FORWARD and the queue is our own rules, and these are held against what was loaded (watchdog.c). A packet that comes back
 * to us has met no queue: the rules are looked at once more.
 * The listeners have no probe: the same threads serve them, and one that rests because no descriptor is left
 * must not be killed for it.
 *
 * Owns: the sockets and the open file. Thread: the supervisor's. Fails: without /proc or loopback nothing hangs; the
 * heartbeats are left. See: net/netfilter/nfnetlink_queue.c, seq_show().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "model/mark.h"
#include "supervisor_int.h"

#define QUEUES_FILE "/proc/net/netfilter/nfnetlink_queue"

static int open_one(uint32_t mark, unsigned i)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f445201u + i)}; /* durward-rules: rules_probe() */
	socklen_t n = sizeof sa;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* to itself: nobody else is bothered when the rule is not there */
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0 ||
		bind(fd, (struct sockaddr *)&sa, n) != 0 ||
		getsockname(fd, (struct sockaddr *)&sa, &n) != 0 ||
		connect(fd, (struct sockaddr *)&sa, n) != 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

void probe_open(struct supervisor *su)
{
	struct probe *p = &su->probe;
	int rc = 0;

	p->file = open(QUEUES_FILE, O_RDONLY | O_CLOEXEC);
	if (p->file < 0)
		log_warn("%s: %s; a hung dataplane is known by its heartbeat only", QUEUES_FILE,
			strerror(errno));
	for (unsigned i = 0; i < QUEUES_MAX; i++)
		p->queue[i].socket = -1;
	for (unsigned i = 0; i < su->workers && rc >= 0; i++)
		rc = p->queue[i].socket =
			open_one(mark_of(su->s->mark_mask, MARK_OWN | MARK_NOTRACK), i);
	if (rc < 0)
		log_warn("no probe of the queues: %s; a hung dataplane is known by its heartbeat "
			 "only",
			strerror(-rc));
}

void probe_reset(struct supervisor *su)
{
	for (unsigned i = 0; i < QUEUES_MAX; i++)
		su->probe.queue[i].idle = 0;
}

bool probe_send(struct supervisor *su)
{
	bool back = false, missed;
	char byte = 0;

	for (unsigned i = 0; i < su->workers; i++) {
		int fd = su->probe.queue[i].socket;

		if (fd < 0)
			continue;
		missed = false;
		while (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
			missed = true;
		back |= missed;
		su->probe.queue[i].sent =
			!missed && (send(fd, "", 1, MSG_DONTWAIT) >= 0 || errno == EAGAIN);
	}
	return back;
}

/* Of one line: queue, its reader, waiting, copy mode, range, dropped (queue full), dropped (reader's buffer full), the
 * last number given. A packet of the second kind of dropped had a number; it was not answered. */
static void look_at(struct supervisor *su, const char *line)
{
	unsigned queue, reader, waiting, mode, range, full, overrun, last, i;
	struct probe_queue *q;
	uint32_t answered;

	if (sscanf(line, "%u %u %u %u %u %u %u %u", &queue, &reader, &waiting, &mode, &range, &full,
		    &overrun, &last) != 8)
		return;
	i = queue - su->s->queue_first;
	if (queue < su->s->queue_first || i >= su->workers)
		return;
	q = &su->probe.queue[i];
	answered = last - waiting - overrun;
	q->idle = q->sent && waiting && answered == q->answered ? q->idle + 1 : 0;
	q->answered = answered;
}

unsigned probe_idle(struct supervisor *su, unsigned *worker)
{
	static char text[32768]; /* of other programs' queues there may be some */
	char *rest = text, *line;
	unsigned most = 0;
	ssize_t n;

	n = su->probe.file < 0 ? -1 : pread(su->probe.file, text, sizeof text - 1, 0);
	if (n < 0)
		return 0;
	text[n] = '\0';
	while ((line = strsep(&rest, "\n")))
		look_at(su, line);
	for (unsigned i = 0; i < su->workers; i++) {
		if (su->probe.queue[i].idle <= most)
			continue;
		most = su->probe.queue[i].idle;
		*worker = i;
	}
	return most;
}
