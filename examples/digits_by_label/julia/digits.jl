# The data of one site.

struct Row
    label::Int
    pixels::Vector{Float32}  # 0 to 1
end

# To train in each round: with more than two sites their digits differ more.
epochs_for(sites) = sites > 2 ? 1 : 2

# Reads the CSV file as this site ("site-1" ...) of so many sees it: its own digits to learn from, all to test with.
function load(path, site, sites)
    number = something(tryparse(Int, replace(site, "site-" => "")), 0)
    1 <= sites <= CLASSES && 1 <= number <= sites ||
        error("site \"$site\" of $sites: it must be site-1, site-2 or the like, of at most 10")
    train, test = Row[], Row[]
    for (index, line) in enumerate(eachline(path))
        row = parse_row(line)
        row === nothing && error("$path:$index: a line is a label, 0 to 9, and 64 pixels, 0 to 16, with commas between")
        if index % 5 == 0
            push!(test, row)
        elseif row.label * sites ÷ CLASSES == number - 1  # each site has a block of neighbouring digits
            push!(train, row)
        end
    end
    isempty(train) || isempty(test) ? error("$path: nothing to learn from or nothing to test with") : (train, test)
end

function parse_row(line)
    numbers = map(field -> tryparse(Int, field), split(line, ','))
    length(numbers) == 1 + INPUTS && !any(isnothing, numbers) || return nothing
    label, pixels = numbers[1], numbers[2:end]
    0 <= label < CLASSES && all(pixel -> 0 <= pixel <= 16, pixels) || return nothing
    return Row(label, pixels ./ 16.0f0)
end
