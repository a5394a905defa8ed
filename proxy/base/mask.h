/*
 * What a peer said, made fit for a log: secrets that it quotes, and whatever
 * looks like a token, become "***". Peers that refuse a login tend to repeat what
 * they were sent, whole, cut or encoded.
 */
#ifndef BASE_MASK_H
#define BASE_MASK_H

#include "base/span.h"

#define MASK_QUOTE_LEAST 4 /* bytes: shorter secrets are found anywhere by chance */
#define MASK_RUN 40        /* letters, digits and "-._~+=" in a row: a longer run is no word and no GUID (36) */

/*
 * Whether `text` contains `secret`. Blanks don't count: a peer may fold its line within the secret, and control bytes
 * are shown as blanks.
 */
bool mask_quotes(struct span text, struct span secret);
/*
 * `text` with "***" for each of the secrets and each run of MASK_RUN or more; control bytes, and bytes that are not
 * ASCII, become '?'. Cut to `size` bytes, the NUL included; a secret at the cut is masked too.
 */
void mask_text(struct span text, const struct span *secrets, size_t count, char *out_text, size_t size);

#endif
