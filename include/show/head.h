/* SPDX-License-Identifier: GPL-3.0-or-later
 * head.h - checks whether a request's head may be given to libmicrohttpd.
 *
 * Old versions of it (0.9.75) read a second Content-Length, or one beside Transfer-Encoding, in ways of their own, and others had
 * faults on odd input. So it gets only heads that are whole and can be read in one way: HTTP/1.0 or 1.1, lines that
 * end with CR LF and hold no control character, a target that begins with '/', no folded line, each header that
 * decides something at most once, and a body by Content-Length or none (no client of ours sends another).
 *
 * Owns: nothing; the slices point into the caller's bytes. Thread: any; pure. Fails: HEAD_MORE until the empty line, but
 * an error is reported as soon as it is seen. See: RFC 9112 2.2, 5, 6; identify/http_head.h.
 */
#ifndef SHOW_HEAD_H
#define SHOW_HEAD_H

#include "base/slice.h"

enum { HEAD_MAX = 16 * 1024 };

enum head_state { HEAD_MORE, HEAD_OK, HEAD_BAD, HEAD_TOO_LARGE };

struct head_seen {
	struct slice cookie; /* its value; n 0 = none */
};

/* in: the connection's bytes from its first one on, HEAD_MAX of them at the most. */
enum head_state head_check(struct slice in, struct head_seen *out);

#endif
