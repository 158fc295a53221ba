/* SPDX-License-Identifier: GPL-3.0-or-later
 * reference.h - the word on a block page by which its decision can be found again: "06DK-4Q1N-8ZC0".
 *
 * It encodes the moment of the decision, to the millisecond, and the client's port. Both are columns of the record, so the row is
 * found for as long as it is kept, over every restart, and the dataplane need not wait for a number of the row. People read the word
 * out and type it: it has twelve of 32 digits and letters, without I, L, O and U; I and L are read as 1, O as 0. Case, dashes
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
