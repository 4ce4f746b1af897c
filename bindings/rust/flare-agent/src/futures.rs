//! The waits as futures of tokio: what waits is a task of its runtime, and no thread. A future that is dropped has taken
//! nothing.
use crate::agent::Agent;
use crate::error::{Error, Result, Status};
use crate::log::LogRecord;
use crate::progress::Progress;
use crate::result::{Level, Upload};
use crate::task::Task;
use ::tokio::io::unix::AsyncFd;
use ::tokio::io::Interest;
use std::os::unix::io::{BorrowedFd, RawFd};
use std::time::Duration;

/// Waits until `look` has something else to say than [`Status::Timeout`]. The descriptor only tells when to look again.
/// tokio registers each only once, so it gets a duplicate.
async fn wait<T>(descriptor: RawFd, look: impl Fn() -> Result<T>) -> Result<T> {
    let first = look();
    if !is_too_early(&first) {
        return first;
    }
    // Whoever calls this borrows what the descriptor belongs to.
    let own = unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned().map_err(no_wait)?;
    let own = AsyncFd::with_interest(own, Interest::READABLE).map_err(no_wait)?;
    loop {
        let mut ready = own.readable().await.map_err(no_wait)?;
        let outcome = look();
        if !is_too_early(&outcome) {
            return outcome;
        }
        ready.clear_ready();
    }
}

fn is_too_early<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(error) if error.status() == Status::Timeout)
}

fn no_wait(error: std::io::Error) -> Error {
    Error::new(Status::Io, format!("tokio cannot wait: {}", error))
}

/// With the feature `tokio`, to be called in a runtime of it that has I/O enabled. Time limits are those of
/// `tokio::time::timeout`.
impl Agent {
    /// [`Agent::wait_connected`] as a future.
    pub async fn wait_connected_async(&self) -> Result<()> {
        wait(self.connected_poll_fd(), || self.wait_connected(Duration::ZERO)).await
    }

    /// [`Agent::next_task`] as a future.
    pub async fn next_task_async(&self) -> Result<Task> {
        wait(self.poll_fd(), || self.next_task(Duration::ZERO)).await
    }

    /// [`Agent::next_log_record`] as a future.
    pub async fn next_log_record_async(&self) -> Result<LogRecord> {
        wait(self.log_poll_fd(), || self.next_log_record(Duration::ZERO)).await
    }
}

/// With the feature `tokio`. Mind that dropping an upload with given elements waits for whoever reads them:
/// [`Upload::cancel`] it first when it is not delivered.
impl Upload {
    /// [`Upload::wait`] as a future.
    pub async fn wait_async(&self, level: Level) -> Result<()> {
        wait(self.poll_fd(level), || self.wait(level, Duration::ZERO)).await
    }

    /// [`Upload::wait_progress`] as a future.
    pub async fn wait_progress_async(&self, seen: &Progress) -> Result<Progress> {
        wait(self.progress_poll_fd(), || self.wait_progress(seen, Duration::ZERO)).await
    }
}
