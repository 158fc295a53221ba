/* SPDX-License-Identifier: GPL-3.0-or-later
 * live.c - opens the block of live state, and the empty one.
 *
 * Owns: nothing. Thread: any; pure. Fails: -EINVAL.
 */
#include "decide/live.h"

#include <errno.h>

#include "base/hash.h"

/* Two processes map it: the layout is the same for both. */
_Static_assert(sizeof(struct policy_live) == 24, "the header has a hole");
_Static_assert(offsetof(struct policy_live, checksum) == 16, "the header has another order");
_Static_assert(_Alignof(struct policy_live) <= 8, "a mapping is aligned to more than that");

const struct policy_live policy_live_none = {.magic = POLICY_LIVE_MAGIC,
	.version = POLICY_LIVE_VERSION,
	.size = sizeof(struct policy_live),
	.checksum = HASH_FNV_START};

static const char *wrong_with(const struct policy_live *l, size_t size)
{
	if (size < sizeof *l || l->magic != POLICY_LIVE_MAGIC)
		return "not a block of live state";
	if (l->version != POLICY_LIVE_VERSION)
		return "a block of live state of another version";
	if (l->size != size)
		return "the block of live state is cut short or has bytes too many";
	if (l->checksum != hash_fnv(l + 1, size - sizeof *l, HASH_FNV_START))
		return "the checksum of the live state is wrong";
	return NULL;
}

int policy_live_open(
	const void *bytes, size_t size, const struct policy_live **out, const char **why)
{
	const char *wrong = ((uintptr_t)bytes & 7) != 0 ? "the live state is not aligned"
							: wrong_with(bytes, size);

	if (wrong) {
		*why = wrong;
		return -EINVAL;
	}
	*out = bytes;
	return 0;
}
