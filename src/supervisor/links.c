/* SPDX-License-Identifier: GPL-3.0-or-later
 * links.c - the rules follow interfaces, addresses and routes.
 *
 * The kernel tells of every change (rtnetlink's groups); when it has sent none for a moment, the supervisor looks which
 * interfaces lead where, and loads the rules anew only if that is not what they were made for. A client interface that
 * comes needs no rule (the rules match what is *not* an uplink); an uplink that comes, goes or is renamed does.
 *
 * Owns: struct links. Thread: the supervisor's. Fails: without the socket the watchdog's own look at the rules is left.
 * See: rtnetlink(7).
 */
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

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
static int on_message(struct nl_msg *message, void *user)
{
	struct links *l = user;
	struct nlmsghdr *h = nlmsg_hdr(message);
	bool route = h->nlmsg_type == RTM_NEWROUTE || h->nlmsg_type == RTM_DELROUTE;

	if (!route || !nlmsg_valid_hdr(h, sizeof(struct rtmsg)) ||
		((const struct rtmsg *)nlmsg_data(h))->rtm_dst_len <= 1)
		l->matters = true;
	return NL_OK;
}

static void on_news(struct watch *w, uint32_t events)
{
	struct supervisor *su = w->user;
	uint64_t due = loop_now_ms(su->loop) + CALM_MS;
	int rc;

	(void)events;
	su->links.matters = false;
	/* what exactly changed is read again; where some of it was lost, it may have been anything */
	do {
		rc = nl_recvmsgs_default(su->links.socket);
		su->links.matters = su->links.matters || (rc < 0 && rc != -NLE_AGAIN);
	} while (rc >= 0);
	if (su->links.matters && su->links.calm.slot == 0)
		loop_timer_set(su->loop, &su->links.calm,
			due < su->links.next_ms ? su->links.next_ms : due);
}

static int listen_to(struct nl_sock *s, struct links *l)
{
	int rc = nl_connect(s, NETLINK_ROUTE);

	nl_socket_disable_seq_check(s); /* nobody asked for news */
	if (rc == 0)
		rc = nl_socket_set_nonblocking(s);
	if (rc == 0)
		rc = nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, on_message, l);
	return rc ? rc
		  : nl_socket_add_memberships(s, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
			    RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0);
}

void links_start(struct supervisor *su)
{
	struct links *l = &su->links;
	int rc = -NLE_NOMEM;

	l->news = (struct watch){.fd = -1, .on_event = on_news, .user = su};
	l->calm = (struct timer){.on_due = on_calm, .user = su};
	l->socket = nl_socket_alloc();
	if (l->socket)
		rc = listen_to(l->socket, l);
	if (rc == 0) {
		l->news.fd = nl_socket_get_fd(l->socket);
		rc = loop_add(su->loop, &l->news, EPOLLIN) == 0 ? 0 : -NLE_FAILURE;
	}
	if (rc == 0)
		return;
	log_warn("changes of interfaces are not noticed: %s; restart after one", nl_geterror(rc));
	if (l->socket)
		nl_socket_free(l->socket);
	l->news.fd = -1;
}
