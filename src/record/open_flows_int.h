/* SPDX-License-Identifier: GPL-3.0-or-later
 * open_flows_int.h - finds the row that waits for the end of a flow: a bounded map that forgets its oldest entry. Private to record/.
 */
#ifndef RECORD_OPEN_FLOWS_INT_H
#define RECORD_OPEN_FLOWS_INT_H

#include <stdbool.h>
#include <stdint.h>

struct open_flows;
struct open_flows *open_flows_new(uint32_t capacity /* a power of two */); /* NULL: out of memory */
void open_flows_free(struct open_flows *m);
void open_flows_clear(struct open_flows *m);
void open_flows_put(
	struct open_flows *m, uint64_t key, uint64_t row_id, uint64_t wall_ms); /* replaces */
bool open_flows_take(struct open_flows *m, uint64_t key, uint64_t *row_id, uint64_t *wall_ms);

#endif
