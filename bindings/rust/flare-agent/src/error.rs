use flare_agent_sys as sys;
use std::fmt;

/// Why a call gave nothing: `FLARE_TIMEOUT` and so on of `flare_agent.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Nothing happened in the given time.
    Timeout,
    /// The job is over; the normal end of all.
    Ended,
    /// This side was stopped or closed.
    Stopped,
    NotFound,
    InvalidArgument,
    /// The right call at the wrong time.
    InvalidState,
    /// Nothing was heard from the peer for `heartbeat_timeout`.
    PeerGone,
    /// The peer aborted the job, or this task.
    Aborted,
    /// The receiver stopped fetching for `streaming_idle_timeout`.
    Stalled,
    Protocol,
    Io,
    OutOfMemory,
    Forked,
    Internal,
    Refused,
    Unreachable,
    TooLarge,
    /// A status of a later version of the library.
    Unknown(i32),
}

const STATUSES: [(sys::flare_status, Status); 17] = [
    (sys::FLARE_TIMEOUT, Status::Timeout),
    (sys::FLARE_ENDED, Status::Ended),
    (sys::FLARE_STOPPED, Status::Stopped),
    (sys::FLARE_NOT_FOUND, Status::NotFound),
    (sys::FLARE_INVALID_ARGUMENT, Status::InvalidArgument),
    (sys::FLARE_INVALID_STATE, Status::InvalidState),
    (sys::FLARE_PEER_GONE, Status::PeerGone),
    (sys::FLARE_ABORTED, Status::Aborted),
    (sys::FLARE_STALLED, Status::Stalled),
    (sys::FLARE_PROTOCOL, Status::Protocol),
    (sys::FLARE_IO, Status::Io),
    (sys::FLARE_OUT_OF_MEMORY, Status::OutOfMemory),
    (sys::FLARE_FORKED, Status::Forked),
    (sys::FLARE_INTERNAL, Status::Internal),
    (sys::FLARE_REFUSED, Status::Refused),
    (sys::FLARE_UNREACHABLE, Status::Unreachable),
    (sys::FLARE_TOO_LARGE, Status::TooLarge),
];

impl Status {
    pub(crate) fn from_raw(raw: sys::flare_status) -> Self {
        let known = STATUSES.iter().find(|(number, _)| *number == raw);
        known.map_or(Status::Unknown(raw), |(_, status)| *status)
    }
}

/// What happened and what to do, in the library's own words.
#[derive(Clone, Debug)]
pub struct Error {
    status: Status,
    message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Error { status, message: message.into() }
    }

    pub fn status(&self) -> Status {
        self.status
    }

    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

pub(crate) fn version_text(version: u32) -> String {
    format!("{}.{}.{}", version >> 16, version >> 8 & 0xff, version & 0xff)
}

/// Whether a library can serve a program that was compiled for that header. While the major version is 0 a new minor
/// version may change the interface.
pub(crate) fn check_version(library: u32, header: u32) -> Result<()> {
    if library >> 8 == header >> 8 {
        return Ok(());
    }
    let message = format!(
        "the library libflare_agent found at run time is version {}, but this program was compiled for {}: run it \
         with the library of that version, or compile it again",
        version_text(library),
        version_text(header)
    );
    Err(Error::new(Status::InvalidState, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused_by_name() {
        assert!(check_version(0x000107, 0x000100).is_ok());
        let error = check_version(0x000200, 0x000100).unwrap_err();
        assert_eq!(error.status(), Status::InvalidState);
        assert!(error.message().contains("0.2.0") && error.message().contains("0.1.0"), "{}", error);
    }
}
