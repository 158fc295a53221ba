/* SPDX-License-Identifier: GPL-3.0-or-later
 * proxy.h - the proxy path of one worker: accepts what TPROXY hands over, judges every request, relays.
 *
 * Owns: its connections and its watches of the listeners, from proxy_new() to proxy_free(). Thread: its worker's.
 * Fails: 0 or -errno; a connection that fails is closed with RST, never the process.
 */
#ifndef DATAPLANE_PROXY_H
#define DATAPLANE_PROXY_H

#include "dataplane/worker.h"

struct proxy;

struct proxy_config {
	struct dataplane_worker
		*worker; /* now_ms, wall_ms and image are set anew before each event */
	int listener[2]; /* v4, v6; -1 = none; stay the caller's */
	int routes;	 /* of dial_routes_open(); stays the caller's */
	uint16_t listen_port;
	bool source_gateway; /* servers see the gateway's address instead of the client's */
	uint32_t own_mark;   /* of the sockets that we dial with */
	uint32_t idle_ms, hello_deadline_ms, hello_limit;
	uint32_t max_connections; /* of this worker */
	uint32_t client_quota;	  /* percent of these that one client's undecided ones take */
	uint32_t workers;	  /* that share the process's open files */
	void (*turn)(void *user); /* called before each event: refreshes the worker's turn fields */
	void (*done)(void *user); /* called after each event: new records are announced */
	void *user;
};

int proxy_new(struct proxy **out, const struct proxy_config *c);
/* When worker->judgements has moved: what each relay carries is judged again, a few at a time, and what is refused now is reset;
 * of HTTP, what waits for its next request is left for it. Called now and then. */
void proxy_judge_again(struct proxy *p);
/* The relay of this number (model/live.h: live_id) is reset, because somebody said so. False: there is none. */
bool proxy_cut(struct proxy *p, uint64_t id);
void proxy_free(struct proxy *p); /* NULL is fine; open relays end with RST */

#endif
