/* SPDX-License-Identifier: GPL-3.0-or-later
 * gate.h - the gate process: gives up its rights, then judges packets and relays connections.
 *
 * Before its first wire byte it has NET_ADMIN and NET_RAW only, an empty root folder, its own uid and a seccomp filter.
 *
 * Owns: every descriptor handed to it. Thread: the caller's becomes the main thread (messages, heartbeat); one thread
 * a worker. Fails: exit status: 0 after MESSAGE_STOP or when the super is gone, 1 when it could not start.
 */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include "base/handoff.h"
#include "model/settings.h"

int gate_main(const struct settings *s, const struct handoff *hands);

#endif
