/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_http_offer.c - where a head offers HTTP/2 without TLS, however it is cut.
 */
#include "identify/wire.h"

#include "identify/http_offer.h"

#define LINE "GET / HTTP/1.1\r\n"

static const struct row {
	const char *head;
	const char *becomes; /* NULL: as it is */
} rows[] = {
	{LINE "Upgrade: h2c\r\n\r\n", LINE "Upgrade: h2x\r\n\r\n"},
	{"\r\n\n" LINE "a: b\nupgrade:H2C\n\n", "\r\n\n" LINE "a: b\nupgrade:H2x\n\n"},
	{LINE "Upgrade: websocket, h2c, h2c-14,h2\r\n\r\n",
		LINE "Upgrade: websocket, h2x, h2x-14,h2\r\n\r\n"},
	{LINE "Upgrade: a\r\nUpgrade:\t h2c\r\nUPGRADE: h2c\r\n\r\n",
		LINE "Upgrade: a\r\nUpgrade:\t h2x\r\nUPGRADE: h2x\r\n\r\n"},
	{LINE "Upgrade: h2\r\n\r\n", NULL},
	{LINE "Upgrade: xh2c h2/c h 2c\r\nX-Upgrade: h2c\r\nUpgrad: h2c\r\n h2c\r\n\r\n", NULL},
	{"Upgrade: h2c\r\nHost: a\r\n\r\n", NULL}, /* a request line */
	{"", NULL},
};

static size_t find(struct http_offer *o, struct slice in, char *out)
{
	size_t at, n = 0;

	while (http_offer_find(o, in, &at)) {
		out[at] = HTTP_OFFER_NONE;
		n++;
	}
	return n;
}

static void H12_an_offer_is_found_as_soon_as_its_letter_is_there(void **state)
{
	char out[512];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		size_t n = strlen(r->head);

		for (size_t step = 1; step <= n + 1; step++) {
			struct http_offer o = {0};

			memcpy(out, r->head, n + 1);
			for (size_t end = step < n ? step : n;;
				end = end + step < n ? end + step : n) {
				find(&o, guarded(slice_of(r->head, end)), out);
				/* what has gone cannot be changed any more */
				assert_memory_equal(out, r->becomes ? r->becomes : r->head, end);
				if (end == n)
					break;
			}
			assert_string_equal(out, r->becomes ? r->becomes : r->head);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(H12_an_offer_is_found_as_soon_as_its_letter_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
