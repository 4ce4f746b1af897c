use crate::call::{c_text, call, check, slice, text};
use crate::error::{Error, Result, Status};
use crate::result::TaskResult;
use crate::tensor::{empty, Element, Tensor};
use crate::value::{Section, Value};
use flare_agent_sys as sys;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    Train,
    Validate,
    SubmitModel,
    Other,
}

/// What the tensors of a model are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamsType {
    None,
    Full,
    Diff,
}

/// What the peer wants to be done, with the data for it. A task that is dropped without a submitted result is answered
/// with a failure.
///
/// What it gives without a copy does not outlive it:
/// ```compile_fail,E0515
/// fn outlive(task: flare_agent::Task) -> &'static [f32] {
///     task.view("w").unwrap()
/// }
/// ```
#[derive(Debug)]
pub struct Task {
    handle: *mut sys::flare_task,
}

// The header says that any thread may use a task at any time; its data is read-only.
unsafe impl Send for Task {}
unsafe impl Sync for Task {}

impl Task {
    pub(crate) fn new(handle: *mut sys::flare_task) -> Self {
        Task { handle }
    }

    fn data(&self) -> *const sys::flare_shareable {
        unsafe { sys::flare_task_shareable(self.handle) }
    }

    pub fn id(&self) -> String {
        text(unsafe { sys::flare_task_id(self.handle) })
    }

    pub fn name(&self) -> String {
        text(unsafe { sys::flare_task_name(self.handle) })
    }

    pub fn kind(&self) -> TaskKind {
        match unsafe { sys::flare_task_get_kind(self.handle) } {
            sys::FLARE_TASK_TRAIN => TaskKind::Train,
            sys::FLARE_TASK_VALIDATE => TaskKind::Validate,
            sys::FLARE_TASK_SUBMIT_MODEL => TaskKind::SubmitModel,
            _ => TaskKind::Other,
        }
    }

    /// 1 for the first time that this task is handed out.
    pub fn attempt(&self) -> i64 {
        unsafe { sys::flare_task_attempt(self.handle) }
    }

    /// `None` when the peer did not say.
    pub fn round(&self) -> Option<i64> {
        said(unsafe { sys::flare_task_round(self.handle) })
    }

    /// `None` when the peer did not say.
    pub fn total_rounds(&self) -> Option<i64> {
        said(unsafe { sys::flare_task_total_rounds(self.handle) })
    }

    pub fn job_id(&self) -> String {
        text(unsafe { sys::flare_task_job_id(self.handle) })
    }

    pub fn site(&self) -> String {
        text(unsafe { sys::flare_task_site(self.handle) })
    }

    /// Whether nobody wants the result any more. It is cheap: ask it in the training loop.
    pub fn is_aborted(&self) -> bool {
        unsafe { sys::flare_task_is_aborted(self.handle) != 0 }
    }

    /// The DXO's data kind: "WEIGHTS", "WEIGHT_DIFF", "METRICS" ..., or empty.
    pub fn data_kind(&self) -> String {
        text(unsafe { sys::flare_shareable_kind(self.data()) })
    }

    pub fn params_type(&self) -> ParamsType {
        match unsafe { sys::flare_shareable_params_type(self.data()) } {
            sys::FLARE_PARAMS_FULL => ParamsType::Full,
            sys::FLARE_PARAMS_DIFF => ParamsType::Diff,
            _ => ParamsType::None,
        }
    }

    /// "OK", unless whoever made the data says that it failed.
    pub fn return_code(&self) -> String {
        text(unsafe { sys::flare_shareable_return_code(self.data()) })
    }

    /// Why it failed, in the words of whoever made the data.
    pub fn reason(&self) -> String {
        text(unsafe { sys::flare_shareable_reason(self.data()) })
    }

