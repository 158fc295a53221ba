/* SPDX-License-Identifier: GPL-3.0-or-later
 * auth.c - the administrator's password, sessions, the one-time setup token, and the throttle on guesses.
 *
 * The password is stored as crypt(3) yescrypt, a session as the SHA-256 of its cookie, so nobody can log in with what is in the
 * database or a backup of it. A fresh installation has no password: whoever has the token from the log, or from
 * STATE/setup-token, sets the first one within TOKEN_MS; `durwardctl setup` makes a new token.
 * Owns: the throttle's table and the token. Thread: any (one lock). Fails: enum auth_result.
 */
#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "show/throttle.h"
#include "show_int.h"

enum {
	PASSWORD_MIN = 8,
	PASSWORD_MAX = 512,
	TOKEN_MS = 15 * 60 * 1000,
	IDLE_MS = 30 * 60 * 1000,
	LIFE_MS = 12 * 60 * 60 * 1000,
	RECENT = 64,
	TOUCH_MS = 60 * 1000, /* a session's last use is written once a minute */
};

struct auth {
	struct controller *controller;
	char token_path[512];
	pthread_mutex_t lock;
	char token[32]; /* "" = none */
	uint64_t token_until_ms;
	struct throttle throttle;
	char recent[RECENT][TOKEN_HEX]; /* sessions that were alive a moment ago */
	unsigned recent_at;
};

static void hex(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static bool digest_of(const char *text, char out[static TOKEN_HEX])
{
	uint8_t md[32];
	unsigned n = 0;

	if (EVP_Digest(text, strlen(text), md, &n, EVP_sha256(), NULL) != 1 || n != sizeof md)
		return false;
	hex(md, sizeof md, out);
	return true;
}

/* Takes as long for texts that differ early as for such that differ late. */
static bool same(const char *a, const char *b)
{
	char da[TOKEN_HEX], db[TOKEN_HEX];

	return digest_of(a, da) && digest_of(b, db) && CRYPTO_memcmp(da, db, sizeof da) == 0;
}

/* --- the throttle (peer NULL: the console, which is never locked) --- */

static bool may_guess(struct auth *a, const struct addr *peer, unsigned *wait_s)
{
	if (!peer)
		return true;
	pthread_mutex_lock(&a->lock);
	*wait_s = throttle_admit(&a->throttle, peer, clock_mono_ms());
	pthread_mutex_unlock(&a->lock);
	return *wait_s == 0;
}

static void note_guess(struct auth *a, const struct addr *peer, enum throttle_end end)
{
	char text[ADDR_TEXT];

	if (!peer)
		return;
	pthread_mutex_lock(&a->lock);
	throttle_settle(&a->throttle, peer, clock_mono_ms(), end);
	pthread_mutex_unlock(&a->lock);
	if (end == THROTTLE_WRONG)
		log_warn("web: a wrong password or token from %s", addr_format(peer, text));
}

/* --- who was here a moment ago: asked by the door, which must not wait for a disk --- */

static char *find_recent(struct auth *a, const char *digest)
{
	for (unsigned i = 0; i < RECENT; i++)
		if (CRYPTO_memcmp(a->recent[i], digest, TOKEN_HEX) == 0)
			return a->recent[i];
	return NULL;
}

static void remember(struct auth *a, const char *digest)
{
	pthread_mutex_lock(&a->lock);
	if (!find_recent(a, digest))
		memcpy(a->recent[a->recent_at++ % RECENT], digest, TOKEN_HEX);
	pthread_mutex_unlock(&a->lock);
}

/* digest NULL: all of them. */
static void forget(struct auth *a, const char *digest)
{
	char *at;

	pthread_mutex_lock(&a->lock);
	if (!digest)
		memset(a->recent, 0, sizeof a->recent);
	else if ((at = find_recent(a, digest)))
		at[0] = 0;
	pthread_mutex_unlock(&a->lock);
}

static void drop_session(struct auth *a, const char *digest)
{
	forget(a, digest);
	controller_session_drop(a->controller, digest);
}

/* --- password --- */

/* Where the database cannot tell, there is one: what is damaged or full must not open the first claim again. */
bool auth_has_password(struct auth *a)
{
	struct strbuf hash = {0};
	int rc = controller_secret(a->controller, "password", &hash);
	bool has = rc == 0 ? hash.n > 0 : rc != -ENOENT;

	strbuf_fini(&hash);
	return has;
}

static bool matches(const char *password, const char *hash)
{
	struct crypt_data *data = calloc(1, sizeof *data);
	const char *out = data ? crypt_r(password, hash, data) : NULL;
	bool ok = out && out[0] != '*' && same(out, hash);

	if (data)
		OPENSSL_cleanse(data, sizeof *data);
	free(data);
	return ok;
}

static int store_password(struct auth *a, const char *password)
{
	struct crypt_data *data = calloc(1, sizeof *data);
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *out = NULL;
	int rc = -EIO;

	if (data && crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof setting))
		out = crypt_r(password, setting, data);
	if (out && out[0] != '*')
		rc = controller_secret_set(a->controller, "password", out);
	if (data)
		OPENSSL_cleanse(data, sizeof *data);
	free(data);
	return rc;
}

