/* SPDX-License-Identifier: GPL-3.0-or-later
 * failsafe.h - a small process that outlives the supervisor and then applies the declared failure mode.
 *
 * It waits on a pidfd of the supervisor and on a pipe. One byte on the pipe tells it the mode: 'o' fail open (when the supervisor
 * dies: durward-rules down), 'c' fail closed (durward-rules failed), 'q' the supervisor ends in order (do nothing, exit).
 * Works with and without a service manager. Keeps NET_ADMIN and NET_RAW only.
 *
 * Owns: nothing. Thread: one. Fails: exit status 0, or 1 when the rules script failed.
 */
#ifndef SUPERVISOR_FAILSAFE_H
#define SUPERVISOR_FAILSAFE_H

#include "model/settings.h"

int failsafe_main(const struct settings *s, int supervisor_pidfd, int pipe_fd);

#endif
