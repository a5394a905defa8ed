/* The sizes of a client's handshake messages, as they are seen on the wire: whole, and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/hello.h"

/* Whether all of it is taken, in pieces of so many bytes. */
static bool takes_hello(struct span wire, size_t piece, bool is_old, struct hello_watch *watch)
{
	*watch = (struct hello_watch){ 0 };
	for (size_t at = 0; at < wire.size; at += piece)
		if (!hello_take(watch, span_slice(wire, at, at + piece), is_old))
			return false;
	return true;
}

static const struct {
	const char *what;
	struct span wire;
	bool is_old;
	bool taken;
	bool over; /* nothing after it is looked at */
} cases[] = {
	{ "a small hello", SPAN("\x16\3\1\0\6\1\0\0\2\3\3"), false, true, false },
	{ "16 KiB are announced", SPAN("\x16\3\1\0\6\1\0\x40\0\3\3"), false, true, false },
	{ "one byte more is announced", SPAN("\x16\3\1\0\6\1\0\x40\1\3\3"), false, false, false },
	{ "128 KiB are announced, in records of one byte",
	  SPAN("\x16\3\1\0\1\1\x16\3\1\0\1\2\x16\3\1\0\1\0\x16\3\1\0\1\0"), false, false, false },
	{ "a second message is too large", SPAN("\x16\3\1\0\5\1\0\0\1x\x16\3\3\0\4\x10\1\0\0"), true, false, false },
	{ "and in one record with the first", SPAN("\x16\3\1\0\11\1\0\0\1x\x10\1\0\0"), true, false, false },
	{ "a second hello of TLS 1.3, after its change of cipher",
	  SPAN("\x16\3\1\0\5\1\0\0\1x\x14\3\3\0\1\1\x16\3\3\0\4\1\1\0\0"), false, false, false },
	{ "what is encrypted in TLS 1.2 looks like anything",
	  SPAN("\x16\3\1\0\5\1\0\0\1x\x14\3\3\0\1\1\x16\3\3\0\4\xff\xff\xff\xff"), true, true, true },
	{ "what is encrypted in TLS 1.3 says so",
	  SPAN("\x16\3\1\0\5\1\0\0\1x\x17\3\3\0\4\xff\xff\xff\xff\x16\3\3\0\4\1\1\0\0"), false, true, true },
	{ "an alert has no size", SPAN("\x15\3\1\0\4\1\xff\xff\xff"), false, true, false },
	{ "an empty record", SPAN("\x16\3\1\0\0\x16\3\1\0\4\1\1\0\0"), false, false, false },
	{ "no TLS at all", SPAN("EHLO client.example.com\r\n"), false, true, true },
	{ "a hello of SSL 2 is in one record", SPAN("\x80\x2e\1\3\3"), false, true, true },
};

static void messages_are_measured_whole_and_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hello_watch watch;
		for (size_t piece = cases[i].wire.size; piece; piece = piece > 1 ? 1 : 0) {
			bool taken = takes_hello(cases[i].wire, piece, cases[i].is_old, &watch);
			if (taken != cases[i].taken || (taken && watch.over != cases[i].over))
				fail_msg("%s, in pieces of %zu", cases[i].what, piece);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_measured_whole_and_byte_by_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
