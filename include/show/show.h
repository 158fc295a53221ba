/* SPDX-License-Identifier: GPL-3.0-or-later
 * show.h - the face: one REST API on TCP and on a Unix socket, and the pages.
 *
 * main/ puts &show_face into struct desk_in. Threads: libmicrohttpd's (one a listener) read requests and write
 * answers; two workers run the handlers. See: reliability.md 7 (Auth, MHD), faces.md 4.
 */
#ifndef SHOW_SHOW_H
#define SHOW_SHOW_H

#include "desk/desk.h"

extern const struct desk_face show_face;

#endif
