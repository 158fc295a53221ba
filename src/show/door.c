/* SPDX-License-Identifier: GPL-3.0-or-later
 * door.c - admits TCP connections of the web: libmicrohttpd gets well-formed heads only, and no client takes all places.
 *
 *	accept -> WAITING: the head is looked at (MSG_PEEK), not taken -> STRANGER or KNOWN: libmicrohttpd's, one request
 *
 * Each of the three states has places of its own, so strangers cannot take places from people who are logged in. When a state is
 * full, the client (IPv6: /64) that has most of its places loses its oldest one: slow connections from many addresses push out
 * each other, and a client that sends its request at once is through before its turn comes. Each state has a deadline that no
 * trickle of bytes moves.
 *
 * The bytes that are peeked at must be the bytes that are read later. So urgent bytes stay in line; otherwise one that arrives
 * after the look could take a byte out. (A look never gets past an urgent byte, so such a head runs into its deadline.)
 *
 * A connection carries one request: bytes behind it are no request, and no idle connection holds a place.
 * Once a connection is admitted, libmicrohttpd closes its socket. This file keeps a copy of the descriptor, so that a shutdown
 * never hits another connection that got the same number.
 *
 * Owns: the thread, the waiting sockets, the copies. Thread: its own, and libmicrohttpd's for started() and left(), under
 * a lock. Fails: door_open -errno; later by refusing a connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "show/head.h"
#include "show_int.h"

enum place { NOBODY, WAITING, STRANGER, KNOWN, LEAVING, PLACES };
static const struct {
	unsigned seats;
	uint64_t most_ms;
} places[PLACES] = {[WAITING] = {192, 5000},
	[STRANGER] = {64, 30000},
	[KNOWN] = {128, 600000},
	[LEAVING] = {128, 60000}};
enum {
	SEATS = 192 + 64 + 128 + 128,
	LOOK_MS = 10, /* a head that comes in crumbs is looked at again after that */
	TICK_MS = 250,
	SAY_MS = 60000,
	ACCEPTS = 64, /* in one turn */
	EVENTS = 64,
	STOP_MS = 2000,
	KEY_LISTENER = SEATS, /* keys below are seats */
	KEY_WAKE = KEY_LISTENER + CONTROLLER_LISTENERS,
};

struct guest {
	enum place place;
	bool started;  /* libmicrohttpd has it */
	bool stays;    /* a stream: no deadline, and not asked to leave */
	bool half;     /* it has said all it will */
	bool look;     /* more bytes came */
	int fd;	       /* waiting: the socket; inside: our copy of it */
	int inner;     /* inside: libmicrohttpd's number of it */
	unsigned same; /* guests of this client in this place */
	uint64_t since_ms, looked_ms;
	struct addr client;
	struct sockaddr_storage from;
	socklen_t from_len;
};

struct door {
	struct auth *auth;
	struct MHD_Daemon *daemon;
	int listeners[CONTROLLER_LISTENERS];
	size_t n_listeners;
	int poll, wake;
	pthread_t thread;
	bool runs, stop;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct guest guests[SEATS];
	unsigned count[PLACES];
	unsigned sent_away;
	uint64_t said_ms;
	uint8_t head[HEAD_MAX];
};

/* --- seats (under the lock) --- */

static struct addr client_of(const struct sockaddr_storage *from)
{
	struct addr a = {0};
	uint16_t port;

	addr_from_sockaddr((const struct sockaddr *)from, &a, &port);
	if (!addr_is_v4(&a))
		memset(a.b + 8, 0, 8);
	return a;
}

static void move(struct door *d, struct guest *g, enum place to)
{
	unsigned same = 0;

	if (g->place != NOBODY)
		d->count[g->place]--;
	if (to != NOBODY)
		d->count[to]++;
	for (struct guest *o = d->guests; o < d->guests + SEATS; o++) {
		if (o == g || o->place == NOBODY || !addr_eq(&o->client, &g->client))
			continue;
		if (o->place == g->place)
			o->same--;
		if (o->place == to)
			same = ++o->same;
	}
	g->same = same ? same : 1;
	g->place = to;
	g->since_ms = clock_mono_ms();
}

static struct guest *free_seat(struct door *d)
{
	for (struct guest *g = d->guests; g < d->guests + SEATS; g++)
		if (g->place == NOBODY)
			return g;
	return NULL;
}

