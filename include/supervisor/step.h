/* SPDX-License-Identifier: GPL-3.0-or-later
 * step.h - every decision of the supervisor, as one pure function: what happened, and what is to be done about it.
 *
 *   what happened --> struct supervisor_event --> supervisor_step() --> struct supervisor_effects --> carry.c does it
 *                                            struct supervisor_state                             (and says what came of it)
 *
 * No clock, no system call, no memory of its own: the time comes with the event. What an effect comes to is another event. The
 * shell (supervisor.c, carry.c, keeper.c, watchdog.c, links.c) measures and carries out; it decides nothing.
 *
 *   LOCKING -> ASKING -> (FIRST_UP -> (FIRST_REFUSAL)) -> OPENING -> RUNNING -> (END_RUN) -> (END_ASKS) -> (END_RULES)
 *           -> END_DATAPLANE -> END_CONTROLLER -> END_FAILSAFE -> OVER
 *
 * What holds in every state: one script at a time, one child of a kind at a time; queues are let go with `fail open` alone,
 * and never while a dataplane is ready; every wait has a deadline, so each start and each end comes to an end.
 *
 * Owns: nothing. Thread: one at a time for one state. Fails: never. Times: monotonic, ms. See: docs/ARCHITECTURE.md.
 */
#ifndef SUPERVISOR_STEP_H
#define SUPERVISOR_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "netsetup/rules.h"
#include "supervisor/boot_guard.h"
#include "supervisor/rules_plan.h"

enum {
	SUPERVISOR_TICK_MS = 500, /* the caller's: ON_TICK */
	SUPERVISOR_TURN_MS = 200, /* the caller's: ON_TURN */
	SUPERVISOR_LOCK_STEP_MS = 50,
	SUPERVISOR_LOCK_MS =
		22000, /* a dead one's failsafe may take so long; then it is no failsafe */
	SUPERVISOR_ASK_MS = 12000,   /* the reader of `fail` ends itself after 10 s */
	SUPERVISOR_RUN_MS = 20000,   /* durward-rules: then it is killed */
	SUPERVISOR_STUCK_MS = 5000,  /* what was killed and does not end is left alone */
	SUPERVISOR_START_MS = 60000, /* from the controller's start to the first time ready */
	SUPERVISOR_STOP_MS = 3000,   /* a child that was asked to end: then it is killed */
	SUPERVISOR_HANG_TICKS =
		8, /* ticks without a word: killed (of the dataplane's workers: SUPERVISOR_HANG_TURNS) */
	SUPERVISOR_HANG_TURNS = 5, /* a second */
	SUPERVISOR_HANG_TURNS_MAX = 40,
	SUPERVISOR_CALM_MS = 60000, /* without a hang: the hang_threshold of the beginning */
	SUPERVISOR_GATELESS_MS = 1000,
	SUPERVISOR_ROUTE_MS = 2000,
	SUPERVISOR_QUICK_MS = 2000, /* a child that lived for less waits longer each time */
	SUPERVISOR_BACKOFF_MS = 20, /* the first time */
	SUPERVISOR_BACKOFF_MAX_MS = 5000,
	SUPERVISOR_IMAGE_TICK_BYTES =
		8
		<< 20, /* so much of a new image may take a dataplane's main thread another tick */
	SUPERVISOR_EFFECTS = 16,
};

enum supervisor_kind {
	SUPERVISOR_DATAPLANE,
	SUPERVISOR_CONTROLLER,
	SUPERVISOR_FAILSAFE,
	SUPERVISOR_KINDS
};

enum supervisor_phase {
	SUPERVISOR_NEW,	    /* {0} */
	SUPERVISOR_LOCKING, /* a dead one's failsafe still acts: the lock is tried again and again */
	SUPERVISOR_ASKING,  /* what does `fail` say? */
	SUPERVISOR_FIRST_UP,	  /* fail closed: the working rules, before anything is opened */
	SUPERVISOR_FIRST_REFUSAL, /* they could not be made */
	SUPERVISOR_OPENING,
	SUPERVISOR_RUNNING,
	SUPERVISOR_END_RUN,	  /* the end: the script that runs comes first */
	SUPERVISOR_END_ASKS,	  /* after a start that failed: what did an earlier one leave? */
	SUPERVISOR_END_RULES,	  /* down, refusal or hold */
	SUPERVISOR_END_DATAPLANE, /* asked to end; killed after SUPERVISOR_STOP_MS; SUPERVISOR_DATAPLANE..SUPERVISOR_FAILSAFE in order */
	SUPERVISOR_END_CONTROLLER,
	SUPERVISOR_END_FAILSAFE,
	SUPERVISOR_OVER,
};

