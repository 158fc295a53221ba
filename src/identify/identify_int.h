/* SPDX-License-Identifier: GPL-3.0-or-later
 * identify_int.h - what the files of this folder share.
 *
 * Owns: nothing. Thread: any; pure.
 */
#ifndef IDENTIFY_INT_H
#define IDENTIFY_INT_H

#include "base/cursor.h"

/* A client that speaks to a proxy: PROXY v1 and v2, SOCKS 4 and 5 (T40). OK: it is one; *target: the host it asks for,
 * where that is said (SOCKS 4a), else p NULL. INVALID: none of them. */
enum parse preface_parse(struct slice in, struct slice *target);

#endif
