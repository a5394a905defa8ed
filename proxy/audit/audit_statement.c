/* A checkpoint's statement as the text that is signed, and as JSON. Pure but for OpenSSL. */
#include "audit/audit_statement.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 320 /* bytes: the signed text at its longest, and a NUL */

/* The version is that of this text; what the text says must be told in one way only. */
static struct span write_signed_text(const struct audit_statement *statement, char out_text[TEXT_SIZE])
{
	int size = snprintf(out_text, TEXT_SIZE, "subgate audit checkpoint 1\n%" PRIu64 "\n%s\n%" PRIu64 "\n%s\n%s\n",
			    statement->number, statement->chain, statement->count, statement->head, statement->next);
	return (struct span){ out_text, (size_t)size };
}

static int value_of(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

enum status audit_read_hex(struct span text, unsigned char *out_bytes, size_t size)
{
	if (text.size != 2 * size)
		return STATUS_INVALID;
	for (size_t i = 0; i < text.size; i++)
		if (value_of(text.data[i]) < 0)
			return STATUS_INVALID;
	for (size_t i = 0; i < size; i++)
		out_bytes[i] = (unsigned char)(value_of(text.data[2 * i]) << 4 | value_of(text.data[2 * i + 1]));
	return STATUS_OK;
}

enum status audit_statement_sign(struct audit_statement *statement, const unsigned char private_key[ED25519_KEY_SIZE])
{
	char text[TEXT_SIZE];
	unsigned char signature[ED25519_SIGNATURE_SIZE];
	TRY(ed25519_sign(private_key, write_signed_text(statement, text), signature));
	hash_to_hex(signature, sizeof(signature), statement->signature);
	return STATUS_OK;
}

enum status audit_statement_verify(const struct audit_statement *statement)
{
	char text[TEXT_SIZE];
	unsigned char key[ED25519_KEY_SIZE], signature[ED25519_SIGNATURE_SIZE];
	TRY(audit_read_hex(span_of(statement->key), key, sizeof(key)));
	TRY(audit_read_hex(span_of(statement->signature), signature, sizeof(signature)));
	return ed25519_verify(key, write_signed_text(statement, text), signature);
}

json_t *audit_statement_to_json(const struct audit_statement *statement)
{
	return json_pack("{s:I, s:s, s:I, s:s, s:s, s:s, s:s}", "number", (json_int_t)statement->number, "chain",
			 statement->chain, "count", (json_int_t)statement->count, "head", statement->head, "key",
			 statement->key, "next", statement->next, "signature", statement->signature);
}

static enum status read_number(const json_t *object, const char *name, uint64_t *out_number)
{
	json_int_t number = json_integer_value(json_object_get(object, name));
	if (number < 1)
		return STATUS_INVALID;
	*out_number = (uint64_t)number;
	return STATUS_OK;
}

/* `size`: of the digits and a NUL. */
static enum status read_digits(const json_t *object, const char *name, char *out_digits, size_t size)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);
	if (text == NULL || json_string_length(value) != size - 1)
		return STATUS_INVALID;
	for (size_t i = 0; i < size - 1; i++)
		if (value_of(text[i]) < 0)
			return STATUS_INVALID;
	memcpy(out_digits, text, size);
	return STATUS_OK;
}

enum status audit_statement_from_json(const json_t *object, struct audit_statement *out_statement)
{
	struct audit_statement statement = { 0 };
	TRY(read_number(object, "number", &statement.number));
	TRY(read_digits(object, "chain", statement.chain, sizeof(statement.chain)));
	TRY(read_number(object, "count", &statement.count));
	TRY(read_digits(object, "head", statement.head, sizeof(statement.head)));
	TRY(read_digits(object, "key", statement.key, sizeof(statement.key)));
	TRY(read_digits(object, "next", statement.next, sizeof(statement.next)));
	TRY(read_digits(object, "signature", statement.signature, sizeof(statement.signature)));
	*out_statement = statement;
	return STATUS_OK;
}
