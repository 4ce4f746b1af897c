use flare_agent_sys as sys;

/// How much a record of the library's log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

#[cfg(feature = "log")]
impl From<LogLevel> for ::log::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => ::log::Level::Debug,
            LogLevel::Info => ::log::Level::Info,
            LogLevel::Warn => ::log::Level::Warn,
            LogLevel::Error => ::log::Level::Error,
        }
    }
}

/// A record of the library's own log.
#[derive(Clone, Debug)]
pub struct LogRecord {
    pub level: LogLevel,
    pub text: String,
}

impl LogRecord {
    pub(crate) fn take(record: *mut sys::flare_log_record) -> Self {
        let level = match unsafe { sys::flare_log_record_level(record) } {
            sys::FLARE_LOG_DEBUG => LogLevel::Debug,
            sys::FLARE_LOG_INFO => LogLevel::Info,
            sys::FLARE_LOG_WARN => LogLevel::Warn,
            _ => LogLevel::Error,
        };
        let text = crate::call::text(unsafe { sys::flare_log_record_text(record) });
        unsafe { sys::flare_log_record_free(record) };
        LogRecord { level, text }
    }
}
