/* SPDX-License-Identifier: GPL-3.0-or-later
 * live.h - the state that policy is judged by besides the image: grants, budgets and pauses.
 *
 * One flat block, to be made by the controller, mapped read-only and validated by whoever judges, as the image is. The file
 * holds rules; what expires by itself is here, so that a grant does not compile ten million names again. In this version the
 * block is its header: nothing is granted, used up or paused, no process makes or maps one, and all judge by policy_live_none.
 *
 * Owns: nothing; the caller keeps the bytes for as long as the block is used. Thread: any; immutable.
 * Fails: policy_live_open -EINVAL with *why (static text) set, *out untouched.
 */
#ifndef DECIDE_LIVE_H
#define DECIDE_LIVE_H

#include <stddef.h>
#include <stdint.h>

#define POLICY_LIVE_MAGIC 0x3165766c77727544ull /* "Durwlve1" */
enum { POLICY_LIVE_VERSION = 1 };

struct policy_live {
	uint64_t magic;
	uint32_t version;
	uint32_t size;	   /* bytes of the whole block, this header in it */
	uint64_t checksum; /* FNV-1a 64 of everything after this field */
};

/* The block in which nothing is granted, used up or paused. */
extern const struct policy_live policy_live_none;

/* Checks magic, version, size and checksum of a mapped block; 0 or -EINVAL. bytes: aligned to 8. */
int policy_live_open(
	const void *bytes, size_t size, const struct policy_live **out, const char **why);

#endif
