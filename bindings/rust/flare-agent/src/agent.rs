use crate::call::{c_text, call, check, milliseconds, text};
use crate::error::{check_version, Result, Status};
use crate::log::LogRecord;
use crate::options::Options;
use crate::task::Task;
use flare_agent_sys as sys;
use std::os::unix::io::RawFd;
use std::time::Duration;

/// A session with one exchanger. Dropping it stops it, lets submitted results finish and says goodbye, for at most the
/// option `close_timeout`. Tasks that were taken can still be read.
#[derive(Debug)]
pub struct Agent {
    handle: *mut sys::flare_agent,
}

// The header says that any thread may use an agent at any time.
unsafe impl Send for Agent {}
unsafe impl Sync for Agent {}

impl Agent {
    /// Opens the agent that the environment describes, which is how a job starts its trainers. Does not wait for the
    /// peer.
    pub fn from_env() -> Result<Self> {
        Self::open(Options::new()?)
    }

    pub fn open(options: Options) -> Result<Self> {
        check_version(unsafe { sys::flare_version() }, sys::FLARE_VERSION)?;
        let mut handle = std::ptr::null_mut();
        call(|error| unsafe { sys::flare_agent_open(options.handle, &mut handle, error) })?;
        Ok(Agent { handle })
    }

    /// Waits until the session is up.
    pub fn wait_connected(&self, timeout: impl Into<Option<Duration>>) -> Result<()> {
        let timeout = milliseconds(timeout.into());
        call(|error| unsafe { sys::flare_agent_wait_connected(self.handle, timeout, error) })
    }

    /// Waits for the next task with all its data. One task is in hand at a time: answer or drop the one before first.
    /// [`Status::Ended`] is the normal end of a job.
    pub fn next_task(&self, timeout: impl Into<Option<Duration>>) -> Result<Task> {
        let timeout = milliseconds(timeout.into());
        let mut task = std::ptr::null_mut();
        call(|error| unsafe { sys::flare_agent_next_task(self.handle, timeout, &mut task, error) })?;
        Ok(Task::new(task))
    }

