/*
 * Values as text. The readers of numbers, sizes, durations and the like are ours: libconfuse reads "-010" as minus
 * eight. Pure.
 */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include <stdint.h>

#include "base/span.h"

#define VALUE_TEXT_SIZE 32 /* bytes, the NUL included, of a formatted number */

/* Each: STATUS_INVALID for anything but exactly one such value. */
MUST_USE enum status value_parse_flag(struct span text, bool *out_flag);
MUST_USE enum status value_parse_size(struct span text, uint64_t *out_bytes);  /* "35M": K, M, G, T or none */
MUST_USE enum status value_parse_duration(struct span text, uint64_t *out_ms); /* "5s": ms, s, m, h, d; or 0 */
MUST_USE enum status value_parse_choice(struct span text, const char *choices, unsigned *out_index);

/* The shortest text that reads back as the same value. */
void value_format_size(uint64_t bytes, char out_text[VALUE_TEXT_SIZE]);
void value_format_duration(uint64_t ms, char out_text[VALUE_TEXT_SIZE]);
/* Name number `index` of "a|b|c"; empty past the end. */
struct span value_choice_name(const char *choices, unsigned index);

/* A name for sections, users of the system and the like: 1 to 64 letters, digits, "-", "_" and ".". */
bool value_is_name(struct span text);
/* "https://HOST/PATH": printable ASCII, without a user or a fragment. */
bool value_is_https_url(struct span text);
/* A host's name or address: letters, digits, ".", "-", "_" and ":". */
bool value_is_host(struct span text);
/* "ADDRESS:PORT" with IPv6 in brackets; no names. */
bool value_is_endpoint(struct span text);
/* An endpoint, or a host alone, on this machine: 127.0.0.0/8, ::1, localhost. */
bool value_is_loopback_endpoint(struct span text);
bool value_is_loopback_host(struct span text);

#endif
