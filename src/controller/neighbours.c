/* SPDX-License-Identifier: GPL-3.0-or-later
 * neighbours.c - follows the neighbour table in the controller, as the dataplane does.
 *
 * People ask to explain addresses of which nothing was recorded yet, and explain must find the device that the dataplane would find.
 * The socket is the controller's own (NETLINK_ROUTE, which needs no right).
 *
 * Owns: the socket and the tables, in struct controller. Thread: the main loop's; look-ups any (mutexes inside).
 * Fails: with a warning; then look-ups find nothing.
 */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "controller_int.h"
#include "who/neigh.h"

enum { ADDRESSES_MAX = 4096 }; /* kept; one beyond them is asked for when it is needed */

static void on_news(struct watch *w, uint32_t events)
{
	struct controller *d = w->user;
	int rc = neigh_read(d->neigh);

	if (rc == 0)
		return;
	log_warn("neighbour table: %s; explain finds devices by what was recorded", strerror(-rc));
	loop_del(w);
}

void neighbours_start(struct controller *d)
{
	int rc = neigh_socket_open(&d->neigh_fd);

	if (rc < 0)
		d->neigh_fd = -1;
	if (rc == 0)
		rc = devices_new(&d->devices, ADDRESSES_MAX);
	if (rc == 0)
		rc = neigh_new(&d->neigh, d->neigh_fd, d->devices);
	d->neighbours = (struct watch){.fd = d->neigh_fd, .on_event = on_news, .user = d};
	if (rc == 0)
		rc = loop_add(d->loop, &d->neighbours, EPOLLIN);
	if (rc < 0)
		log_warn("neighbour table: %s; explain finds devices by what was recorded",
			strerror(-rc));
}

void neighbours_stop(struct controller *d)
{
	loop_del(&d->neighbours);
	neigh_free(d->neigh);
	devices_free(d->devices);
	if (d->neigh_fd >= 0)
		close(d->neigh_fd);
}

bool controller_mac_of(struct controller *d, const struct addr *a, struct mac *out)
{
	return d->neigh && neigh_find(d->neigh, a, out);
}

size_t controller_addrs_of(struct controller *d, const struct mac *m, struct addr *out, size_t max)
{
	struct addr all[DEVICE_ADDRS];
	size_t n = d->neigh && neigh_read(d->neigh) == 0 ? devices_addrs_of(d->devices, m, all) : 0;

	n = n < max ? n : max;
	memcpy(out, all, n * sizeof *out);
	return n;
}
