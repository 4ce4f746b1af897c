//! Submits one result and leaves without waiting for it, in the ways of docs/rust.md.
//!
//!     process_leaver_rust drop | forget | exit | shutdown | panic | raise
use flare_agent::Agent;
use std::error::Error;

const SIGTERM: i32 = 15;

extern "C" {
    fn raise(signal: i32) -> i32;
}

fn submit(agent: &Agent) -> Result<(), Box<dyn Error>> {
    let task = agent.next_task(None)?;
    let w: Vec<f32> = task
        .view::<f32>("w")?
        .iter()
        .map(|value| value + 1.0)
        .collect();
    let mut result = task.result()?;
    result.copy("w", &w, &[w.len() as i64])?;
    result.submit().map_err(flare_agent::Error::from)?;
    println!("submitted");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let way = std::env::args()
        .nth(1)
        .ok_or("usage: process_leaver_rust WAY")?;
    let agent = Agent::from_env()?;
    submit(&agent)?;
    match way.as_str() {
        "forget" => std::mem::forget(agent),
        "exit" => std::process::exit(7),
        "shutdown" => {
            flare_agent::shutdown();
            std::process::exit(7)
        }
        "panic" => panic!("nobody catches it"),
        "raise" => {
            unsafe { raise(SIGTERM) };
        }
        _ => {}
    }
    Ok(())
}
