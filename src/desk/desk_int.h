/* SPDX-License-Identifier: GPL-3.0-or-later
 * desk_int.h - the desk's own state. Private to desk/.
 *
 *   office thread    loop: messages of the super, heartbeat            office.c
 *   policy thread    reads and compiles when asked; may take seconds   policy_store.c
 *   recorder thread  record/recorder.c; calls desk_fill_row            images.c
 *   face threads     show/, through port.h
 */
#ifndef DESK_DESK_INT_H
#define DESK_DESK_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/loop.h"
#include "desk/desk.h"
#include "desk/port.h"
#include "load/policy_load.h"
#include "record/ledger.h"
#include "record/numbers.h"
#include "record/query.h"
#include "record/recorder.h"

enum { IMAGES_KEPT = 8, POLICY_BYTES = 16 << 20, LOCAL_NETS = 128, DESK_PATH = 512, UNKEPT = 64 };

/* One image in memory: a sealed memfd, mapped. Counted. */
struct image_box {
	struct desk_image pub; /* first: desk_image_put() finds the box by it */
	int refs;	       /* under desk->lock */
	int fd;		       /* the sealed memfd */
	void *map;
	size_t size;
};

struct policy_facts {
	enum desk_policy_state state;
	uint64_t loaded_ms, load_failures;
	size_t file_errors, file_warnings;
	struct list_facts lists; /* of the policy in force */
};

struct desk {
	struct desk_in in;
	char events_path[DESK_PATH], ledger_path[DESK_PATH], image_path[DESK_PATH],
		good_path[DESK_PATH], good_lists[DESK_PATH], numbers_path[DESK_PATH];
	uint64_t start_ms;

	struct loop *loop;
	struct watch control;
	struct timer heart, nets;
	bool heard;		   /* the super knows that we know that it is ready */
	pthread_mutex_t send_lock; /* one writer a socket */

	struct watch neighbours; /* neighbours.c; neigh NULL: they cannot be followed */
	struct devices *devices;
	struct neigh *neigh;
	int neigh_fd;

	struct recorder *recorder;
	struct query *query;
	struct ledger *ledger;

	pthread_mutex_t policy_lock;  /* one policy job at a time */
	struct numbers_file *numbers; /* policy_lock */
	struct strbuf unkept_text;    /* of the newest of `unkept`; policy_lock */

	pthread_mutex_t lock; /* all below */
	/* revisions that were in force and are not in the ledger yet, oldest first */
	struct ledger_revision unkept[UNKEPT];
	size_t n_unkept;
	struct image_box *images[IMAGES_KEPT]; /* newest first; [0] is in force */
	struct policy_facts policy;
	bool super_seen;
	struct message super;
	uint32_t revision_taken; /* 0 while the gate has not answered for the last image */
	pthread_cond_t taken;	 /* with lock */

	pthread_t policy_thread;
	bool policy_thread_runs;
	pthread_cond_t policy_wanted; /* with lock */
	bool want_load, want_stop;

	void *face;
	atomic_bool face_runs;
};

/* images.c */
int image_box_new(const void *bytes, size_t size, struct image_box **out); /* one reference */
int image_box_load(const char *path, struct image_box **out);		   /* from a file */
void image_box_drop(struct image_box *b);
void desk_image_publish(struct desk *d, struct image_box *b); /* takes the reference; becomes [0] */
void desk_images_fini(struct desk *d);
void desk_fill_row(void *desk, struct row *row); /* recorder_in.fill */

/* policy_store.c */
int policy_store_load(struct desk *d, const char *actor, const char *accept, struct diag *diag,
	uint32_t *revision);
int policy_store_start(struct desk *d); /* the policy thread; loads at once */
void policy_store_stop(struct desk *d);
void policy_store_want(struct desk *d);

/* revisions.c: a number names one text and is given once; all but the first with policy_lock held */
int revisions_open(struct desk *d); /* ledger and numbers; -ENOMEM */
/* For this text: the one it was last in force with, at a start (`again` false), else the next. */
uint32_t revisions_number(struct desk *d, struct slice text, bool again);
int revisions_keep(struct desk *d, uint32_t number, struct slice text, const char *actor);
void revisions_take_back(
	struct desk *d, uint32_t number); /* it never was in force; the number is spent */
void revisions_in_force(struct desk *d, uint32_t number, struct slice text, const char *actor);
void revisions_tend(struct desk *d);

/* office.c */
int office_send(struct desk *d, const struct message *m, int fd);

/* neighbours.c: who stands behind an address, for explain; without it the events must do */
void neighbours_start(struct desk *d); /* once the loop is there */
void neighbours_stop(struct desk *d);

/* localnets.c: connected prefixes, loopback and the default route's interface apart */
size_t local_nets(struct cidr *out, size_t max);

#endif
