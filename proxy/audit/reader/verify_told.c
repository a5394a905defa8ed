/* What the verifier tells, with its places. */
#include <stdarg.h>
#include <stdio.h>

#include "audit/reader/verify_private.h"

#define TEXT_SIZE 1024 /* bytes of what is told */

const char *verify_file_name(const struct verify *verify, size_t file)
{
	return file < verify->files->count ? verify->files->list[file].name : "";
}

void verify_blame(struct verify *verify, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	verify->options->on_fault(verify->options->context, verify_file_name(verify, verify->place.file),
				  verify->place.line, text);
}

void verify_blame_at(struct verify *verify, struct verify_place place, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	verify->options->on_fault(verify->options->context, verify_file_name(verify, place.file), place.line, text);
}

void verify_note(struct verify *verify, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	verify->options->on_note(verify->options->context, verify_file_name(verify, verify->place.file),
				 verify->place.line, text);
}
