//! A network of one hidden layer, with the start values and the order of additions of mlp.c: every language arrives at
//! the same weights.
use crate::digits::Row;

pub const INPUTS: usize = 64;
const HIDDEN: usize = 32;
pub const CLASSES: usize = 10;
const RATE: f32 = 0.1;
const BATCH: usize = 32;

#[derive(Clone)]
pub struct Model {
    w1: Vec<f32>, // [INPUTS][HIDDEN]
    b1: Vec<f32>,
    w2: Vec<f32>, // [HIDDEN][CLASSES]
    b2: Vec<f32>,
}

/// A part of a model, as the job names it.
pub struct Part<'a> {
    pub name: &'static str,
    pub values: &'a mut [f32],
    pub shape: &'static [i64],
}

impl Model {
    pub fn zero() -> Self {
        Model {
            w1: vec![0.0; INPUTS * HIDDEN],
            b1: vec![0.0; HIDDEN],
            w2: vec![0.0; HIDDEN * CLASSES],
            b2: vec![0.0; CLASSES],
        }
    }

    pub fn start() -> Self {
        let mut model = Self::zero();
        let mut state = 1;
        fill_uniform(&mut model.w1, 0.25, &mut state); // sqrt(6 / (64 + 32))
        fill_uniform(&mut model.w2, 0.377_964_47, &mut state); // sqrt(6 / (32 + 10))
        model
    }

    pub fn tensors_mut(&mut self) -> [Part<'_>; 4] {
        [
            Part {
                name: "w1",
                values: &mut self.w1,
                shape: &[INPUTS as i64, HIDDEN as i64],
            },
            Part {
                name: "b1",
                values: &mut self.b1,
                shape: &[HIDDEN as i64],
            },
            Part {
                name: "w2",
                values: &mut self.w2,
                shape: &[HIDDEN as i64, CLASSES as i64],
            },
            Part {
                name: "b2",
                values: &mut self.b2,
                shape: &[CLASSES as i64],
            },
        ]
    }
}

/// Fills with values in [-limit, limit). Every step but the last product is exact in f32.
fn fill_uniform(values: &mut [f32], limit: f32, state: &mut u32) {
    for value in values {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = ((*state >> 8) as f32 / 8_388_608.0 - 1.0) * limit; // the top 24 bits; 8388608 is 2^23
    }
}

/// hidden = relu(pixels w1 + b1), scores = hidden w2 + b2
fn forward(model: &Model, pixels: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut hidden = model.b1.clone();
    for (pixel, weights) in pixels.iter().zip(model.w1.chunks(HIDDEN)) {
        add_scaled(&mut hidden, *pixel, weights);
    }
    for unit in &mut hidden {
        *unit = if *unit > 0.0 { *unit } else { 0.0 };
    }
    let mut scores = model.b2.clone();
    for (unit, weights) in hidden.iter().zip(model.w2.chunks(CLASSES)) {
        add_scaled(&mut scores, *unit, weights);
    }
    (hidden, scores)
}

fn add_scaled(to: &mut [f32], factor: f32, values: &[f32]) {
    for (sum, value) in to.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// The first of the highest.
fn best_of(scores: &[f32]) -> usize {
    (1..scores.len()).fold(0, |best, c| if scores[c] > scores[best] { c } else { best })
}

/// Turns scores into probabilities. Taking the highest score off first keeps exp() in range.
fn softmax(scores: &mut [f32]) {
    let highest = scores[best_of(scores)];
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = f64::from(*score - highest).exp() as f32;
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

/// Adds one row's gradient of the cross-entropy, divided by the size of its batch.
fn add_gradient(model: &Model, row: &Row, batch_size: f32, gradient: &mut Model) {
    let (hidden, mut delta) = forward(model, &row.pixels);
    softmax(&mut delta);
    delta[row.label] -= 1.0;
    for (value, sum) in delta.iter_mut().zip(&mut gradient.b2) {
        *value /= batch_size;
        *sum += *value;
    }
    for h in 0..HIDDEN {
        if hidden[h] <= 0.0 {
            continue; // an inactive unit has no part in the result, nor in the gradient
        }
        let outgoing = h * CLASSES..(h + 1) * CLASSES;
        let mut delta_hidden = 0.0;
        for (value, weight) in delta.iter().zip(&model.w2[outgoing.clone()]) {
            delta_hidden += value * weight;
        }
        add_scaled(&mut gradient.w2[outgoing], hidden[h], &delta);
        gradient.b1[h] += delta_hidden;
        for (pixel, weights) in row.pixels.iter().zip(gradient.w1.chunks_mut(HIDDEN)) {
            weights[h] += pixel * delta_hidden;
        }
    }
}

pub fn train(model: &mut Model, rows: &[Row], epochs: usize) {
    for _ in 0..epochs {
        for batch in rows.chunks(BATCH) {
            let mut gradient = Model::zero();
            for row in batch {
                add_gradient(model, row, batch.len() as f32, &mut gradient);
            }
            for (to, from) in model.tensors_mut().into_iter().zip(gradient.tensors_mut()) {
                add_scaled(to.values, -RATE, from.values);
            }
        }
    }
}

pub fn accuracy(model: &Model, rows: &[Row]) -> f64 {
    let right = rows
        .iter()
        .filter(|row| best_of(&forward(model, &row.pixels).1) == row.label)
        .count();
    right as f64 / rows.len() as f64
}
