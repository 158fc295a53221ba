/* SPDX-License-Identifier: GPL-3.0-or-later
 * proxy_relay.c - moves the bytes of a relayed connection both ways, and ends each side as the other ends.
 *
 * Buffers have a fixed size and nothing is read that does not fit, so a slow reader slows its writer down. A FIN is passed on
 * after the bytes before it, a RST as a RST.
 *
 * Owns: nothing. Thread: its worker's. Fails: by conn_close().
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy_int.h"

enum {
	TURN_BYTES = 1 << 20, /* of one direction */
	LONG_TAKE = 32768,
	BODY_LEAST = 16384, /* what is left of a body that is worth a pipe */
	LOOK = 600, /* at a server's first bytes: its hello, warnings and other records in front */
	LOOKS = 4,
};

static bool grow(struct conn *c)
{
	uint32_t cap = c->cap ? c->cap * 2 : 4096;
	uint8_t *more;

	if (c->n < c->cap)
		return true;
	if (c->cap >= c->proxy->c.hello_limit + 65536)
		return false;
	more = realloc(c->bytes, cap);
	if (!more)
		return false;
	c->bytes = more;
	c->cap = cap;
	return true;
}

/* A plain read, never a peek: an URG byte makes a peek return the same bytes for ever. */
void conn_read_client(struct conn *c)
{
	while (grow(c)) {
		ssize_t n = recv(c->client.fd, c->bytes + c->n, c->cap - c->n, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				conn_close(c, false);
			return;
		}
		if (n == 0) {
			c->up.eof = true;
			return;
		}
		c->n += (uint32_t)n;
		if (c->n < c->cap || c->n >= 65536)
			return;
	}
}

static void forget(struct conn *c, uint32_t n)
{
	c->n -= n;
	c->offset += n;
	memmove(c->bytes, c->bytes + n, c->n);
	if (c->n == 0) {
		free(c->bytes); /* an idle connection keeps no buffer */
		c->bytes = NULL;
		c->cap = 0;
	}
}

/* Writes what was allowed. false: closed, or the server takes no more now. */
static bool write_judged(struct conn *c)
{
	while (c->connected && c->n && c->pass_to > c->offset) {
		uint64_t may = c->pass_to - c->offset;
		size_t n = may < c->n ? (size_t)may : c->n;
		ssize_t sent = send(c->server.fd, c->bytes, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			if (errno != EAGAIN)
				conn_close(c, false);
			return false;
		}
		c->up.bytes += (uint64_t)sent;
		c->idle_since_ms = c->proxy->c.worker->now_ms;
		forget(c, (uint32_t)sent);
	}
	return true;
}

/* What a take said that brought no bytes. */
static void ended(struct conn *c, struct way *w, ssize_t n)
{
	if (n == 0)
		w->eof = true;
	else if (n == -EMFILE || n == -ENFILE)
		conn_back_off(c); /* until there is a pipe again; the sender waits */
	else if (n != -EAGAIN)
		conn_close(c, false);
}

static ssize_t step(struct way *w, int from, uint64_t most)
{
	uint8_t bytes[SPLICE_STEP];

	return splice_step(
		&w->pipe, from, bytes, most < sizeof bytes ? (size_t)most : sizeof bytes);
}

/* Moves one direction through its pipe, at most `most` bytes, and no more in one turn than leaves the others theirs.
 * A short take has most likely emptied the socket: the loop says if not. Returns whether bytes came. */
static bool pump(struct conn *c, struct way *w, int from, int to, uint64_t most, bool readable)
{
	uint64_t moved = 0;
	ssize_t n = LONG_TAKE;

	most = most < TURN_BYTES ? most : TURN_BYTES;
	for (;;) {
		ssize_t given = splice_give(&w->pipe, to);

		if (given < 0 && given != -EAGAIN) {
			conn_close(c, false);
			break;
		}
		if (w->pipe.held || !readable || w->eof || moved >= most || n < LONG_TAKE)
			break;
		n = splice_take(&w->pipe, from, most - moved);
		if (n == 0 ||
			(n == -EAGAIN && moved == 0)) /* or it is an URG byte that stands there */
			n = step(w, from, most);
		if (n <= 0) {
			ended(c, w, n);
			break;
		}
		moved += (uint64_t)n;
	}
	w->bytes += moved;
	return moved > 0;
}

