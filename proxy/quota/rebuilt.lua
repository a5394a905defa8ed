-- Stands in front of scripts that know of a rebuild: what makes up the counts of a user's day after it.
--
-- The counts are what all have brought together, or what was held when the rebuild began, whichever is more; and what
-- was charged since. So whoever gives a charge back has to know which of these it belongs to: what was held may hold a
-- charge that nobody brings, as it was made to the memory that lacks counts, and so does not count (marker.h). Taken
-- out of the greater sum it would make room for one message too many.
--
-- Fields: rebuild ("1 MEMORY M R B TOKEN …": what was held, and its charges that may be given back), and for each
-- contributor x:CONTRIBUTOR ("1 MEMORY M R B ID:N … TOKEN …": what they have brought, with app passwords' messages).
local PART = '^1 (%S+) (%d+) (%d+) (%d+)'

-- Three numbers and what follows them; nil: there is none, or it is of another memory.
local function read_part(text, memory)
	local of, m, r, b = string.match(text or '', PART)
	if of == memory then
		return { tonumber(m), tonumber(r), tonumber(b) }, string.gsub(text, PART, '')
	end
end

local function write_part(memory, counts, rest)
	return string.format('1 %s %.0f %.0f %.0f', memory, counts[1], counts[2], counts[3]) .. rest
end

local function lists(rest, token)
	return string.find(rest .. ' ', ' ' .. token .. ' ', 1, true) ~= nil
end

-- Of all that the user's hash holds: what was held (nil: no rebuild of this memory has come to it), each contributor's
-- part by field, and what those are together.
local function read_rebuild(all, memory)
	local base, parts, sum, rest = nil, {}, { 0, 0, 0 }, nil
	for i = 1, #all, 2 do
		local field = all[i]
		if field == 'rebuild' then
			base, rest = read_part(all[i + 1], memory)
		elseif string.sub(field, 1, 2) == 'x:' then
			local counts, more = read_part(all[i + 1], memory)
			parts[field] = counts and { counts = counts, rest = more }
			for unit = 1, counts and 3 or 0 do
				sum[unit] = sum[unit] + counts[unit]
			end
		end
	end
	return base, parts, sum, rest
end