static bool is_weak(const char *password)
{
	size_t n = strlen(password);

	return n < PASSWORD_MIN || n > PASSWORD_MAX;
}

enum auth_result auth_set_password(struct auth *a, const char *password)
{
	if (is_weak(password))
		return AUTH_WEAK;
	if (store_password(a, password) < 0)
		return AUTH_FAILED;
	drop_session(a, NULL);
	pthread_mutex_lock(&a->lock);
	a->token[0] = 0;
	pthread_mutex_unlock(&a->lock);
	unlink(a->token_path);
	return AUTH_OK;
}

enum auth_result auth_check(
	struct auth *a, const struct addr *peer, const char *password, unsigned *wait_s)
{
	struct strbuf hash = {0};
	bool right;
	int rc;

	if (strlen(password) > PASSWORD_MAX)
		return AUTH_WRONG;
	if (!may_guess(a, peer, wait_s))
		return AUTH_THROTTLED;
	rc = controller_secret(a->controller, "password", &hash);
	if (rc < 0 && rc != -ENOENT) {
		strbuf_fini(&hash);
		note_guess(a, peer, THROTTLE_UNTOLD);
		return AUTH_FAILED;
	}
	right = hash.n > 0 && matches(password, strbuf_text(&hash));
	strbuf_fini(&hash);
	note_guess(a, peer, right ? THROTTLE_RIGHT : THROTTLE_WRONG);
	return right ? AUTH_OK : AUTH_WRONG;
}

/* --- sessions --- */

static enum auth_result begin_session(struct auth *a, char cookie[static 160])
{
	struct controller_session s = {.born_ms = clock_wall_ms()};
	uint8_t secret[32];
	char text[TOKEN_HEX];

	s.seen_ms = s.born_ms;
	if (RAND_bytes(secret, sizeof secret) != 1)
		return AUTH_FAILED;
	hex(secret, sizeof secret, text);
	if (!digest_of(text, s.digest) || controller_session_put(a->controller, &s) < 0)
		return AUTH_FAILED;
	remember(a, s.digest);
	snprintf(cookie, 160, "durward=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d", text,
		LIFE_MS / 1000);
	return AUTH_OK;
}

bool auth_session_alive(struct auth *a, const char *digest)
{
	uint64_t now = clock_wall_ms();
	struct controller_session s;

	if (controller_session_get(a->controller, digest, &s) < 0) {
		forget(a, digest);
		return false;
	}
	if (now < s.born_ms || now >= s.born_ms + LIFE_MS || now >= s.seen_ms + IDLE_MS) {
		drop_session(a, digest);
		return false;
	}
	remember(a, digest);
	if (now >= s.seen_ms + TOUCH_MS) {
		s.seen_ms = now;
		controller_session_put(a->controller, &s);
	}
	return true;
}

/* Of the cookie `durward`: 64 hexadecimal digits, and nothing behind them that somebody might take for more. */
static bool cookie_digest(const char *cookie, char digest[static TOKEN_HEX])
{
	static const char name[] = "durward=";
	char text[TOKEN_HEX] = "";

	for (const char *p = cookie; p && *p; p = strchr(p, ';')) {
		p += strspn(p, "; ");
		if (strncmp(p, name, sizeof name - 1) != 0)
			continue;
		p += sizeof name - 1;
		if (strspn(p, "0123456789abcdef") != TOKEN_HEX - 1 ||
			!strchr("; ", p[TOKEN_HEX - 1]))
			return false;
		memcpy(text, p, TOKEN_HEX - 1);
		break;
	}
	return text[0] && digest_of(text, digest);
}