static void free_guest(struct door *d, struct guest *g)
{
	move(d, g, NOBODY);
	close(g->fd);
	*g = (struct guest){.fd = -1, .inner = -1};
	pthread_cond_broadcast(&d->moved);
}

/* The oldest of the client that has most there. */
static struct guest *first_to_go(struct door *d, enum place place)
{
	struct guest *found = NULL;

	for (struct guest *g = d->guests; g < d->guests + SEATS; g++) {
		if (g->place != place || g->stays)
			continue;
		if (!found || g->same > found->same ||
			(g->same == found->same && g->since_ms < found->since_ms))
			found = g;
	}
	return found;
}

static void send_away(struct door *d, struct guest *g)
{
	d->sent_away++;
	if (g->place == WAITING || !g->started) {
		shutdown(g->fd, SHUT_RDWR);
		free_guest(d, g);
		return;
	}
	shutdown(g->fd, SHUT_RDWR); /* libmicrohttpd notices, and says that it has left */
	move(d, g, LEAVING);
}

static bool make_room(struct door *d, enum place place)
{
	struct guest *g = d->count[place] < places[place].seats ? NULL : first_to_go(d, place);

	if (g)
		send_away(d, g);
	return d->count[place] < places[place].seats;
}

/* --- our own words --- */

static void answer(int fd, unsigned status, const char *detail)
{
	const char *title = http_reason(status);
	char body[256], all[512], junk[4096];
	int n;

	snprintf(body, sizeof body,
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\"}",
		title, status, detail);
	n = snprintf(all, sizeof all,
		"HTTP/1.1 %u %s\r\nContent-Type: "
		"application/problem+json\r\nX-Content-Type-Options: "
		"nosniff\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: "
		"%zu\r\n\r\n%s",
		status, title, strlen(body), body);
	(void)!send(fd, all, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* what lies unread at the close would make it a reset, which may overtake the answer */
	for (int i = 0; i < 16 && recv(fd, junk, sizeof junk, MSG_DONTWAIT) > 0; i++)
		;
	shutdown(fd, SHUT_WR);
}

static void refuse(struct door *d, struct guest *g, enum head_state why)
{
	if (why == HEAD_TOO_LARGE)
		answer(g->fd, 431, "a head has 16 kB at most");
	else
		answer(g->fd, 400, "it is no HTTP, or can be read in more than one way");
	free_guest(d, g);
}

/* --- in --- */

static struct guest *find_inner(struct door *d, int fd)
{
	for (struct guest *g = d->guests; g < d->guests + SEATS; g++)
		if (g->place > WAITING && g->inner == fd)
			return g;
	return NULL;
}

static bool seat(struct door *d, struct guest *g, enum place place)
{
	struct guest *old;
	int copy = make_room(d, place) ? fcntl(g->fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (copy < 0) {
		answer(g->fd, 503, "too many connections; try again");
		free_guest(d, g);
		return false;
	}
	epoll_ctl(d->poll, EPOLL_CTL_DEL, g->fd, NULL);
	/* a number that it gave back without a word (it had no memory) is another connection's now */
	while ((old = find_inner(d, g->fd)))
		free_guest(d, old);
	g->inner = g->fd;
	g->fd = copy;
	move(d, g, place);
	return true;
}

static void admit(struct door *d, struct guest *g, struct slice cookie)
{
	enum place place = auth_recalls(d->auth, cookie) ? KNOWN : STRANGER;
	struct sockaddr_storage from = g->from;
	socklen_t len = g->from_len;
	int fd = g->fd;
	bool seated;

	pthread_mutex_lock(&d->lock);
	seated = seat(d, g, place);
	pthread_mutex_unlock(&d->lock);
	/* on failure it has closed the socket; our copy goes with its deadline, or with its number's next owner */
	if (seated && MHD_add_connection(d->daemon, fd, (struct sockaddr *)&from, len) != MHD_YES)
		log_warn("web: a connection could not be taken: %s", strerror(errno));
}

/* g is waiting, and only this thread changes that. */
static void look(struct door *d, struct guest *g, uint64_t now)
{
	ssize_t n = recv(g->fd, d->head, HEAD_MAX, MSG_PEEK | MSG_DONTWAIT);
	struct head_seen seen = {0};
	enum head_state got = HEAD_MORE;
	bool dead = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);

	g->look = false;
	g->looked_ms = now;
	if (n > 0)
		got = head_check(slice_of(d->head, (size_t)n), &seen);
	if (got == HEAD_OK) {
		admit(d, g, seen.cookie);
		return;
	}
	pthread_mutex_lock(&d->lock);
	if (got != HEAD_MORE)
		refuse(d, g, got);
	else if (dead || g->half)
		free_guest(d, g);
	pthread_mutex_unlock(&d->lock);
}

static bool waits(struct door *d, const struct guest *g)
{
	bool yes;

	pthread_mutex_lock(&d->lock);
	yes = g->place == WAITING;
	pthread_mutex_unlock(&d->lock);
	return yes;
}

static void on_bytes(struct door *d, struct guest *g, uint32_t events, uint64_t now)
{
	if (!waits(d, g))
		return;
	g->half |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	g->look = true;
	if (now >= g->looked_ms + LOOK_MS)
		look(d, g, now);
}

static void welcome(struct door *d, int fd, const struct sockaddr_storage *from, socklen_t len)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
	struct guest *g;
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof one);

	pthread_mutex_lock(&d->lock);
	g = make_room(d, WAITING) ? free_seat(d) : NULL;
	if (g) {
		*g = (struct guest){.fd = fd,
			.inner = -1,
			.client = client_of(from),
			.from = *from,
			.from_len = len};
		move(d, g, WAITING);
		e.data.u64 = (uint64_t)(g - d->guests);
	}
	pthread_mutex_unlock(&d->lock);
	if (!g || epoll_ctl(d->poll, EPOLL_CTL_ADD, fd, &e) < 0) {
		pthread_mutex_lock(&d->lock);
		if (g)
			free_guest(d, g);
		else
			close(fd);
		pthread_mutex_unlock(&d->lock);
	}
}

