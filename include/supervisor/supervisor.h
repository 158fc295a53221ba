/* SPDX-License-Identifier: GPL-3.0-or-later
 * supervisor.h - the process that opens everything, starts the others and watches them. Reads no byte from the wire.
 *
 * Owns: listeners, queues, raw and netlink sockets, rings, the last policy image's descriptor; so a new dataplane or controller
 * gets them at once. Thread: one, with its loop. Fails: an exit status (0 ended in order, 1 could not start or was
 * brought down by a fault); messages go to the log.
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>

#include "model/settings.h"

/* The children get these settings, sealed, and read no file. guarded: in `fail closed` an orderly end leaves the rules
 * up, so that nothing passes unjudged between an end and the next start; who guards takes them away (durward-rules down). */
int supervisor_main(const struct settings *s, bool guarded);

#endif
