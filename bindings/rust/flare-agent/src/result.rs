use crate::call::{c_text, call, check, milliseconds, text};
use crate::error::{Error, Result};
use crate::progress::{Progress, Receiver};
use crate::task::Task;
use crate::tensor::{DType, Element, Tensor};
use crate::value::Section;
use flare_agent_sys as sys;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::os::unix::io::RawFd;
use std::time::Duration;

/// C's result with the elements that it reads. Released before them: that waits until nothing reads them any more.
struct Handle {
    raw: *mut sys::flare_result,
    _given: Vec<Box<dyn Any + Send>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        unsafe { sys::flare_result_free(self.raw) }
    }
}

/// The answer to a task, to be filled and submitted. Dropped before that, the task may make another.
///
/// It cannot be submitted twice:
/// ```compile_fail,E0382
/// fn twice(result: flare_agent::TaskResult<'_>) {
///     result.finish().unwrap();
///     result.finish().unwrap();
/// }
/// ```
/// nor outlive its task before it is submitted:
/// ```compile_fail,E0515
/// fn outlive(agent: &flare_agent::Agent) -> flare_agent::TaskResult<'_> {
///     let task = agent.next_task(None).unwrap();
///     task.result().unwrap()
/// }
/// ```
/// nor be filled by two threads at once:
/// ```compile_fail,E0277
/// fn shared(result: &flare_agent::TaskResult<'_>) {
///     std::thread::scope(|scope| { scope.spawn(|| drop(result)); });
/// }
/// ```
pub struct TaskResult<'task> {
    handle: Handle,
    _task: PhantomData<&'task Task>,
}

// One thread at a time may fill a result, whichever it is.
unsafe impl Send for TaskResult<'_> {}

impl<'task> TaskResult<'task> {
    pub(crate) fn new(raw: *mut sys::flare_result) -> Self {
        TaskResult { handle: Handle { raw, _given: Vec::new() }, _task: PhantomData }
    }

    fn data(&mut self) -> *mut sys::flare_shareable {
        unsafe { sys::flare_result_shareable(self.handle.raw) }
    }

    /// Copies a tensor in. An empty shape is a scalar.
    pub fn copy<T: Element>(&mut self, name: &str, elements: &[T], shape: &[i64]) -> Result<&mut Self> {
        self.copy_tensor(&Tensor::new(name, elements, shape)?)
    }

    /// Copies a tensor in, one of a task for example.
    pub fn copy_tensor(&mut self, tensor: &Tensor<'_>) -> Result<&mut Self> {
        let name = c_text(tensor.name())?;
        let raw = tensor.to_raw();
        call(|error| unsafe { sys::flare_shareable_copy_tensor(self.data(), name.as_ptr(), &raw, error) })?;
        Ok(self)
    }

    /// Takes the elements over without a copy.
    pub fn give<T: Element>(&mut self, name: &str, elements: Vec<T>, shape: &[i64]) -> Result<&mut Self> {
        unsafe { self.borrow(&Tensor::new(name, &elements, shape)?)? };
        self.handle._given.push(Box::new(elements));
        Ok(self)
    }

    /// The same for elements of any type, as their bytes.
    pub fn give_raw(&mut self, name: &str, dtype: DType, bytes: Vec<u8>, shape: &[i64]) -> Result<&mut Self> {
        unsafe { self.borrow(&Tensor::raw(name, dtype, &bytes, shape)?)? };
        self.handle._given.push(Box::new(bytes));
        Ok(self)
    }

    /// # Safety
    /// The elements must be there until the handle is released.
    unsafe fn borrow(&mut self, tensor: &Tensor<'_>) -> Result<()> {
        let name = c_text(tensor.name())?;
        let raw = tensor.to_raw();
        call(|error| sys::flare_shareable_borrow_tensor(self.data(), name.as_ptr(), &raw, error))
    }

    /// Copies opaque bytes in.
    pub fn copy_bytes(&mut self, name: &str, content: &[u8]) -> Result<&mut Self> {
        let name = c_text(name)?;
        call(|error| unsafe {
            let (data, size) = (content.as_ptr().cast(), content.len());
            sys::flare_shareable_copy_bytes(self.data(), name.as_ptr(), data, size, error)
        })?;
        Ok(self)
    }

    /// The DXO's data kind, which otherwise follows from the content.
    pub fn set_kind(&mut self, kind: &str) -> Result<&mut Self> {
        let kind = c_text(kind)?;
        call(|error| unsafe { sys::flare_shareable_set_kind(self.data(), kind.as_ptr(), error) })?;
        Ok(self)
    }

    /// NVFlare's return code; "OK" without a call.
    pub fn set_return_code(&mut self, code: &str) -> Result<&mut Self> {
        let code = c_text(code)?;
        call(|error| unsafe { sys::flare_shareable_set_return_code(self.data(), code.as_ptr(), error) })?;
        Ok(self)
    }

    /// A metric; the library puts it where the kind wants it.
    pub fn set_metric(&mut self, name: &str, value: f64) -> Result<&mut Self> {
        let name = c_text(name)?;
        call(|error| unsafe { sys::flare_shareable_set_metric(self.data(), name.as_ptr(), value, error) })?;
        Ok(self)
    }

    /// The weight in averaging.
    pub fn set_steps(&mut self, steps: i64) -> Result<&mut Self> {
        call(|error| unsafe { sys::flare_shareable_set_steps(self.data(), steps, error) })?;
        Ok(self)
    }

    pub fn set_int(&mut self, section: Section, name: &str, value: i64) -> Result<&mut Self> {
        let name = c_text(name)?;
        call(|error| unsafe { sys::flare_shareable_set_int(self.data(), section.raw(), name.as_ptr(), value, error) })?;
        Ok(self)
    }