/* Out of descriptors: whoever waits longest makes room, else the queue in the kernel holds them for a moment. */
static void out_of_numbers(struct door *d)
{
	struct timespec moment = {.tv_nsec = 20000000};
	struct guest *g;

	pthread_mutex_lock(&d->lock);
	g = first_to_go(d, WAITING);
	if (g)
		send_away(d, g);
	pthread_mutex_unlock(&d->lock);
	if (!g)
		nanosleep(&moment, NULL);
}

static void accept_all(struct door *d, int listener)
{
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof from;
		int fd = accept4(
			listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(d, fd, &from, len);
			continue;
		}
		if (errno == ECONNABORTED)
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			out_of_numbers(d);
		return;
	}
}

/* --- the turn --- */

static void end_late(struct door *d, struct guest *g)
{
	if (g->place == WAITING) {
		answer(g->fd, 408, "the head did not come in five seconds");
		free_guest(d, g);
	} else if (g->place == LEAVING) {
		shutdown(g->fd, SHUT_RDWR);
	} else {
		send_away(d, g);
	}
}

/* Returns how long nothing is due, in ms. */
static int tick(struct door *d, uint64_t now)
{
	int wait = -1;

	for (struct guest *g = d->guests; g < d->guests + SEATS; g++)
		if (waits(d, g) && g->look && now >= g->looked_ms + LOOK_MS)
			look(d, g, now);
	pthread_mutex_lock(&d->lock);
	for (struct guest *g = d->guests; g < d->guests + SEATS; g++) {
		if (g->place == NOBODY)
			continue;
		if (!g->stays && now >= g->since_ms + places[g->place].most_ms)
			end_late(d, g);
		if (g->place == WAITING && g->look)
			wait = LOOK_MS;
		else if (wait < 0)
			wait = TICK_MS;
	}
	if (d->sent_away && now >= d->said_ms + SAY_MS) {
		log_note("web: %u slow connections were ended, for others or for their time",
			d->sent_away);
		d->sent_away = 0;
		d->said_ms = now;
	}
	pthread_mutex_unlock(&d->lock);
	return wait;
}

static int listener_of(struct door *d, size_t at)
{
	int fd;

	pthread_mutex_lock(&d->lock);
	fd = d->listeners[at];
	pthread_mutex_unlock(&d->lock);
	return fd;
}

static bool stops(struct door *d)
{
	bool stop;

	pthread_mutex_lock(&d->lock);
	stop = d->stop;
	pthread_mutex_unlock(&d->lock);
	return stop;
}

