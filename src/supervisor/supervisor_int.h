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
#include "supervisor/boot_guard.h"
#include "supervisor/step.h"

enum {
	QUEUES_MAX = 64,
	WEB_LISTENERS = 8 /* controller.h: CONTROLLER_LISTENERS */,
	EVENTS_WAITING = 64
};

struct supervisor;

/* One of dataplane, controller, failsafe: what it is made of. What is known and decided of it: struct supervisor_child (supervisor/step.h). */
struct child {
	const char *role; /* the word after `durward` on its command line */
	enum supervisor_kind kind;
	struct supervisor *supervisor;
	pid_t pid; /* 0 = not running */
	uid_t uid; /* it runs under, once it dropped its rights */
	gid_t gid;
	struct watch ended;   /* its pidfd */
	struct watch control; /* our end of its message socket */
	struct watch killer;  /* pidfd of the helper that kills it; fd -1 = none runs */
	pid_t killer_pid;
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
	int generation_fd;   /* -1 = none */
	uint32_t generation; /* of the packet filter when it was last read */
	bool counted;
};

/* keeper.c: the run of durward-rules that nobody waits for */
struct rules_task {
	struct rules_job job;
	enum rules_verb verb;
	struct watch ended, said;
};

/* first.c: what is waited for before anything is opened */
struct first {
	struct boot_guard_reader reader;
	struct watch read;
};

/* web.c: the words of web-listen */
struct web {
	struct timer timer;
	struct web_word {
		char text[SETTING_WORDS];
		int fd; /* -1 = could not be opened yet */
	} word[WEB_LISTENERS];
	unsigned n, handed; /* words; listeners among what the controller inherits */
	bool started;
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
	struct supervisor_state st; /* supervisor_step()'s alone; read by all */
	struct supervisor_event
		waiting[EVENTS_WAITING]; /* a ring: what happened while a step was carried out */
	unsigned first_waiting, n_waiting;
	bool stepping;
	struct child child[SUPERVISOR_KINDS];
	struct watch signals;
	struct timer tick; /* heartbeats, status, service manager's watchdog */
	struct timer due;  /* DO_ARM */
	struct first first;
	struct probe probe;
	struct watchdog watchdog;
	struct links links;
	struct route_sides
		sides; /* which interfaces lead where: of the rules' parameters as last written */
	struct web web;
	uint32_t n_sides;  /* how often they moved; 0: not looked at yet */
	int failsafe_pipe; /* our end; -1 = none */
	int image_fd;	   /* the last policy image; -1 = none yet */
	struct rules_task task;
	uint64_t start_wall_ms;
	struct dataplane_counters counters;
	struct problems problems; /* through problem_raise(), problem_over() */
	unsigned workers;
	int lock_fd,
		alone_fd; /* alone.c; lock_fd -1: this namespace is another's, or not ours yet */
	int lsm_fd;	  /* netsetup/lsm.h; -1 = this kernel has none */
	int conntrack_fd; /* made without rights, not yet bound: open.c; -1 = none */
	int queue_fd
		[QUEUES_MAX]; /* ours, for unbinding and for a new dataplane; -1 = not open yet */
};

/* carry.c: one step after another. Something happened: the time is put in. May be called while a step is carried out. */
void supervisor_post(struct supervisor *su, struct supervisor_event e);
void supervisor_carry_open(struct supervisor *su);

/* supervisor.c */
void supervisor_tell_status(struct supervisor *su); /* to the controller, if it listens */
int supervisor_watch(struct supervisor
		*su); /* rights are dropped; ticks, turns and all that is looked at begins */

/* words.c */
void supervisor_say(struct supervisor *su, const struct supervisor_effect *f);

/* first.c: the start, before anything is opened */
void first_open(struct supervisor *su);
void first_lock(struct supervisor *su, bool last); /* -> ON_LOCK */
void first_ask(struct supervisor *su);		   /* -> ON_FAIL_SAID */
void first_drop(struct supervisor *su);

/* problems.c: a row of tbl/problems.h is there (fmt: its detail, "" for none) or gone. May be called as often as one likes: it
 * is said in the log and told to the controller only when something changed. */
void problem_raise(struct supervisor *su, enum problem p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void problem_over(struct supervisor *su, enum problem p);

/* child.c */
int child_start(struct child *c); /* forks and executes; control and ended are in the loop */
bool child_reap(struct child *c,
	int *status); /* never waits; true: it has ended, and all of it is closed */
void child_kill(
	struct child *c); /* SIGKILL, through a helper of the child's own uid; waits for neither */
int child_send(struct child *c, const struct message *m, int fd);

/* alone.c: one try. -EALREADY, said in the log: another one runs, nothing was touched; -EAGAIN: a dead one's failsafe still acts
 * (last: it takes too long for that, it is taken for another one). */
int alone_take(struct supervisor *su, bool last);
/* For who acts when the supervisor is dead: that none is there, not a new one either. *lock_fd (-1 = none) keeps a new one
 * waiting until it is closed. Takes up to two seconds to say no. */
bool alone_after(const struct settings *s, int *lock_fd);

/* open.c: 0 or -errno, said in the log. */
int open_check(struct supervisor
		*su); /* may we, and whom and what do we obey? Nothing of another copy is touched */
int open_all(struct supervisor *su);	     /* everything the children inherit */
void close_api(const struct supervisor *su); /* its name goes; who holds it open keeps it */

/* obey.c: is what root obeys root's alone? 0 or -errno, said in the log with what fixes it. */
int obey_script(const struct settings *s);
int obey_paths(const struct settings *s); /* the script, run-dir, the way to state-dir */
int obey_users(
	const struct supervisor *su); /* dataplane and controller: not root, not each other */
int obey_make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid);

/* force.c: rules in and out of force. */
/* A run that nobody waits for (keeper.c), with what belongs before and after it: parameters, routes. force_ended() is its exit
 * status, -1 if it has none. Failures are said. */
int force_begin(struct supervisor *su, enum rules_verb verb, struct rules_job *job);
int force_ended(struct supervisor *su, enum rules_verb verb, struct rules_job *job);
int force_queues(struct supervisor *su, bool bind);
bool force_route_fix(struct supervisor *su); /* the policy route was gone, and is back */
bool force_sides_moved(struct supervisor
		*su); /* looks which interfaces lead where; true: not as before, and said */
void supervisor_script(
	const struct settings *s, char *out, size_t size); /* path of durward-rules */

/* keeper.c: durward-rules, without waiting. -> ON_RUN_BEGUN, ON_RUN_ENDED */
void keeper_open(struct supervisor *su);
void keeper_run(struct supervisor *su, enum rules_verb verb);
void keeper_kill(struct supervisor *su); /* with all that it started; its end follows */
void keeper_drop(struct supervisor *su); /* its end does not even follow: left alone */
void keeper_show(struct supervisor *su); /* the problems that the state of the rules is */

/* web.c */
void web_open(struct supervisor *su);
void web_hand(struct supervisor *su, unsigned word, bool sends); /* -> ON_NOT_HANDED, if so */
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

/* notify.c: sd_notify(3), by hand. Never waits: -EAGAIN when the service manager has no room for it just now. */
int notify(const char *state); /* "READY=1" ...; nothing without NOTIFY_SOCKET */

#endif
