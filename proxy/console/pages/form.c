/* Owns nothing but what it makes. */
#include "console/pages/form.h"

#include "base/buf.h"

bool form_is_type(struct span field)
{
	struct span type = span_trim(span_slice(field, 0, span_find_byte(field, ';')));
	return span_equal_nocase(type, SPAN("application/x-www-form-urlencoded"));
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "a%20b+c" */
static enum status decode_part(struct span text, struct buf *out_text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i] == '+' ? ' ' : text.data[i];
		if (c == '%') {
			int high = i + 2 < text.size ? digit_of(text.data[i + 1]) : -1;
			int low = i + 2 < text.size ? digit_of(text.data[i + 2]) : -1;
			if (high < 0 || low < 0)
				return STATUS_INVALID;
			c = (char)(16 * high + low);
			i += 2;
		}
		if (c == '\0')
			return STATUS_INVALID;
		TRY(buf_append_byte(out_text, c));
	}
	return STATUS_OK;
}

static enum status add_field(json_t *fields, struct span name, struct span value)
{
	struct buf key BUF_AUTO;
	struct buf text BUF_AUTO;
	buf_init(&key, FORM_FIELD_BYTES);
	buf_init_sensitive(&text, FORM_FIELD_BYTES);
	TRY(decode_part(name, &key));
	TRY(buf_append_byte(&key, '\0'));
	TRY(decode_part(value, &text));
	const char *word = buf_span(&key).data;
	if (word[0] == '\0' || json_object_get(fields, word))
		return STATUS_INVALID;
	json_t *taken = json_stringn(buf_size(&text) ? buf_span(&text).data : "", buf_size(&text));
	return json_object_set_new(fields, word, taken) == 0 ? STATUS_OK : STATUS_INVALID;
}

static enum status add_fields(json_t *fields, struct span body)
{
	struct span pair, name;
	while (body.size > 0 && span_cut(&body, '&', &pair)) {
		if (pair.size == 0)
			continue;
		if (json_object_size(fields) == FORM_FIELDS)
			return STATUS_TOO_LARGE;
		bool has_value = span_contains_byte(pair, '=');
		if (!span_cut(&pair, '=', &name))
			return STATUS_INVALID;
		TRY(add_field(fields, name, has_value ? pair : (struct span){ 0 }));
	}
	return STATUS_OK;
}

enum status form_read(struct span body, json_t **out_fields)
{
	json_t *fields = json_object();
	if (fields == NULL)
		return STATUS_NO_MEMORY;
	enum status status = add_fields(fields, body);
	if (status == STATUS_OK)
		*out_fields = fields;
	else
		json_decref(fields);
	return status;
}
