/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_crypt.c - Initial keys, header protection, AEAD, Retry's tag. The only file of identify/ that knows libcrypto.
 *
 * HKDF is written out over one digest context. EVP_KDF spends more time on its parameters than on the five short hashes, and
 * this code pays for every Initial of a flood.
 *
 * Owns: OpenSSL contexts in struct quic_crypt. Thread: one at a time each. Fails: false.
 * See: RFC 5869; RFC 8446 7.1 (labels); RFC 9001 5; RFC 9369 3.3.
 */
#include "identify/quic_crypt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "quic_int.h"

enum { HASH = 32, BLOCK = 64, TAG = 16, SAMPLE = 16, PLAIN_MAX = 65536 };

struct quic_crypt {
	EVP_MD *sha256;
	EVP_CIPHER *ecb, *gcm;
	EVP_MD_CTX *hash;
	EVP_CIPHER_CTX *hp, *aead;
	uint8_t plain[PLAIN_MAX];
};

void quic_crypt_free(struct quic_crypt *c)
{
	if (!c)
		return;
	EVP_MD_CTX_free(c->hash);
	EVP_CIPHER_CTX_free(c->hp);
	EVP_CIPHER_CTX_free(c->aead);
	EVP_MD_free(c->sha256);
	EVP_CIPHER_free(c->ecb);
	EVP_CIPHER_free(c->gcm);
	free(c);
}

struct quic_crypt *quic_crypt_new(void)
{
	struct quic_crypt *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	c->ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
	c->gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	c->hash = EVP_MD_CTX_new();
	c->hp = EVP_CIPHER_CTX_new();
	c->aead = EVP_CIPHER_CTX_new();
	if (c->sha256 && c->ecb && c->gcm && c->hash && c->hp && c->aead)
		return c;
	quic_crypt_free(c);
	return NULL;
}

/* One half of an HMAC: hash(key ^ pad, then the message). */
static bool half_hmac(struct quic_crypt *c, struct slice key, uint8_t pad, struct slice msg,
	uint8_t out[static HASH])
{
	uint8_t block[BLOCK];
	memset(block, pad, BLOCK);
	for (size_t i = 0; i < key.n; i++)
		block[i] ^= key.p[i];
	return EVP_DigestInit_ex2(c->hash, c->sha256, NULL) &&
	       EVP_DigestUpdate(c->hash, block, BLOCK) && EVP_DigestUpdate(c->hash, msg.p, msg.n) &&
	       EVP_DigestFinal_ex(c->hash, out, NULL);
}

/* HMAC-SHA256; key at most one block, as all of ours are. */
static bool hmac(struct quic_crypt *c, struct slice key, struct slice msg, uint8_t out[static HASH])
{
	uint8_t inner[HASH];
	return half_hmac(c, key, 0x36, msg, inner) &&
	       half_hmac(c, key, 0x5c, slice_of(inner, HASH), out);
}

/* HKDF-Expand-Label with an empty context, n at most one hash: T(1) is enough. */
static bool expand(struct quic_crypt *c, const uint8_t secret[static HASH], const char *label,
	uint8_t *out, size_t n)
{
	uint8_t info[64], full[HASH];
	size_t len = strlen(label);
	info[0] = 0;
	info[1] = (uint8_t)n;
	info[2] = (uint8_t)(6 + len);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, len);
	info[9 + len] = 0;  /* context */
	info[10 + len] = 1; /* the counter of HKDF-Expand */
	if (!hmac(c, slice_of(secret, HASH), slice_of(info, 11 + len), full))
		return false;
	memcpy(out, full, n);
	return true;
}

bool quic_crypt_keys(struct quic_crypt *c, uint32_t version, const struct quic_cid *dcid,
	enum quic_side side, struct quic_keys *out)
{
	const struct quic_version *v = quic_version_find(version);
	uint8_t initial[HASH], secret[HASH];
	return v && hmac(c, slice_of(v->salt, 20), slice_of(dcid->b, dcid->n), initial) &&
	       expand(c, initial, side == QUIC_CLIENT ? "client in" : "server in", secret, HASH) &&
	       expand(c, secret, v->v2 ? "quicv2 key" : "quic key", out->key, sizeof(out->key)) &&
	       expand(c, secret, v->v2 ? "quicv2 iv" : "quic iv", out->iv, sizeof(out->iv)) &&
	       expand(c, secret, v->v2 ? "quicv2 hp" : "quic hp", out->hp, sizeof(out->hp));
}

static bool hp_mask(struct quic_crypt *c, const struct quic_keys *k, const uint8_t *sample,
	uint8_t out[static SAMPLE])
{
	int n = 0;
	return EVP_EncryptInit_ex2(c->hp, c->ecb, k->hp, NULL, NULL) &&
	       EVP_CIPHER_CTX_set_padding(c->hp, 0) &&
	       EVP_EncryptUpdate(c->hp, out, &n, sample, SAMPLE) && n == SAMPLE;
}

static void nonce_of(const struct quic_keys *k, uint64_t pn, uint8_t out[static 12])
{
	memcpy(out, k->iv, 12);
	for (int i = 0; i < 8; i++)
		out[11 - i] ^= (uint8_t)(pn >> (8 * i));
}

/* RFC 9000 A.3: the number nearest to the expected one that ends in these bytes. */
static uint64_t whole_number(uint64_t expected, uint64_t low, unsigned pn_len)
{
	uint64_t window = 1ull << (8 * pn_len), half = window / 2;
	uint64_t n = (expected & ~(window - 1)) | low;

	if (n + half <= expected && n < (1ull << 62) - window)
		return n + window;
	if (n > expected + half && n >= window)
		return n - window;
	return n;
}

