//! Lets a Rust program take part in NVIDIA FLARE jobs.
//!
//! ```no_run
//! # fn train(weights: &[f32]) -> Vec<f32> { weights.to_vec() }
//! fn main() -> Result<(), flare_agent::Error> {
//!     let agent = flare_agent::Agent::from_env()?;
//!     for task in agent.tasks() {
//!         let task = task?;
//!         let weights = train(task.view::<f32>("w")?);
//!         let mut result = task.result()?;
//!         result.copy("w", &weights, &[weights.len() as i64])?.set_steps(100)?;
//!         result.finish()?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Meanings and rules are those of `flare_agent.h`; each function here is the one of like name there. What is
//! different, everywhere:
//!
//! * **Errors.** What is not `FLARE_OK` is an [`Error`], whose [`Error::status`] says which.
//! * **Closing** is dropping. A task that is dropped without a submitted result is answered with a failure; so a panic,
//!   a `?` or a `break` in the loop never leaves the job waiting.
//! * **A timeout** is an `Option<Duration>`, or a `Duration` alone; `None` waits for as long as it takes.
//! * **Threads.** [`Agent`], [`Task`] and [`Upload`] are `Send` and `Sync`: share an agent in an `Arc`, or borrow it in
//!   `std::thread::scope`. A [`TaskResult`] is `Send`. To end all waits call [`Agent::stop`] in any thread.
//! * **Features.** `tokio`: waits that are futures, `next_task_async` and the like. `log`: `Agent::forward_log`. `bundled`:
//!   the library is built from its sources. None is on by default, and nothing else is needed then.
mod agent;
mod call;
mod error;
#[cfg(feature = "tokio")]
mod futures;
mod log;
mod options;
mod progress;
mod result;
mod task;
mod tensor;
mod value;

pub use agent::{Agent, State, Stats, Tasks};
pub use error::{Error, Result, Status};
pub use log::{LogLevel, LogRecord};
pub use options::{known_options, OptionInfo, Options};
pub use progress::{Progress, Receiver, UploadState};
pub use result::{Level, SubmitError, TaskResult, Upload};
pub use task::{ParamsType, Task, TaskKind};
pub use tensor::{DType, Element, Tensor};
pub use value::{Section, Value};

/// The version of the library in use, for example "0.1.0".
pub fn version() -> String {
    error::version_text(unsafe { flare_agent_sys::flare_version() })
}

/// Closes every agent of this process, as dropping them does. Call it before `std::process::exit`, which drops nothing,
/// so that submitted results survive it.
pub fn shutdown() {
    unsafe { flare_agent_sys::flare_shutdown() }
}
