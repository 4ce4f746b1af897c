use crate::json::{json, Json};
use flare_agent::{Error, Result};

pub fn ok() -> Json {
    json!({"status": "OK"})
}

pub fn fields(answer: Json) -> Json {
    answer.with("status", "OK")
}

pub fn failed(error: &Error) -> Json {
    json!({"status": upper_snake(&format!("{:?}", error.status())), "message": error.message()})
}

pub fn status_of(outcome: Result<()>) -> Json {
    outcome.map_or_else(|error| failed(&error), |()| ok())
}

/// PeerGone is PEER_GONE.
pub fn upper_snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(letter.to_uppercase());
    }
    out
}
