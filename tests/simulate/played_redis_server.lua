-- Goes on where played_redis_more.lua ends: the server itself, scripts, and what its owner calls.

-- ---- the server

function commands.PING(text)
	return text or { ok = 'PONG' }
end
function commands.AUTH()
	return OK
end
commands.SELECT, commands.CLIENT = commands.AUTH, commands.AUTH

function commands.TIME()
	return { string.format('%.0f', math.floor(now_us / 1000000)), string.format('%.0f', now_us % 1000000) }
end

function commands.INFO()
	return string.format('# Replication\r\nrole:%s\r\nconnected_slaves:0\r\n# Memory\r\nmaxmemory:%s\r\n' ..
		'maxmemory_policy:%s\r\n', settings.role, settings.maxmemory, settings['maxmemory-policy'])
end
function commands.ROLE()
	if settings.role == 'master' then
		return { 'master', 0, {} }
	end
	return { 'slave', '127.0.0.1', 6379, 'connected', 0 }
end
function commands.WAIT()
	return 0
end
function commands.CONFIG(what, name, value)
	if string.upper(what) == 'SET' then
		settings[name] = value
		return OK
	end
	return settings[name] and { name, settings[name] } or {}
end

-- ---- scripts

-- As they are passed on, and as Redis would refuse or convert them.
local CHANGES = {}
for name in string.gmatch([[DEL UNLINK RENAME EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST FLUSHALL FLUSHDB SET INCRBY INCR
	APPEND SETRANGE SETBIT BITFIELD HSET HMSET HSETNX HDEL HINCRBY SADD SREM ZADD ZREM ZREMRANGEBYSCORE XADD
	XTRIM]], '%u+') do
	CHANGES[name] = true
end
local GROWS = {}
for name in string.gmatch([[SET INCRBY INCR APPEND SETRANGE SETBIT BITFIELD HSET HMSET HSETNX HINCRBY SADD ZADD
	XADD]], '%u+') do
	GROWS[name] = true
end

local function run(arguments, is_script)
	local name = string.upper(arguments[1])
	local handler = commands[name]
	if not handler then
		return fault("ERR unknown command '" .. arguments[1] .. "'")
	end
	if CHANGES[name] and settings.role ~= 'master' then
		return fault("READONLY You can't write against a read only replica.")
	end
	if GROWS[name] and settings.maxmemory == '1' and not (is_script and wrote) then
		return fault("OOM command not allowed when used memory > 'maxmemory'.")
	end
	wrote = wrote or CHANGES[name] or false
	local ok, reply = pcall(handler, unpack(arguments, 2))
	if not ok and type(reply) ~= 'table' then
		error('played Redis, ' .. name .. ': ' .. reply, 0) -- a fault of this file, not of the script
	end
	return reply
end

local function as_argument(value)
	if type(value) == 'number' then
		return decimal(value)
	elseif type(value) == 'string' then
		return value
	end
	error(fault('ERR Lua redis lib command arguments must be strings or integers'), 0)
end

local function call_from_script(...)
	local arguments = {}
	for i = 1, select('#', ...) do
		arguments[i] = as_argument((select(i, ...)))
	end
	return run(arguments, true)
end

local redis = {
	pcall = call_from_script,
	call = function(...)
		local reply = call_from_script(...)
		if type(reply) == 'table' and reply.err then
			error(reply, 0)
		end
		return reply
	end,
	error_reply = function(text)
		return { err = text }
	end,
	status_reply = function(text)
		return { ok = text }
	end,
	sha1hex = function(text)
		return sha1hex(text)
	end,
}

local GLOBALS = {
	string = string, math = math, table = table, tonumber = tonumber, tostring = tostring, type = type,
	pairs = pairs, ipairs = ipairs, next = next, unpack = unpack, select = select, error = error, pcall = pcall,
	assert = assert,
}

-- No script may leave a global behind: Redis refuses it.
local function environment(names, arguments)
	local own = { KEYS = names, ARGV = arguments, redis = redis }
	return setmetatable(own, {
		__index = function(_, name)
			local value = GLOBALS[name]
			if value == nil then
				error(fault("ERR user_script:1: Script attempted to access nonexistent global " ..
					name .. "'"), 0)
			end
			return value
		end,
		__newindex = function(_, name)
			error(fault('ERR user_script:1: Attempt to modify a readonly table script (' .. name .. ')'), 0)
		end,
	})
end

local function run_script(script, count, ...)
	local rest, names, arguments = { ... }, {}, {}
	count = integer(count)
	for i = 1, #rest do
		if i <= count then
			names[i] = rest[i]
		else
			arguments[i - count] = rest[i]
		end
	end
	setfenv(script, environment(names, arguments))
	wrote = false
	local ok, reply = pcall(script)
	if not ok and type(reply) ~= 'table' then
		return fault('ERR user_script: ' .. tostring(reply))
	end
	return reply == nil and false or reply
end

local function load_script(source)
	local sha = sha1hex(source)
	if not scripts[sha] then
		local script, why = loadstring(source, '@user_script')
		if not script then
			return nil, fault('ERR Error compiling script (new function): ' .. why)
		end
		scripts[sha] = script
	end
	return scripts[sha], sha
end

function commands.EVAL(source, ...)
	local script, why = load_script(source)
	return script and run_script(script, ...) or not script and why
end
function commands.EVALSHA(sha, ...)
	local script = scripts[string.lower(sha)]
	if not script then
		return fault('NOSCRIPT No matching script. Please use EVAL.')
	end
	return run_script(script, ...)
end
function commands.SCRIPT(what, source)
	if string.upper(what) == 'FLUSH' then
		scripts = {}
		return OK
	end
	local script, sha = load_script(source)
	return script and sha or sha
end

-- ---- what its owner calls

-- `...`: one command, as a client sends it; `us`: the time of day.
function command(us, ...)
	now_us = us
	wrote = false
	return run({ ... }, false)
end

-- One line for each key, sorted: for comparisons and for whoever reads a run.
function dump()
	local lines = {}
	for _, name in ipairs(sorted_names()) do
		local key, parts = keys[name], {}
		if key.kind == 'string' then
			parts = { key.value }
		elseif key.value.order then
			for i, field in ipairs(key.value.order) do
				parts[i] = field .. '=' .. tostring(key.value.of[field])
			end
			table.sort(parts)
		end
		lines[#lines + 1] = name .. ' ' .. key.kind .. ' ' .. table.concat(parts, ' ')
	end
	return table.concat(lines, '\n')
end
