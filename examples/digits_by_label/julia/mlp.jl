# A network of one hidden layer, with the start values and the order of additions of mlp.c: every language arrives at the
# same weights. Arrays have the wire's dimensions in reverse, so w1[h, i] is mlp.c's w1[i][h].
const INPUTS, HIDDEN, CLASSES = 64, 32, 10
const RATE = 0.1f0
const BATCH = 32

struct Model
    w1::Matrix{Float32}  # HIDDEN x INPUTS
    b1::Vector{Float32}
    w2::Matrix{Float32}  # CLASSES x HIDDEN
    b2::Vector{Float32}
end

zero_model() = Model(zeros(Float32, HIDDEN, INPUTS), zeros(Float32, HIDDEN), zeros(Float32, CLASSES, HIDDEN),
                     zeros(Float32, CLASSES))
parts(model) = ("w1" => model.w1, "b1" => model.b1, "w2" => model.w2, "b2" => model.b2)

# Fills with values in [-limit, limit). Every step but the last product is exact in Float32.
function fill_uniform!(values, limit, state)
    for i in eachindex(values)
        state = 0x0019660d * state + 0x3c6ef35f
        values[i] = (Float32(state >> 8) / 8388608.0f0 - 1.0f0) * limit  # the top 24 bits; 8388608 is 2^23
    end
    return state
end

function start_model()
    model = zero_model()
    state = fill_uniform!(model.w1, 0.25f0, UInt32(1))  # sqrt(6 / (64 + 32))
    fill_uniform!(model.w2, 0.37796447f0, state)        # sqrt(6 / (32 + 10))
    return model
end

function add_scaled!(to, factor, values)
    for i in eachindex(to)
        to[i] += factor * values[i]
    end
end

# hidden = relu(pixels w1 + b1), scores = hidden w2 + b2
function forward!(hidden, scores, model, pixels)
    hidden .= model.b1
    for i in 1:INPUTS
        add_scaled!(hidden, pixels[i], view(model.w1, :, i))
    end
    hidden .= max.(hidden, 0.0f0)
    scores .= model.b2
    for h in 1:HIDDEN
        add_scaled!(scores, hidden[h], view(model.w2, :, h))
    end
end

# Turns scores into probabilities. Taking the highest score off first keeps exp() in range.
function softmax!(scores)
    highest, sum = maximum(scores), 0.0f0
    for c in eachindex(scores)
        scores[c] = Float32(exp(Float64(scores[c] - highest)))
        sum += scores[c]
    end
    scores ./= sum
end

# Adds one row's gradient of the cross-entropy, divided by the size of its batch.
function add_gradient!(gradient, hidden, delta, model, row, batch_size)
    forward!(hidden, delta, model, row.pixels)
    softmax!(delta)
    delta[row.label+1] -= 1.0f0
    delta ./= batch_size
    gradient.b2 .+= delta
    for h in 1:HIDDEN
        hidden[h] > 0.0f0 || continue  # an inactive unit has no part in the result, nor in the gradient
        delta_hidden = 0.0f0
        for c in 1:CLASSES
            gradient.w2[c, h] += hidden[h] * delta[c]
            delta_hidden += delta[c] * model.w2[c, h]
        end
        gradient.b1[h] += delta_hidden
        for i in 1:INPUTS
            gradient.w1[h, i] += row.pixels[i] * delta_hidden
        end
    end
end

# A new model.
function train(received, rows, epochs)
    model = deepcopy(received)
    hidden, delta = zeros(Float32, HIDDEN), zeros(Float32, CLASSES)
    for _ in 1:epochs, start in 1:BATCH:length(rows)
        batch = view(rows, start:min(start + BATCH - 1, length(rows)))
        gradient = zero_model()
        for row in batch
            add_gradient!(gradient, hidden, delta, model, row, Float32(length(batch)))
        end
        for ((_, to), (_, from)) in zip(parts(model), parts(gradient))
            add_scaled!(to, -RATE, from)
        end
    end
    return model
end

function accuracy(model, rows)
    hidden, scores = zeros(Float32, HIDDEN), zeros(Float32, CLASSES)
    right = count(rows) do row
        forward!(hidden, scores, model, row.pixels)
        argmax(scores) == row.label + 1
    end
    return right / length(rows)
end
