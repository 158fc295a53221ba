/* SPDX-License-Identifier: GPL-3.0-or-later
 * revision_step.h - every decision about which policy is in force, as one pure function.
 *
 *   load    the file was changed, or its lists      read -> compile -> in force -> published -> taken
 *   apply   a text comes by the API                 is it an edit of what stands? -> compile -> kept -> written -> in force -> ...
 *
 * A load that fails leaves what is in force, and at a start takes the last good image; without one there is no policy. An
 * apply that fails changes nothing. A number names one image, and is given once: one that somebody may have seen is spent even
 * if its policy never came into force. A start with the text that was last in force keeps that one's number.
 *
 * No clock, no file, no lock: policy_store.c carries the effects out and says what came of them. One job at a time.
 *
 * Owns: nothing. Thread: one at a time for one state (controller->lock). Fails: never.
 */
#ifndef CONTROLLER_REVISION_STEP_H
#define CONTROLLER_REVISION_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/policy.h"

enum {
	REVISION_EFFECTS = 4,
	REVISION_DIGEST = 17 /* record/admin_store.h, admin_store_digest() */
};

enum revision_phase {
	REVISION_IDLE,
	REVISION_READS, /* load: the file; apply: whether it is what the editor saw */
	REVISION_COMPILES,
	REVISION_KEEPS,	 /* apply: the text, before the file is written */
	REVISION_WRITES, /* apply: the file */
	REVISION_FALLS_BACK,
};

enum revision_on {
	REVISION_OPENED, /* number: the highest that anybody knows of; force, digest: of the last in force, 0 and "" none */
	REVISION_LOAD,	   /* number: as above */
	REVISION_APPLY,	   /* the same, digest: of the text */
	REVISION_READ,	   /* status: 0 or -errno; load: digest */
	REVISION_COMPILED, /* status */
	REVISION_KEPT,	   /* status */
	REVISION_WRITTEN,  /* status */
	REVISION_GOOD,	   /* status; number: of the last good image */
	REVISION_SENT,	   /* in any phase: an image goes to the dataplane */
	REVISION_TAKEN,	   /* in any phase; number: every worker of the dataplane uses it */
};
struct revision_event {
	enum revision_on what;
	int status;
	uint32_t number, force;
	char digest[REVISION_DIGEST];
};

enum revision_do {
	REVISION_DO_READ,      /* the file. -> REVISION_READ */
	REVISION_DO_COMPARE,   /* is the file what the editor saw? -> REVISION_READ */
	REVISION_DO_COMPILE,   /* number. -> REVISION_COMPILED */
	REVISION_DO_KEEP,      /* number, spent. -> REVISION_KEPT */
	REVISION_DO_WRITE,     /* -> REVISION_WRITTEN */
	REVISION_DO_TAKE_BACK, /* number: its text is not to be kept */
	REVISION_DO_FORCE,     /* number: noted as in force, kept or else as not kept */
	REVISION_DO_PUBLISH,   /* the image: last good from now on, to the dataplane, to who asks */
	REVISION_DO_LAST_GOOD, /* takes the last good image, publishes it. -> REVISION_GOOD */
	REVISION_DO_STAYS,     /* says that what is in force is not the file */
	REVISION_DO_NONE,      /* says that there is no policy at all */
	REVISION_DO_DONE,      /* status: 0, number is in force; else what the caller is told */
};
struct revision_effect {
	enum revision_do what;
	int status;
	uint32_t number;
};
struct revision_effects { /* in order; one that makes an event is the last */
	unsigned n;
	struct revision_effect all[REVISION_EFFECTS];
};

struct revision_state { /* {0}: nothing is known; REVISION_OPENED is the first event */
	enum revision_phase phase;
	bool applies;			  /* the job is an apply */
	uint32_t number;		  /* of the job; 0 = none yet */
	char job_digest[REVISION_DIGEST]; /* of its text */
	uint32_t used;			  /* the highest number that was ever spent */
	uint32_t force; /* of the last policy put in force, in this life or before; 0 = none */
	char digest[REVISION_DIGEST]; /* of its text */
	uint32_t image;		      /* the image in force now; 0 = none */
	uint32_t taken; /* what the dataplane uses of it; 0 = it has not answered yet */
	enum controller_policy_state policy;
	uint64_t failures; /* loads that failed */
	int status;	   /* why the last one did */
};

/* Takes the event. Events that mean nothing in this phase change nothing and have no effect. */
void revision_step(
	struct revision_state *st, const struct revision_event *e, struct revision_effects *out);

#endif
