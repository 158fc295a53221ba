/* SPDX-License-Identifier: GPL-3.0-or-later
 * conns_int.h - what the files that read the connection table share. Private to intercept/.
 */
#ifndef CONNS_INT_H
#define CONNS_INT_H

#include <stdbool.h>
#include <stdint.h>

struct nlattr;

/* conns_count.c: CTA_COUNTERS_*. False: nothing of both was there. */
bool conns_count(const struct nlattr *nest, uint64_t *bytes, uint64_t *packets);

#endif
