-- Stands in front of scripts that begin or look at a user's days: what was sent on those that are over.
--
-- Field past: "1 DAY M R B;DAY M R B;…", where DAY is when that day began (as in `day`), and M, R and B are messages,
-- recipients and bytes; the latest last. Days without mail are not in it, nor those that a program ended that does not
-- know this field. Of the present day it has what was sent before an administrator set its counts to nothing. A text
-- that begins otherwise is of a later program, and left alone.
local PAST_DAYS = 31
local PAST_ENTRY = '(%d+) (%d+) (%d+) (%d+)'

-- What was sent on the day that the hash holds, of all of its fields: its counts, without what nodes have borrowed of
-- them and have not said to be spent (lease.lua).
local function count_sent(all, day, m, r, b)
	for i = 1, #all, 2 do
		if string.sub(all[i], 1, 2) == 'l:' then
			local of, lent_m, lent_r, lent_b = string.match(all[i + 1], '^1 (%d+) (%d+) (%d+) (%d+) ')
			if of and tonumber(of) == day then
				m, r, b = m - lent_m, r - lent_r, b - lent_b
			end
		end
	end
	return math.max(0, m), math.max(0, r), math.max(0, b)
end

local function write_past(entries)
	return '1 ' .. table.concat(entries, ';', math.max(1, #entries - PAST_DAYS + 1))
end

-- The field with what was sent on a day added; `today` is when the day began, or begins, that comes after it. nil: it
-- stays as it is.
local function add_past(text, day, today, m, r, b)
	local list = string.match(text or '1 ', '^1 (.*)$')
	if not list or m + r + b == 0 then
		return nil
	end
	if day >= today then -- a clock that was set wrong began it
		day = today - 86400
	end
	local entries = {}
	for of, of_m, of_r, of_b in string.gmatch(list, PAST_ENTRY) do
		if tonumber(of) == day then
			m, r, b = m + of_m, r + of_r, b + of_b
		elseif tonumber(of) >= today - PAST_DAYS * 86400 then
			entries[#entries + 1] = table.concat({ of, of_m, of_r, of_b }, ' ')
		end
	end
	entries[#entries + 1] = string.format('%.0f %.0f %.0f %.0f', day, m, r, b)
	return write_past(entries)
end

-- The field with one message of a day taken out again; nil: that day is not in it.
local function take_from_past(text, day, r, b)
	local entries, is_in = {}, false
	for of, of_m, of_r, of_b in string.gmatch(string.match(text or '', '^1 (.*)$') or '', PAST_ENTRY) do
		if tonumber(of) == day then
			is_in = true
			of_m, of_r, of_b = math.max(0, of_m - 1), math.max(0, of_r - r), math.max(0, of_b - b)
		end
		entries[#entries + 1] = string.format('%.0f %.0f %.0f %.0f', of, of_m, of_r, of_b)
	end
	return is_in and write_past(entries) or nil
end
