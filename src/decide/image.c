/* SPDX-License-Identifier: GPL-3.0-or-later
 * image.c - opens a policy image and reads its plain facts.
 *
 * Owns: nothing. Thread: any; immutable. Fails: image_open -EINVAL; getters answer "" or 0 for what is not there.
 */
#include "decide/image.h"

#include <errno.h>
#include <stdlib.h>

#include "decide/tz.h"
#include "image_int.h"
#include "model/verdict.h"

enum { LANES = 4 };

/* FNV-1a over 64-bit words in four lanes: a byte-wise sum of ten million names would cost a third of a second. */
uint64_t image_checksum(const struct image *i, size_t size)
{
	size_t skip = offsetof(struct image, checksum) + sizeof i->checksum;
	const uint8_t *p = (const uint8_t *)i + skip, *end = (const uint8_t *)i + size;
	uint64_t lane[LANES], word;
	for (int k = 0; k < LANES; k++)
		lane[k] = HASH_FNV_START + (uint64_t)k;
	for (; (size_t)(end - p) >= sizeof lane; p += sizeof lane) {
		for (int k = 0; k < LANES; k++) {
			memcpy(&word, p + 8 * k, sizeof word);
			lane[k] = (lane[k] ^ word) * 0x100000001b3ull;
			lane[k] ^= lane[k] >> 32;
		}
	}
	return hash_fnv(p, (size_t)(end - p), hash_fnv(lane, sizeof lane, HASH_FNV_START));
}

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

int image_open(const void *bytes, size_t size, const struct image **out, const char **why)
{
	const struct image *i = bytes;
	if (((uintptr_t)bytes & 7) != 0)
		return refuse(why, "the image is not aligned");
	if (size < sizeof *i || i->magic != IMAGE_MAGIC)
		return refuse(why, "not a policy image");
	if (i->version != IMAGE_VERSION)
		return refuse(why, "a policy image of another version");
	if (i->size != size)
		return refuse(why, "the image is cut short or has bytes too many");
	if (i->checksum != image_checksum(i, size))
		return refuse(why, "the image's checksum is wrong");
	int rc = image_check(i, why);
	if (rc == 0)
		*out = i;
	return rc;
}

uint32_t image_revision(const struct image *i)
{
	return i->revision;
}

bool image_fail_open(const struct image *i)
{
	return i->flags & IMAGE_FAIL_OPEN;
}

bool image_judges_all(const struct image *i)
{
	return i->flags & IMAGE_JUDGES_ALL;
}

static int line_order(const void *key, const void *row)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct img_line *)row)->line;
	return (a > b) - (a < b);
}

const struct img_line *image_line_find(const struct image *i, uint32_t line)
{
	const struct img_line *rows = image_at(i, SEC_LINES);
	const struct img_line *row =
		bsearch(&line, rows, image_count(i, SEC_LINES), sizeof *rows, line_order);
	return row ? row : rows;
}

const char *image_line_text(const struct image *i, uint32_t line)
{
	return image_text(i, image_line_find(i, line)->text);
}

const char *image_line_because(const struct image *i, uint32_t line)
{
	return image_text(i, image_line_find(i, line)->because);
}

const char *image_line_id(const struct image *i, uint32_t line)
{
	return image_text(i, image_line_find(i, line)->id);
}

uint32_t image_line_of(const struct image *i, const char *id)
{
	const struct img_line *rows = image_at(i, SEC_LINES);

	for (uint32_t k = 0; *id && k < image_count(i, SEC_LINES); k++) {
		if (strcmp(image_text(i, rows[k].id), id) == 0)
			return rows[k].line;
	}
	return 0;
}

const char *image_list_name(const struct image *i, uint16_t list)
{
	const struct img_list *rows = image_at(i, SEC_LISTS);
	return list < image_count(i, SEC_LISTS) ? image_text(i, rows[list].name) : "";
}

const char *image_device_name(const struct image *i, uint16_t device)
{
	const struct img_device *rows = image_at(i, SEC_DEVICES);
	return device < image_count(i, SEC_DEVICES) ? image_text(i, rows[device].name) : "";
}

int32_t image_utc_offset(const struct image *i, int64_t utc_s)
{
	return tz_offset(image_at(i, SEC_TZ), image_count(i, SEC_TZ), utc_s);
}

size_t image_count_devices(const struct image *i)
{
	return image_count(i, SEC_DEVICES);
}

size_t image_count_rules(const struct image *i)
{
	return image_count(i, SEC_RULES);
}

size_t image_count_names(const struct image *i)
{
	return i->n_names;
}
