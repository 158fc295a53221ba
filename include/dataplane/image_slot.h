/* SPDX-License-Identifier: GPL-3.0-or-later
 * image_slot.h - holds the policy image in force, and replaces it by a newer one while workers use it.
 *
 * The main thread puts an image in. Workers look at a counter once a turn, and replace their counted reference when it has moved
 * (docs/design/decision.md, "The policy image"). The bytes come from the controller, which has parsed hostile lists:
 * seals, size and checksum are checked and every offset bounded (decide/image.h) before anybody sees them.
 *
 * Owns: the mappings. Thread: see each call. Fails: 0 or -errno.
 */
#ifndef DATAPLANE_IMAGE_SLOT_H
#define DATAPLANE_IMAGE_SLOT_H

#include "decide/image.h"

struct image_slot;
struct image_ref;

int image_slot_new(struct image_slot **out);
/* Maps the sealed memfd; the descriptor stays the caller's. -EPERM: not sealed; -EINVAL: not an image (*why set). */
int image_slot_put(struct image_slot *s, int fd, const char **why);
/* Any thread: *held becomes the newest (counted; the older one is let go). NULL while there is none. */
const struct image *image_slot_take(
	struct image_slot *s, struct image_ref **held, uint64_t *generation);
void image_slot_drop(struct image_ref **held); /* lets go; *held becomes NULL */

#endif
