/* SPDX-License-Identifier: GPL-3.0-or-later
 * proxy_relay.c - moves the bytes of a relayed connection, both ways, and ends it as its ends do.
 *
 * Fixed buffers: nothing is read that cannot be held, so a slow reader slows its writer. FIN is passed on after what was
 * before it, RST as RST.
 *
 * Owns: nothing. Thread: its worker's. Fails: by conn_close().
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy_int.h"

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
			c->client_eof = true;
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
		c->bytes_up += (uint64_t)sent;
		forget(c, (uint32_t)sent);
	}
	return true;
}

static void splice_up(struct conn *c, bool readable)
{
	while (!c->dead) {
		ssize_t n = splice_give(&c->up, c->server.fd);

		if (n == -EAGAIN || c->up.held)
			return;
		if (n < 0) {
			conn_close(c, false);
			return;
		}
		if (!readable || c->client_eof)
			return;
		n = splice_take(&c->up, c->client.fd);
		if (n == 0)
			c->client_eof = true;
		else if (n > 0)
			c->bytes_up += (uint64_t)n;
		else if (n != -EAGAIN)
			conn_close(c, false);
		if (n <= 0)
			return;
	}
}

static void splice_down(struct conn *c, bool readable)
{
	while (!c->dead) {
		ssize_t n = splice_give(&c->down, c->client.fd);

		if (n == -EAGAIN || c->down.held)
			return;
		if (n < 0) {
			conn_close(c, false);
			return;
		}
		if (!readable || c->server_eof)
			return;
		n = splice_take(&c->down, c->server.fd);
		if (n == 0)
			c->server_eof = true;
		else if (n > 0)
			c->bytes_down += (uint64_t)n;
		else if (n != -EAGAIN)
			conn_close(c, false);
		if (n <= 0)
			return;
		c->quiet_ms = c->proxy->c.worker->now_ms;
	}
}

static void send_answer(struct conn *c)
{
	if (c->answer_waits && !c->server_eof)
		return;
	c->answer_waits = false;
	while (!c->down.held && c->answered < c->answer.n) {
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
	if (c->answered == c->answer.n && !c->down.held) {
		/* lingering close: closing now, with bytes of the client unread, would be a RST that eats the answer */
		shutdown(c->client.fd, SHUT_WR);
		c->client_shut = true;
		c->state = CONN_LINGER;
		if (c->client_eof)
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
	bool up_empty = c->state == CONN_OPEN ? c->up.held == 0 && c->n == 0 : c->n == 0;

	if (c->client_eof && up_empty && c->connected && !c->server_shut) {
		shutdown(c->server.fd, SHUT_WR);
		c->server_shut = true;
	}
	if (c->server_eof && c->down.held == 0 && !c->client_shut && c->state < CONN_ANSWER) {
		shutdown(c->client.fd, SHUT_WR);
		c->client_shut = true;
	}
	if (c->client_shut && c->server_shut && c->state < CONN_ANSWER)
		conn_close(c, true);
	else if (c->client_eof && !c->dialled && c->state < CONN_ANSWER && c->n == 0)
		conn_close(c, true); /* it came, said nothing and went */
}

static void relay_up(struct conn *c, bool readable)
{
	if (c->state == CONN_JUDGED && readable) {
		conn_read_client(c);
		if (!c->dead && (c->n || c->client_eof))
			conn_judge(c);
	}
	/* refused behind a request that was allowed: the server still gets that one */
	if (c->dead || c->state == CONN_LINGER || (c->state == CONN_ANSWER && !c->answer_waits))
		return;
	if (!write_judged(c) || c->dead)
		return;
	if (c->state == CONN_OPEN && c->connected && c->n == 0)
		splice_up(c, readable);
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
		splice_down(c, server_readable);
	if (!c->dead && c->state == CONN_ANSWER)
		send_answer(c);
	if (!c->dead && c->state != CONN_LINGER)
		pass_ends(c);
}
