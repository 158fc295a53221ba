/* SPDX-License-Identifier: GPL-3.0-or-later
 * supervisor_int.h - what the supervisor's files share.
 */
#ifndef SUPERVISOR_INT_H
#define SUPERVISOR_INT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/inherited.h"
#include "base/loop.h"
#include "model/message.h"
#include "model/settings.h"
#include "netsetup/route.h"
#include "netsetup/rules.h"
#include "supervisor/rules_plan.h"

enum {
	QUEUES_MAX = 64,
	RULES_SCRIPT_MS = 20000,
	WEB_LISTENERS = 8 /* controller.h: CONTROLLER_LISTENERS */
};

struct supervisor;

/* One of dataplane, controller, failsafe. */
struct child {
	const char *role; /* the word after `durward` on its command line */
	struct supervisor *supervisor;
	pid_t pid; /* 0 = not running */
	uid_t uid; /* it runs under, once it dropped its rights */
	gid_t gid;
	struct watch ended;   /* its pidfd */
	struct watch control; /* our end of its message socket */
	bool ready;
	uint64_t started_ms; /* monotonic */
	unsigned idle;	     /* ticks of ours since it said anything */
	uint32_t restarts;
	uint64_t backoff_ms; /* before the next start: 0 the first time */
	struct timer again;
	struct inherited fds;
};

/* probe.c: whether each worker answers its queue */
struct probe {
	int file; /* the kernel's account of all queues; -1 = none */
	struct probe_queue {
		int socket;	   /* a probe to it goes out here; -1 = none */
		bool sent;	   /* a probe went into the queue, as far as is known */
		uint32_t answered; /* packets, modulo 2^32 */
		unsigned idle;	   /* turns in which packets waited and none was answered */
	} queue[QUEUES_MAX];
};

/* watchdog.c */
struct watchdog {
	struct timer timer;
	unsigned hang_threshold; /* idle turns until a worker counts as hung */
	uint64_t hung_ms, route_ms;
	int generation_fd;   /* -1 = none */
	uint32_t generation; /* of the packet filter when it was last read */
	bool counted;
};

/* keeper.c: the run of durward-rules that nobody waits for */
struct rules_task {
	struct rules_job job;
	enum rules_verb verb;
	struct watch ended, said;
	struct timer late;
};

/* web.c: the words of web-listen */
struct web {
	struct timer timer;
	struct web_word {
		char text[SETTING_WORDS];
		int fd;	   /* -1 = could not be opened yet */
		bool told; /* the controller has it, or finds it at its start */
	} word[WEB_LISTENERS];
	unsigned n, handed; /* words; listeners among what the controller inherits */
	bool started;
};

/* What the rules say that may change while we run. */
struct loaded {
	bool open, all, hold;
	uint32_t sides; /* n_sides then */
};

/* links.c */
struct links {
	struct nl_sock *socket;
	struct watch news; /* of interfaces, addresses and routes; fd -1 = none */
	bool matters;	   /* something of it, since it was last looked */
	struct timer calm;
	uint64_t next_ms; /* not looked at before */
};

struct supervisor {
	const struct settings *s;
	struct loop *loop;
	struct child dataplane, controller, failsafe;
	struct watch signals;
	struct timer tick; /* heartbeats, status, service manager's watchdog */
	struct probe probe;
	struct watchdog watchdog;
	struct links links;
	struct route_sides
		sides; /* which interfaces lead where: of the rules' parameters as last written */
	struct web web;
	uint32_t n_sides;  /* how often they moved; 0: not looked at yet */
	int failsafe_pipe; /* our end; -1 = none */
	int image_fd;	   /* the last policy image; -1 = none yet */
	uint32_t revision;
	bool fail_open, judges_all;
	bool hold; /* no dataplane yet, or none any more: new connections wait (fail closed) */
	struct rules_plan plan;
	struct rules_task task;
	struct loaded loaded, loading; /* of the rules that are up; of the run that puts them up */
	bool guarded; /* --guarded: the rules stay at an orderly end in fail closed; another takes them away */
	uint64_t ready_ms; /* monotonic, when we were ready the first time; 0 = not yet */
	bool announced, ending;
	int status; /* exit status */
	uint64_t start_wall_ms;
	struct dataplane_counters counters;
	struct problems problems; /* through problem_raise(), problem_over() */
	unsigned workers;
	int lock_fd, alone_fd; /* alone.c; lock_fd -1: this namespace is another's */
	int lsm_fd;	       /* netsetup/lsm.h; -1 = this kernel has none */
	int conntrack_fd;      /* made without rights, not yet bound: open.c; -1 = none */
	int queue_fd
		[QUEUES_MAX]; /* ours, for unbinding and for a new dataplane; -1 = not open yet */
	uint64_t dataplane_gone_ms; /* monotonic since when no dataplane answers; 0 = one does */
	bool dataplane_works;	    /* all workers of this dataplane have a policy */
	bool image_due;		    /* a new image was sent to it, and not taken yet */
	uint64_t longest_ms;	    /* between two checks of the rules, without suspicion */
	uint32_t rules_fixed, dataplane_hangs;
	bool unbound; /* the queues were unbound because of fail open */
};

