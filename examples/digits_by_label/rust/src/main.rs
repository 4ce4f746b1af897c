//! One site of the digits_by_label job, in Rust.
//!
//!     digits_trainer_rust DATA.csv SITES
//!
//! Which job this is and where its peer waits, the library finds in the environment (FLARE_AGENT_*). Taking part in the
//! job is what stands between the two marked lines; the network is in mlp.rs.
mod digits;
mod mlp;

use digits::Digits;
use flare_agent::{Agent, Status, Task, TaskKind};
use mlp::Model;
use std::error::Error;

struct Trainer {
    data: Digits,
    local: Model, // what training made of the shared model here; at first the start values
}

impl Trainer {
    /// Returns the rows it learned from: the weight of this site in the average.
    fn learn(&mut self, received: &Model) -> i64 {
        self.local = received.clone();
        mlp::train(&mut self.local, &self.data.train, self.data.epochs);
        self.data.train.len() as i64
    }

    // ==== federation: from here =====================================================================================

    fn answer(&mut self, agent: &Agent, task: &Task) -> flare_agent::Result<()> {
        if task.kind() == TaskKind::Other {
            return task.fail("TASK_UNSUPPORTED", "not a task of this trainer");
        }
        let mut result = task.result()?;
        if task.kind() != TaskKind::SubmitModel {
            let mut received = Model::zero();
            for tensor in received.tensors_mut() {
                task.read(tensor.name, tensor.values)?;
            }
            let accuracy = mlp::accuracy(&received, &self.data.test);
            result.set_metric("accuracy", accuracy)?;
            agent.log_scalar("accuracy", accuracy, task.round())?;
            if task.kind() == TaskKind::Train {
                result.set_steps(self.learn(&received))?;
            }
        }
        if task.kind() != TaskKind::Validate {
            for tensor in self.local.tensors_mut() {
                result.copy(tensor.name, tensor.values, tensor.shape)?;
            }
        }
        result.finish()
    }

    /// What goes wrong with a task ends that task only.
    fn serve(&mut self, agent: &Agent) -> flare_agent::Result<()> {
        for task in agent.tasks() {
            let task = task?;
            if let Err(error) = self.answer(agent, &task) {
                eprintln!("task {}: {}", task.id(), error);
                let _ = task.fail("EXECUTION_EXCEPTION", error.message()); // too late once the result was submitted
            }
        }
        Ok(())
    }

    // ==== federation: to here =======================================================================================
}

fn run(path: &str, sites: &str) -> Result<(), Box<dyn Error>> {
    let agent = Agent::from_env()?;
    match agent.wait_connected(None) {
        Err(error) if error.status() == Status::Ended => return Ok(()), // the job was over before this site came
        outcome => outcome?,
    }
    let data = digits::load(path, &agent.info("site")?, sites.parse()?)?;
    Trainer {
        data,
        local: Model::start(),
    }
    .serve(&agent)?;
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() != 3 {
        eprintln!("usage: {} DATA.csv SITES", arguments[0]);
        std::process::exit(1);
    }
    if let Err(error) = run(&arguments[1], &arguments[2]) {
        eprintln!("{}", error);
        std::process::exit(1);
    }
}
