/* SPDX-License-Identifier: GPL-3.0-or-later
 * json.c - reads JSON. Only this file uses jansson.
 *
 * struct json is jansson's json_t under another name. Jansson bounds the depth (2048); the size is bounded here.
 * Owns: nothing. Thread: any. Fails: NULL.
 */
#include "show/json.h"

#include <jansson.h>

enum { JSON_BYTES = 64 << 20 };

static const json_t *in(const struct json *v)
{
	return (const json_t *)v;
}

struct json *jr_parse(struct slice text)
{
	json_error_t error;

	if (text.n > JSON_BYTES || text.n == 0)
		return NULL;
	return (struct json *)json_loadb(
		(const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
}

void jr_free(struct json *root)
{
	json_decref((json_t *)root);
}

const struct json *jr_get(const struct json *object, const char *key)
{
	return (const struct json *)json_object_get(in(object), key);
}

const struct json *jr_at(const struct json *array, size_t i)
{
	return (const struct json *)json_array_get(in(array), i);
}

size_t jr_count(const struct json *array)
{
	return json_array_size(in(array));
}

const char *jr_text(const struct json *v)
{
	return json_string_value(in(v));
}

double jr_number(const struct json *v, double otherwise)
{
	return json_is_number(in(v)) ? json_number_value(in(v)) : otherwise;
}

bool jr_true(const struct json *v)
{
	return json_is_true(in(v));
}

bool jr_is_object(const struct json *v)
{
	return json_is_object(in(v));
}

bool jr_is_array(const struct json *v)
{
	return json_is_array(in(v));
}

bool jr_is_bool(const struct json *v)
{
	return json_is_boolean(in(v));
}

bool jr_is_null(const struct json *v)
{
	return !v || json_typeof(in(v)) == JSON_NULL;
}

const char *jr_get_text(const struct json *object, const char *key)
{
	const char *t = jr_text(jr_get(object, key));

	return t ? t : "";
}

void jr_print(const struct json *v, struct strbuf *out)
{
	char *s = json_dumps(in(v), JSON_COMPACT | JSON_ENCODE_ANY);

	strbuf_str(out, s ? s : "null");
	free(s);
}
