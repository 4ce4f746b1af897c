// Made from the headers by checks/generate. Do not edit.
use std::os::raw::{c_char, c_int, c_void};

pub const FLARE_VERSION_MAJOR: u32 = 0;
pub const FLARE_VERSION_MINOR: u32 = 1;
pub const FLARE_VERSION_PATCH: u32 = 0;
#[repr(C)]
pub struct flare_error {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_options {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_settings {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_value {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_shareable {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_agent {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_task {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_result {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_log_record {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
pub type flare_status = i32;
pub type flare_dtype = i32;
pub type flare_value_type = i32;
pub type flare_params_type = i32;
pub type flare_section = i32;
pub type flare_state = i32;
pub type flare_log_level = i32;
pub type flare_task_kind = i32;
pub type flare_level = i32;
pub type flare_upload_state = i32;
pub const FLARE_OK: i32 = 0;
pub const FLARE_TIMEOUT: i32 = 1;
pub const FLARE_ENDED: i32 = 2;
pub const FLARE_STOPPED: i32 = 3;
pub const FLARE_NOT_FOUND: i32 = 4;
pub const FLARE_INVALID_ARGUMENT: i32 = -1;
pub const FLARE_INVALID_STATE: i32 = -2;
pub const FLARE_PEER_GONE: i32 = -3;
pub const FLARE_ABORTED: i32 = -4;
pub const FLARE_STALLED: i32 = -5;
pub const FLARE_PROTOCOL: i32 = -6;
pub const FLARE_IO: i32 = -7;
pub const FLARE_OUT_OF_MEMORY: i32 = -8;
pub const FLARE_FORKED: i32 = -9;
pub const FLARE_INTERNAL: i32 = -10;
pub const FLARE_REFUSED: i32 = -11;
pub const FLARE_UNREACHABLE: i32 = -12;
pub const FLARE_TOO_LARGE: i32 = -13;
pub const FLARE_INT8: i32 = 0x0800;
pub const FLARE_INT16: i32 = 0x1000;
pub const FLARE_INT32: i32 = 0x2000;
pub const FLARE_INT64: i32 = 0x4000;
pub const FLARE_UINT8: i32 = 0x0801;
pub const FLARE_UINT16: i32 = 0x1001;
pub const FLARE_UINT32: i32 = 0x2001;
pub const FLARE_UINT64: i32 = 0x4001;
pub const FLARE_FLOAT16: i32 = 0x1002;
pub const FLARE_FLOAT32: i32 = 0x2002;
pub const FLARE_FLOAT64: i32 = 0x4002;
pub const FLARE_OPAQUE: i32 = 0x0803;
pub const FLARE_BFLOAT16: i32 = 0x1004;
pub const FLARE_COMPLEX64: i32 = 0x4005;
pub const FLARE_COMPLEX128: i32 = 0x8005;
pub const FLARE_BOOL: i32 = 0x0806;
pub const FLARE_FLOAT8_E4M3FN: i32 = 0x080a;
pub const FLARE_FLOAT8_E5M2: i32 = 0x080c;
pub const FLARE_VALUE_NONE: i32 = 0;
pub const FLARE_VALUE_BOOL: i32 = 1;
pub const FLARE_VALUE_INT: i32 = 2;
pub const FLARE_VALUE_DOUBLE: i32 = 3;
pub const FLARE_VALUE_TEXT: i32 = 4;
pub const FLARE_VALUE_BYTES: i32 = 5;
pub const FLARE_VALUE_LIST: i32 = 6;
pub const FLARE_VALUE_MAP: i32 = 7;
pub const FLARE_VALUE_TENSOR: i32 = 8;
pub const FLARE_VALUE_OPAQUE: i32 = 9;
pub const FLARE_PARAMS_NONE: i32 = 0;
pub const FLARE_PARAMS_FULL: i32 = 1;
pub const FLARE_PARAMS_DIFF: i32 = 2;
pub const FLARE_HEADERS: i32 = 1;
pub const FLARE_BODY: i32 = 2;
pub const FLARE_META: i32 = 3;
pub const FLARE_STATE_CONNECTING: i32 = 0;
pub const FLARE_STATE_CONNECTED: i32 = 1;
pub const FLARE_STATE_ENDED: i32 = 2;
pub const FLARE_STATE_STOPPED: i32 = 3;
pub const FLARE_STATE_ABORTED: i32 = 4;
pub const FLARE_STATE_PEER_GONE: i32 = 5;
pub const FLARE_STATE_REFUSED: i32 = 6;
pub const FLARE_STATE_UNREACHABLE: i32 = 7;
pub const FLARE_LOG_DEBUG: i32 = 1;
pub const FLARE_LOG_INFO: i32 = 2;
pub const FLARE_LOG_WARN: i32 = 3;
pub const FLARE_LOG_ERROR: i32 = 4;
pub const FLARE_TASK_OTHER: i32 = 0;
pub const FLARE_TASK_TRAIN: i32 = 1;
pub const FLARE_TASK_VALIDATE: i32 = 2;
pub const FLARE_TASK_SUBMIT_MODEL: i32 = 3;
pub const FLARE_ACCEPTED: i32 = 1;
pub const FLARE_DELIVERED: i32 = 2;
pub const FLARE_UPLOAD_WAITING: i32 = 0;
pub const FLARE_UPLOAD_ACTIVE: i32 = 1;
pub const FLARE_UPLOAD_DELIVERED: i32 = 2;
pub const FLARE_UPLOAD_FAILED: i32 = 3;
#[repr(C)]
#[derive(Clone, Copy)]
pub struct flare_tensor {
    pub struct_size: u32,
    pub dtype: flare_dtype,
    pub ndim: i32,
    pub device_type: i32,
    pub data: *const c_void,
    pub shape: *const i64,
    pub strides: *const i64,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct flare_agent_stats {
    pub struct_size: u32,
    pub reserved: u32,
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
#[repr(C)]
#[derive(Clone, Copy)]
pub struct flare_progress {
    pub struct_size: u32,
    pub state: flare_upload_state,
    pub bytes_total: i64,
    pub bytes_done: i64,
    pub items_total: i64,
    pub items_done: i64,
    pub bytes_per_second: f64,
    pub changes: i64,
}
#[repr(C)]
pub struct flare_exchanger {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_request {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_reply {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct flare_metric {
    _opaque: [u8; 0],
    _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
}

extern "C" {
    pub fn flare_version() -> u32;
    pub fn flare_status_text(status: flare_status) -> *const c_char;
    pub fn flare_error_status(error: *const flare_error) -> flare_status;
    pub fn flare_error_message(error: *const flare_error) -> *const c_char;
    pub fn flare_error_free(error: *mut flare_error);
    pub fn flare_options_new() -> *mut flare_options;
    pub fn flare_options_free(options: *mut flare_options);
    pub fn flare_options_set(options: *mut flare_options, name: *const c_char, value: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_option_describe(index: usize, name: *mut *const c_char, default_value: *mut *const c_char, help: *mut *const c_char) -> flare_status;
    pub fn flare_options_resolve(options: *const flare_options, settings: *mut *mut flare_settings, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_settings_free(settings: *mut flare_settings);
    pub fn flare_settings_at(settings: *const flare_settings, index: usize, value: *mut *const c_char, source: *mut *const c_char) -> flare_status;
    pub fn flare_dtype_size(dtype: flare_dtype) -> usize;
    pub fn flare_value_get_type(value: *const flare_value) -> flare_value_type;
    pub fn flare_value_get_int(value: *const flare_value, out: *mut i64) -> flare_status;
    pub fn flare_value_get_double(value: *const flare_value, out: *mut f64) -> flare_status;
    pub fn flare_value_get_text(value: *const flare_value, out: *mut *const c_char) -> flare_status;
    pub fn flare_value_get_bytes(value: *const flare_value, data: *mut *const c_void, size: *mut usize) -> flare_status;
    pub fn flare_value_get_tensor(value: *const flare_value, out: *mut flare_tensor) -> flare_status;
    pub fn flare_value_count(value: *const flare_value) -> usize;
    pub fn flare_value_at(value: *const flare_value, index: usize, key: *mut *const c_char, child: *mut *const flare_value) -> flare_status;
    pub fn flare_value_find(value: *const flare_value, key: *const c_char, child: *mut *const flare_value) -> flare_status;
    pub fn flare_shareable_tensor_count(shareable: *const flare_shareable) -> usize;
    pub fn flare_shareable_tensor_at(shareable: *const flare_shareable, index: usize, name: *mut *const c_char, tensor: *mut flare_tensor) -> flare_status;
    pub fn flare_shareable_find_tensor(shareable: *const flare_shareable, name: *const c_char, tensor: *mut flare_tensor) -> flare_status;
    pub fn flare_shareable_read_tensor(shareable: *const flare_shareable, name: *const c_char, dtype: flare_dtype, out: *mut c_void, count: usize, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_find_bytes(shareable: *const flare_shareable, name: *const c_char, data: *mut *const c_void, size: *mut usize) -> flare_status;
    pub fn flare_shareable_kind(shareable: *const flare_shareable) -> *const c_char;
    pub fn flare_shareable_params_type(shareable: *const flare_shareable) -> flare_params_type;
    pub fn flare_shareable_return_code(shareable: *const flare_shareable) -> *const c_char;
    pub fn flare_shareable_reason(shareable: *const flare_shareable) -> *const c_char;
    pub fn flare_shareable_metric(shareable: *const flare_shareable, name: *const c_char, value: *mut f64) -> flare_status;
    pub fn flare_shareable_steps(shareable: *const flare_shareable, steps: *mut i64) -> flare_status;
    pub fn flare_shareable_section(shareable: *const flare_shareable, section: flare_section) -> *const flare_value;
    pub fn flare_shareable_copy_tensor(shareable: *mut flare_shareable, name: *const c_char, tensor: *const flare_tensor, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_borrow_tensor(shareable: *mut flare_shareable, name: *const c_char, tensor: *const flare_tensor, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_copy_bytes(shareable: *mut flare_shareable, name: *const c_char, data: *const c_void, size: usize, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_set_kind(shareable: *mut flare_shareable, kind: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_set_return_code(shareable: *mut flare_shareable, code: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_set_metric(shareable: *mut flare_shareable, name: *const c_char, value: f64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_set_steps(shareable: *mut flare_shareable, steps: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_set_int(shareable: *mut flare_shareable, section: flare_section, name: *const c_char, value: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_set_double(shareable: *mut flare_shareable, section: flare_section, name: *const c_char, value: f64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_set_text(shareable: *mut flare_shareable, section: flare_section, name: *const c_char, value: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_shareable_set_json(shareable: *mut flare_shareable, section: flare_section, name: *const c_char, json: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_agent_open(options: *const flare_options, agent: *mut *mut flare_agent, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_agent_wait_connected(agent: *mut flare_agent, timeout_ms: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_agent_connected_poll_fd(agent: *const flare_agent) -> c_int;
    pub fn flare_agent_stop(agent: *mut flare_agent);
    pub fn flare_agent_close(agent: *mut flare_agent);
    pub fn flare_agent_next_task(agent: *mut flare_agent, timeout_ms: i64, task: *mut *mut flare_task, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_agent_poll_fd(agent: *const flare_agent) -> c_int;
    pub fn flare_agent_should_exit(agent: *const flare_agent) -> i32;
    pub fn flare_shutdown();
    pub fn flare_agent_state(agent: *const flare_agent) -> flare_state;
    pub fn flare_agent_info(agent: *mut flare_agent, name: *const c_char, value: *mut *const c_char) -> flare_status;
    pub fn flare_agent_get_stats(agent: *const flare_agent, stats: *mut flare_agent_stats) -> flare_status;
    pub fn flare_agent_log_scalar(agent: *mut flare_agent, name: *const c_char, value: f64, step: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_agent_log_json(agent: *mut flare_agent, type_: *const c_char, name: *const c_char, json: *const c_char, step: i64, path: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_agent_next_log_record(agent: *mut flare_agent, timeout_ms: i64, record: *mut *mut flare_log_record, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_agent_log_poll_fd(agent: *const flare_agent) -> c_int;
    pub fn flare_log_record_free(record: *mut flare_log_record);
    pub fn flare_log_record_level(record: *const flare_log_record) -> flare_log_level;
    pub fn flare_log_record_text(record: *const flare_log_record) -> *const c_char;
    pub fn flare_task_free(task: *mut flare_task);
    pub fn flare_task_get_kind(task: *const flare_task) -> flare_task_kind;
    pub fn flare_task_id(task: *const flare_task) -> *const c_char;
    pub fn flare_task_name(task: *const flare_task) -> *const c_char;
    pub fn flare_task_attempt(task: *const flare_task) -> i64;
    pub fn flare_task_round(task: *const flare_task) -> i64;
    pub fn flare_task_total_rounds(task: *const flare_task) -> i64;
    pub fn flare_task_job_id(task: *const flare_task) -> *const c_char;
    pub fn flare_task_site(task: *const flare_task) -> *const c_char;
    pub fn flare_task_is_aborted(task: *const flare_task) -> i32;
    pub fn flare_task_shareable(task: *const flare_task) -> *const flare_shareable;
    pub fn flare_task_fail(task: *mut flare_task, return_code: *const c_char, reason: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_result_new(task: *mut flare_task, result: *mut *mut flare_result, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_result_free(result: *mut flare_result);
    pub fn flare_result_shareable(result: *mut flare_result) -> *mut flare_shareable;
    pub fn flare_result_submit(result: *mut flare_result, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_result_wait(result: *mut flare_result, level: flare_level, timeout_ms: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_result_finish(result: *mut flare_result, timeout_ms: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_result_cancel(result: *mut flare_result);
    pub fn flare_result_poll_fd(result: *const flare_result, level: flare_level) -> c_int;
    pub fn flare_result_progress(result: *const flare_result, progress: *mut flare_progress) -> flare_status;
    pub fn flare_result_wait_progress(result: *mut flare_result, timeout_ms: i64, progress: *mut flare_progress, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_result_progress_poll_fd(result: *const flare_result) -> c_int;
    pub fn flare_result_receiver_at(result: *const flare_result, index: usize, name: *mut *const c_char, progress: *mut flare_progress) -> flare_status;
    pub fn flare_exchanger_open(options: *const flare_options, exchanger: *mut *mut flare_exchanger, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_exchanger_url(exchanger: *const flare_exchanger) -> *const c_char;
    pub fn flare_exchanger_wait_connected(exchanger: *mut flare_exchanger, timeout_ms: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_exchanger_connected_poll_fd(exchanger: *const flare_exchanger) -> c_int;
    pub fn flare_exchanger_state(exchanger: *const flare_exchanger) -> flare_state;
    pub fn flare_exchanger_end(exchanger: *mut flare_exchanger, reason: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_exchanger_abort(exchanger: *mut flare_exchanger, reason: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_exchanger_stop(exchanger: *mut flare_exchanger);
    pub fn flare_exchanger_close(exchanger: *mut flare_exchanger);
    pub fn flare_request_new(exchanger: *mut flare_exchanger, task_name: *const c_char, request: *mut *mut flare_request, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_request_free(request: *mut flare_request);
    pub fn flare_request_shareable(request: *mut flare_request) -> *mut flare_shareable;
    pub fn flare_request_set_id(request: *mut flare_request, task_id: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_request_set_round(request: *mut flare_request, current: i64, total: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_request_set_attempt(request: *mut flare_request, attempt: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_request_add_receiver(request: *mut flare_request, receiver: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_request_send(request: *mut flare_request, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_request_wait(request: *mut flare_request, timeout_ms: i64, reply: *mut *mut flare_reply, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_request_poll_fd(request: *const flare_request) -> c_int;
    pub fn flare_request_abort(request: *mut flare_request);
    pub fn flare_reply_free(reply: *mut flare_reply);
    pub fn flare_reply_shareable(reply: *const flare_reply) -> *const flare_shareable;
    pub fn flare_reply_report(reply: *mut flare_reply, receiver: *const c_char, bytes: i64, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_reply_confirm(reply: *mut flare_reply, receiver: *const c_char, success: i32, reason: *const c_char, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_exchanger_next_metric(exchanger: *mut flare_exchanger, timeout_ms: i64, metric: *mut *mut flare_metric, error: *mut *mut flare_error) -> flare_status;
    pub fn flare_exchanger_metric_poll_fd(exchanger: *const flare_exchanger) -> c_int;
    pub fn flare_metric_free(metric: *mut flare_metric);
    pub fn flare_metric_type(metric: *const flare_metric) -> *const c_char;
    pub fn flare_metric_name(metric: *const flare_metric) -> *const c_char;
    pub fn flare_metric_value(metric: *const flare_metric) -> *const flare_value;
    pub fn flare_metric_step(metric: *const flare_metric) -> i64;
    pub fn flare_metric_path(metric: *const flare_metric) -> *const c_char;
}
