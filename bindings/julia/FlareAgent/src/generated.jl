# Made from the headers by checks/generate. Do not edit.
const FLARE_VERSION_MAJOR = 0
const FLARE_VERSION_MINOR = 1
const FLARE_VERSION_PATCH = 0
const FLARE_OK = Int32(0)
const FLARE_TIMEOUT = Int32(1)
const FLARE_ENDED = Int32(2)
const FLARE_STOPPED = Int32(3)
const FLARE_NOT_FOUND = Int32(4)
const FLARE_INVALID_ARGUMENT = Int32(-1)
const FLARE_INVALID_STATE = Int32(-2)
const FLARE_PEER_GONE = Int32(-3)
const FLARE_ABORTED = Int32(-4)
const FLARE_STALLED = Int32(-5)
const FLARE_PROTOCOL = Int32(-6)
const FLARE_IO = Int32(-7)
const FLARE_OUT_OF_MEMORY = Int32(-8)
const FLARE_FORKED = Int32(-9)
const FLARE_INTERNAL = Int32(-10)
const FLARE_REFUSED = Int32(-11)
const FLARE_UNREACHABLE = Int32(-12)
const FLARE_TOO_LARGE = Int32(-13)
const FLARE_INT8 = Int32(0x0800)
const FLARE_INT16 = Int32(0x1000)
const FLARE_INT32 = Int32(0x2000)
const FLARE_INT64 = Int32(0x4000)
const FLARE_UINT8 = Int32(0x0801)
const FLARE_UINT16 = Int32(0x1001)
const FLARE_UINT32 = Int32(0x2001)
const FLARE_UINT64 = Int32(0x4001)
const FLARE_FLOAT16 = Int32(0x1002)
const FLARE_FLOAT32 = Int32(0x2002)
const FLARE_FLOAT64 = Int32(0x4002)
const FLARE_OPAQUE = Int32(0x0803)
const FLARE_BFLOAT16 = Int32(0x1004)
const FLARE_COMPLEX64 = Int32(0x4005)
const FLARE_COMPLEX128 = Int32(0x8005)
const FLARE_BOOL = Int32(0x0806)
const FLARE_FLOAT8_E4M3FN = Int32(0x080a)
const FLARE_FLOAT8_E5M2 = Int32(0x080c)
const FLARE_VALUE_NONE = Int32(0)
const FLARE_VALUE_BOOL = Int32(1)
const FLARE_VALUE_INT = Int32(2)
const FLARE_VALUE_DOUBLE = Int32(3)
const FLARE_VALUE_TEXT = Int32(4)
const FLARE_VALUE_BYTES = Int32(5)
const FLARE_VALUE_LIST = Int32(6)
const FLARE_VALUE_MAP = Int32(7)
const FLARE_VALUE_TENSOR = Int32(8)
const FLARE_VALUE_OPAQUE = Int32(9)
const FLARE_PARAMS_NONE = Int32(0)
const FLARE_PARAMS_FULL = Int32(1)
const FLARE_PARAMS_DIFF = Int32(2)
const FLARE_HEADERS = Int32(1)
const FLARE_BODY = Int32(2)
const FLARE_META = Int32(3)
const FLARE_STATE_CONNECTING = Int32(0)
const FLARE_STATE_CONNECTED = Int32(1)
const FLARE_STATE_ENDED = Int32(2)
const FLARE_STATE_STOPPED = Int32(3)
const FLARE_STATE_ABORTED = Int32(4)
const FLARE_STATE_PEER_GONE = Int32(5)
const FLARE_STATE_REFUSED = Int32(6)
const FLARE_STATE_UNREACHABLE = Int32(7)
const FLARE_LOG_DEBUG = Int32(1)
const FLARE_LOG_INFO = Int32(2)
const FLARE_LOG_WARN = Int32(3)
const FLARE_LOG_ERROR = Int32(4)
const FLARE_TASK_OTHER = Int32(0)
const FLARE_TASK_TRAIN = Int32(1)
const FLARE_TASK_VALIDATE = Int32(2)
const FLARE_TASK_SUBMIT_MODEL = Int32(3)
const FLARE_ACCEPTED = Int32(1)
const FLARE_DELIVERED = Int32(2)
const FLARE_UPLOAD_WAITING = Int32(0)
const FLARE_UPLOAD_ACTIVE = Int32(1)
const FLARE_UPLOAD_DELIVERED = Int32(2)
const FLARE_UPLOAD_FAILED = Int32(3)
struct Tensor
    struct_size::UInt32
    dtype::Int32
    ndim::Int32
    device_type::Int32
    data::Ptr{Cvoid}
    shape::Ptr{Int64}
    strides::Ptr{Int64}
