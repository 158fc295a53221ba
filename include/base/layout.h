/* SPDX-License-Identifier: GPL-3.0-or-later
 * layout.h - assertions on structs whose bytes leave their process: through a socket, a ring, a sealed memfd or a file.
 *
 * Such a struct has fields of fixed width only: no size_t, long, time_t, pointer or bare enum. It lies the same way for every
 * compiler and word size: the ABI of i386 aligns 64 bits to 4 bytes only, so WIDE says that they are aligned to 8.
 * Whoever changes a struct changes its number here, and whatever version goes with it.
 *
 * Owns: nothing. Compile time only. See: System V ABI i386, "Aggregates and Unions".
 */
#ifndef BASE_LAYOUT_H
#define BASE_LAYOUT_H

#include <stddef.h>

#define WIDE _Alignas(8)
#define LAYOUT(type, bytes)                                                                        \
	_Static_assert(sizeof(type) == (bytes), #type " leaves its process: its size is agreed "   \
						      "on")
#define LAYOUT_AT(type, field, at)                                                                 \
	_Static_assert(offsetof(type, field) == (at),                                              \
		#type " leaves its process: where " #field " lies is agreed on")

#endif
