use flare_agent::{Error, Result};
use serde_json::{json, Value};

pub fn ok() -> Value {
    json!({"status": "OK"})
}

pub fn fields(mut answer: Value) -> Value {
    answer["status"] = "OK".into();
    answer
}

pub fn failed(error: &Error) -> Value {
    json!({"status": upper_snake(&format!("{:?}", error.status())), "message": error.message()})
}

pub fn status_of(outcome: Result<()>) -> Value {
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
