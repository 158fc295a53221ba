/* SPDX-License-Identifier: GPL-3.0-or-later
 * endmap_int.h - which row waits for the end of which flow: a bounded map, oldest forgotten first. Private to record/.
 */
#ifndef RECORD_ENDMAP_INT_H
#define RECORD_ENDMAP_INT_H

#include <stdbool.h>
#include <stdint.h>

struct endmap;
struct endmap *endmap_new(uint32_t capacity /* a power of two */); /* NULL: out of memory */
void endmap_free(struct endmap *m);
void endmap_clear(struct endmap *m);
void endmap_put(struct endmap *m, uint64_t key, uint64_t row_id, uint64_t wall_ms); /* replaces */
bool endmap_take(struct endmap *m, uint64_t key, uint64_t *row_id, uint64_t *wall_ms);

#endif
