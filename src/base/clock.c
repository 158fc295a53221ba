/* SPDX-License-Identifier: GPL-3.0-or-later
 * clock.c - the two clocks.
 *
 * Owns: nothing. Thread: any. Fails: never (both clocks exist on every Linux).
 */
#include "base/clock.h"

#include <time.h>

static uint64_t read_ms(clockid_t id)
{
	struct timespec t = {0};

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

uint64_t clock_mono_coarse_ms(void)
{
	return read_ms(CLOCK_MONOTONIC_COARSE);
}

uint64_t clock_mono_us(void)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}
