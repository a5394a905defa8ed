-- Shows whether Redis still has what it acknowledged, and whether its counts are whole.
--
-- KEYS[1]  the marker, a hash without an expiry: id (of this memory: made once, and anew for each rebuild), state
--          ("rebuilding" while counts are missing; else there is none, or "ready"), p:PROCESS ("NUMBER TIME ID" of each
--          relay process: what it wrote last, when, and the memory that it knows), n:NODE (when a node was last here),
--          w:NODE (its counts are waited for), f:NODE (its counts are in this memory)
-- ARGV     1 an id, should one be needed, 2 the process, 3 its number now, 4 the id of the memory that it knows ("":
--          none yet), 5 its node, 6 what: "look", "nodes" (who is here is noted and told), "lost" (what was
--          acknowledged is missing: the counts are to be made anew), "brought" (the node's counts are in this memory),
--          "guest" (another process brings the node's counts), "without" (the node in 7 is waited for no more), 7 the
--          nodes that it has seen here within a day, 8 the names of the node's older processes that live, shortened
--
-- A process knows a memory that has what it charged itself.
--
-- Returns {id, 1 when it was there, the process's number until now, state, nodes waited for, "NODE TIME NODE TIME …",
-- now, those of ARGV[8] that do not know this memory}.
local key, field, known, node, what = KEYS[1], 'p:' .. ARGV[2], ARGV[4], ARGV[5], ARGV[6]
local time = redis.call('TIME')[1]
local now = tonumber(time)
local A_DAY = 26 * 3600 -- and what an hour of summer time and some more may add

local held = redis.call('HMGET', key, 'id', field, 'state', 'f:' .. node, 'w:' .. node)
local id, state = held[1], held[3] or 'ready'

-- Most looks find all in order, and each turn of a relay has one.
if what == 'look' and id and id == known and held[2] and state == 'ready' and not held[5] and ARGV[8] == '' then
	redis.call('HSET', key, field, ARGV[3] .. ' ' .. time .. ' ' .. known)
	return { id, 1, tonumber(string.match(held[2], '^%d+')), state, '', '', now, '' }
end

local function each_field(kind, visit)
	local all = redis.call('HGETALL', key)
	for i = 1, #all, 2 do
		if string.sub(all[i], 1, 2) == kind then
			visit(string.sub(all[i], 3), all[i + 1], all[i])
		end
	end
end

-- Everybody who may have sent mail today has to say how much.
local function begin_rebuild()
	id, state = ARGV[1], 'rebuilding'
	each_field('f:', function(_, _, done) redis.call('HDEL', key, done) end)
	each_field('n:', function(name, at)
		if tonumber(at) > now - A_DAY then
			redis.call('HSET', key, 'w:' .. name, 1)
		end
	end)
	for name in string.gmatch(ARGV[7], '%S+') do
		redis.call('HSET', key, 'w:' .. name, 1)
	end
	redis.call('HSET', key, 'w:' .. node, 1)
end

local function end_waiting(name)
	redis.call('HDEL', key, 'w:' .. name)
	local waiting = 0
	each_field('w:', function() waiting = waiting + 1 end)
	if waiting == 0 then
		state = 'ready'
	end
end

if not held[2] then
	-- A process begins here: those that have not written for a month are gone.
	each_field('p:', function(_, text, process)
		if tonumber(string.match(text, '^%d+ (%d+)') or now) < now - 30 * 86400 then
			redis.call('HDEL', key, process)
		end
	end)
end
if not id and known == '' then
	id = ARGV[1]
elseif not id or (what == 'lost' and known == id) then
	begin_rebuild()
elseif known ~= '' and known ~= id and not held[4] then
	-- It comes from another memory, and has counts that this one lacks.
	state = 'rebuilding'
	redis.call('HSET', key, 'w:' .. node, 1)
elseif known == id and held[5] and what == 'brought' then
	redis.call('HSET', key, 'f:' .. node, 1)
	end_waiting(node)
elseif what == 'without' then
	redis.call('HDEL', key, 'n:' .. ARGV[7])
	end_waiting(ARGV[7])
end
redis.call('HSET', key, 'id', id, 'state', state, field, ARGV[3] .. ' ' .. now .. ' ' .. known)

local waiting, nodes = {}, {}
if what == 'nodes' then
	redis.call('HSET', key, 'n:' .. node, now)
	each_field('n:', function(name, at) nodes[#nodes + 1] = name .. ' ' .. at end)
end
if state == 'rebuilding' then
	each_field('w:', function(name) waiting[#waiting + 1] = name end)
end
local owing, has = {}, {}
if ARGV[8] ~= '' then
	each_field('p:', function(process, text)
		has[string.sub(process, 1, 12)] = string.match(text, '^%d+ %d+ (%x+)$') == id
	end)
	for name in string.gmatch(ARGV[8], '%S+') do
		owing[#owing + 1] = not has[name] and name or nil
	end
end
return { id, held[1] and 1 or 0, tonumber(string.match(held[2] or '0', '^%d+')), state, table.concat(waiting, ' '),
	table.concat(nodes, ' '), now, table.concat(owing, ' ') }
