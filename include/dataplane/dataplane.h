/* SPDX-License-Identifier: GPL-3.0-or-later
 * dataplane.h - the dataplane process: gives up its rights, then judges packets and relays connections.
 *
 * Before its first wire byte it has NET_ADMIN and NET_RAW only, an empty root folder, its own uid and a seccomp filter.
 *
 * Owns: every descriptor handed to it. Thread: the caller's becomes the main thread (messages, heartbeat); one thread
 * a worker. Fails: exit status: 0 after MESSAGE_STOP or when the supervisor is gone, 1 when it could not start.
 */
#ifndef DATAPLANE_DATAPLANE_H
#define DATAPLANE_DATAPLANE_H

#include "base/inherited.h"
#include "model/settings.h"

int dataplane_main(const struct settings *s, const struct inherited *fds);

#endif
