/* SPDX-License-Identifier: GPL-3.0-or-later
 * message.h - what the super, the gate and the desk say to each other: fixed-size typed structs over SOCK_SEQPACKET.
 *
 * No pointer, no path, no length from outside: a message of another size than struct message is dropped and the peer
 * counted as broken. One descriptor at most rides along (SCM_RIGHTS), with MESSAGE_IMAGE and MESSAGE_LISTENER.
 *
 * Owns: message_recv() gives the descriptor to the caller. Thread: any, one reader and one writer a socket.
 * Fails: 0; -EAGAIN nothing there; -EPIPE the peer is gone; -EPROTO not a message; else -errno.
 */
#ifndef MODEL_MESSAGE_H
#define MODEL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/problem.h"

enum message_type {
	MESSAGE_READY =
		1, /* child -> super: privileges dropped, everything open, waiting for work */
	MESSAGE_HEARTBEAT, /* child -> super, every half second: all my threads are well */
	MESSAGE_IMAGE,	   /* desk -> super -> gate, with the sealed memfd */
	MESSAGE_TAKEN,	   /* gate -> super -> desk: every worker uses `revision` now */
	MESSAGE_RELOAD,	   /* super -> desk: read the policy again (SIGHUP) */
	MESSAGE_STATUS,	   /* super -> desk, each second and on change */
	MESSAGE_NO_POLICY, /* desk -> super: there is no policy that could be put in force */
	MESSAGE_STOP,	   /* super -> child: end in order */
	MESSAGE_HEARD,	   /* desk -> super: the status says that we are ready, and so do I */
	MESSAGE_LISTENER,  /* super -> desk: a listening TCP socket for the web, opened late */
};

/* Summed over the gate's workers since the gate started. */
struct gate_counters {
#define GATE_COUNTER(field, words) uint64_t field;
#include "tbl/gate_counters.h"
#undef GATE_COUNTER
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
	bool fail_open, judges_all; /* IMAGE */
	uint8_t rules;		    /* STATUS: enum rules_state */
	bool starting;		    /* STATUS: not ready yet for the first time */
	bool rules_by_hand;	    /* STATUS: somebody ran durward-rules, and its word holds */
	uint32_t rules_mended;	    /* STATUS: times that rules changed by others were put back */
	uint32_t gate_hangs;	    /* STATUS: times that a gate was killed because a worker hung */
	int32_t gate_pid;	    /* STATUS; 0 = none now */
	int32_t desk_pid, rescue_pid;
	uint32_t gate_restarts, desk_restarts; /* STATUS: since the super started */
	uint64_t start_wall_ms;		       /* STATUS: of the super */
	struct gate_counters counters;	       /* HEARTBEAT of the gate, STATUS */
	struct problems problems;	       /* STATUS: what the super finds wrong now */
};

int message_send(int sock, const struct message *m, int fd /* -1 = none; stays the caller's */);
int message_recv(int sock, struct message *m, int *fd /* -1 when none came */);

#endif