static void *run_door(void *door)
{
	struct door *d = door;
	struct epoll_event e[EVENTS];
	int wait = -1;

	pthread_setname_np(pthread_self(), "web-door");
	while (!stops(d)) {
		int n = epoll_wait(d->poll, e, EVENTS, wait);
		uint64_t now = clock_mono_ms();

		/* guests first: a new one may take the seat of one that has an event here */
		for (int i = 0; i < n; i++)
			if (e[i].data.u64 < SEATS)
				on_bytes(d, &d->guests[e[i].data.u64], e[i].events, now);
		for (int i = 0; i < n; i++)
			if (e[i].data.u64 >= KEY_LISTENER && e[i].data.u64 < KEY_WAKE)
				accept_all(d, listener_of(d, e[i].data.u64 - KEY_LISTENER));
		wait = tick(d, clock_mono_ms());
	}
	return NULL;
}

/* --- libmicrohttpd tells --- */

struct guest *door_started(struct door *d, int fd)
{
	struct guest *g;

	pthread_mutex_lock(&d->lock);
	g = find_inner(d, fd);
	if (g)
		g->started = true;
	pthread_cond_broadcast(&d->moved);
	pthread_mutex_unlock(&d->lock);
	return g;
}

void door_left(struct door *d, struct guest *g)
{
	pthread_mutex_lock(&d->lock);
	if (g)
		free_guest(d, g);
	pthread_mutex_unlock(&d->lock);
}

bool door_waits_for(struct door *d, int fd)
{
	struct guest *g;
	bool waits;

	pthread_mutex_lock(&d->lock);
	g = find_inner(d, fd);
	waits = g && g->place != LEAVING;
	pthread_mutex_unlock(&d->lock);
	return waits;
}

void door_stays(struct door *d, int fd)
{
	struct guest *g;

	pthread_mutex_lock(&d->lock);
	g = find_inner(d, fd);
	if (g)
		g->stays = true;
	pthread_mutex_unlock(&d->lock);
}

/* --- */

int door_new(struct auth *auth, struct door **out)
{
	struct door *d = calloc(1, sizeof *d);
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = KEY_WAKE};
	pthread_condattr_t attr;

	if (!d)
		return -ENOMEM;
	d->auth = auth;
	d->poll = d->wake = -1;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->moved, &attr);
	pthread_condattr_destroy(&attr);
	d->poll = epoll_create1(EPOLL_CLOEXEC);
	d->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*out = d;
	if (d->poll < 0 || d->wake < 0 || epoll_ctl(d->poll, EPOLL_CTL_ADD, d->wake, &e) < 0)
		return -errno;
	return 0;
}

int door_open(struct door *d, struct MHD_Daemon *daemon)
{
	int rc;

	d->daemon = daemon;
	rc = -pthread_create(&d->thread, NULL, run_door, d);
	d->runs = rc == 0;
	return rc;
}

int door_listen(struct door *d, int fd)
{
	struct epoll_event e = {.events = EPOLLIN};
	int rc = -E2BIG;

	fd_set_nonblock(fd);
	pthread_mutex_lock(&d->lock);
	if (d->n_listeners < CONTROLLER_LISTENERS) {
		d->listeners[d->n_listeners] = fd;
		e.data.u64 = KEY_LISTENER + d->n_listeners;
		rc = epoll_ctl(d->poll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
		d->n_listeners += rc == 0;
	}
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static bool all_started(struct door *d)
{
	for (struct guest *g = d->guests; g < d->guests + SEATS; g++)
		if (g->place > WAITING && !g->started)
			return false;
	return true;
}

/* A daemon that is stopped while it was just given a connection may fall over it (libmicrohttpd before 1.0.9). */
static void await_started(struct door *d)
{
	uint64_t end = clock_mono_ms() + STOP_MS;
	struct timespec until = {
		.tv_sec = (time_t)(end / 1000), .tv_nsec = (long)(end % 1000) * 1000000};

	while (!all_started(d) && pthread_cond_timedwait(&d->moved, &d->lock, &until) == 0)
		;
}

void door_stop(struct door *d)
{
	uint64_t one = 1;

	if (!d || !d->runs)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_mutex_unlock(&d->lock);
	(void)!write(d->wake, &one, sizeof one);
	pthread_join(d->thread, NULL);
	d->runs = false;
	pthread_mutex_lock(&d->lock);
	await_started(d);
	pthread_mutex_unlock(&d->lock);
}

void door_free(struct door *d)
{
	if (!d)
		return;
	for (struct guest *g = d->guests; g < d->guests + SEATS; g++)
		if (g->place != NOBODY)
			close(g->fd);
	if (d->poll >= 0)
		close(d->poll);
	if (d->wake >= 0)
		close(d->wake);
	pthread_cond_destroy(&d->moved);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
