# Does a tumour look benign? Logistic regression on 30 measurements of cells, as in logreg.c. Sums are Float64, so that every
# language arrives at the same Float32 weights.
const FEATURES = 30
const WEIGHTS = FEATURES + 1  # the last is the bias
const STEPS, RATE, DECAY = 10, 0.5, 1e-3

struct Row
    label::Float64
    features::Vector{Float64}
end

# Reads the CSV file as "site-1" or "site-2" sees it: every third row of those for training is site-1's. The rows to test
# with are the same everywhere.
function load(path, site)
    site in ("site-1", "site-2") || error("site \"$site\": it must be site-1 or site-2")
    train, test, train_index = Row[], Row[], 0
    for (index, line) in enumerate(eachline(path))
        numbers = map(field -> tryparse(Float32, field), split(line, ','))
        length(numbers) == 1 + FEATURES && !any(isnothing, numbers) || error("$path:$index: not a label and 30 numbers")
        row = Row(numbers[1], numbers[2:end])
        if index % 5 == 0
            push!(test, row)
            continue
        end
        (train_index % 3 == 0) == (site == "site-1") && push!(train, row)
        train_index += 1
    end
    isempty(train) || isempty(test) ? error("$path: nothing to learn from or nothing to test with") : (train, test)
end

function score(weights, row)
    sum = weights[WEIGHTS]
    for i in 1:FEATURES
        sum += weights[i] * row.features[i]
    end
    return sum
end

# One step down; returns the mean cross-entropy of where it started.
function step!(weights, rows)
    gradient, loss = zeros(WEIGHTS), 0.0
    for row in rows
        miss = 1 / (1 + exp(-score(weights, row))) - row.label
        for i in 1:FEATURES
            gradient[i] += miss * row.features[i]
        end
        gradient[WEIGHTS] += miss
        loss -= log(1 - abs(miss) + 1e-300)
    end
    weights .-= RATE .* (gradient ./ length(rows) .+ DECAY .* weights)
    return loss / length(rows)
end

# New weights, and the loss before the last step.
function train(received, rows)
    exact, loss = Float64.(received), 0.0
    for _ in 1:STEPS
        loss = step!(exact, rows)
    end
    return Float32.(exact), loss
end

accuracy(weights, rows) = count(row -> (score(Float64.(weights), row) > 0) == (row.label == 1), rows) / length(rows)