enum supervisor_on {
	ON_BEGIN,
	ON_LOCK, /* status: 0 it is ours; -EAGAIN a dead one's failsafe has it; else another runs, and was told of */
	ON_FAIL_SAID, /* word */
	ON_OPENED,    /* status: 0 or -errno */
	ON_FAULT,     /* something the supervisor cannot do without has failed, and was told of */
	ON_TIME,      /* the time of DO_ARM has come */
	ON_TICK,      /* each SUPERVISOR_TICK_MS while RUNNING */
	ON_TURN,      /* each SUPERVISOR_TURN_MS while RUNNING: idle, worker, changed, longest_ms */
	ON_CHANGED,   /* a probe met no queue: the rules may not be what they were */
	ON_SPAWN_FAILED, /* child */
	ON_ENDED,	 /* child: is gone and reaped */
	ON_SAID,	 /* child: said anything */
	ON_BROKEN,	 /* child: said something that is no message */
	ON_READY,	 /* child */
	ON_IMAGE,	 /* a policy from the controller: revision, fail_open, judges_all, bytes */
	ON_IMAGE_UNSENT, /* it did not reach the dataplane */
	ON_TAKEN,	 /* every worker of the dataplane uses `revision` */
	ON_HEARD,	 /* the controller knows that we are ready */
	ON_NOT_HEARD,	 /* the service manager could not be told that we are */
	ON_NO_POLICY,	 /* the controller has none */
	ON_RUN_BEGUN,	 /* durward-rules runs, made with these `sides` */
	ON_RUN_ENDED,	 /* status: of the script, -1 none; strict; begun */
	ON_ROUTE_FIXED,	 /* the policy route was gone, and is back */
	ON_SIDES, /* other interfaces lead to the internet than before: `sides`, a count of such changes */
	ON_LISTENING,	/* listener: one of the web's was opened, at the start or late */
	ON_NOT_HANDED,	/* listener: the controller's socket had no room for it */
	ON_BIND_FAILED, /* the queues could not be taken again */
	ON_RELOAD,
	ON_STOP,
};

struct supervisor_event {
	enum supervisor_on what;
	uint64_t now_ms;
	enum supervisor_kind child;
	int status;
	enum boot_guard_word word;
	unsigned idle,
		worker; /* turns in which packets waited and none was answered; in whose queue */
	bool changed;	/* somebody changed the packet filter */
	uint64_t longest_ms; /* between two checks of the rules without a suspicion */
	uint32_t revision, sides;
	bool fail_open, judges_all;
	uint64_t bytes;	   /* of the image */
	bool strict;	   /* RULES_VERB_STATUS: a refusal, or rules of `fail closed`, stand */
	bool begun;	   /* the script did run */
	unsigned listener; /* 0..31 */
};

/* Something to be said in the log: words.c. */
enum supervisor_say {
	SAY_HANGS_SILENT, /* child; n ms */
	SAY_HANGS_WORKER, /* worker m; n ms */
	SAY_LATE,	  /* child: asked to end, n ms ago */
	SAY_STUCK,	  /* child: was killed, and does not end */
	SAY_NO_READY,	  /* n s */
	SAY_NO_POLICY,
	SAY_POLICY,
	SAY_ASK_LATE,
	SAY_RUN_STUCK,
	SAY_UNBOUND,
	SAY_FIRST_UP,
	SAY_REFUSES, /* until durward runs again */
	SAY_STAYS_REFUSED,
	SAY_OPEN,
	SAY_STAY,
	SAY_HOLD_FAILED,
	SAY_NO_RULES,	 /* not at the start */
	SAY_RULES_OLD,	 /* not while we run */
	SAY_FIXED_RULES, /* n in all, m in the last minute */
	SAY_FIXED_ROUTE,
	SAY_FIX_FAILED,
	SAY_REFUSED_BY,
	SAY_REFUSAL,
	SAY_BY_HAND,
	SAY_BACK,
};

