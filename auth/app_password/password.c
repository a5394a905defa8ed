/* App passwords: making, reading, hashing. Wipes every copy it makes. */
#include "auth/app_password/password.h"

#include <string.h>

/* The largest prime below 32 * 32: with it no change of one digit and no swap of two neighbours keeps the remainder. */
#define CHECKSUM_PRIME 1021U
#define GROUP 5 /* characters between dashes */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/* Of the random part, read as a number in base 32 after a leading 1, so that all zeroes are no valid app password. */
static unsigned compute_checksum(const char *normal)
{
	unsigned sum = 1;
	for (size_t i = 0; i < APP_PASSWORD_RANDOM; i++)
		sum = (sum * 32 + (unsigned)digit_value(normal[i])) % CHECKSUM_PRIME;
	return sum;
}

static void write_checksum(char *normal)
{
	unsigned sum = compute_checksum(normal);
	normal[APP_PASSWORD_RANDOM] = alphabet[sum / 32];
	normal[APP_PASSWORD_RANDOM + 1] = alphabet[sum % 32];
}

static enum status fill_random(char *digits, size_t count)
{
	unsigned char raw[APP_PASSWORD_SIZE];
	TRY(hash_random(raw, count));
	for (size_t i = 0; i < count; i++)
		digits[i] = alphabet[raw[i] % 32]; /* 256 is a multiple of 32: no digit is likelier */
	explicit_bzero(raw, sizeof(raw));
	return STATUS_OK;
}

enum status app_password_generate(struct secret *out_normal)
{
	char normal[APP_PASSWORD_SIZE];
	TRY(fill_random(normal, APP_PASSWORD_RANDOM));
	write_checksum(normal);
	enum status status = secret_from_span((struct span){ normal, sizeof(normal) }, out_normal);
	explicit_bzero(normal, sizeof(normal));
	return status;
}

enum status app_password_show(const struct secret *normal, struct secret *out_shown)
{
	char shown[APP_PASSWORD_SHOWN];
	size_t size = 0;
	struct span digits = secret_reveal(normal);
	for (size_t i = 0; i < APP_PASSWORD_SIZE; i++) {
		if (i > 0 && i % GROUP == 0)
			shown[size++] = '-';
		shown[size++] = digits.data[i];
	}
	enum status status = secret_from_span((struct span){ shown, size }, out_shown);
	explicit_bzero(shown, sizeof(shown));
	return status;
}

/* U+2000 to U+2015: blanks, marks that show nothing, dashes. */
static bool is_general_filler(struct span typed)
{
	return typed.size >= 3 && memcmp(typed.data, "\xE2\x80", 2) == 0 && (unsigned char)typed.data[2] >= 0x80 &&
	       (unsigned char)typed.data[2] <= 0x95;
}

/*
 * The size of a blank or a dash at the front of `typed`, including what mail programs, word processors and phones make
 * of ASCII ones; 0: it is something else.
 */
static size_t measure_filler(struct span typed)
{
	static const char *const fillers[] = {
		" ",
		"-",
		"\t",
		"\r",
		"\n",
		"\xC2\xA0",     /* U+00A0 no-break space */
		"\xC2\xAD",     /* U+00AD soft hyphen */
		"\xE1\x9A\x80", /* U+1680 Ogham space */
		"\xE2\x80\xA8", /* U+2028 line separator */
		"\xE2\x80\xA9", /* U+2029 paragraph separator */
		"\xE2\x80\xAF", /* U+202F narrow no-break space */
		"\xE2\x81\x9F", /* U+205F medium mathematical space */
		"\xE2\x81\xA0", /* U+2060 word joiner */
		"\xE2\x88\x92", /* U+2212 minus */
		"\xE3\x80\x80", /* U+3000 ideographic space */
		"\xEF\xB9\x98", /* U+FE58 small em dash */
		"\xEF\xB9\xA3", /* U+FE63 small hyphen-minus */
		"\xEF\xBB\xBF", /* U+FEFF byte order mark */
		"\xEF\xBC\x8D", /* U+FF0D fullwidth hyphen-minus */
	};
	if (is_general_filler(typed))
		return 3;
	for (size_t i = 0; i < sizeof(fillers) / sizeof(*fillers); i++) {
		struct span filler = span_of(fillers[i]);
		if (span_starts_with(typed, filler))
			return filler.size;
	}
	return 0;
}

