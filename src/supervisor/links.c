/* SPDX-License-Identifier: GPL-3.0-or-later
 * links.c - the rules follow interfaces, addresses and routes.
 *
 * The kernel tells of every change (rtnetlink's groups); when it has been idle for a moment, the supervisor looks which
 * interfaces lead where, and loads the rules anew only if that is not what they were made for. A client interface that
 * comes needs no rule (the rules match what is *not* an uplink); an uplink that comes, goes or is renamed does.
 *
 * Owns: struct links. Thread: the supervisor's. Fails: without the socket the watchdog's own look at the rules is left.
 * See: rtnetlink(7).
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor_int.h"

enum {
	CALM_MS = 300,
	SHARE = 20, /* a look reads all routes, and a router may have a million: at most this part of the time */
};

static void on_calm(struct timer *t, uint64_t now_ms)
{
	struct supervisor *su = t->user;
	bool moved = force_sides_moved(su);
	uint64_t end_ms = clock_mono_ms();

	su->links.next_ms = end_ms + (end_ms - now_ms) * SHARE;
	if (moved)
		supervisor_post(
			su, (struct supervisor_event){.what = ON_SIDES, .sides = su->n_sides});
}

/* Of routes only a default route, or half of one: a router that speaks BGP hears of thousands a minute. */
static bool any_matters(const char *bytes, size_t n)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)bytes;

	for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
		bool route = h->nlmsg_type == RTM_NEWROUTE || h->nlmsg_type == RTM_DELROUTE;

		if (!route || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtmsg)) ||
			((const struct rtmsg *)NLMSG_DATA(h))->rtm_dst_len <= 1)
			return true;
	}
	return false;
}

static void on_news(struct watch *w, uint32_t events)
{
	struct supervisor *su = w->user;
	uint64_t due = loop_now_ms(su->loop) + CALM_MS;
	char bytes[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool matters = false;
	ssize_t n;

	(void)events;
	/* what exactly changed is read again; where some of it was lost (ENOBUFS), it may have been anything */
	while ((n = recv(w->fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0 || errno == ENOBUFS)
		matters = matters || n < 0 || any_matters(bytes, (size_t)n);
	if (matters && su->links.calm.slot == 0)
		loop_timer_set(su->loop, &su->links.calm,
			due < su->links.next_ms ? su->links.next_ms : due);
}

void links_start(struct supervisor *su)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	su->links.news = (struct watch){.fd = fd, .on_event = on_news, .user = su};
	su->links.calm = (struct timer){.on_due = on_calm, .user = su};
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
		loop_add(su->loop, &su->links.news, EPOLLIN) != 0) {
		log_warn("changes of interfaces are not noticed: %s; restart after one",
			strerror(errno));
		if (fd >= 0)
			close(fd);
	}
}