bool auth_cookie(struct auth *a, const char *cookie, char digest[static TOKEN_HEX])
{
	if (cookie_digest(cookie, digest) && auth_session_alive(a, digest))
		return true;
	digest[0] = 0;
	return false;
}

bool auth_recalls(struct auth *a, struct slice cookie)
{
	char text[4096], digest[TOKEN_HEX];
	bool known;

	if (cookie.n == 0 || cookie.n >= sizeof text)
		return false;
	memcpy(text, cookie.p, cookie.n);
	text[cookie.n] = 0;
	if (!cookie_digest(text, digest))
		return false;
	pthread_mutex_lock(&a->lock);
	known = find_recent(a, digest) != NULL;
	pthread_mutex_unlock(&a->lock);
	return known;
}

enum auth_result auth_login(struct auth *a, const struct addr *peer, const char *password,
	char cookie[static 160], unsigned *wait_s)
{
	enum auth_result got = auth_check(a, peer, password, wait_s);

	return got == AUTH_OK ? begin_session(a, cookie) : got;
}

void auth_logout(struct auth *a, const char *digest)
{
	if (digest[0])
		drop_session(a, digest);
}

/* --- the setup token --- */

/* xxxxx-xxxxx-xxxxx-xxxxx, 20 of 32 letters that nobody confuses: 100 bits. */
static bool make_token(char out[static 32])
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789z";
	uint8_t random[20];
	size_t at = 0;

	if (RAND_bytes(random, sizeof random) != 1)
		return false;
	for (size_t i = 0; i < sizeof random; i++) {
		if (i && i % 5 == 0)
			out[at++] = '-';
		out[at++] = letters[random[i] & 31];
	}
	out[at] = 0;
	return true;
}

int auth_new_token(struct auth *a, char out[static 32])
{
	char line[64];
	int rc;

	if (!make_token(out))
		return -EIO;
	pthread_mutex_lock(&a->lock);
	memcpy(a->token, out, sizeof a->token);
	a->token_until_ms = clock_mono_ms() + TOKEN_MS;
	pthread_mutex_unlock(&a->lock);
	snprintf(line, sizeof line, "%s\n", out);
	rc = file_write_atomic(a->token_path, slice_str(line), 0600);
	if (rc < 0)
		log_warn("web: %s: %s", a->token_path, strerror(-rc));
	return 0;
}

static bool token_fits(struct auth *a, const char *token)
{
	bool fits;

	pthread_mutex_lock(&a->lock);
	fits = a->token[0] && clock_mono_ms() < a->token_until_ms && same(token, a->token);
	if (fits)
		a->token[0] = 0; /* one time */
	pthread_mutex_unlock(&a->lock);
	return fits;
}

enum auth_result auth_claim(struct auth *a, const struct addr *peer, const char *token,
	const char *password, char cookie[static 160], unsigned *wait_s)
{
	enum auth_result set;

	if (is_weak(password))
		return AUTH_WEAK;
	/* 100 random bits cannot be guessed at any rate: whoever holds them need not wait for those who try, and the
	 * console's token opens the door whatever happens at it */
	if (!token_fits(a, token)) {
		if (!may_guess(a, peer, wait_s))
			return AUTH_THROTTLED;
		note_guess(a, peer, THROTTLE_WRONG);
		return AUTH_WRONG;
	}
	note_guess(a, peer, THROTTLE_RIGHT);
	set = auth_set_password(a, password);
	return set == AUTH_OK ? begin_session(a, cookie) : set;
}

/* --- */

int auth_new(struct show *s, struct auth **out)
{
	struct auth *a = calloc(1, sizeof *a);
	char token[32];

	if (!a)
		return -ENOMEM;
	a->controller = s->controller;
	pthread_mutex_init(&a->lock, NULL);
	snprintf(a->token_path, sizeof a->token_path, "%s/setup-token",
		controller_state_dir(s->controller));
	*out = a;
	if (auth_has_password(a)) {
		unlink(a->token_path);
		return 0;
	}
	if (auth_new_token(a, token) == 0)
		log_note("web: no password is set yet. One-time token for the first login: %s "
			 "(15 minutes; `durwardctl setup` makes another)",
			token);
	return 0;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	OPENSSL_cleanse(a, sizeof *a);
	free(a);
}
