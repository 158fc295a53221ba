/* SPDX-License-Identifier: GPL-3.0-or-later
 * ident.c - the keys and words of tbl/ident.h.
 *
 * Owns: nothing. Thread: any; pure. Fails: a number outside its enum gives "?".
 */
#include "model/ident.h"

#define TEXT(table, i) ((size_t)(i) < sizeof(table) / sizeof *(table) ? (table)[i] : "?")

const char *ident_kind_key(enum ident_kind k)
{
	static const char *const keys[] = {
#define IDENT_KIND(e, key, words) key,
#include "tbl/ident.h"
#undef IDENT_KIND
	};

	return TEXT(keys, k);
}

const char *ident_kind_words(enum ident_kind k)
{
	static const char *const all[] = {
#define IDENT_KIND(e, key, words) words,
#include "tbl/ident.h"
#undef IDENT_KIND
	};

	return TEXT(all, k);
}

const char *ident_source_key(enum ident_source s)
{
	static const char *const keys[] = {
#define IDENT_SOURCE(e, key) key,
#include "tbl/ident.h"
#undef IDENT_SOURCE
	};

	return TEXT(keys, s);
}

const char *app_proto_key(enum app_proto p)
{
	static const char *const keys[] = {
#define APP_PROTO(e, key) key,
#include "tbl/ident.h"
#undef APP_PROTO
	};

	return TEXT(keys, p);
}

const char *anomaly_key(enum anomaly o)
{
	static const char *const keys[] = {
#define ANOMALY(e, key, words) key,
#include "tbl/ident.h"
#undef ANOMALY
	};

	return TEXT(keys, o);
}

const char *anomaly_text(enum anomaly o)
{
	static const char *const all[] = {
#define ANOMALY(e, key, words) words,
#include "tbl/ident.h"
#undef ANOMALY
	};

	return TEXT(all, o);
}