end
struct AgentStats
    struct_size::UInt32
    reserved::UInt32
    tasks_received::Int64
    results_accepted::Int64
    results_delivered::Int64
    results_failed::Int64
    bytes_received::Int64
    bytes_sent::Int64
    metrics_sent::Int64
    metrics_dropped::Int64
    reconnects::Int64
    duplicates_dropped::Int64
    frames_rejected::Int64
end
struct Progress
    struct_size::UInt32
    state::Int32
    bytes_total::Int64
    bytes_done::Int64
    items_total::Int64
    items_done::Int64
    bytes_per_second::Cdouble
    changes::Int64
end
flare_version() = @ccall LIBRARY.flare_version()::UInt32
flare_status_text(status) = @ccall LIBRARY.flare_status_text(status::Int32)::Cstring
flare_error_status(err) = @ccall LIBRARY.flare_error_status(err::Ptr{Cvoid})::Int32
flare_error_message(err) = @ccall LIBRARY.flare_error_message(err::Ptr{Cvoid})::Cstring
flare_error_free(err) = @ccall LIBRARY.flare_error_free(err::Ptr{Cvoid})::Cvoid
flare_options_new() = @ccall LIBRARY.flare_options_new()::Ptr{Cvoid}
flare_options_free(options) = @ccall LIBRARY.flare_options_free(options::Ptr{Cvoid})::Cvoid
flare_options_set(options, name, value, err) = @ccall LIBRARY.flare_options_set(options::Ptr{Cvoid}, name::Cstring, value::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_option_describe(index, name, default_value, help) = @ccall LIBRARY.flare_option_describe(index::Csize_t, name::Ptr{Cstring}, default_value::Ptr{Cstring}, help::Ptr{Cstring})::Int32
flare_options_resolve(options, settings, err) = @ccall LIBRARY.flare_options_resolve(options::Ptr{Cvoid}, settings::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
flare_settings_free(settings) = @ccall LIBRARY.flare_settings_free(settings::Ptr{Cvoid})::Cvoid
flare_settings_at(settings, index, value, source) = @ccall LIBRARY.flare_settings_at(settings::Ptr{Cvoid}, index::Csize_t, value::Ptr{Cstring}, source::Ptr{Cstring})::Int32
flare_dtype_size(dtype) = @ccall LIBRARY.flare_dtype_size(dtype::Int32)::Csize_t
flare_value_get_type(value) = @ccall LIBRARY.flare_value_get_type(value::Ptr{Cvoid})::Int32
flare_value_get_int(value, out) = @ccall LIBRARY.flare_value_get_int(value::Ptr{Cvoid}, out::Ptr{Int64})::Int32
flare_value_get_double(value, out) = @ccall LIBRARY.flare_value_get_double(value::Ptr{Cvoid}, out::Ptr{Cdouble})::Int32
flare_value_get_text(value, out) = @ccall LIBRARY.flare_value_get_text(value::Ptr{Cvoid}, out::Ptr{Cstring})::Int32
flare_value_get_bytes(value, data, size) = @ccall LIBRARY.flare_value_get_bytes(value::Ptr{Cvoid}, data::Ptr{Ptr{Cvoid}}, size::Ptr{Csize_t})::Int32
flare_value_get_tensor(value, out) = @ccall LIBRARY.flare_value_get_tensor(value::Ptr{Cvoid}, out::Ptr{Tensor})::Int32
flare_value_count(value) = @ccall LIBRARY.flare_value_count(value::Ptr{Cvoid})::Csize_t
flare_value_at(value, index, key, child) = @ccall LIBRARY.flare_value_at(value::Ptr{Cvoid}, index::Csize_t, key::Ptr{Cstring}, child::Ptr{Ptr{Cvoid}})::Int32
flare_value_find(value, key, child) = @ccall LIBRARY.flare_value_find(value::Ptr{Cvoid}, key::Cstring, child::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_tensor_count(shareable) = @ccall LIBRARY.flare_shareable_tensor_count(shareable::Ptr{Cvoid})::Csize_t
flare_shareable_tensor_at(shareable, index, name, tensor) = @ccall LIBRARY.flare_shareable_tensor_at(shareable::Ptr{Cvoid}, index::Csize_t, name::Ptr{Cstring}, tensor::Ptr{Tensor})::Int32
flare_shareable_find_tensor(shareable, name, tensor) = @ccall LIBRARY.flare_shareable_find_tensor(shareable::Ptr{Cvoid}, name::Cstring, tensor::Ptr{Tensor})::Int32
flare_shareable_read_tensor(shareable, name, dtype, out, count, err) = @ccall LIBRARY.flare_shareable_read_tensor(shareable::Ptr{Cvoid}, name::Cstring, dtype::Int32, out::Ptr{Cvoid}, count::Csize_t, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_find_bytes(shareable, name, data, size) = @ccall LIBRARY.flare_shareable_find_bytes(shareable::Ptr{Cvoid}, name::Cstring, data::Ptr{Ptr{Cvoid}}, size::Ptr{Csize_t})::Int32
flare_shareable_kind(shareable) = @ccall LIBRARY.flare_shareable_kind(shareable::Ptr{Cvoid})::Cstring
flare_shareable_params_type(shareable) = @ccall LIBRARY.flare_shareable_params_type(shareable::Ptr{Cvoid})::Int32
flare_shareable_return_code(shareable) = @ccall LIBRARY.flare_shareable_return_code(shareable::Ptr{Cvoid})::Cstring
flare_shareable_reason(shareable) = @ccall LIBRARY.flare_shareable_reason(shareable::Ptr{Cvoid})::Cstring
flare_shareable_metric(shareable, name, value) = @ccall LIBRARY.flare_shareable_metric(shareable::Ptr{Cvoid}, name::Cstring, value::Ptr{Cdouble})::Int32
flare_shareable_steps(shareable, steps) = @ccall LIBRARY.flare_shareable_steps(shareable::Ptr{Cvoid}, steps::Ptr{Int64})::Int32
flare_shareable_section(shareable, section) = @ccall LIBRARY.flare_shareable_section(shareable::Ptr{Cvoid}, section::Int32)::Ptr{Cvoid}
flare_shareable_copy_tensor(shareable, name, tensor, err) = @ccall LIBRARY.flare_shareable_copy_tensor(shareable::Ptr{Cvoid}, name::Cstring, tensor::Ptr{Tensor}, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_borrow_tensor(shareable, name, tensor, err) = @ccall LIBRARY.flare_shareable_borrow_tensor(shareable::Ptr{Cvoid}, name::Cstring, tensor::Ptr{Tensor}, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_copy_bytes(shareable, name, data, size, err) = @ccall LIBRARY.flare_shareable_copy_bytes(shareable::Ptr{Cvoid}, name::Cstring, data::Ptr{Cvoid}, size::Csize_t, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_set_kind(shareable, kind, err) = @ccall LIBRARY.flare_shareable_set_kind(shareable::Ptr{Cvoid}, kind::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_set_return_code(shareable, code, err) = @ccall LIBRARY.flare_shareable_set_return_code(shareable::Ptr{Cvoid}, code::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_set_metric(shareable, name, value, err) = @ccall LIBRARY.flare_shareable_set_metric(shareable::Ptr{Cvoid}, name::Cstring, value::Cdouble, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_set_steps(shareable, steps, err) = @ccall LIBRARY.flare_shareable_set_steps(shareable::Ptr{Cvoid}, steps::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_set_int(shareable, section, name, value, err) = @ccall LIBRARY.flare_shareable_set_int(shareable::Ptr{Cvoid}, section::Int32, name::Cstring, value::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_set_double(shareable, section, name, value, err) = @ccall LIBRARY.flare_shareable_set_double(shareable::Ptr{Cvoid}, section::Int32, name::Cstring, value::Cdouble, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_set_text(shareable, section, name, value, err) = @ccall LIBRARY.flare_shareable_set_text(shareable::Ptr{Cvoid}, section::Int32, name::Cstring, value::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_shareable_set_json(shareable, section, name, json, err) = @ccall LIBRARY.flare_shareable_set_json(shareable::Ptr{Cvoid}, section::Int32, name::Cstring, json::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_agent_open(options, agent, err) = @ccall LIBRARY.flare_agent_open(options::Ptr{Cvoid}, agent::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
flare_agent_wait_connected(agent, timeout_ms, err) = @ccall LIBRARY.flare_agent_wait_connected(agent::Ptr{Cvoid}, timeout_ms::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_agent_connected_poll_fd(agent) = @ccall LIBRARY.flare_agent_connected_poll_fd(agent::Ptr{Cvoid})::Cint
flare_agent_stop(agent) = @ccall LIBRARY.flare_agent_stop(agent::Ptr{Cvoid})::Cvoid
flare_agent_close(agent) = @ccall LIBRARY.flare_agent_close(agent::Ptr{Cvoid})::Cvoid
flare_agent_next_task(agent, timeout_ms, task, err) = @ccall LIBRARY.flare_agent_next_task(agent::Ptr{Cvoid}, timeout_ms::Int64, task::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
flare_agent_poll_fd(agent) = @ccall LIBRARY.flare_agent_poll_fd(agent::Ptr{Cvoid})::Cint
flare_agent_should_exit(agent) = @ccall LIBRARY.flare_agent_should_exit(agent::Ptr{Cvoid})::Int32
flare_shutdown() = @ccall LIBRARY.flare_shutdown()::Cvoid
flare_agent_state(agent) = @ccall LIBRARY.flare_agent_state(agent::Ptr{Cvoid})::Int32
flare_agent_info(agent, name, value) = @ccall LIBRARY.flare_agent_info(agent::Ptr{Cvoid}, name::Cstring, value::Ptr{Cstring})::Int32
flare_agent_get_stats(agent, stats) = @ccall LIBRARY.flare_agent_get_stats(agent::Ptr{Cvoid}, stats::Ptr{AgentStats})::Int32
flare_agent_log_scalar(agent, name, value, step, err) = @ccall LIBRARY.flare_agent_log_scalar(agent::Ptr{Cvoid}, name::Cstring, value::Cdouble, step::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_agent_log_json(agent, kind, name, json, step, path, err) = @ccall LIBRARY.flare_agent_log_json(agent::Ptr{Cvoid}, kind::Cstring, name::Cstring, json::Cstring, step::Int64, path::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_agent_next_log_record(agent, timeout_ms, record, err) = @ccall LIBRARY.flare_agent_next_log_record(agent::Ptr{Cvoid}, timeout_ms::Int64, record::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
flare_agent_log_poll_fd(agent) = @ccall LIBRARY.flare_agent_log_poll_fd(agent::Ptr{Cvoid})::Cint
flare_log_record_free(record) = @ccall LIBRARY.flare_log_record_free(record::Ptr{Cvoid})::Cvoid
flare_log_record_level(record) = @ccall LIBRARY.flare_log_record_level(record::Ptr{Cvoid})::Int32
flare_log_record_text(record) = @ccall LIBRARY.flare_log_record_text(record::Ptr{Cvoid})::Cstring
flare_task_free(task) = @ccall LIBRARY.flare_task_free(task::Ptr{Cvoid})::Cvoid
flare_task_get_kind(task) = @ccall LIBRARY.flare_task_get_kind(task::Ptr{Cvoid})::Int32
flare_task_id(task) = @ccall LIBRARY.flare_task_id(task::Ptr{Cvoid})::Cstring
flare_task_name(task) = @ccall LIBRARY.flare_task_name(task::Ptr{Cvoid})::Cstring
flare_task_attempt(task) = @ccall LIBRARY.flare_task_attempt(task::Ptr{Cvoid})::Int64
flare_task_round(task) = @ccall LIBRARY.flare_task_round(task::Ptr{Cvoid})::Int64
flare_task_total_rounds(task) = @ccall LIBRARY.flare_task_total_rounds(task::Ptr{Cvoid})::Int64
flare_task_job_id(task) = @ccall LIBRARY.flare_task_job_id(task::Ptr{Cvoid})::Cstring
flare_task_site(task) = @ccall LIBRARY.flare_task_site(task::Ptr{Cvoid})::Cstring
flare_task_is_aborted(task) = @ccall LIBRARY.flare_task_is_aborted(task::Ptr{Cvoid})::Int32
flare_task_shareable(task) = @ccall LIBRARY.flare_task_shareable(task::Ptr{Cvoid})::Ptr{Cvoid}
flare_task_fail(task, return_code, reason, err) = @ccall LIBRARY.flare_task_fail(task::Ptr{Cvoid}, return_code::Cstring, reason::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_result_new(task, result, err) = @ccall LIBRARY.flare_result_new(task::Ptr{Cvoid}, result::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
flare_result_free(result) = @ccall LIBRARY.flare_result_free(result::Ptr{Cvoid})::Cvoid
flare_result_shareable(result) = @ccall LIBRARY.flare_result_shareable(result::Ptr{Cvoid})::Ptr{Cvoid}
flare_result_submit(result, err) = @ccall LIBRARY.flare_result_submit(result::Ptr{Cvoid}, err::Ptr{Ptr{Cvoid}})::Int32
flare_result_wait(result, level, timeout_ms, err) = @ccall LIBRARY.flare_result_wait(result::Ptr{Cvoid}, level::Int32, timeout_ms::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_result_finish(result, timeout_ms, err) = @ccall LIBRARY.flare_result_finish(result::Ptr{Cvoid}, timeout_ms::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_result_cancel(result) = @ccall LIBRARY.flare_result_cancel(result::Ptr{Cvoid})::Cvoid
flare_result_poll_fd(result, level) = @ccall LIBRARY.flare_result_poll_fd(result::Ptr{Cvoid}, level::Int32)::Cint
flare_result_progress(result, progress) = @ccall LIBRARY.flare_result_progress(result::Ptr{Cvoid}, progress::Ptr{Progress})::Int32
flare_result_wait_progress(result, timeout_ms, progress, err) = @ccall LIBRARY.flare_result_wait_progress(result::Ptr{Cvoid}, timeout_ms::Int64, progress::Ptr{Progress}, err::Ptr{Ptr{Cvoid}})::Int32
flare_result_progress_poll_fd(result) = @ccall LIBRARY.flare_result_progress_poll_fd(result::Ptr{Cvoid})::Cint
flare_result_receiver_at(result, index, name, progress) = @ccall LIBRARY.flare_result_receiver_at(result::Ptr{Cvoid}, index::Csize_t, name::Ptr{Cstring}, progress::Ptr{Progress})::Int32
flare_exchanger_open(options, exchanger, err) = @ccall LIBRARY.flare_exchanger_open(options::Ptr{Cvoid}, exchanger::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
flare_exchanger_url(exchanger) = @ccall LIBRARY.flare_exchanger_url(exchanger::Ptr{Cvoid})::Cstring
flare_exchanger_wait_connected(exchanger, timeout_ms, err) = @ccall LIBRARY.flare_exchanger_wait_connected(exchanger::Ptr{Cvoid}, timeout_ms::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_exchanger_connected_poll_fd(exchanger) = @ccall LIBRARY.flare_exchanger_connected_poll_fd(exchanger::Ptr{Cvoid})::Cint
flare_exchanger_state(exchanger) = @ccall LIBRARY.flare_exchanger_state(exchanger::Ptr{Cvoid})::Int32
flare_exchanger_end(exchanger, reason, err) = @ccall LIBRARY.flare_exchanger_end(exchanger::Ptr{Cvoid}, reason::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_exchanger_abort(exchanger, reason, err) = @ccall LIBRARY.flare_exchanger_abort(exchanger::Ptr{Cvoid}, reason::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_exchanger_stop(exchanger) = @ccall LIBRARY.flare_exchanger_stop(exchanger::Ptr{Cvoid})::Cvoid
flare_exchanger_close(exchanger) = @ccall LIBRARY.flare_exchanger_close(exchanger::Ptr{Cvoid})::Cvoid
flare_request_new(exchanger, task_name, request, err) = @ccall LIBRARY.flare_request_new(exchanger::Ptr{Cvoid}, task_name::Cstring, request::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
flare_request_free(request) = @ccall LIBRARY.flare_request_free(request::Ptr{Cvoid})::Cvoid
flare_request_shareable(request) = @ccall LIBRARY.flare_request_shareable(request::Ptr{Cvoid})::Ptr{Cvoid}
flare_request_set_id(request, task_id, err) = @ccall LIBRARY.flare_request_set_id(request::Ptr{Cvoid}, task_id::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_request_set_round(request, current, total, err) = @ccall LIBRARY.flare_request_set_round(request::Ptr{Cvoid}, current::Int64, total::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_request_set_attempt(request, attempt, err) = @ccall LIBRARY.flare_request_set_attempt(request::Ptr{Cvoid}, attempt::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_request_add_receiver(request, receiver, err) = @ccall LIBRARY.flare_request_add_receiver(request::Ptr{Cvoid}, receiver::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_request_send(request, err) = @ccall LIBRARY.flare_request_send(request::Ptr{Cvoid}, err::Ptr{Ptr{Cvoid}})::Int32
flare_request_wait(request, timeout_ms, reply, err) = @ccall LIBRARY.flare_request_wait(request::Ptr{Cvoid}, timeout_ms::Int64, reply::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
flare_request_poll_fd(request) = @ccall LIBRARY.flare_request_poll_fd(request::Ptr{Cvoid})::Cint
flare_request_abort(request) = @ccall LIBRARY.flare_request_abort(request::Ptr{Cvoid})::Cvoid
flare_reply_free(reply) = @ccall LIBRARY.flare_reply_free(reply::Ptr{Cvoid})::Cvoid
flare_reply_shareable(reply) = @ccall LIBRARY.flare_reply_shareable(reply::Ptr{Cvoid})::Ptr{Cvoid}
flare_reply_report(reply, receiver, bytes, err) = @ccall LIBRARY.flare_reply_report(reply::Ptr{Cvoid}, receiver::Cstring, bytes::Int64, err::Ptr{Ptr{Cvoid}})::Int32
flare_reply_confirm(reply, receiver, success, reason, err) = @ccall LIBRARY.flare_reply_confirm(reply::Ptr{Cvoid}, receiver::Cstring, success::Int32, reason::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
flare_exchanger_next_metric(exchanger, timeout_ms, metric, err) = @ccall LIBRARY.flare_exchanger_next_metric(exchanger::Ptr{Cvoid}, timeout_ms::Int64, metric::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
flare_exchanger_metric_poll_fd(exchanger) = @ccall LIBRARY.flare_exchanger_metric_poll_fd(exchanger::Ptr{Cvoid})::Cint
flare_metric_free(metric) = @ccall LIBRARY.flare_metric_free(metric::Ptr{Cvoid})::Cvoid
flare_metric_type(metric) = @ccall LIBRARY.flare_metric_type(metric::Ptr{Cvoid})::Cstring
flare_metric_name(metric) = @ccall LIBRARY.flare_metric_name(metric::Ptr{Cvoid})::Cstring
flare_metric_value(metric) = @ccall LIBRARY.flare_metric_value(metric::Ptr{Cvoid})::Ptr{Cvoid}
flare_metric_step(metric) = @ccall LIBRARY.flare_metric_step(metric::Ptr{Cvoid})::Int64
flare_metric_path(metric) = @ccall LIBRARY.flare_metric_path(metric::Ptr{Cvoid})::Cstring