    /// All tasks from now on. The loop ends when the job ends or the agent is stopped; what else ends it comes as its
    /// last item.
    pub fn tasks(&self) -> Tasks<'_> {
        Tasks { agent: Some(self) }
    }

    /// Ends every present and later wait, in any thread, with [`Status::Stopped`]. Uploads go on until the agent is
    /// dropped.
    pub fn stop(&self) {
        unsafe { sys::flare_agent_stop(self.handle) }
    }

    /// Whether a process that was launched for one task has delivered its result.
    pub fn should_exit(&self) -> bool {
        unsafe { sys::flare_agent_should_exit(self.handle) != 0 }
    }

    pub fn state(&self) -> State {
        match unsafe { sys::flare_agent_state(self.handle) } {
            sys::FLARE_STATE_CONNECTING => State::Connecting,
            sys::FLARE_STATE_CONNECTED => State::Connected,
            sys::FLARE_STATE_ENDED => State::Ended,
            sys::FLARE_STATE_STOPPED => State::Stopped,
            sys::FLARE_STATE_ABORTED => State::Aborted,
            sys::FLARE_STATE_PEER_GONE => State::PeerGone,
            sys::FLARE_STATE_REFUSED => State::Refused,
            _ => State::Unreachable,
        }
    }

    /// What is known about the session: "url", "url_source", "agent_id", "site", "job_id", "peer_version",
    /// "wire_version", "close_reason". [`Status::NotFound`] for other names or while unknown.
    pub fn info(&self, name: &str) -> Result<String> {
        let name = c_text(name)?;
        let mut value = std::ptr::null();
        check(unsafe { sys::flare_agent_info(self.handle, name.as_ptr(), &mut value) })?;
        Ok(text(value))
    }

    pub fn stats(&self) -> Result<Stats> {
        let mut raw: sys::flare_agent_stats = unsafe { std::mem::zeroed() };
        raw.struct_size = std::mem::size_of_val(&raw) as u32;
        check(unsafe { sys::flare_agent_get_stats(self.handle, &mut raw) })?;
        Ok(Stats {
            tasks_received: raw.tasks_received,
            results_accepted: raw.results_accepted,
            results_delivered: raw.results_delivered,
            results_failed: raw.results_failed,
            bytes_received: raw.bytes_received,
            bytes_sent: raw.bytes_sent,
            metrics_sent: raw.metrics_sent,
            metrics_dropped: raw.metrics_dropped,
            reconnects: raw.reconnects,
            duplicates_dropped: raw.duplicates_dropped,
            frames_rejected: raw.frames_rejected,
        })
    }

    /// Sends one number to FLARE's experiment tracking. It never waits.
    pub fn log_scalar(&self, name: &str, value: f64, step: impl Into<Option<i64>>) -> Result<()> {
        let name = c_text(name)?;
        let step = step.into().unwrap_or(sys::FLARE_NO_STEP);
        call(|error| unsafe { sys::flare_agent_log_scalar(self.handle, name.as_ptr(), value, step, error) })
    }

    /// Sends any other AnalyticsDataType ("TEXT", "PARAMETERS", "IMAGE" ...); the value is JSON. `path` names the local
    /// file of an artifact.
    pub fn log_json(
        &self,
        data_type: &str,
        name: &str,
        json: &str,
        step: impl Into<Option<i64>>,
        path: Option<&str>,
    ) -> Result<()> {
        let (data_type, name, json) = (c_text(data_type)?, c_text(name)?, c_text(json)?);
        let path = path.map(c_text).transpose()?;
        let path = path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr());
        let step = step.into().unwrap_or(sys::FLARE_NO_STEP);
        call(|error| unsafe {
            sys::flare_agent_log_json(self.handle, data_type.as_ptr(), name.as_ptr(), json.as_ptr(), step, path, error)
        })
    }

    /// The next record of the library's own log; with the option `log_file` set to `none` they go nowhere else.
    /// [`Status::Stopped`]: the agent was stopped and all is read.
    pub fn next_log_record(&self, timeout: impl Into<Option<Duration>>) -> Result<LogRecord> {
        let timeout = milliseconds(timeout.into());
        let mut record = std::ptr::null_mut();
        call(|error| unsafe { sys::flare_agent_next_log_record(self.handle, timeout, &mut record, error) })?;
        Ok(LogRecord::take(record))
    }

    /// Hands the library's own log to the crate `log`, which `tracing` can listen to, until the agent is stopped: for a
    /// thread of its own. The target is "flare_agent". With the option `log_file` set to `none` records go nowhere else.
    #[cfg(feature = "log")]
    pub fn forward_log(&self) {
        while let Ok(record) = self.next_log_record(None) {
            ::log::log!(target: "flare_agent", record.level.into(), "{}", record.text);
        }
    }

    /// For event loops: readable exactly while [`Agent::next_task`] would not say [`Status::Timeout`]. Only poll it.
    pub fn poll_fd(&self) -> RawFd {
        unsafe { sys::flare_agent_poll_fd(self.handle) }
    }

    /// The same for [`Agent::wait_connected`].
    pub fn connected_poll_fd(&self) -> RawFd {
        unsafe { sys::flare_agent_connected_poll_fd(self.handle) }
    }

    /// The same for [`Agent::next_log_record`].
    pub fn log_poll_fd(&self) -> RawFd {
        unsafe { sys::flare_agent_log_poll_fd(self.handle) }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        unsafe { sys::flare_agent_close(self.handle) }
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Connecting,
    Connected,
    Ended,
    Stopped,
    Aborted,
    PeerGone,
    Refused,
    Unreachable,
}

/// Counters since the agent was opened; bytes are those of tensors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub tasks_received: i64,
    pub results_accepted: i64,
    pub results_delivered: i64,
    pub results_failed: i64,
    pub bytes_received: i64,
    pub bytes_sent: i64,
    pub metrics_sent: i64,
    pub metrics_dropped: i64,
    pub reconnects: i64,
    pub duplicates_dropped: i64,
    pub frames_rejected: i64,
}

/// See [`Agent::tasks`].
#[derive(Debug)]
pub struct Tasks<'a> {
    agent: Option<&'a Agent>,
}

impl Iterator for Tasks<'_> {
    type Item = Result<Task>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.agent?.next_task(None);
        if let Err(error) = &outcome {
            self.agent = None;
            if matches!(error.status(), Status::Ended | Status::Stopped) {
                return None;
            }
        }
        Some(outcome)
    }
}
