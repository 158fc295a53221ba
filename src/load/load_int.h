/* SPDX-License-Identifier: GPL-3.0-or-later
 * load_int.h - zone.c: the time zone files of the machine (/usr/share/zoneinfo).
 *
 * Owns: nothing. Thread: any. Fails: 0 or -errno; -EINVAL a name or a file that is no zone.
 */
#ifndef LOAD_LOAD_INT_H
#define LOAD_LOAD_INT_H

#include "base/strbuf.h"

enum { ZONE_NAME = 64 };

int zone_read(const char *name, struct strbuf *out);
bool zone_data_present(void);
/* The known zone that is most like `name`. */
bool zone_nearest(const char *name, char out[static ZONE_NAME]);

#endif