enum supervisor_do {
	DO_TAKE_LOCK, /* last: who holds it is no failsafe. -> ON_LOCK */
	DO_ASK,	      /* -> ON_FAIL_SAID */
	DO_DROP_ASK,
	DO_OPEN,       /* -> ON_OPENED */
	DO_WATCH,      /* rights are dropped, ticks and turns begin. -> ON_FAULT, if anything */
	DO_SPAWN,      /* child. -> ON_ENDED some day, or ON_SPAWN_FAILED */
	DO_STOP,       /* child: is asked to end */
	DO_KILL,       /* child */
	DO_SEND_IMAGE, /* the last policy, to the dataplane */
	DO_TELL_TAKEN, /* revision: to the controller */
	DO_TELL_RELOAD,
	DO_TELL_FAILSAFE, /* mode: 'o', 'c' or 'q' (supervisor/failsafe.h) */
	DO_TELL_STATUS,
	DO_HAND, /* listener n: the controller inherits it from its next start on; `sends`: the one that runs gets it now, and if that
		    * fails for want of room, ON_NOT_HANDED comes instead of both */
	DO_BIND, /* the queues to the dataplane. -> ON_BIND_FAILED, if so */
	DO_UNBIND, /* to nobody: --queue-bypass lets packets pass */
	DO_PROBE,  /* a packet into each queue. -> ON_CHANGED, if earlier ones came back */
	DO_PROBE_RESET,
	DO_RUN, /* durward-rules `verb`. -> ON_RUN_BEGUN, ON_RUN_ENDED */
	DO_KILL_RUN,
	DO_DROP_RUN, /* it does not even end by that */
	DO_ROUTE,    /* is the policy route there? -> ON_ROUTE_FIXED, if it was gone and `counts` */
	DO_READY,    /* to the service manager. -> ON_NOT_HEARD, if so */
	DO_ALIVE,
	DO_STOPPING,
	DO_SAY,	 /* say, child, n, m */
	DO_ARM,	 /* ON_TIME at at_ms; 0 = no more */
	DO_EXIT, /* status; the last effect there is */
};

struct supervisor_effect {
	enum supervisor_do what;
	enum supervisor_kind child;
	enum rules_verb verb;
	enum supervisor_say say;
	uint32_t n, m, revision;
	uint64_t at_ms;
	int status;
	char mode;
	bool last, counts, sends;
};

struct supervisor_effects {
	unsigned n;
	struct supervisor_effect all[SUPERVISOR_EFFECTS]; /* to be carried out in this order */
};

struct supervisor_child {
	bool runs, ready, killed;
	bool waits;    /* for again_ms */
	unsigned idle; /* ticks since it said anything */
	uint32_t restarts;
	uint64_t started_ms, again_ms;
	uint64_t backoff_ms; /* before the next start: 0 the first time */
};

/* What the rules say that may change while we run. */
struct supervisor_loaded {
	bool open, all, hold;
	uint32_t sides;
};

struct supervisor_state { /* {0}, `guarded` set by the caller; the caller reads it and changes nothing */
	enum supervisor_phase phase;
	bool guarded;	 /* in fail closed the rules stay at an orderly end */
	bool ending;	 /* wanted, with `status`; the phase may have to wait for something first */
	int status;	 /* exit status */
	uint64_t due_ms; /* of the phase, 0 = none */
	uint64_t until_ms; /* LOCKING: the last try */
	uint64_t armed_ms; /* as DO_ARM said last */
	struct supervisor_child child[SUPERVISOR_KINDS];
	bool stop_killed; /* END_DATAPLANE..: the child was killed */

	bool has_image, fail_open, judges_all;
	uint32_t revision;
	unsigned image_ticks; /* that the dataplane may take for this image */
	bool dataplane_works; /* all workers of this dataplane have a policy */
	bool image_due;	      /* a new image was sent to it, and not taken yet */
	bool hold;    /* no dataplane yet, or none any more: new connections wait (fail closed) */
	bool unbound; /* the queues were let go because of fail open */
	uint64_t dataplane_gone_ms; /* since when no dataplane answers; 0 = one does */
	uint64_t ready_ms;	    /* when we were ready the first time; 0 = not yet */
	bool announced;

	unsigned hang_threshold; /* idle turns until a worker counts as hung */
	uint64_t hung_ms, route_ms;
	uint32_t hangs;

	struct rules_plan plan;
	bool runs, run_killed; /* durward-rules `verb`, until run_ms */
	enum rules_verb verb;
	uint64_t run_ms, longest_ms;
	struct supervisor_loaded loaded,
		loading; /* of the rules that are up; of the run that puts them up */
	uint32_t sides;
	uint32_t fixed;
	uint32_t web_open,
		web_handed; /* by bits: the listeners there are; those that the controller has or will inherit */
	bool rules_old; /* those of now could not be loaded */
};

/* Takes the event: *st is what is so from now on, *out what is to be done, in order (whatever was in it is gone). Events that
 * mean nothing in this phase change nothing. */
void supervisor_step(struct supervisor_state *st, const struct supervisor_event *e,
	struct supervisor_effects *out);

/* Rules are up, but with other parameters than those of now. */
bool supervisor_is_stale(const struct supervisor_state *st);

#endif
