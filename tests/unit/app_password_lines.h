/* For tests of app passwords: lines of their file. */
#ifndef TESTS_APP_PASSWORD_LINES_H
#define TESTS_APP_PASSWORD_LINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/app_password/file.h"
#include "auth/app_password/flat.h"

#define OLD_ID "AAAAAAAA"
#define SALT "00112233445566778899aabbccddeeff"
#define KEY SALT SALT
#define OLD_LINE(id, user, more)                                                                      \
	"{\"op\":\"create\",\"id\":\"" id "\",\"user\":\"" user "\",\"label\":\"x\",\"salt\":\"" SALT \
	"\",\"hash\":\"" KEY "\",\"created\":1700000000" more "}"
#define NEW_LINE(id, owner, more)                                                    \
	"{\"v\":2,\"op\":\"create\",\"id\":\"" id "\",\"owner\":\"" owner            \
	"\",\"user\":\"anna\",\"label\":\"x\",\"salt\":\"" SALT "\",\"hash\":\"" KEY \
	"\",\"iterations\":4096,\"stored\":\"" KEY "\",\"server\":\"" KEY "\",\"created\":1700000000" more "}"
#define REVOKE_LINE(id) "{\"v\":2,\"op\":\"revoke\",\"id\":\"" id "\"}"

/* What is not exactly a change. */
static const char *const damaged[] = {
	"",
	"garbage",
	"{\"op\":\"revoke\"}",
	"{\"op\":\"revoke\",\"id\":\"\"}",
	"{\"op\":\"revoke\",\"id\":\"AAAAAAAAA\"}",
	"{\"op\":\"change\",\"id\":\"AAAAAAAA\"}",
	"{\"op\":\"revoke\",\"op\":\"revoke\",\"id\":\"AAAAAAAA\"}",
	"{\"op\":\"revoke\",\"id\":\"AAAAAAAA\",\"more\":1}",
	"{\"op\":\"assign\",\"id\":\"AAAAAAAA\",\"owner\":\"x\"}",
	"{\"v\":3,\"op\":\"revoke\",\"id\":\"AAAAAAAA\"}",
	"{\"v\":2,\"op\":\"assign\",\"id\":\"AAAAAAAA\"}",
	"{\"v\":2,\"op\":\"assign\",\"id\":\"AAAAAAAA\",\"owner\":\"\"}",
	"{\"v\":2,\"op\":\"expire\",\"id\":\"AAAAAAAA\"}",
	"{\"op\":\"create\",\"id\":\"AAAAAAAA\",\"user\":\"anna\",\"label\":\"\",\"created\":1}",
	OLD_LINE(OLD_ID, "", ""),
	OLD_LINE(OLD_ID, "anna", ",\"from\":\"192.0.2.1/24\""),
	OLD_LINE(OLD_ID, "anna", ",\"from\":\"somewhere\""),
	OLD_LINE(OLD_ID, "anna", ",\"senders\":[\"a@b\"]"),
	OLD_LINE(OLD_ID, "anna", ",\"owner\":\"corp:1\""),
	NEW_LINE(OLD_ID, "", ""),
	NEW_LINE(OLD_ID, "corp:1", ",\"from\":[\"somewhere\"]"),
	NEW_LINE(OLD_ID, "corp:1", ",\"a limit to come\":1"),
	NEW_LINE(OLD_ID, "corp:1", ",\"console\":0"),
	NEW_LINE(OLD_ID, "corp:1", ",\"console\":2"),
	OLD_LINE(OLD_ID, "anna", ",\"console\":1"),
	"{\"v\":2,\"op\":\"create\",\"id\":\"A\",\"owner\":\"x\",\"user\":\"anna\",\"label\":\"x\",\"salt\":\"" SALT
	"\",\"hash\":\"" KEY "\",\"iterations\":1,\"stored\":\"" KEY "\",\"server\":\"" KEY "\",\"created\":1}",
	"{\"v\":2,\"op\":\"create\",\"id\":\"A\",\"owner\":\"x\",\"user\":\"anna\",\"label\":\"x\",\"salt\":\"" SALT
	"\",\"hash\":\"" KEY "\",\"iterations\":4096,\"stored\":\"00\",\"server\":\"" KEY "\",\"created\":1}",
};

#endif
