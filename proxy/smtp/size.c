/* Sizes. Owns nothing, can't fail. */
#include "smtp/size.h"

#include <inttypes.h>
#include <stdio.h>

bool size_exceeds(uint64_t so_far, uint64_t more, uint64_t maximum)
{
	return so_far > maximum || more > maximum - so_far;
}

void size_format_refusal(uint64_t maximum, char out_text[static SIZE_REFUSAL_MAXIMUM])
{
	snprintf(out_text, SIZE_REFUSAL_MAXIMUM, SIZE_REFUSAL ": at most %" PRIu64 " bytes are taken", maximum);
}
