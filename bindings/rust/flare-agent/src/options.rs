use crate::call::{c_text, call, text};
use crate::error::{Error, Result, Status};
use flare_agent_sys as sys;

/// Settings of an agent. What is not set here, the environment decides (`FLARE_AGENT_*`), a profile, or the default.
pub struct Options {
    pub(crate) handle: *mut sys::flare_options,
}

// Options belong to one thread at a time, whichever it is.
unsafe impl Send for Options {}

impl Options {
    pub fn new() -> Result<Self> {
        let handle = unsafe { sys::flare_options_new() };
        if handle.is_null() {
            return Err(Error::new(Status::OutOfMemory, "not enough memory for options"));
        }
        Ok(Options { handle })
    }

    /// Sets an option, for example `set("url", "zmq+ipc:///run/site-1")`. Durations are in seconds, sizes in bytes.
    pub fn set(self, name: &str, value: &str) -> Result<Self> {
        let (name, value) = (c_text(name)?, c_text(value)?);
        call(|error| unsafe { sys::flare_options_set(self.handle, name.as_ptr(), value.as_ptr(), error) })?;
        Ok(self)
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        unsafe { sys::flare_options_free(self.handle) }
    }
}

/// What an option is.
#[derive(Clone, Debug)]
pub struct OptionInfo {
    pub name: String,
    pub default: String,
    pub help: String,
}

/// The table of known options.
pub fn known_options() -> Vec<OptionInfo> {
    let mut all = Vec::new();
    loop {
        let (mut name, mut default, mut help) = (std::ptr::null(), std::ptr::null(), std::ptr::null());
        let status = unsafe { sys::flare_option_describe(all.len(), &mut name, &mut default, &mut help) };
        if status != sys::FLARE_OK {
            return all;
        }
        all.push(OptionInfo { name: text(name), default: text(default), help: text(help) });
    }
}