struct sealed {
	const uint8_t *whole;
	size_t pn_at;
	uint8_t first, number[4]; /* without header protection */
	unsigned pn_len;
	struct slice body;
};

static bool unseal(
	struct quic_crypt *c, const struct quic_keys *k, const struct sealed *s, uint64_t pn)
{
	uint8_t nonce[12], tag[TAG];
	int len = (int)(s->body.n - TAG), got = 0;

	nonce_of(k, pn, nonce);
	memcpy(tag, s->body.p + len, TAG);
	return EVP_DecryptInit_ex2(c->aead, c->gcm, k->key, nonce, NULL) &&
	       EVP_DecryptUpdate(c->aead, NULL, &got, &s->first, 1) &&
	       EVP_DecryptUpdate(c->aead, NULL, &got, s->whole + 1, (int)s->pn_at - 1) &&
	       EVP_DecryptUpdate(c->aead, NULL, &got, s->number, (int)s->pn_len) &&
	       EVP_DecryptUpdate(c->aead, c->plain, &got, s->body.p, len) &&
	       EVP_CIPHER_CTX_ctrl(c->aead, EVP_CTRL_AEAD_SET_TAG, TAG, tag) &&
	       EVP_DecryptFinal_ex(c->aead, c->plain, &got) > 0;
}

bool quic_crypt_open(struct quic_crypt *c, const struct quic_keys *k, const struct quic_packet *p,
	uint64_t expected, struct slice *plain, uint64_t *pn)
{
	const uint8_t *w = p->whole.p;
	uint8_t mask[SAMPLE];
	if (p->pn_at < 7 || p->whole.n < p->pn_at + 4 + SAMPLE || p->whole.n - p->pn_at > PLAIN_MAX)
		return false;
	if (!hp_mask(c, k, w + p->pn_at + 4, mask))
		return false;
	struct sealed s = {.whole = w, .pn_at = p->pn_at, .first = w[0] ^ (mask[0] & 0x0f)};
	uint64_t low = 0;
	s.pn_len = (s.first & 3) + 1;
	for (unsigned i = 0; i < s.pn_len; i++) {
		s.number[i] = w[p->pn_at + i] ^ mask[1 + i];
		low = low << 8 | s.number[i];
	}
	s.body = slice_of(w + p->pn_at + s.pn_len, p->whole.n - p->pn_at - s.pn_len);
	*pn = whole_number(expected, low, s.pn_len);
	if (!unseal(c, k, &s, *pn)) {
		/* not every sender counts on from what we saw */
		if (*pn == low || !unseal(c, k, &s, low))
			return false;
		*pn = low;
	}
	*plain = slice_of(c->plain, s.body.n - TAG);
	return true;
}

size_t quic_crypt_seal(struct quic_crypt *c, const struct quic_keys *k, struct slice header,
	unsigned pn_len, uint64_t pn, struct slice frames, uint8_t *out, size_t cap)
{
	size_t total = header.n + frames.n + TAG;
	if (cap < total || pn_len < 1 || pn_len > 4 || header.n < 7 + pn_len ||
		pn_len + frames.n < 4 || frames.n > PLAIN_MAX)
		return 0;
	uint8_t mask[SAMPLE], nonce[12];
	uint8_t *number = out + header.n - pn_len, *body = out + header.n;
	int got = 0;
	memcpy(out, header.p, header.n);
	nonce_of(k, pn, nonce);
	if (!EVP_EncryptInit_ex2(c->aead, c->gcm, k->key, nonce, NULL) ||
		!EVP_EncryptUpdate(c->aead, NULL, &got, header.p, (int)header.n) ||
		!EVP_EncryptUpdate(c->aead, body, &got, frames.p, (int)frames.n) ||
		!EVP_EncryptFinal_ex(c->aead, body, &got) ||
		!EVP_CIPHER_CTX_ctrl(c->aead, EVP_CTRL_AEAD_GET_TAG, TAG, body + frames.n) ||
		!hp_mask(c, k, number + 4, mask))
		return 0;
	out[0] ^= mask[0] & 0x0f;
	for (unsigned i = 0; i < pn_len; i++)
		number[i] ^= mask[1 + i];
	return total;
}

bool quic_crypt_retry_ok(
	struct quic_crypt *c, const struct quic_packet *retry, const struct quic_cid *original)
{
	const struct quic_version *v = quic_version_find(retry->version);
	if (!v || !v->retry_key || retry->type != QUIC_TYPE_RETRY || retry->whole.n < TAG)
		return false;
	uint8_t tag[TAG], none[1];
	int got = 0, text = (int)(retry->whole.n - TAG);
	return EVP_EncryptInit_ex2(c->aead, c->gcm, v->retry_key, v->retry_nonce, NULL) &&
	       EVP_EncryptUpdate(c->aead, NULL, &got, &original->n, 1) &&
	       (original->n == 0 ||
		       EVP_EncryptUpdate(c->aead, NULL, &got, original->b, original->n)) &&
	       EVP_EncryptUpdate(c->aead, NULL, &got, retry->whole.p, text) &&
	       EVP_EncryptFinal_ex(c->aead, none, &got) &&
	       EVP_CIPHER_CTX_ctrl(c->aead, EVP_CTRL_AEAD_GET_TAG, TAG, tag) &&
	       CRYPTO_memcmp(tag, retry->whole.p + text, TAG) == 0;
}
