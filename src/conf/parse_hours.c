/* SPDX-License-Identifier: GPL-3.0-or-later
 * parse_hours.c - reads `hours NAME`: clauses parted by commas, each [DAYS] and one or more windows.
 *
 *   sun-thu 20:30-07:00, fri-sat 22:00-08:00        mon-fri 08:00-12:00 13:00-17:00
 *
 * Owns: nothing. Thread: any. Fails: reports to the diag. See: durward-policy(5) "HOURS".
 */
#include "conf_int.h"

enum { EVERY_DAY = 0x7f, MINUTES_A_DAY = 24 * 60 };

static const char days[7][4] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

struct clause {
	uint8_t days; /* 0 = none said */
	bool windows, wrong;
};

/* 0..6, or -1. `letters`: only so many count (for suggestions). */
static int day_of(struct slice s, size_t letters)
{
	if (s.n < letters)
		return -1;
	for (int i = 0; i < 7; i++)
		if (word_eq(slice_of(s.p, letters), slice_of(days[i], letters < 3 ? letters : 3)))
			return i;
	return -1;
}

/* "monday", "fry", "mo" */
static int day_like(struct slice s)
{
	int day = day_of(s, 3);

	return day >= 0 ? day : day_of(s, 2);
}

static void wrong_days(struct parser *p, const struct token *t, struct slice a, struct slice b)
{
	int from = day_like(a), to = day_like(b);

	if (from >= 0 && to >= 0)
		error(p, t, "%s is no day; write %s%s%s (mon tue wed thu fri sat sun)",
			quote(p, t->raw), days[from], a.p == b.p ? "" : "-",
			a.p == b.p ? "" : days[to]);
	else
		error(p, t,
			"%s is no day; write a day or a range, as in mon or sun-thu; no day at all "
			"means every day",
			quote(p, t->raw));
}

static void read_days(struct parser *p, const struct token *t, struct clause *c)
{
	const uint8_t *dash = memchr(t->raw.p, '-', t->raw.n);
	struct slice a = slice_of(t->raw.p, dash ? (size_t)(dash - t->raw.p) : t->raw.n);
	struct slice b = dash ? slice_of(dash + 1, t->raw.n - a.n - 1) : a;
	int from = a.n == 3 ? day_of(a, 3) : -1, to = b.n == 3 ? day_of(b, 3) : -1;

	if (from < 0 || to < 0) {
		wrong_days(p, t, a, b);
		c->wrong = true;
		return;
	}
	if (c->windows) {
		error(p, t, "a comma is missing before %s: a clause begins with its days",
			quote(p, t->raw));
		*c = (struct clause){0};
	} else if (c->days) {
		error(p, t,
			"a clause has one day or one range; give %s a clause of its own, with its "
			"windows, after a comma",
			quote(p, t->raw));
		c->wrong = true;
	}
	for (int d = from;; d = (d + 1) % 7) { /* fri-mon wraps */
		c->days |= (uint8_t)(1 << d);
		if (d == to)
			return;
	}
}

/* "20:30" -> 1230; -1 when it is no time. 24:00 is 1440. */
static int minutes(struct slice s)
{
	int h, m;

	if (s.n != 5 || s.p[2] != ':')
		return -1;
	for (int i = 0; i < 5; i++)
		if (i != 2 && (s.p[i] < '0' || s.p[i] > '9'))
			return -1;
	h = (s.p[0] - '0') * 10 + (s.p[1] - '0');
	m = (s.p[3] - '0') * 10 + (s.p[4] - '0');
	return m > 59 || h * 60 + m > MINUTES_A_DAY ? -1 : h * 60 + m;
}

static void read_window(
	struct parser *p, const struct token *t, struct conf_hours *h, struct clause *c)
{
	const uint8_t *dash = memchr(t->raw.p, '-', t->raw.n);
	size_t n = dash ? (size_t)(dash - t->raw.p) : t->raw.n;
	int from = minutes(slice_of(t->raw.p, n)), to = -1;
	struct conf_window *w;

	if (dash)
		to = minutes(slice_of(dash + 1, t->raw.n - n - 1));
	c->windows = true;
	if (from < 0 || to < 0) {
		error(p, t,
			"%s is no window; write FROM-TO with two digits each, as in 08:00-12:30",
			quote(p, t->raw));
	} else if (from == MINUTES_A_DAY) {
		error(p, t, "a window cannot begin at 24:00; write 00:00 of the next day");
	} else if (from == to) {
		error(p, t, "both ends of %s are equal; the whole day is 00:00-24:00",
			quote(p, t->raw));
	} else {
		w = push(p, &h->windows, &h->n_windows, sizeof *w);
		w->days = c->days ? c->days : EVERY_DAY;
		w->start_min = (uint16_t)from;
		w->end_min = (uint16_t)(to > from ? to : to + MINUTES_A_DAY);
	}
}

static void end_clause(struct parser *p, const struct token *at, struct clause *c)
{
	if (!c->windows && !c->wrong)
		error(p, at,
			c->days ? "these days have no window; write for instance: mon-fri "
				  "08:00-12:00"
				: "an empty clause; write for instance: mon-fri 08:00-12:00");
	*c = (struct clause){0};
}

static void read_piece(
	struct parser *p, const struct token *t, struct conf_hours *h, struct clause *c)
{
	uint8_t first = t->raw.n ? t->raw.p[0] : 0;

	if (t->raw.n == 0)
		return;
	if (first >= '0' && first <= '9')
		read_window(p, t, h, c);
	else
		read_days(p, t, c);
}

/* One word may hold commas: "20:30-07:00,fri". */
static void read_pieces(
	struct parser *p, const struct token *t, struct conf_hours *h, struct clause *c)
{
	size_t from = 0;

	for (size_t i = 0; i <= t->raw.n; i++) {
		bool comma = i < t->raw.n && t->raw.p[i] == ',';
		struct token piece = {
			slice_of(t->raw.p + from, i - from), t->column + (uint32_t)from, false};

		if (!comma && i < t->raw.n)
			continue;
		read_piece(p, &piece, h, c);
		if (comma) {
			piece.raw.n++;
			end_clause(p, &piece, c);
		}
		from = i + 1;
	}
}

void read_hours(struct parser *p)
{
	struct conf_hours nowhere = {0}, *h = &nowhere;
	const struct token *name = next(p), *t;
	struct symbol *y = symbol_here(p, SPACE_HOURS, name);
	struct clause c = {0};

	if (!p->timezone_seen && !p->hours_seen)
		error(p, &p->lex.tokens[0],
			"`hours` without a time zone; add a line, for instance: timezone "
			"Europe/Berlin");
	p->hours_seen = true;
	if (!name)
		return;
	if (y)
		h = &p->out->hours[y->index];
	h->name = arena_str(p->mem, name->raw);
	h->pos = pos_of(p, name);
	if (!peek(p)) {
		error(p, NULL, "hours need a window; write: %s",
			schema_words[WORD_ST_HOURS].grammar);
		return;
	}
	while ((t = next(p)))
		read_pieces(p, t, h, &c);
	end_clause(p, NULL, &c);
}
