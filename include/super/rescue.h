/* SPDX-License-Identifier: GPL-3.0-or-later
 * rescue.h - a small process that outlives the super and then applies the declared failure mode.
 *
 * It waits on a pidfd of the super and on a pipe. One byte on the pipe tells it the mode: 'o' fail open (when the super
 * dies: durward-rules down), 'c' fail closed (durward-rules failed), 'q' the super ends in order (do nothing, exit).
 * Works with and without a service manager. Keeps NET_ADMIN and NET_RAW only.
 *
 * Owns: nothing. Thread: one. Fails: exit status 0, or 1 when the rules script failed.
 */
#ifndef SUPER_RESCUE_H
#define SUPER_RESCUE_H

#include "model/settings.h"

int rescue_main(const struct settings *s, int super_pidfd, int pipe_fd);

#endif
