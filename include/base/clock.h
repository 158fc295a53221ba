/* SPDX-License-Identifier: GPL-3.0-or-later
 * clock.h - the two clocks. A loop reads them once a turn; the layers below take time as an argument.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ms(void); /* CLOCK_MONOTONIC, for timeouts */
uint64_t clock_mono_coarse_ms(
	void);		      /* the same as of the kernel's last tick: a few ms old, and cheap */
uint64_t clock_mono_us(void); /* the same, for work in pieces */
uint64_t clock_wall_ms(void); /* CLOCK_REALTIME, ms since 1970 UTC, for schedules and records */

#endif
