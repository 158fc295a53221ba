/* SPDX-License-Identifier: GPL-3.0-or-later
 * controller_int.h - the controller's own state. Private to controller/.
 *
 *   main thread       loop: messages of the supervisor, heartbeat            main_loop.c
 *   policy thread    reads and compiles when asked; may take seconds   policy_store.c
 *   recorder thread  record/recorder.c; calls controller_fill_row            snapshots.c
 *   front-end threads     show/, through access.h, events.h, flows.h, policy.h, status.h
 */
#ifndef CONTROLLER_CONTROLLER_INT_H
#define CONTROLLER_CONTROLLER_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/loop.h"
#include "controller/access.h"
#include "controller/controller.h"
#include "controller/events.h"
#include "controller/flows.h"
#include "controller/policy.h"
#include "controller/revision_step.h"
#include "controller/status.h"
#include "load/policy_load.h"
#include "record/admin_store.h"
#include "record/numbers.h"
#include "record/query.h"
#include "record/recorder.h"

enum {
	SNAPSHOTS_KEPT = 8,
	POLICY_BYTES = 16 << 20,
	LOCAL_NETS = 128,
	CONTROLLER_PATH = 512,
	UNKEPT = 64
};

/* One image in memory: a sealed memfd, mapped. Counted. */
struct snapshot {
	struct controller_snapshot pub; /* first: controller_snapshot_put() finds the box by it */
	int refs;			/* under controller->lock */
	int fd;				/* the sealed memfd */
	void *map;
	size_t size;
};

struct policy_facts {
	uint64_t loaded_ms;
	size_t file_errors, file_warnings;
	struct list_facts lists; /* of the policy in force */
};

struct controller {
	struct controller_in in;
	char events_path[CONTROLLER_PATH], admin_store_path[CONTROLLER_PATH],
		image_path[CONTROLLER_PATH], good_path[CONTROLLER_PATH],
		good_lists[CONTROLLER_PATH], numbers_path[CONTROLLER_PATH];
	uint64_t start_ms;

	struct loop *loop;
	struct watch control;
	struct timer heart, nets;
	bool heard;		   /* the supervisor knows that we know that it is ready */
	pthread_mutex_t send_lock; /* one writer a socket */

	struct live_map lives[CONTROLLER_RINGS]; /* flows.c; head NULL: none */

	struct watch neighbours; /* neighbours.c; neigh NULL: they cannot be followed */
	struct devices *devices;
	struct neigh *neigh;
	int neigh_fd;

	struct recorder *recorder;
	struct query *query;
	struct admin_store *admin_store;

	pthread_mutex_t policy_lock;  /* one policy job at a time */
	struct numbers_file *numbers; /* policy_lock */
	struct strbuf unkept_text;    /* of the newest of `unkept`; policy_lock */

	pthread_mutex_t lock; /* all below */
	/* revisions that were in force and are not in the admin store yet, oldest first */
	struct admin_store_revision unkept[UNKEPT];
	size_t n_unkept;
	struct snapshot *images[SNAPSHOTS_KEPT]; /* newest first; [0] is in force */
	struct policy_facts policy;
	bool supervisor_seen;
	struct message supervisor;
	struct revision_state revision; /* revision_step()'s alone; read by all */
	pthread_cond_t taken;		/* with lock: revision.taken changed */

	pthread_t policy_thread;
	bool policy_thread_runs;
	pthread_cond_t policy_wanted; /* with lock */
	bool want_load, want_stop;

	void *front_end;
	atomic_bool front_end_runs;
};

/* snapshots.c */
int snapshot_new(const void *bytes, size_t size, struct snapshot **out); /* one reference */
int snapshot_load(const char *path, struct snapshot **out);		 /* from a file */
void snapshot_drop(struct snapshot *b);
void controller_snapshot_publish(
	struct controller *d, struct snapshot *b); /* takes the reference; becomes [0] */
void controller_snapshots_fini(struct controller *d);
void controller_fill_row(void *controller, struct row *row); /* recorder_in.fill */

/* policy_store.c */
int policy_store_load(struct controller *d, const char *actor, const char *accept,
	struct diag *diag, uint32_t *revision);
int policy_store_start(struct controller *d); /* the policy thread; loads at once */
void policy_store_stop(struct controller *d);
void policy_store_want(struct controller *d);
void policy_store_taken(
	struct controller *d, uint32_t revision); /* by every worker of the dataplane */

/* revisions.c: a number names one text and is given once; all but the first with policy_lock held */
int revisions_open(struct controller *d); /* admin store and numbers; -ENOMEM */
uint32_t revisions_known(struct controller
		*d); /* the highest number in the admin store; 0: none, or it cannot be told */
int revisions_keep(struct controller *d, uint32_t number, struct slice text, const char *actor);
void revisions_take_back(
	struct controller *d, uint32_t number); /* it never was in force; the number is spent */
void revisions_in_force(
	struct controller *d, uint32_t number, struct slice text, const char *actor);
void revisions_tend(struct controller *d);

/* rule_ids.c */
/* The rules of the image in force that go on in `now` under another id; keep: these are recorded. policy_lock. */
void rules_moved(struct controller *d, const struct image *now, uint32_t revision, bool keep);
/* Where rules stand today, for the rows of one answer. */
struct rules_today {
	struct controller *controller;
	struct controller_snapshot *image;
	struct rule_place {
		char id[ROW_WORD]; /* as recorded */
		uint32_t line;
	} known[64];
};
void rules_today_init(struct rules_today *t, struct controller *d);
void rules_today_fini(struct rules_today *t);
void rules_today_set(struct rules_today *t, struct row *r); /* r->rule_today */

/* main_loop.c */
int main_loop_send(struct controller *d, const struct message *m, int fd);

/* neighbours.c: who stands behind an address, for explain; without it the events must do */
void neighbours_start(struct controller *d); /* once the loop is there */
void neighbours_stop(struct controller *d);

/* flows.c: the dataplane's tables of live flows; those that cannot be mapped are done without, and said */
void controller_flows_open(struct controller *d);
void controller_flows_close(struct controller *d);

/* localnets.c: connected prefixes, loopback and the default route's interface apart */
size_t local_nets(struct cidr *out, size_t max);

#endif
