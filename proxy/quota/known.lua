-- Whom a user has written to before: a Bloom filter in two generations of 64 Ki bits, and the number of the younger one
-- behind them. A recipient is forgotten when they got nothing for one to two generations. With 2,000 recipients, one of
-- 1,000 strangers is taken for known; with 10,000, four of 100.
--
-- A recipient is a hash of 16 hexadecimal digits: four positions.
local BITS, GENERATION = 65536, 45 * 86400

-- The younger generation; what is older than two is gone.
local function open_known(key, now)
	local current = math.floor(now / GENERATION)
	local held = redis.call('BITFIELD', key, 'GET', 'u32', 2 * BITS)[1]
	if held >= current then
		return held
	end
	if held < current - 1 then
		redis.call('DEL', key)
	else
		redis.call('SETRANGE', key, (current % 2) * BITS / 8, string.rep('\0', BITS / 8))
	end
	redis.call('BITFIELD', key, 'SET', 'u32', 2 * BITS, current)
	redis.call('EXPIRE', key, 3 * GENERATION)
	return current
end

local function positions(hash)
	local at = {}
	for i = 1, 4 do
		at[i] = tonumber(string.sub(hash, 4 * i - 3, 4 * i), 16)
	end
	return at
end

local function make_known(key, generation, hashes)
	local arguments = {}
	for _, hash in ipairs(hashes) do
		for _, at in ipairs(positions(hash)) do
			arguments[#arguments + 1] = 'SET'
			arguments[#arguments + 1] = 'u1'
			arguments[#arguments + 1] = (generation % 2) * BITS + at
			arguments[#arguments + 1] = 1
		end
	end
	for first = 1, #arguments, 3200 do
		redis.call('BITFIELD', key, unpack(arguments, first, math.min(first + 3199, #arguments)))
	end
end

local function read_bits(key, offset, hashes)
	local arguments, known = {}, {}
	for _, hash in ipairs(hashes) do
		for _, at in ipairs(positions(hash)) do
			arguments[#arguments + 1] = 'GET'
			arguments[#arguments + 1] = 'u1'
			arguments[#arguments + 1] = offset + at
		end
	end
	for first = 1, #arguments, 3600 do
		local bits = redis.call('BITFIELD', key, unpack(arguments, first, math.min(first + 3599, #arguments)))
		for i = 1, #bits, 4 do
			known[#known + 1] = bits[i] + bits[i + 1] + bits[i + 2] + bits[i + 3] == 4
		end
	end
	return known
end

-- Those of the hashes that are not known. The others are known for a generation from now on.
local function find_strangers(key, generation, hashes)
	local young = read_bits(key, (generation % 2) * BITS, hashes)
	local old = read_bits(key, ((generation + 1) % 2) * BITS, hashes)
	local strangers, stale = {}, {}
	for i, hash in ipairs(hashes) do
		if not young[i] then
			local list = old[i] and stale or strangers
			list[#list + 1] = hash
		end
	end
	make_known(key, generation, stale)
	return strangers
end

