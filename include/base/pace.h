/* SPDX-License-Identifier: GPL-3.0-or-later
 * pace.h - a watch whose descriptor wakes its thread at most once in a while: what comes meanwhile waits in the kernel.
 *
 * For sockets that are read in batches: the first event is delivered at once, the next one `pause_ms` later at the earliest. The
 * kernel's buffer must hold what comes within a pause. Nothing wakes the thread while nothing comes.
 *
 * Owns: the registration, not the descriptor. Thread: the loop's. Fails: pace_start() only, 0 or -errno.
 */
#ifndef BASE_PACE_H
#define BASE_PACE_H

#include "base/loop.h"

struct pace {
	int fd;
	uint32_t pause_ms;		  /* 1..60000; on_ready may change it */
	void (*on_ready)(struct pace *p); /* reads all there is */
	void *user;

	struct watch watch; /* private */
	struct timer timer;
};

/* fd, pause_ms, on_ready and user are set; p stays where it is until pace_stop(). */
int pace_start(struct loop *l, struct pace *p);
void pace_stop(struct pace *p); /* tolerates one never started; may be called in on_ready */

#endif
