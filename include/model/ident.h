/* SPDX-License-Identifier: GPL-3.0-or-later
 * ident.h - what was read about where a flow is going.
 *
 * Owns: nothing; a plain value, copied freely. Thread: any.
 */
#ifndef MODEL_IDENT_H
#define MODEL_IDENT_H

#include "base/layout.h"
#include "base/slice.h"

enum { NAME_MAX_ = 255, NAME_TEXT = 256 };

enum ident_kind {
#define IDENT_KIND(e, k, w) IDENT_##e,
#include "tbl/ident.h"
#undef IDENT_KIND
	IDENT_KINDS
};
enum ident_source {
#define IDENT_SOURCE(e, k) SOURCE_##e,
#include "tbl/ident.h"
#undef IDENT_SOURCE
	IDENT_SOURCES
};
enum app_proto {
#define APP_PROTO(e, k) APP_##e,
#include "tbl/ident.h"
#undef APP_PROTO
	APP_PROTOS
};
enum anomaly {
#define ANOMALY(e, k, w) ANOMALY_##e,
#include "tbl/ident.h"
#undef ANOMALY
	ANOMALIES
};

struct ident {
	uint8_t kind;	 /* enum ident_kind */
	uint8_t source;	 /* enum ident_source */
	uint8_t app;	 /* enum app_proto */
	uint8_t anomaly; /* enum anomaly: why not NAME */
	bool ech;	 /* an encrypted_client_hello extension was there (0xfe0d), grease or not */
	uint16_t packet; /* which client packet or read showed it, from 1; 0 = not said */
	uint8_t name_len;
	char name
		[NAME_TEXT]; /* canonical (model/hostname.h): lower case, no final dot, no port; "" unless there is one.
	                       * Kept for OPAQUE (the outer name) and for NONE with an IP literal. */
	char alpn[32]; /* comma-separated, as offered, cut at 31; escaped */
};
LAYOUT_AT(struct ident, name, 9);
LAYOUT(struct ident, 298); /* in struct event */

const char *ident_kind_key(enum ident_kind k);
const char *ident_kind_words(enum ident_kind k);
const char *ident_source_key(enum ident_source s);
const char *app_proto_key(enum app_proto p);
const char *anomaly_key(enum anomaly o);
const char *anomaly_text(enum anomaly o);

#endif
