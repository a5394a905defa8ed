-- Counts of the last minute, hour or 24 hours: in steps, of which the present one and a number of whole ones before it
-- count, so that no span of that length, wherever it begins, holds more than the limit. As text: "STEP:COUNT …", or
-- "STEP:COUNT:COUNT …" with a count for each unit, the oldest first; a step's number is its time over its width.
local MINUTE = { width = 5, steps = 12, apart = 0, units = { 'm' } }
local HOUR = { width = 300, steps = 12, apart = 0, units = MINUTE.units }
local DAY = { width = 3600, steps = 24, apart = 25, units = { 'm', 'r', 'b', 'w' } } -- as in day.lua, and some more

-- Adds to a step; `counts` by unit.
local function add_step(window, number, counts)
	local at = #window
	while at > 0 and window[at].step > number do
		at = at - 1
	end
	if at == 0 or window[at].step < number then
		at = at + 1
		table.insert(window, at, { step = number })
	end
	for _, unit in ipairs(window.kind.units) do
		window[at][unit] = (window[at][unit] or 0) + counts[unit]
		window.sum[unit] = (window.sum[unit] or 0) + counts[unit]
	end
end

-- What still counts at `from`, of a window whose present is `now`. Steps to come, beyond what two clocks may be apart,
-- were written by a clock that has stepped back since: they count as of now (`was_ahead`: and have to be written so, or
-- they would never end).
local function read_window(kind, text, now, from)
	local window = { kind = kind, sum = {} }
	local last, first = math.floor(now / kind.width), math.floor(from / kind.width) - kind.steps
	for step, texts in string.gmatch(text or '', '(%d+):([%d:]+)') do
		local counts, i = {}, 0
		for count in string.gmatch(texts, '%d+') do
			i = i + 1
			counts[kind.units[i] or ''] = tonumber(count)
		end
		step = tonumber(step)
		if step > last + kind.apart then
			window.was_ahead, step = true, last
		end
		if step >= first and i == #kind.units then
			add_step(window, step, counts)
		end
	end
	for _, unit in ipairs(kind.units) do
		window.sum[unit] = window.sum[unit] or 0
	end
	return window
end

local function write_window(window)
	local texts = {}
	for i, step in ipairs(window) do
		local text = string.format('%.0f', step.step)
		for _, unit in ipairs(window.kind.units) do
			text = text .. string.format(':%.0f', step[unit])
		end
		texts[i] = text
	end
	return table.concat(texts, ' ')
end

-- A window of one unit, for each charge: its sum, what to write if one more is added now, and what to write if none is
-- (nil: all is well as it is).
local function count_step(kind, text, now)
	local last = math.floor(now / kind.width)
	local sum, from, tail, tail_step, tail_count = 0, nil, nil, nil, nil
	for at, step, count in string.gmatch(text or '', '()(%d+):(%d+)') do
		local number = tonumber(step)
		if number > last then
			local window = read_window(kind, text, now, now)
			local came_back = write_window(window)
			local counted, more = count_step(kind, came_back, now)
			return counted, more, came_back
		end
		if number >= last - kind.steps then
			from, sum = from or at, sum + count
			tail, tail_step, tail_count = at, step, number == last and count
		end
	end
	if not from then
		return 0, string.format('%d:1', last)
	elseif tail_count then
		return sum, string.format('%s%s:%d', string.sub(text, from, tail - 1), tail_step, tail_count + 1)
	end
	return sum, string.format('%s %d:1', string.sub(text, from), last)
end

-- When so many of a unit no longer count; 0: there are not that many.
local function free_at(window, unit, excess)
	for _, step in ipairs(window) do
		excess = excess - step[unit]
		if excess <= 0 then
			return (step.step + window.kind.steps + 1) * window.kind.width
		end
	end
	return 0
end

-- Takes out what was counted at `time`, as far as its step is there; others' steps are theirs.
local function take_back(window, time, counts)
	for _, step in ipairs(window) do
		if step.step == math.floor(time / window.kind.width) then
			for _, unit in ipairs(window.kind.units) do
				step[unit] = math.max(0, step[unit] - counts[unit])
			end
		end
	end
end

-- The last 24 hours, as `last_day` holds them: "DAY:M:R:B:W/" and the steps. DAY to W are the user's day and its counts
-- when it was written. Returns the window, and DAY to W.
local function parse_last_day(text, now, from)
	local header, steps = string.match(text or '', '^([%d:]*)/(.*)$')
	local day, m, r, b, w = string.match(header or '', '^(%d+):(%d+):(%d+):(%d+):(%d+)$')
	return read_window(DAY, steps, now, from),
		{ day = tonumber(day or 0), m = tonumber(m or 0), r = tonumber(r or 0), b = tonumber(b or 0),
			w = tonumber(w or 0) }
end

-- The same; what others have added to the day's counts since, who count by days, counts as of now. It is as late as the
-- later of two clocks says, and forgets what is too old by both: neither alone makes room.
local function read_last_day(text, now, clock, day, used)
	local latest = math.max(now, clock)
	local window, seen = parse_last_day(text, latest, math.min(now, clock))
	local more = {}
	for _, unit in ipairs(DAY.units) do
		more[unit] = math.max(0, used[unit] - (seen.day == day and seen[unit] or 0))
	end
	if more.m + more.r + more.b + more.w > 0 then
		add_step(window, math.floor(latest / DAY.width), more)
	end
	return window
end

local function write_last_day(window, day, used)
	return string.format('%.0f:%.0f:%.0f:%.0f:%.0f/', day, used.m, used.r, used.b, used.w) .. write_window(window)
end