/* supervisor.c */
void supervisor_tell_status(struct supervisor *su); /* to the controller, if it listens */
void supervisor_ready(
	struct supervisor *su); /* once a dataplane has its policy, and the rules are there */
void supervisor_end(struct supervisor *su, int status); /* the loop ends, and then we do */

/* problems.c: a row of tbl/problems.h is there (fmt: its detail, "" for none) or gone. May be called as often as one likes: it
 * is said in the log and told to the controller only when something changed. */
void problem_raise(struct supervisor *su, enum problem p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void problem_over(struct supervisor *su, enum problem p);

/* child.c */
int child_start(struct child *c); /* forks and executes; control and ended are in the loop */
void child_stop(struct child *c, unsigned grace_ms); /* STOP, waits, then kills */
void child_kill(struct child *c); /* SIGKILL, through a helper of the child's own uid */
int child_send(struct child *c, const struct message *m, int fd);

/* alone.c: -EALREADY, said in the log: another one runs, nothing was touched. */
int alone_take(struct supervisor *su);
/* For who acts when the supervisor is dead: that none is there, not a new one either. *lock_fd (-1 = none) keeps a new one
 * waiting until it is closed. Takes up to two seconds to say no. */
bool alone_after(const struct settings *s, int *lock_fd);

/* open.c: everything the children inherit. 0 or -errno, said in the log. */
int open_all(struct supervisor *su);
void close_api(const struct supervisor *su); /* its name goes; who holds it open keeps it */

/* obey.c: is what root obeys root's alone? 0 or -errno, said in the log with what fixes it. */
int obey_script(const struct settings *s);
int obey_paths(const struct settings *s); /* the script, run-dir, the way to state-dir */
int obey_users(
	const struct supervisor *su); /* dataplane and controller: not root, not each other */
int obey_make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid);

/* force.c: rules in and out of force. */
void force_first(struct supervisor *su); /* `fail closed` from the first moment; see there */
/* A run that nobody waits for (keeper.c); force_ended() is its exit status, -1 if it has none. Failures are said. */
int force_begin(struct supervisor *su, enum rules_verb verb, struct rules_job *job);
int force_ended(struct supervisor *su, enum rules_verb verb, struct rules_job *job);
bool force_is_stale(const struct supervisor *su); /* rules are up, but a policy's other than now */
int force_up(struct supervisor *su);	/* writes the parameters, policy route, durward-rules up */
void force_hold(struct supervisor *su); /* the rules stay, and no dataplane will be there */
void force_down(struct supervisor *su); /* durward-rules down, route */
void force_failed(struct supervisor *su); /* what `fail` says: down or failed */
void force_leave(
	struct supervisor *su); /* after a start that failed: an earlier one's refusal stays */
int force_queues(struct supervisor *su, bool bind);
bool force_route_fix(struct supervisor *su); /* the policy route was gone, and is back */
bool force_sides_moved(struct supervisor
		*su); /* looks which interfaces lead where; true: not as before, and said */
void supervisor_script(
	const struct settings *s, char *out, size_t size); /* path of durward-rules */

/* keeper.c: the rules while we run. Never waits. */
void keeper_open(struct supervisor *su);
void keeper_wish(struct supervisor *su); /* the rules of now, as soon as nothing else runs */
/* Starts what is next. longest_ms: between two checks without suspicion. */
void keeper_turn(struct supervisor *su, uint64_t now, uint64_t longest_ms);
void keeper_route(
	struct supervisor *su, uint64_t now); /* the policy route, where the rules stand */
void keeper_end(struct supervisor *su);	      /* waits for what runs; nothing is started any more */

/* web.c */
void web_open(struct supervisor *su);
int web_start(
	struct supervisor *su, uint64_t now_ms); /* what is missing is tried again from now on */

/* probe.c */
void probe_open(struct supervisor *su); /* what cannot be opened is done without, and said */
bool probe_send(struct supervisor
		*su); /* one to each queue; true: earlier ones came back, so they met no queue */
unsigned probe_idle(
	struct supervisor *su, unsigned *worker); /* the longest of all, in turns (calls) */
void probe_reset(struct supervisor *su);

/* watchdog.c */
void watchdog_open(struct supervisor *su);
int watchdog_start(struct supervisor *su, uint64_t now_ms);

/* links.c: the rules follow interfaces, addresses and routes. What cannot be opened is done without, and said. */
void links_start(struct supervisor *su);

/* notify.c: sd_notify(3), by hand */
void notify(const char *state); /* "READY=1" ...; nothing without NOTIFY_SOCKET */

#endif
