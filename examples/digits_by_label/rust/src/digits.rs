//! The data of one site.
use crate::mlp::{CLASSES, INPUTS};
use std::error::Error;

/// An image and what it shows.
pub struct Row {
    pub label: usize,
    pub pixels: Vec<f32>, // 0 to 1
}

/// A site's own digits to learn from, and all digits to test with.
#[derive(Default)]
pub struct Digits {
    pub train: Vec<Row>,
    pub test: Vec<Row>,
    /// To train in each round: 2, but 1 with more than two sites, as their digits differ more.
    pub epochs: usize,
}

/// Reads the CSV file as this site ("site-1" ...) of so many sees it.
pub fn load(path: &str, site: &str, sites: usize) -> Result<Digits, Box<dyn Error>> {
    let number = site
        .strip_prefix("site-")
        .and_then(|number| number.parse::<usize>().ok())
        .unwrap_or(0);
    if !(1..=CLASSES).contains(&sites) || !(1..=sites).contains(&number) {
        return Err(format!(
            "site {:?} of {}: it must be site-1, site-2 or the like, of at most 10",
            site, sites
        )
        .into());
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {}", path, error))?;
    let mut data = Digits {
        epochs: if sites > 2 { 1 } else { 2 },
        ..Digits::default()
    };
    for (index, line) in text.lines().enumerate() {
        let row = parse(line).ok_or_else(|| {
            format!(
                "{}:{}: a line is a label, 0 to 9, and 64 pixels, 0 to 16, with commas between",
                path,
                index + 1
            )
        })?;
        if index % 5 == 4 {
            data.test.push(row);
        } else if row.label * sites / CLASSES == number - 1 {
            data.train.push(row); // each site has a block of neighbouring digits
        }
    }
    if data.train.is_empty() || data.test.is_empty() {
        return Err(format!("{}: nothing to learn from or nothing to test with", path).into());
    }
    Ok(data)
}

fn parse(line: &str) -> Option<Row> {
    let numbers: Option<Vec<u8>> = line
        .split(',')
        .map(|field| field.trim().parse().ok())
        .collect();
    let numbers = numbers.filter(|numbers| numbers.len() == 1 + INPUTS)?;
    let label = usize::from(numbers[0]);
    if label >= CLASSES || numbers[1..].iter().any(|pixel| *pixel > 16) {
        return None;
    }
    Some(Row {
        label,
        pixels: numbers[1..]
            .iter()
            .map(|pixel| f32::from(*pixel) / 16.0)
            .collect(),
    })
}
