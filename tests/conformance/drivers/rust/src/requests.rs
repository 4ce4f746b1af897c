use serde_json::Value;
use std::io::{BufRead, Write};
use std::time::Duration;

/// A line of standard input.
pub struct Request(Value);

impl Request {
    pub fn op(&self) -> &str {
        self.text("op")
    }

    pub fn get(&self, field: &str) -> &Value {
        &self.0[field]
    }

    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or("")
    }

    pub fn number(&self, field: &str) -> i64 {
        self.0[field].as_i64().unwrap_or(0)
    }

    pub fn double(&self, field: &str) -> f64 {
        self.0[field].as_f64().unwrap_or(0.0)
    }

    pub fn step(&self) -> Option<i64> {
        self.0["step"].as_i64()
    }

    pub fn shape(&self) -> Vec<i64> {
        self.0["shape"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_i64)
            .collect()
    }

    pub fn map(&self, field: &str) -> Vec<(String, String)> {
        let entries = self.0[field].as_object().into_iter().flatten();
        entries
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_string()))
            .collect()
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
    late: Option<Value>,
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
        Some(Request(serde_json::from_str(&line).expect("a request")))
    }

    /// For whoever serves it next.
    pub fn put_back(&mut self, request: Request) {
        self.again = Some(request);
    }

    pub fn answer(&self, answer: Value) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", answer)
            .and_then(|_| out.flush())
            .expect("somebody who reads the answers");
    }

    /// Answers when the next request is asked for: what the caller holds is released then.
    pub fn answer_after(&mut self, answer: Value) {
        self.late = Some(answer);
    }
}
