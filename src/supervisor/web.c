/* SPDX-License-Identifier: GPL-3.0-or-later
 * web.c - the listeners of the web page: inherited, opened at the start, or opened later and handed to the running controller.
 *
 * Nothing depends on them: a port that is taken, an address that no interface has yet, or a word that is no address is a problem
 * that `status` shows, and each is tried again every WEB_MS. An address that no interface has is bound all the same (an
 * interface may get it), and is a problem as long as nobody can reach it.
 *
 * Owns: the listeners, for as long as the supervisor lives. Thread: the supervisor's. Fails: never.
 * See: sd_listen_fds(3); ip(7) IP_FREEBIND.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/log.h"
#include "supervisor_int.h"

enum { WEB_MS = 3000, BACKLOG = 128 };

/* "192.0.2.1:8480" or "[2001:db8::1]:8480" */
static bool read_word(const char *word, struct addr *a, uint16_t *port)
{
	const char *colon = strrchr(word, ':');
	struct slice host = {(const uint8_t *)word, colon ? (size_t)(colon - word) : 0};
	char *end = NULL;
	unsigned long n = colon ? strtoul(colon + 1, &end, 10) : 0;

	if (host.n > 2 && word[0] == '[' && word[host.n - 1] == ']')
		host = slice_of(word + 1, host.n - 2);
	if (n < 1 || n > 65535 || *end || !addr_parse(host, a))
		return false;
	*port = (uint16_t)n;
	return true;
}

/* Whether IPv4 at this port has a word of its own: then an IPv6 listener must leave it alone. */
static bool has_v4(const struct supervisor *su, uint16_t port)
{
	struct addr a;
	uint16_t other;

	for (unsigned i = 0; i < su->web.n; i++)
		if (read_word(su->web.word[i].text, &a, &other) && other == port && addr_is_v4(&a))
			return true;
	return false;
}

static int listen_at(const struct addr *a, uint16_t port, bool only_v6)
{
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(a, port, &sa);
	bool v6 = sa.ss_family == AF_INET6;
	int on = 1, rc, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_FREEBIND : IP_FREEBIND, &on,
		sizeof on);
	if (v6 && only_v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Whether the address is one of this machine's: without FREEBIND nothing else can be bound. */
static bool is_owned(const struct addr *a)
{
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(a, 0, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool owned;

	if (fd < 0)
		return true; /* it cannot be told */
	owned = bind(fd, (struct sockaddr *)&sa, n) == 0 || errno != EADDRNOTAVAIL;
	close(fd);
	return owned;
}

static const char *hint(int rc)
{
	switch (rc) {
	case -EADDRINUSE:
		return "the port is taken (`ss -lntp` tells by whom)";
	case -EACCES:
		return "no right to this port; choose one above 1023";
	default:
		return strerror(-rc);
	}
}

void web_hand(struct supervisor *su, unsigned word, bool sends)
{
	struct message m = {.type = MESSAGE_LISTENER};
	struct child *controller = &su->child[SUPERVISOR_CONTROLLER];
	int rc = sends ? child_send(controller, &m, su->web.word[word].fd) : 0;

	/* -EPIPE: it is about to be gone, and the next one inherits it */
	if (rc == 0 || rc == -EPIPE)
		inherited_add(&controller->fds, su->web.word[word].fd, "web.%u", su->web.handed++);
	else
		supervisor_post(
			su, (struct supervisor_event){.what = ON_NOT_HANDED, .listener = word});
}

/* What is wrong with this word now; NULL: nothing. */
static const char *try_word(struct supervisor *su, unsigned i)
{
	struct web_word *w = &su->web.word[i];
	struct addr a;
	uint16_t port;

	if (!read_word(w->text, &a, &port))
		return "not ADDRESS:PORT or [ADDRESS]:PORT";
	if (w->fd < 0) {
		w->fd = listen_at(&a, port, has_v4(su, port));
		if (w->fd < 0)
			return hint(w->fd);
		if (su->web.started)
			log_note("web-listen %s: open", w->text);
		supervisor_post(su, (struct supervisor_event){.what = ON_LISTENING, .listener = i});
	}
	return is_owned(&a) ? NULL : "no interface has this address";
}

static void try_all(struct supervisor *su)
{
	char detail[PROBLEM_DETAIL] = "";
	size_t n = 0;

	for (unsigned i = 0; i < su->web.n; i++) {
		const char *wrong = try_word(su, i);

		if (wrong && n < sizeof detail)
			n += (size_t)snprintf(detail + n, sizeof detail - n, "%s%s: %s",
				n ? ", " : "", su->web.word[i].text, wrong);
	}
	if (n)
		problem_raise(su, PROBLEM_WEB_LISTEN, "%s", detail);
	else
		problem_over(su, PROBLEM_WEB_LISTEN);
}

static void on_due(struct timer *t, uint64_t now_ms)
{
	struct supervisor *su = t->user;

	try_all(su);
	loop_timer_set(su->loop, t, now_ms + WEB_MS);
}

/* Listeners handed in by a service manager: sd_listen_fds(3). */
static void inherit(struct supervisor *su)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	unsigned n = pid && fds && atoi(pid) == (int)getpid() ? (unsigned)atoi(fds) : 0;

	for (unsigned i = 0; i < n && i < WEB_LISTENERS; i++) {
		fd_set_cloexec(3 + (int)i, true);
		fd_set_nonblock(3 + (int)i);
		inherited_add(&su->child[SUPERVISOR_CONTROLLER].fds, 3 + (int)i, "web.%u",
			su->web.handed++);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
}

void web_open(struct supervisor *su)
{
	char words[SETTING_WORDS], *rest = words, *word;

	inherit(su);
	if (su->web.handed || strcmp(su->s->web_listen, "none") == 0)
		return;
	snprintf(words, sizeof words, "%s", su->s->web_listen);
	while ((word = strsep(&rest, " "))) {
		struct web_word *w = &su->web.word[su->web.n];

		if (!*word)
			continue;
		if (su->web.n == WEB_LISTENERS) {
			log_warn("web-listen: more than %d addresses, the others are left out",
				WEB_LISTENERS);
			break;
		}
		*w = (struct web_word){.fd = -1};
		snprintf(w->text, sizeof w->text, "%s", word);
		su->web.n++;
	}
	try_all(su);
}

int web_start(struct supervisor *su, uint64_t now_ms)
{
	su->web.started = true;
	su->web.timer = (struct timer){.on_due = on_due, .user = su};
	return su->web.n ? loop_timer_set(su->loop, &su->web.timer, now_ms + WEB_MS) : 0;
}
