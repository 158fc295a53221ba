/* SPDX-License-Identifier: GPL-3.0-or-later
 * reference.h - the word on a block page by which that very decision is found again: "06DK-4Q1N-8ZC0".
 *
 * It says when the decision was made, to the millisecond, and the client's port; both stand in the record, so it is
 * found as long as its row is, over every restart, and the dataplane need not wait for the record to number it. People read
 * it out and type it: twelve of 32 digits and letters without I, L, O and U, which are read as 1, 1 and 0; case, dashes
 * and blanks do not matter.
 *
 *     60 bits: milliseconds since 1970 (44) | port (16)
 *
 * Owns: nothing. Thread: any; pure. Fails: by false.
 */
#ifndef MODEL_REFERENCE_H
#define MODEL_REFERENCE_H

#include <stdint.h>

#include "base/slice.h"

enum { REFERENCE_TEXT = 15 };

const char *reference_write(uint64_t wall_ms, uint16_t port, char out[static REFERENCE_TEXT]);
bool reference_read(struct slice text, uint64_t *wall_ms, uint16_t *port);

#endif
