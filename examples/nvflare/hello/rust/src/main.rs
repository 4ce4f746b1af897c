//! One site of an NVFlare job, in Rust: of hello, diff and crosseval.
//!
//!     hello_trainer_rust DATA.csv
//!
//! Which job this is and where its peer waits, the library finds in the environment (FLARE_AGENT_*), which the executor
//! sets. The learning is in logreg.rs.
mod logreg;

use flare_agent::{Agent, Status, TaskKind};
use logreg::{Data, Weights, WEIGHTS};
use std::error::Error;

const MODEL: &str = "numpy_key"; // what NVFlare's NPModelPersistor calls its one array

fn serve(agent: &Agent, data: &Data) -> Result<(), Box<dyn Error>> {
    let mut local: Weights = [0.0; WEIGHTS];
    for task in agent.tasks() {
        let task = task?;
        let mut result = task.result()?;
        if matches!(task.kind(), TaskKind::Train | TaskKind::Validate) {
            let mut model: Weights = [0.0; WEIGHTS];
            task.read(MODEL, &mut model)?;
            let accuracy = logreg::accuracy(&model, &data.test);
            result.set_metric("accuracy", accuracy)?;
            agent.log_scalar("accuracy", accuracy, task.round())?;
            if task.kind() == TaskKind::Train {
                local = model;
                agent.log_scalar("loss", logreg::train(&mut local, &data.train), task.round())?;
                result.set_steps(data.train.len() as i64)?;
            }
        }
        if task.kind() != TaskKind::Validate {
            result.copy(MODEL, &local, &[WEIGHTS as i64])?;
        }
        result.finish()?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: hello_trainer_rust DATA.csv")?;
    let agent = Agent::from_env()?;
    match agent.wait_connected(None) {
        Err(error) if error.status() == Status::Ended => return Ok(()), // the job was over before this site came
        outcome => outcome?,
    }
    let data = logreg::load(&path, &agent.info("site")?)?;
    serve(&agent, &data)
}