static bool read_digits(struct span typed, char out_normal[APP_PASSWORD_SIZE])
{
	size_t count = 0;
	while (typed.size) {
		size_t filler = measure_filler(typed);
		int value = filler ? 0 : digit_value(*typed.data);
		if (value < 0 || (!filler && count == APP_PASSWORD_SIZE))
			return false;
		if (!filler)
			out_normal[count++] = alphabet[value];
		typed = span_slice(typed, filler ? filler : 1, typed.size);
	}
	return count == APP_PASSWORD_SIZE;
}

enum status app_password_normalize(struct span typed, struct secret *out_normal)
{
	char normal[APP_PASSWORD_SIZE] = { 0 };
	char expected[APP_PASSWORD_SIZE];
	enum status status = STATUS_NOT_FOUND;
	if (read_digits(typed, normal)) {
		memcpy(expected, normal, sizeof(expected));
		write_checksum(expected);
		if (memcmp(expected, normal, sizeof(normal)) == 0)
			status = secret_from_span((struct span){ normal, sizeof(normal) }, out_normal);
		explicit_bzero(expected, sizeof(expected));
	}
	explicit_bzero(normal, sizeof(normal));
	return status;
}

enum status app_password_digest(const unsigned char *salt, const struct secret *normal,
				unsigned char out_digest[HASH_SHA256_SIZE])
{
	char input[APP_PASSWORD_SALT_SIZE + APP_PASSWORD_SIZE];
	struct span digits = secret_reveal(normal);
	if (digits.size != APP_PASSWORD_SIZE)
		return STATUS_INVALID;
	memcpy(input, salt, APP_PASSWORD_SALT_SIZE);
	memcpy(input + APP_PASSWORD_SALT_SIZE, digits.data, digits.size);
	enum status status = hash_sha256((struct span){ input, sizeof(input) }, out_digest);
	explicit_bzero(input, sizeof(input));
	return status;
}

enum status app_password_make_salt(struct span key, struct span owner, unsigned char out_salt[APP_PASSWORD_SALT_SIZE])
{
	unsigned char inner[HASH_SHA256_SIZE], mac[HASH_SHA256_SIZE];
	TRY(hash_hmac_sha256(key, SPAN("salts of app passwords"), inner));
	enum status status = hash_hmac_sha256((struct span){ (const char *)inner, sizeof(inner) }, owner, mac);
	explicit_bzero(inner, sizeof(inner));
	if (status == STATUS_OK)
		memcpy(out_salt, mac, APP_PASSWORD_SALT_SIZE);
	return status;
}

/* The two keys that a server keeps: RFC 5802, 3. */
static enum status derive_keys(const unsigned char salted[HASH_SHA256_SIZE], struct app_password_hash *hash)
{
	const struct span key = { (const char *)salted, HASH_SHA256_SIZE };
	unsigned char client_key[HASH_SHA256_SIZE];
	TRY(hash_hmac_sha256(key, SPAN("Server Key"), hash->server_key));
	TRY(hash_hmac_sha256(key, SPAN("Client Key"), client_key));
	enum status status =
		hash_sha256((struct span){ (const char *)client_key, sizeof(client_key) }, hash->stored_key);
	explicit_bzero(client_key, sizeof(client_key));
	return status;
}

static enum status make_keys(const struct secret *normal, struct app_password_hash *hash)
{
	struct secret shown SECRET_AUTO = { 0 };
	unsigned char salted[HASH_SHA256_SIZE];
	const struct span salt = { (const char *)hash->salt, sizeof(hash->salt) };
	TRY(app_password_show(normal, &shown));
	TRY(hash_pbkdf2_sha256(secret_reveal(&shown), salt, APP_PASSWORD_ITERATIONS, salted));
	enum status status = derive_keys(salted, hash);
	explicit_bzero(salted, sizeof(salted));
	return status;
}

enum status app_password_make_hash(const struct secret *normal, struct app_password_hash *hash)
{
	TRY(app_password_digest(hash->salt, normal, hash->digest));
	TRY(make_keys(normal, hash));
	hash->iterations = APP_PASSWORD_ITERATIONS;
	return STATUS_OK;
}

enum status app_password_make_id(char out_id[APP_PASSWORD_ID_SIZE])
{
	char id[APP_PASSWORD_ID_SIZE] = { 0 };
	TRY(fill_random(id, sizeof(id) - 1));
	memcpy(out_id, id, sizeof(id));
	return STATUS_OK;
}
