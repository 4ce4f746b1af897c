//! Does a tumour look benign? Logistic regression on 30 measurements of cells, as in logreg.c. Sums are f64, so that
//! every language arrives at the same f32 weights.
use std::error::Error;

const FEATURES: usize = 30;
pub const WEIGHTS: usize = FEATURES + 1; // the last is the bias
const STEPS: usize = 10;
const RATE: f64 = 0.5;
const DECAY: f64 = 1e-3;

pub type Weights = [f32; WEIGHTS];

pub struct Row {
    label: f64,
    features: Vec<f64>,
}

/// What one site works with; the rows to test with are the same everywhere.
#[derive(Default)]
pub struct Data {
    pub train: Vec<Row>,
    pub test: Vec<Row>,
}

/// Reads the CSV file as "site-1" or "site-2" sees it: every third row of those for training is site-1's.
pub fn load(path: &str, site: &str) -> Result<Data, Box<dyn Error>> {
    if site != "site-1" && site != "site-2" {
        return Err(format!("site {:?}: it must be site-1 or site-2", site).into());
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {}", path, error))?;
    let mut data = Data::default();
    let mut train_index = 0;
    for (index, line) in text.lines().enumerate() {
        let row = parse(line)
            .ok_or_else(|| format!("{}:{}: not a label and 30 numbers", path, index + 1))?;
        if index % 5 == 4 {
            data.test.push(row);
            continue;
        }
        if (train_index % 3 == 0) == (site == "site-1") {
            data.train.push(row);
        }
        train_index += 1;
    }
    if data.train.is_empty() || data.test.is_empty() {
        return Err(format!("{}: nothing to learn from or nothing to test with", path).into());
    }
    Ok(data)
}

fn parse(line: &str) -> Option<Row> {
    let mut fields = line.split(',');
    let label = fields.next()?.trim().parse().ok()?;
    // As f32 first, which is what the other languages read.
    let features: Result<Vec<f64>, _> = fields
        .map(|field| field.trim().parse::<f32>().map(f64::from))
        .collect();
    features
        .ok()
        .filter(|features| features.len() == FEATURES)
        .map(|features| Row { label, features })
}

fn score(weights: &[f64], row: &Row) -> f64 {
    row.features
        .iter()
        .zip(weights)
        .fold(weights[FEATURES], |sum, (feature, weight)| {
            sum + weight * feature
        })
}

/// One step down; returns the mean cross-entropy of where it started.
fn step(weights: &mut [f64], rows: &[Row]) -> f64 {
    let mut gradient = [0.0; WEIGHTS];
    let mut loss = 0.0;
    for row in rows {
        let error = 1.0 / (1.0 + (-score(weights, row)).exp()) - row.label;
        for (sum, feature) in gradient.iter_mut().zip(&row.features) {
            *sum += error * feature;
        }
        gradient[FEATURES] += error;
        loss -= (1.0 - error.abs() + 1e-300).ln();
    }
    let count = rows.len() as f64;
    for (weight, sum) in weights.iter_mut().zip(&gradient) {
        *weight -= RATE * (sum / count + DECAY * *weight);
    }
    loss / count
}

pub fn train(weights: &mut Weights, rows: &[Row]) -> f64 {
    let mut exact = weights.map(f64::from);
    let mut loss = 0.0;
    for _ in 0..STEPS {
        loss = step(&mut exact, rows);
    }
    *weights = exact.map(|weight| weight as f32);
    loss
}

pub fn accuracy(weights: &Weights, rows: &[Row]) -> f64 {
    let exact = weights.map(f64::from);
    let right = rows
        .iter()
        .filter(|row| (score(&exact, row) > 0.0) == (row.label == 1.0))
        .count();
    right as f64 / rows.len() as f64
}
