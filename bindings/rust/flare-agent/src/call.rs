//! What every call of C needs: texts, times and errors.
use crate::error::{Error, Result, Status};
use flare_agent_sys as sys;
use std::ffi::{CStr, CString};
use std::os::raw::c_char;
use std::time::Duration;

/// Calls C with a place for its error, and turns what is not `FLARE_OK` into an [`Error`].
pub fn call(work: impl FnOnce(*mut *mut sys::flare_error) -> sys::flare_status) -> Result<()> {
    let mut details = std::ptr::null_mut();
    let status = work(&mut details);
    if status == sys::FLARE_OK {
        return Ok(());
    }
    let message = if details.is_null() {
        text(unsafe { sys::flare_status_text(status) })
    } else {
        text(unsafe { sys::flare_error_message(details) })
    };
    unsafe { sys::flare_error_free(details) };
    Err(Error::new(Status::from_raw(status), message))
}

/// For functions that give no details.
pub fn check(status: sys::flare_status) -> Result<()> {
    call(|_| status)
}

pub fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(Status::InvalidArgument, format!("{:?} has a NUL inside", text)))
}

/// A copy of a text of C; empty for NULL.
pub fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Rounded up: a wait of less than a millisecond is still one.
pub fn milliseconds(timeout: Option<Duration>) -> i64 {
    match timeout {
        None => sys::FLARE_WAIT_FOREVER,
        Some(time) => i64::try_from((time.as_nanos() + 999_999) / 1_000_000).unwrap_or(i64::MAX),
    }
}

/// Elements of C as a slice; C may have NULL for none.
///
/// # Safety
/// As `std::slice::from_raw_parts`, but for NULL when `count` is 0.
pub unsafe fn slice<'a, T>(data: *const T, count: usize) -> &'a [T] {
    if count == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, count)
    }
}
