/*
 * A Redis in this process: the commands that Subgate uses, in an embedded Lua, which also runs our scripts
 * (played_redis_*.lua, one chunk). No socket, no time of its own: its owner hands over commands and says what time it
 * is.
 */
#ifndef TESTS_SIMULATE_PLAYED_REDIS_H
#define TESTS_SIMULATE_PLAYED_REDIS_H

#include <assert.h>
#include <lua5.1/lauxlib.h>
#include <lua5.1/lualib.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/hash.h"

#define PLAYED_REDIS_DEPTH 8 /* arrays within arrays, in an answer */

struct played_redis {
	lua_State *lua;
};

static inline int played_redis_sha1(lua_State *lua)
{
	unsigned char digest[SHA_DIGEST_LENGTH];
	char text[2 * SHA_DIGEST_LENGTH + 1];
	size_t size;
	const char *source = luaL_checklstring(lua, 1, &size);
	SHA1((const unsigned char *)source, size, digest);
	hash_to_hex(digest, sizeof(digest), text);
	lua_pushstring(lua, text);
	return 1;
}

static inline void played_redis_require(const struct played_redis *redis, int failed)
{
	if (failed) {
		fprintf(stderr, "%s\n", lua_tostring(redis->lua, -1));
		abort();
	}
}

static inline void played_redis_begin(struct played_redis *redis)
{
	static const char *const source =
#include "tests/simulate/played_redis_keys.lua.h"

#include "tests/simulate/played_redis_more.lua.h"

#include "tests/simulate/played_redis_server.lua.h"
		;
	redis->lua = luaL_newstate();
	assert(redis->lua);
	luaL_openlibs(redis->lua);
	lua_register(redis->lua, "sha1hex", played_redis_sha1);
	played_redis_require(redis, luaL_loadbuffer(redis->lua, source, strlen(source), "@played_redis"));
	played_redis_require(redis, lua_pcall(redis->lua, 0, 0, 0));
}

static inline void played_redis_end(struct played_redis *redis)
{
	lua_close(redis->lua);
	redis->lua = NULL;
}

/* ---- answers, as RESP 2 */

static inline void played_redis_put(struct buf *out, const char *text)
{
	enum status status = buf_append(out, span_of(text));
	assert(status == STATUS_OK);
}

static inline void played_redis_put_line(struct buf *out, char kind, const char *text)
{
	char line[1024];
	snprintf(line, sizeof(line), "%c%.1000s\r\n", kind, text);
	played_redis_put(out, line);
}

static inline void played_redis_put_bulk(lua_State *lua, int at, struct buf *out)
{
	char head[32];
	size_t size;
	const char *bytes = lua_tolstring(lua, at, &size);
	snprintf(head, sizeof(head), "$%zu\r\n", size);
	played_redis_put(out, head);
	enum status status = buf_append(out, (struct span){ bytes, size });
	assert(status == STATUS_OK);
	played_redis_put(out, "\r\n");
}

static inline void played_redis_write(lua_State *lua, int depth, struct buf *out);

/* `field` is "err" or "ok". False: this table is none. */
static inline bool played_redis_write_status(lua_State *lua, const char *field, char kind, struct buf *out)
{
	lua_getfield(lua, -1, field);
	bool is_one = lua_isstring(lua, -1);
	if (is_one)
		played_redis_put_line(out, kind, lua_tostring(lua, -1));
	lua_pop(lua, 1);
	return is_one;
}

/* An array ends at its first nil. */
static inline void played_redis_write_table(lua_State *lua, int depth, struct buf *out)
{
	char head[32];
	int count = 0;
	if (played_redis_write_status(lua, "err", '-', out) || played_redis_write_status(lua, "ok", '+', out))
		return;
	for (bool is_over = false; !is_over; count += !is_over) {
		lua_rawgeti(lua, -1, count + 1);
		is_over = lua_isnil(lua, -1);
		lua_pop(lua, 1);
	}
	snprintf(head, sizeof(head), "*%d\r\n", count);
	played_redis_put(out, head);
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(lua, -1, i);
		played_redis_write(lua, depth + 1, out);
		lua_pop(lua, 1);
	}
}

/* What is on top of the stack. */
static inline void played_redis_write(lua_State *lua, int depth, struct buf *out)
{
	char number[32];
	assert(depth < PLAYED_REDIS_DEPTH);
	switch (lua_type(lua, -1)) {
	case LUA_TNUMBER:
		snprintf(number, sizeof(number), "%lld", (long long)lua_tonumber(lua, -1));
		played_redis_put_line(out, ':', number);
		break;
	case LUA_TSTRING:
		played_redis_put_bulk(lua, -1, out);
		break;
	case LUA_TTABLE:
		played_redis_write_table(lua, depth, out);
		break;
	case LUA_TBOOLEAN:
		played_redis_put(out, lua_toboolean(lua, -1) ? ":1\r\n" : "$-1\r\n");
		break;
	default:
		played_redis_put(out, "$-1\r\n");
		break;
	}
}

/* Runs one command at `wall_us`, and appends its answer to `out`. */
static inline void played_redis_command(struct played_redis *redis, const struct span *arguments, size_t count,
					uint64_t wall_us, struct buf *out)
{
	lua_State *lua = redis->lua;
	lua_getglobal(lua, "command");
	lua_pushnumber(lua, (double)wall_us);
	luaL_checkstack(lua, (int)count + 8, "arguments");
	for (size_t i = 0; i < count; i++)
		lua_pushlstring(lua, arguments[i].size ? arguments[i].data : "", arguments[i].size);
	played_redis_require(redis, lua_pcall(lua, (int)count + 1, 1, 0));
	played_redis_write(lua, 0, out);
	lua_settop(lua, 0);
}

/* A line for each key; the caller's until the next call. */
static inline const char *played_redis_dump(struct played_redis *redis)
{
	lua_settop(redis->lua, 0);
	lua_getglobal(redis->lua, "dump");
	played_redis_require(redis, lua_pcall(redis->lua, 0, 1, 0));
	return lua_tostring(redis->lua, -1);
}

#endif