static void send_answer(struct conn *c)
{
	if (c->answer_waits && !c->down.eof)
		return;
	c->answer_waits = false;
	while (!c->down.pipe.held && c->answered < c->answer.n) {
		ssize_t n = send(c->client.fd, c->answer.s + c->answered, c->answer.n - c->answered,
			MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				conn_close(c, false);
			return;
		}
		c->answered += (size_t)n;
	}
	if (c->answered == c->answer.n && !c->down.pipe.held) {
		/* lingering close: closing now, with bytes of the client unread, would be a RST that eats the answer */
		shutdown(c->client.fd, SHUT_WR);
		c->down.shut = true;
		c->state = CONN_LINGER;
		if (c->up.eof)
			conn_close(c, true);
	}
}

static void throw_away(struct conn *c)
{
	uint8_t waste[4096];
	ssize_t n;

	for (int i = 0; i < 64; i++) {
		n = recv(c->client.fd, waste, sizeof waste, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			conn_close(c, n == 0);
			return;
		}
		if (n < 0)
			return;
	}
}

/* Ends are passed on once all that was before them is. */
static void pass_ends(struct conn *c)
{
	bool up_empty = c->up.pipe.held == 0 && c->n == 0;

	if (c->up.eof && up_empty && c->connected && !c->up.shut) {
		shutdown(c->server.fd, SHUT_WR);
		c->up.shut = true;
	}
	if (c->down.eof && c->down.pipe.held == 0 && !c->down.shut && c->state < CONN_ANSWER) {
		shutdown(c->client.fd, SHUT_WR);
		c->down.shut = true;
	}
	if (c->down.shut && c->up.shut && c->state < CONN_ANSWER)
		conn_close(c, true);
	else if (c->up.eof && !c->dialled && c->state < CONN_ANSWER && c->n == 0)
		conn_close(c, true); /* it came, said nothing and went */
}

/* How much of the client's next bytes is nobody's business. */
static uint64_t unseen(const struct conn *c)
{
	uint64_t rest;

	if (!c->connected || c->n || c->up.shut)
		return 0;
	if (c->state == CONN_OPEN)
		return UINT64_MAX;
	rest = c->state == CONN_JUDGED ? stream_ident_rest(&c->ident) : 0;
	return rest >= BODY_LEAST || c->up.pipe.held ? rest : 0;
}

static void splice_up(struct conn *c, bool readable)
{
	uint64_t before = c->up.bytes, most = unseen(c);

	if (most == 0 && c->up.pipe.held == 0)
		return;
	pump(c, &c->up, c->client.fd, c->server.fd, most, readable && most > 0);
	c->offset += c->up.bytes - before;
	if (c->state == CONN_JUDGED)
		stream_ident_skip(&c->ident, c->up.bytes - before);
}

static void relay_up(struct conn *c, bool readable)
{
	if (c->state == CONN_JUDGED && readable && c->up.pipe.held == 0 && unseen(c) == 0) {
		conn_read_client(c);
		readable = false;
		if (!c->dead && (c->n || c->up.eof))
			conn_judge(c);
		if (!c->dead && c->asked && stream_ident_rest(&c->ident) > 0)
			conn_end_asked(c); /* an upload */
	}
	/* refused behind a request that was allowed: the server still gets that one */
	if (!c->dead && c->state != CONN_LINGER && write_judged(c) && !c->dead)
		splice_up(c, readable);
}

/* The server's hello ends the watch for a second one of the client's: from then on both ways are spliced. */
static void look_at_server(struct conn *c)
{
	uint8_t bytes[LOOK];
	ssize_t n;

	if (c->state != CONN_JUDGED || c->ident.app != APP_TLS || c->looks >= LOOKS ||
		c->down.pipe.held || c->down.eof)
		return;
	c->looks++;
	n = splice_step(&c->down.pipe, c->server.fd, bytes, sizeof bytes);
	if (n <= 0) {
		ended(c, &c->down, n);
		return;
	}
	c->down.bytes += (uint64_t)n;
	stream_ident_server(&c->ident, server_hello_look(slice_of(bytes, (size_t)n)));
}

static void relay_down(struct conn *c, bool readable)
{
	if (readable)
		look_at_server(c);
	if (c->dead || !pump(c, &c->down, c->server.fd, c->client.fd, UINT64_MAX, readable))
		return;
	conn_server_spoke(c);
	c->idle_since_ms = c->proxy->c.worker->now_ms;
	if (c->asked)
		conn_end_asked(c);
}

void conn_relay(struct conn *c, bool client_readable, bool server_readable)
{
	if (c->state == CONN_LINGER) {
		if (client_readable)
			throw_away(c);
		return;
	}
	relay_up(c, client_readable);
	if (!c->dead && c->connected)
		relay_down(c, server_readable);
	if (!c->dead && c->state == CONN_ANSWER)
		send_answer(c);
	if (!c->dead && c->state != CONN_LINGER)
		pass_ends(c);
}
