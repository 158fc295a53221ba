/* SPDX-License-Identifier: GPL-3.0-or-later
 * show.h - the web/API front end: one REST API on TCP and on a Unix socket, and the pages.
 *
 * main/ puts &show_front_end into struct controller_in. Threads: libmicrohttpd's (one a listener) read requests and write
 * answers; two workers run the handlers. See: durward-api(7).
 */
#ifndef SHOW_SHOW_H
#define SHOW_SHOW_H

#include "controller/controller.h"

extern const struct controller_front_end show_front_end;

#endif
