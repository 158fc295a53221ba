/* SPDX-License-Identifier: GPL-3.0-or-later
 * image.h - the policy image: one flat, position-independent, checksummed block that holds a whole policy.
 *
 * The controller compiles it, the dataplane maps it read-only. image_open() checks magic, version, size, checksum and that every
 * offset and index lies inside, once; after it, look-ups trust the bytes. Texts (rules, because, list and device names)
 * are inside, for the dataplane has no files.
 *
 * Owns: nothing; the caller keeps the bytes for as long as the image is used. Thread: any; immutable.
 * Fails: image_open -EINVAL with *why (static text) set.
 */
#ifndef DECIDE_IMAGE_H
#define DECIDE_IMAGE_H

#include "base/addr.h"

struct image; /* private layout: src/decide/image_int.h. A pointer to the first byte of the block. */

int image_open(const void *bytes, size_t size, const struct image **out, const char **why);

uint32_t image_revision(const struct image *i);
bool image_fail_open(const struct image *i);
/* true: some rule can refuse a flow without its name (net, port, local-networks, everything, or `otherwise block`), so
 * the first packet of every other flow has to be judged. */
bool image_judges_all(const struct image *i);

/* Texts; "" when there is none. line: of the policy file (verdict.rule_line ...). */
const char *image_line_text(const struct image *i, uint32_t line);
const char *image_line_because(const struct image *i, uint32_t line);
/* The id of the rule, setting or `otherwise` on that line; at most IMAGE_RULE_ID - 1 bytes. */
enum { IMAGE_RULE_ID = 64 };
const char *image_line_id(const struct image *i, uint32_t line);
uint32_t image_line_of(const struct image *i, const char *id); /* 0: no line has it. Looks at all */
const char *image_list_name(const struct image *i, uint16_t list);
const char *image_device_name(const struct image *i, uint16_t device);

/* The policy's zone: local wall clock minus UTC at that moment. */
int32_t image_utc_offset(const struct image *i, int64_t utc_s);

/* Whether some rule's hours begin or end between these two moments (or the clock was set, and they hold at one of them only). */
bool image_hours_changed(const struct image *i, int64_t then_utc_s, int64_t now_utc_s);

size_t image_count_devices(const struct image *i);
size_t image_count_rules(const struct image *i);
size_t image_count_names(const struct image *i);

#endif
