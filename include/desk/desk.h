/* SPDX-License-Identifier: GPL-3.0-or-later
 * desk.h - the desk process: compiles the policy, records events, serves the UI and the API. No capability.
 *
 * The caller has already dropped every privilege. All descriptors in `desk_in` become the desk's.
 * Threads: the caller's runs the office (messages, policy); a recorder thread drains the rings into SQLite; the face
 * (show/) has its own. Owns: everything it opens. Fails: returns an exit status: 0 after MESSAGE_STOP or EOF from the
 * super, 1 when it could not start (the reason is in the log).
 */
#ifndef DESK_DESK_H
#define DESK_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DESK_RINGS = 64, DESK_LISTENERS = 8 };

struct desk;
struct desk_in;
struct settings;

/* The face that main/ plugs in (show/show.h: show_face), so that this floor does not know the one above. */
struct desk_face {
	int (*start)(struct desk *d, const struct desk_in *in, void **face); /* 0 or -errno */
	/* One more TCP listener, the face's if 0. The thread that started the face. */
	int (*listen)(void *face, int fd);
	void (*wake)(void *face); /* new rows in the stream; any thread */
	void (*stop)(void *face);
};

struct desk_in {
	int control;	       /* SOCK_SEQPACKET to the super (model/message.h) */
	int rings[DESK_RINGS]; /* base/ring.h, struct event, EVENT_RING_ITEMS each */
	size_t n_rings;	       /* 0 is fine */
	int ring_signal; /* eventfd that the gate writes after pushing; -1 = look every 100 ms */
	int listeners[DESK_LISTENERS]; /* TCP, listening, for the web */
	size_t n_listeners;
	int unix_listener; /* api.sock, listening; -1 = none */
	int conntrack;	   /* netlink socket subscribed to NFNLGRP_CONNTRACK_DESTROY; -1 = none */
	const char *policy_path, *state_dir;
	const char *web_names; /* host names for browsers, space-separated; addresses always work */
	const char *webroot;   /* NULL or "": the built-in pages */
	uint32_t events_rows, events_days;
	bool policy_edit;	      /* false: the UI and the API may not write the policy file */
	const struct desk_face *face; /* NULL = none */
	const struct settings
		*settings; /* for the face: what the gate does where; NULL = defaults */
};

int desk_main(const struct desk_in *in);

#endif