    pub fn set_double(&mut self, section: Section, name: &str, value: f64) -> Result<&mut Self> {
        let name = c_text(name)?;
        call(|error| unsafe {
            sys::flare_shareable_set_double(self.data(), section.raw(), name.as_ptr(), value, error)
        })?;
        Ok(self)
    }

    pub fn set_text(&mut self, section: Section, name: &str, value: &str) -> Result<&mut Self> {
        let (name, value) = (c_text(name)?, c_text(value)?);
        call(|error| unsafe {
            sys::flare_shareable_set_text(self.data(), section.raw(), name.as_ptr(), value.as_ptr(), error)
        })?;
        Ok(self)
    }

    /// A nested value, written as JSON.
    pub fn set_json(&mut self, section: Section, name: &str, json: &str) -> Result<&mut Self> {
        let (name, json) = (c_text(name)?, c_text(json)?);
        call(|error| unsafe {
            sys::flare_shareable_set_json(self.data(), section.raw(), name.as_ptr(), json.as_ptr(), error)
        })?;
        Ok(self)
    }

    /// Starts sending and returns; the next task may be taken meanwhile. A result that does not fit its task comes back
    /// in the error, to be corrected.
    pub fn submit(self) -> std::result::Result<Upload, SubmitError<'task>> {
        match call(|error| unsafe { sys::flare_result_submit(self.handle.raw, error) }) {
            Ok(()) => Ok(Upload { handle: self.handle }),
            Err(error) => Err(SubmitError { error, result: self }),
        }
    }

    /// Submits and waits until delivered. [`Status::Ended`](crate::Status) means that the job ended before the result
    /// was safe.
    pub fn finish(self) -> Result<()> {
        self.submit()?.wait(Level::Delivered, None)
    }

    /// As [`TaskResult::finish`], with tensors that are not copied: they are borrowed until nothing reads them any more,
    /// also when it returns an error.
    pub fn finish_with(mut self, tensors: &[Tensor<'_>]) -> Result<()> {
        for tensor in tensors {
            // Whatever happens, `self` is dropped before this function is left.
            unsafe { self.borrow(tensor)? };
        }
        self.finish()
    }
}

impl fmt::Debug for TaskResult<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskResult")
    }
}

/// A result that was not submitted, and why. The `?` operator makes an [`Error`] of it and drops the result.
#[derive(Debug)]
pub struct SubmitError<'task> {
    pub error: Error,
    pub result: TaskResult<'task>,
}

impl From<SubmitError<'_>> for Error {
    fn from(failed: SubmitError<'_>) -> Self {
        failed.error
    }
}

impl fmt::Display for SubmitError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for SubmitError<'_> {}

/// What a wait waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The peer has the result's message and answers for it; tensors may still be fetched.
    Accepted,
    /// Every receiver has fetched and checked every byte.
    Delivered,
}

impl Level {
    fn raw(self) -> sys::flare_level {
        match self {
            Level::Accepted => sys::FLARE_ACCEPTED,
            Level::Delivered => sys::FLARE_DELIVERED,
        }
    }
}

/// A submitted result. Dropped, what was copied goes on being fetched; with given elements the drop waits until nothing
/// reads them any more.
pub struct Upload {
    handle: Handle,
}

// A submitted result is only waited for, which any thread may do at any time.
unsafe impl Send for Upload {}
unsafe impl Sync for Upload {}

impl Upload {
    /// A timeout ends the wait and not the upload: that is [`Upload::cancel`].
    pub fn wait(&self, level: Level, timeout: impl Into<Option<Duration>>) -> Result<()> {
        let timeout = milliseconds(timeout.into());
        call(|error| unsafe { sys::flare_result_wait(self.handle.raw, level.raw(), timeout, error) })
    }

    /// Gives the result up. Its waits end with [`Status::Aborted`](crate::Status).
    pub fn cancel(&self) {
        unsafe { sys::flare_result_cancel(self.handle.raw) }
    }

    /// A snapshot.
    pub fn progress(&self) -> Result<Progress> {
        let mut raw = Progress::raw(0);
        check(unsafe { sys::flare_result_progress(self.handle.raw, &mut raw) })?;
        Ok(Progress::from_raw(&raw))
    }

    /// Waits until there is more to see than `seen` shows, or the upload is settled. Begin with `Progress::default()`.
    pub fn wait_progress(&self, seen: &Progress, timeout: impl Into<Option<Duration>>) -> Result<Progress> {
        let timeout = milliseconds(timeout.into());
        let mut raw = Progress::raw(seen.changes);
        call(|error| unsafe { sys::flare_result_wait_progress(self.handle.raw, timeout, &mut raw, error) })?;
        Ok(Progress::from_raw(&raw))
    }

    /// Each receiver's part.
    pub fn receivers(&self) -> Vec<Receiver> {
        let mut all = Vec::new();
        loop {
            let (mut name, mut raw) = (std::ptr::null(), Progress::raw(0));
            let status = unsafe { sys::flare_result_receiver_at(self.handle.raw, all.len(), &mut name, &mut raw) };
            if status != sys::FLARE_OK {
                return all;
            }
            all.push(Receiver { name: text(name), progress: Progress::from_raw(&raw) });
        }
    }

    /// For event loops: readable exactly while [`Upload::wait`] for that level would not say
    /// [`Status::Timeout`](crate::Status). Only poll it.
    pub fn poll_fd(&self, level: Level) -> RawFd {
        unsafe { sys::flare_result_poll_fd(self.handle.raw, level.raw()) }
    }

    /// The same for [`Upload::wait_progress`], once the last news were fetched by it.
    pub fn progress_poll_fd(&self) -> RawFd {
        unsafe { sys::flare_result_progress_poll_fd(self.handle.raw) }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload")
    }
}
