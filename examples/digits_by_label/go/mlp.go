package main

import "math"

// The network: 64 pixels -> 32 relu units -> softmax over 10 digits, as in mlp.c. Every product is converted to float32
// by itself, which is how Go is told not to fuse it with an addition: the same numbers on every machine.
const (
	inputs    = 64
	hidden    = 32
	classes   = 10
	rate      = float32(0.1)
	batchSize = 32
)

// model has row-major matrices.
type model struct {
	w1 [inputs * hidden]float32
	b1 [hidden]float32
	w2 [hidden * classes]float32
	b2 [classes]float32
}

// tensor is a part of a model.
type tensor struct {
	name   string
	values []float32
	shape  []int64
}

func (m *model) tensors() []tensor {
	return []tensor{
		{"w1", m.w1[:], []int64{inputs, hidden}},
		{"b1", m.b1[:], []int64{hidden}},
		{"w2", m.w2[:], []int64{hidden, classes}},
		{"b2", m.b2[:], []int64{classes}},
	}
}

// newModel gives the start values, the same in every language.
func newModel() *model {
	m := &model{}
	state := uint32(1)
	fill := func(values []float32, limit float32) {
		for i := range values {
			state = 1664525*state + 1013904223
			values[i] = (float32(state>>8)/8388608 - 1) * limit // the top 24 bits; 8388608 is 2^23
		}
	}
	fill(m.w1[:], 0.25)       // sqrt(6 / (64 + 32))
	fill(m.w2[:], 0.37796447) // sqrt(6 / (32 + 10))
	return m
}

func (m *model) forward(pixels []float32) (units [hidden]float32, scores [classes]float32) {
	units = m.b1
	for i, pixel := range pixels {
		for h := range units {
			units[h] += float32(pixel * m.w1[i*hidden+h])
		}
	}
	scores = m.b2
	for h := range units {
		units[h] = max(units[h], 0)
		for c := range scores {
			scores[c] += float32(units[h] * m.w2[h*classes+c])
		}
	}
	return units, scores
}

func best(scores [classes]float32) int {
	best := 0
	for c, score := range scores {
		if score > scores[best] {
			best = c
		}
	}
	return best
}

func softmax(scores [classes]float32) [classes]float32 {
	highest := scores[best(scores)] // taken off, it keeps the exponential in range
	var sum float32
	for c := range scores {
		scores[c] = float32(math.Exp(float64(scores[c] - highest)))
		sum += scores[c]
	}
	for c := range scores {
		scores[c] /= sum
	}
	return scores
}

// addGradient adds one row's gradient of the cross-entropy, divided by the size of its batch.
func (m *model) addGradient(row row, size float32, gradient *model) {
	units, scores := m.forward(row.pixels)
	delta := softmax(scores)
	delta[row.label]--
	for c := range delta {
		delta[c] /= size
		gradient.b2[c] += delta[c]
	}
	for h, unit := range units {
		if unit <= 0 { // an inactive unit has no part in the result, nor in the gradient
			continue
		}
		var deltaHidden float32
		for c := range delta {
			gradient.w2[h*classes+c] += float32(unit * delta[c])
			deltaHidden += float32(delta[c] * m.w2[h*classes+c])
		}
		gradient.b1[h] += deltaHidden
		for i, pixel := range row.pixels {
			gradient.w1[i*hidden+h] += float32(pixel * deltaHidden)
		}
	}
}

// train is plain SGD, over the rows in their order.
func (m *model) train(rows []row, epochs int) {
	for range epochs {
		for start := 0; start < len(rows); start += batchSize {
			batch := rows[start:min(start+batchSize, len(rows))]
			gradient := &model{}
			for _, row := range batch {
				m.addGradient(row, float32(len(batch)), gradient)
			}
			from := gradient.tensors()
			for t, to := range m.tensors() {
				for i := range to.values {
					to.values[i] -= float32(rate * from[t].values[i])
				}
			}
		}
	}
}

// accuracy is the share of rows whose digit the model finds.
func (m *model) accuracy(rows []row) float64 {
	right := 0
	for _, row := range rows {
		if _, scores := m.forward(row.pixels); best(scores) == row.label {
			right++
		}
	}
	return float64(right) / float64(len(rows))
}
