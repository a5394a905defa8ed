/* Names, networks and the digest of a try. Owns nothing. */
#include "auth/guesses/claim.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "door/codec.h"

#define PAIR_INPUT_MAXIMUM 16384 /* bytes: a name, a password or token */

/* Each part stands after its length, so that no other user and password make the same bytes. */
static enum status digest_pair(const struct secret *key, const struct guess_try *try, uint64_t *out_pair)
{
	unsigned char mac[HASH_SHA256_SIZE];
	struct buf input BUF_AUTO;
	buf_init_sensitive(&input, PAIR_INPUT_MAXIMUM);
	TRY(codec_list_add(&input, SPAN("guess")));
	TRY(codec_list_add(&input, span_of(try->user)));
	TRY(codec_list_add(&input, try->password));
	TRY(hash_hmac_sha256(secret_reveal(key), buf_span(&input), mac));
	memcpy(out_pair, mac, sizeof(*out_pair));
	return STATUS_OK;
}

enum status guess_claim_make(const struct secret *key, const struct guess_try *try, struct guess_claim *out_claim)
{
	struct guess_claim claim = { .gate = try->gate, .is_for_user = try->is_directory_asked };
	TRY(digest_pair(key, try, &claim.pair));
	snprintf(claim.user, sizeof(claim.user), "%s", try->user);
	snprintf(claim.typed, sizeof(claim.typed), "%s", try->typed);
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++)
		if (!network_of_client_in(try->address, width, claim.networks[width]))
			claim.networks[width][0] = '\0';
	network_of_home(try->address, claim.place);
	*out_claim = claim;
	return STATUS_OK;
}
