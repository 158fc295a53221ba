/* SPDX-License-Identifier: GPL-3.0-or-later
 * settings.h - /etc/durward/settings after reading: a plain value, one field a row of tbl/settings.h.
 *
 * Owns: nothing. Thread: any.
 */
#ifndef MODEL_SETTINGS_H
#define MODEL_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum { SETTING_TEXT = 256, SETTING_PORTS = 32, SETTING_WORDS = 512 };

struct port_range {
	uint16_t first, last;
};
struct port_set {
	struct port_range r[SETTING_PORTS];
	uint8_t n;
};

struct settings {
#define SETTING_FIELD_TEXT(f)				char f[SETTING_TEXT];
#define SETTING_FIELD_WORDS(f)				char f[SETTING_WORDS]; /* separated by one space */
#define SETTING_FIELD_NUMBER(f)				uint32_t f;
#define SETTING_FIELD_MASK(f)				uint32_t f;
#define SETTING_FIELD_SWITCH(f)				bool f;
#define SETTING_FIELD_SOURCE(f)				bool f##_gateway; /* false: the client's address is kept */
#define SETTING_FIELD_PORTS(f)				struct port_set f;
#define SETTING_FIELD_UDPPORTS(f)			struct port_set f;
#define SETTING(type, field, name, def, min, max, help) SETTING_FIELD_##type(field)
#include "tbl/settings.h"
#undef SETTING
};

bool port_set_has(const struct port_set *s, uint16_t port);

#endif
