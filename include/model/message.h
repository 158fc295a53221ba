/* SPDX-License-Identifier: GPL-3.0-or-later
 * message.h - what the supervisor, the dataplane and the controller say to each other: fixed-size typed structs over SOCK_SEQPACKET.
 *
 * A message holds no pointer, path or length from outside. A message of another size than struct message is dropped, and the
 * peer counts as broken. MESSAGE_IMAGE and MESSAGE_LISTENER carry one descriptor (SCM_RIGHTS), the others none.
 *
 * Owns: message_recv() gives the descriptor to the caller. Thread: any, one reader and one writer a socket.
 * Fails: 0; -EAGAIN nothing there; -EPIPE the peer is gone; -EPROTO not a message; else -errno.
 */
#ifndef MODEL_MESSAGE_H
#define MODEL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/layout.h"
#include "model/problem.h"

enum message_type {
	MESSAGE_READY =
		1, /* child -> supervisor: privileges dropped, everything open, waiting for work */
	MESSAGE_HEARTBEAT, /* child -> supervisor, every half second: all my threads are well */
	MESSAGE_IMAGE,	   /* controller -> supervisor -> dataplane, with the sealed memfd */
	MESSAGE_TAKEN, /* dataplane -> supervisor -> controller: every worker uses `revision` now */
	MESSAGE_RELOAD, /* supervisor -> controller: read the policy again (SIGHUP) */
	MESSAGE_STATUS, /* supervisor -> controller, each second and on change */
	MESSAGE_NO_POLICY, /* controller -> supervisor: there is no policy that could be put in force */
	MESSAGE_STOP,	   /* supervisor -> child: end in order */
	MESSAGE_HEARD, /* controller -> supervisor: the status says that we are ready, and so do I */
	MESSAGE_CUT, /* controller -> supervisor -> dataplane: the live flow `flow` is to be cut, because somebody said so */
	MESSAGE_LISTENER, /* supervisor -> controller: a listening TCP socket for the web, opened late */
};

/* Summed over the dataplane's workers since the dataplane started. */
struct dataplane_counters {
#define DATAPLANE_COUNTER(field, words) WIDE uint64_t field;
#include "tbl/dataplane_counters.h"
#undef DATAPLANE_COUNTER
};

enum rules_state {
	RULES_NONE,
	RULES_UP,
	RULES_OPEN /* down: fail open */,
	RULES_FAILED /* refusing: fail closed */
};

struct message {
	uint32_t type;		    /* enum message_type */
	uint32_t revision;	    /* IMAGE, TAKEN */
	WIDE uint64_t flow;	    /* CUT: model/live.h, live_id() */
	bool fail_open, judges_all; /* IMAGE */
	uint8_t rules;		    /* STATUS: enum rules_state */
	bool starting;		    /* STATUS: not ready yet for the first time */
	bool rules_by_hand;	    /* STATUS: somebody ran durward-rules, and its word holds */
	uint32_t rules_fixed;	    /* STATUS: times that rules changed by others were put back */
	uint32_t
		dataplane_hangs; /* STATUS: times that a dataplane was killed because a worker hung */
	int32_t dataplane_pid;	 /* STATUS; 0 = none now */
	int32_t controller_pid, failsafe_pid;
	uint32_t dataplane_restarts, controller_restarts; /* STATUS: since the supervisor started */
	WIDE uint64_t start_wall_ms;			  /* STATUS: of the supervisor */
	struct dataplane_counters counters;		  /* HEARTBEAT of the dataplane, STATUS */
	struct problems problems; /* STATUS: what the supervisor finds wrong now */
};
LAYOUT_AT(struct message, dataplane_pid, 32);
LAYOUT_AT(struct message, start_wall_ms, 56);
LAYOUT_AT(struct message, counters, 64);
LAYOUT(struct problems, 4 + PROBLEMS * PROBLEM_DETAIL);
LAYOUT(struct message,
	(64 + sizeof(struct dataplane_counters) + sizeof(struct problems) + 7) / 8 * 8);

int message_send(int sock, const struct message *m, int fd /* -1 = none; stays the caller's */);
int message_recv(int sock, struct message *m, int *fd /* -1 when none came */);

#endif
