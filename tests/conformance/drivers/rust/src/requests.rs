use crate::json::Json;
use std::io::{BufRead, Write};
use std::time::Duration;

/// A line of standard input.
pub struct Request(Json);

impl Request {
    pub fn op(&self) -> &str {
        self.text("op")
    }

    pub fn get(&self, field: &str) -> &Json {
        self.0.get(field)
    }

    pub fn text(&self, field: &str) -> &str {
        match self.get(field) {
            Json::Text(text) => text,
            _ => "",
        }
    }

    pub fn number(&self, field: &str) -> i64 {
        match self.get(field) {
            Json::Int(number) => *number,
            _ => 0,
        }
    }

    pub fn double(&self, field: &str) -> f64 {
        match self.get(field) {
            Json::Double(number) => *number,
            Json::Int(number) => *number as f64,
            _ => 0.0,
        }
    }

    pub fn step(&self) -> Option<i64> {
        match self.get("step") {
            Json::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub fn shape(&self) -> Vec<i64> {
        match self.get("shape") {
            Json::List(extents) => extents
                .iter()
                .map(|extent| if let Json::Int(n) = extent { *n } else { 0 })
                .collect(),
            _ => Vec::new(),
        }
    }

    pub fn map(&self, field: &str) -> Vec<(String, String)> {
        match self.get(field) {
            Json::Map(entries) => entries
                .iter()
                .filter_map(|(name, value)| match value {
                    Json::Text(text) => Some((name.clone(), text.clone())),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// -1 is for ever.
    pub fn timeout(&self) -> Option<Duration> {
        u64::try_from(self.number("timeout_ms"))
            .ok()
            .map(Duration::from_millis)
    }
}

#[derive(Default)]
pub struct Requests {
    again: Option<Request>,
    late: Option<Json>,
}

impl Requests {
    /// `None` at the end of standard input.
    pub fn next(&mut self) -> Option<Request> {
        if let Some(answer) = self.late.take() {
            self.answer(answer);
        }
        if self.again.is_some() {
            return self.again.take();
        }
        let mut line = String::new();
        if std::io::stdin()
            .lock()
            .read_line(&mut line)
            .expect("a line")
            == 0
        {
            return None;
        }
        Some(Request(Json::parse(&line)))
    }

    /// For whoever serves it next.
    pub fn put_back(&mut self, request: Request) {
        self.again = Some(request);
    }

    pub fn answer(&self, answer: Json) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", answer)
            .and_then(|_| out.flush())
            .expect("somebody who reads the answers");
    }

    /// Answers when the next request is asked for: what the caller holds is released then.
    pub fn answer_after(&mut self, answer: Json) {
        self.late = Some(answer);
    }
}
