/* SPDX-License-Identifier: GPL-3.0-or-later
 * controller.h - the controller process: compiles the policy, records events, serves the UI and the API. No capability.
 *
 * The caller has already dropped every privilege. All descriptors in `controller_in` become the controller's.
 * Threads: the caller's runs the main loop (messages, policy); a recorder thread drains the rings into SQLite; the front end
 * (show/) has its own. Owns: everything it opens. Fails: returns an exit status: 0 after MESSAGE_STOP or EOF from the
 * supervisor, 1 when it could not start (the reason is in the log).
 */
#ifndef CONTROLLER_CONTROLLER_H
#define CONTROLLER_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONTROLLER_RINGS = 64, CONTROLLER_LISTENERS = 8 };

struct controller;
struct controller_in;
struct settings;

/* The front end that main/ plugs in (show/show.h: show_front_end), so that this layer does not know the one above. */
struct controller_front_end {
	int (*start)(struct controller *d, const struct controller_in *in,
		void **front_end); /* 0 or -errno */
	/* One more TCP listener, the front end's if 0. The thread that started the front end. */
	int (*listen)(void *front_end, int fd);
	void (*wake)(void *front_end); /* new rows in the stream; any thread */
	void (*stop)(void *front_end);
};

struct controller_in {
	int control;		     /* SOCK_SEQPACKET to the supervisor (model/message.h) */
	int rings[CONTROLLER_RINGS]; /* base/ring.h, struct event, EVENT_RING_ITEMS each */
	size_t n_rings;		     /* 0 is fine */
	int lives[CONTROLLER_RINGS]; /* model/live.h, of each worker, to read only */
	size_t n_lives;		     /* 0 is fine: nobody sees what goes on just now */
	int ring_signal; /* eventfd that the dataplane writes after pushing; -1 = look every 100 ms */
	int listeners[CONTROLLER_LISTENERS]; /* TCP, listening, for the web */
	size_t n_listeners;
	int unix_listener; /* api.sock, listening; -1 = none */
	int conntrack;	   /* netlink socket subscribed to NFNLGRP_CONNTRACK_DESTROY; -1 = none */
	const char *policy_path, *state_dir;
	const char *web_names; /* host names for browsers, space-separated; addresses always work */
	const char *webroot;   /* NULL or "": the built-in pages */
	uint32_t events_rows, events_days;
	bool policy_edit; /* false: the UI and the API may not write the policy file */
	const struct controller_front_end *front_end; /* NULL = none */
	const struct settings
		*settings; /* for the front end: what the dataplane does where; NULL = defaults */
};

int controller_main(const struct controller_in *in);

#endif