    /// The tensors, in the order of the sender. Opaque bytes count as tensors of [`DType::Opaque`](crate::DType).
    pub fn tensors(&self) -> impl Iterator<Item = Tensor<'_>> {
        let data = self.data();
        (0..unsafe { sys::flare_shareable_tensor_count(data) }).map(move |index| unsafe {
            let (mut name, mut view) = (std::ptr::null(), empty());
            sys::flare_shareable_tensor_at(data, index, &mut name, &mut view);
            Tensor::from_raw(name, &view)
        })
    }

    /// A tensor by name; inside nested maps that is the keys joined with '/'.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>> {
        let name = c_text(name)?;
        let mut view = empty();
        match unsafe { sys::flare_shareable_find_tensor(self.data(), name.as_ptr(), &mut view) } {
            sys::FLARE_OK => Ok(unsafe { Tensor::from_raw(name.as_ptr(), &view) }),
            // A read says in its error which names there are.
            _ => call(|error| unsafe {
                sys::flare_shareable_read_tensor(self.data(), name.as_ptr(), 0, std::ptr::null_mut(), 0, error)
            })
            .and(Err(Error::new(Status::NotFound, "no such tensor"))),
        }
    }

    /// The elements of a tensor without a copy, in row-major order. [`Status::InvalidArgument`]: they are of another
    /// type.
    pub fn view<T: Element>(&self, name: &str) -> Result<&[T]> {
        if let Some(elements) = self.tensor(name)?.elements() {
            return Ok(elements);
        }
        self.read::<T>(name, &mut [])?; // whose error says what they are
        Err(Error::new(Status::InvalidArgument, format!("tensor {:?} has a bool that is neither 0 nor 1", name)))
    }

    /// Copies the elements of a tensor into memory of yours, which must have as many.
    pub fn read<T: Element>(&self, name: &str, into: &mut [T]) -> Result<()> {
        let name = c_text(name)?;
        call(|error| unsafe {
            let (dtype, out) = (T::DTYPE.raw(), into.as_mut_ptr().cast());
            sys::flare_shareable_read_tensor(self.data(), name.as_ptr(), dtype, out, into.len(), error)
        })
    }

    /// An entry of opaque bytes, an XGBoost model for example.
    pub fn bytes(&self, name: &str) -> Result<&[u8]> {
        let name = c_text(name)?;
        let (mut data, mut size) = (std::ptr::null(), 0);
        check(unsafe { sys::flare_shareable_find_bytes(self.data(), name.as_ptr(), &mut data, &mut size) })?;
        Ok(unsafe { slice(data.cast(), size) })
    }

    /// A metric by name, wherever the data's kind puts it.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let name = c_text(name)?;
        let mut value = 0.0;
        check(unsafe { sys::flare_shareable_metric(self.data(), name.as_ptr(), &mut value) })?;
        Ok(value)
    }

    /// NUM_STEPS_CURRENT_ROUND of the meta, the weight in averaging.
    pub fn steps(&self) -> Option<i64> {
        let mut steps = 0;
        let status = unsafe { sys::flare_shareable_steps(self.data(), &mut steps) };
        if status == sys::FLARE_OK {
            Some(steps)
        } else {
            None
        }
    }

    /// A copy of a section, as a map of nested values.
    pub fn section(&self, section: Section) -> Value {
        unsafe { Value::from_raw(sys::flare_shareable_section(self.data(), section.raw())) }
    }

    /// Answers the task with a failure instead of a result: a return code of NVFlare ("EXECUTION_EXCEPTION",
    /// "BAD_TASK_DATA", "TASK_UNSUPPORTED" ...) and a reason for its log.
    pub fn fail(&self, return_code: &str, reason: &str) -> Result<()> {
        let (code, reason) = (c_text(return_code)?, c_text(reason)?);
        call(|error| unsafe { sys::flare_task_fail(self.handle, code.as_ptr(), reason.as_ptr(), error) })
    }

    /// Makes the one result of the task.
    pub fn result(&self) -> Result<TaskResult<'_>> {
        let mut result = std::ptr::null_mut();
        call(|error| unsafe { sys::flare_result_new(self.handle, &mut result, error) })?;
        Ok(TaskResult::new(result))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        unsafe { sys::flare_task_free(self.handle) }
    }
}

fn said(number: i64) -> Option<i64> {
    if number < 0 {
        None
    } else {
        Some(number)
    }
}
