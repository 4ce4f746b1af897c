/*
 * flare_agent.hpp - flare_agent.h for C++17: RAII, exceptions, iteration and types; header-only, without logic of
 * its own.
 *
 *   flare::Agent agent;
 *   for (flare::Task &task : agent.tasks()) {
 *     std::vector<float> w = task.data().vector<float>("w");
 *     const double loss = train(w);
 *     agent.log_scalar("loss", loss, task.round());
 *     task.result().copy("w", w, {100}).metric("loss", loss).steps(100).finish();
 *   }
 *
 * Constants, meanings and rules are those of flare_agent.h; each function here is the one of like name there. What
 * is different, everywhere:
 *
 *   Errors     What is neither FLARE_OK nor said to be a return value is thrown as flare::Error. An exception that
 *              leaves the loop above releases the task, and the peer is told that it has no result.
 *   Ownership  Agent, Task, Result and Options own their handle and are move-only; after a move only assignment and
 *              destruction are defined. Shareable, Tensor and Value are views: copy them freely, and use them while
 *              what they came from lives. So are the std::string_view that functions return.
 *   Waiting    Without a timeout a function waits as long as it takes. With one it returns false, or no value, when
 *              the time is over.
 *   C          handle() gives the C handle, still owned by the object; call() calls any C function.
 */
#ifndef FLARE_AGENT_HPP
#define FLARE_AGENT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "flare_agent.h"

namespace flare {

/* ---- Errors ---------------------------------------------------------------------------------------------- */

/** A call that was not successful: what() says what happened and what to do. */
class Error : public std::runtime_error {
 public:
  Error(flare_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
  flare_status status() const noexcept { return status_; }

 private:
  flare_status status_;
};

namespace detail {

template <auto Free>
struct Release {
  template <typename T>
  void operator()(T *handle) const noexcept {
    Free(handle);
  }
};

template <typename T, auto Free>
using Handle = std::unique_ptr<T, Release<Free>>;

[[noreturn]] inline void raise(flare_status status, flare_error *error) {
  const Handle<flare_error, flare_error_free> owner(error);
  throw Error(status, error != nullptr ? flare_error_message(error) : flare_status_text(status));
}

inline std::string version_text(uint32_t version) {
  return std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 255) + "." + std::to_string(version & 255);
}

/* While the major version is 0 a new minor version may change the interface. */
inline void check_version(uint32_t library, uint32_t header) {
  if (library >> 8 == header >> 8) return;
  throw Error(FLARE_INVALID_STATE, "the library libflare_agent found at run time is version " + version_text(library) +
                                       ", but this program was compiled for " + version_text(header) +
                                       ": run it with the library of that version, or compile it again");
}

}  // namespace detail

/** Calls a C function whose last parameter is the error, which is left out here. True for FLARE_OK, false for the
 *  status `expected`. */
template <typename Function, typename... Arguments>
bool try_call(flare_status expected, Function function, Arguments... arguments) {
  flare_error *error = nullptr;
  const flare_status status = function(arguments..., &error);
  if (status == FLARE_OK) return true;
  if (status == expected) return false;
  detail::raise(status, error);
}

/** The same when only FLARE_OK is expected: `flare::call(flare_options_set, options.handle(), "site", "site-1")`. */
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
  (void)try_call(FLARE_OK, function, arguments...);
}

/* ---- Options --------------------------------------------------------------------------------------------- */

class Options {
 public:
  Options() : handle_(flare_options_new()) {
    if (!handle_) throw std::bad_alloc();
  }
  Options &set(const std::string &name, const std::string &value) {
    call(flare_options_set, handle(), name.c_str(), value.c_str());
    return *this;
  }
  flare_options *handle() const noexcept { return handle_.get(); }

 private:
  detail::Handle<flare_options, flare_options_free> handle_;
};

/* ---- Tensors and values: views ----------------------------------------------------------------------------- */

/** The element type that a C++ type stands for. Types without a C++ type of their own (FLARE_FLOAT16 ...) go by
 *  flare_tensor. */
template <typename T>
constexpr flare_dtype dtype_of() {
  constexpr bool kCharacter = std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char16_t> ||
                              std::is_same_v<T, char32_t>;
  constexpr int kCode = std::is_same_v<T, bool> ? 6 : std::is_floating_point_v<T> ? 2 : std::is_signed_v<T> ? 0 : 1;
  static_assert(std::is_arithmetic_v<T> && !std::is_const_v<T> && !kCharacter && sizeof(T) <= 8,
                "a tensor has elements of float, double, bool or an integer type");
  return kCode | ((static_cast<flare_dtype>(sizeof(T)) * 8) << 8);  // DLPack's, as all flare_dtype
}

static_assert(dtype_of<float>() == FLARE_FLOAT32 && dtype_of<double>() == FLARE_FLOAT64, "");
static_assert(dtype_of<int64_t>() == FLARE_INT64 && dtype_of<uint8_t>() == FLARE_UINT8, "");
static_assert(dtype_of<bool>() == FLARE_BOOL, "");

class Tensor {
 public:
  explicit Tensor(const flare_tensor &view) : view_(view) {}

  flare_dtype dtype() const noexcept { return view_.dtype; }
  std::vector<int64_t> shape() const { return {view_.shape, view_.shape + view_.ndim}; }
  /** The number of elements. */
  size_t count() const noexcept {
    size_t count = 1;
    for (int32_t i = 0; i < view_.ndim; ++i) count *= static_cast<size_t>(view_.shape[i]);
    return count;
  }
  /** The elements. Throws FLARE_INVALID_ARGUMENT when they are of another type. */
  template <typename T>
  const T *data() const {
    if (dtype_of<T>() != view_.dtype) throw Error(FLARE_INVALID_ARGUMENT, "the tensor has another element type");
    return static_cast<const T *>(view_.data);
  }
  const flare_tensor &view() const noexcept { return view_; }

 private:
  flare_tensor view_;
};

/** A value in the headers, body or meta; no value where the C function says FLARE_NOT_FOUND. */
class Value {
 public:
  explicit Value(const flare_value *handle) : handle_(handle) {}

  flare_value_type type() const noexcept { return flare_value_get_type(handle_); }
  std::optional<int64_t> as_int() const {
    int64_t out = 0;
    return flare_value_get_int(handle_, &out) == FLARE_OK ? std::optional(out) : std::nullopt;
  }
  std::optional<double> as_double() const {
    double out = 0;
    return flare_value_get_double(handle_, &out) == FLARE_OK ? std::optional(out) : std::nullopt;
  }
  std::optional<std::string_view> as_text() const {
    const char *out = nullptr;
    return flare_value_get_text(handle_, &out) == FLARE_OK ? std::optional<std::string_view>(out) : std::nullopt;
  }
  /** Of bytes, of a text whatever is in it, and of what only Python knows. */
  std::optional<std::string_view> as_bytes() const {
    const void *data = nullptr;
    size_t size = 0;
    if (flare_value_get_bytes(handle_, &data, &size) != FLARE_OK) return std::nullopt;
    return std::string_view(static_cast<const char *>(data), size);
  }
  std::optional<Tensor> as_tensor() const {
    flare_tensor out = FLARE_TENSOR_INIT;
    return flare_value_get_tensor(handle_, &out) == FLARE_OK ? std::optional(Tensor(out)) : std::nullopt;
  }
  size_t count() const noexcept { return flare_value_count(handle_); }
  /** An entry by position, with its key. Throws FLARE_NOT_FOUND beyond the end. */
  std::pair<std::string_view, Value> at(size_t index) const {
    const char *key = nullptr;
    const flare_value *child = nullptr;
    const flare_status status = flare_value_at(handle_, index, &key, &child);
    if (status != FLARE_OK) detail::raise(status, nullptr);
    return {key, Value(child)};
  }
  std::optional<Value> find(const std::string &key) const {
    const flare_value *child = nullptr;
    return flare_value_find(handle_, key.c_str(), &child) == FLARE_OK ? std::optional(Value(child)) : std::nullopt;
  }
  const flare_value *handle() const noexcept { return handle_; }

 private:
  const flare_value *handle_;
};

/** What a task brings. */
class Shareable {
 public:
  explicit Shareable(const flare_shareable *handle) : handle_(handle) {}

  size_t tensor_count() const noexcept { return flare_shareable_tensor_count(handle_); }
  /** A tensor by position, with its name. Throws FLARE_NOT_FOUND beyond the end. */
  std::pair<std::string_view, Tensor> at(size_t index) const {
    const char *name = nullptr;
    flare_tensor tensor = FLARE_TENSOR_INIT;
    const flare_status status = flare_shareable_tensor_at(handle_, index, &name, &tensor);
    if (status != FLARE_OK) detail::raise(status, nullptr);
    return {name, Tensor(tensor)};
  }
  std::optional<Tensor> find(const std::string &name) const {
    flare_tensor tensor = FLARE_TENSOR_INIT;
    const flare_status status = flare_shareable_find_tensor(handle_, name.c_str(), &tensor);
    return status == FLARE_OK ? std::optional(Tensor(tensor)) : std::nullopt;
  }
  std::optional<std::string_view> find_bytes(const std::string &name) const {
    const void *data = nullptr;
    size_t size = 0;
    const flare_status status = flare_shareable_find_bytes(handle_, name.c_str(), &data, &size);
    if (status != FLARE_OK) return std::nullopt;
    return std::string_view(static_cast<const char *>(data), size);
  }

  /** Copies a tensor of exactly `count` elements of T. */
  template <typename T>
  void read(const std::string &name, T *out, size_t count) const {
    call(flare_shareable_read_tensor, handle_, name.c_str(), dtype_of<T>(), static_cast<void *>(out), count);
  }
  /** Copies a tensor of exactly out.size() elements. */
  template <typename T>
  void read(const std::string &name, std::vector<T> &out) const {
    static_assert(!std::is_same_v<T, bool>, "std::vector<bool> has no elements in memory: read into an array of bool");
    read(name, out.data(), out.size());
  }
  /** A copy of a tensor, whatever its shape. */
  template <typename T>
  std::vector<T> vector(const std::string &name) const {
    const std::optional<Tensor> tensor = find(name);
    std::vector<T> out(tensor && tensor->dtype() == dtype_of<T>() ? tensor->count() : 0);
    read(name, out);
    return out;
  }

  std::optional<double> metric(const std::string &name) const {
    double value = 0;
    return flare_shareable_metric(handle_, name.c_str(), &value) == FLARE_OK ? std::optional(value) : std::nullopt;
  }
  std::optional<int64_t> steps() const {
    int64_t steps = 0;
    return flare_shareable_steps(handle_, &steps) == FLARE_OK ? std::optional(steps) : std::nullopt;
  }
  std::string_view kind() const noexcept { return flare_shareable_kind(handle_); }
  flare_params_type params_type() const noexcept { return flare_shareable_params_type(handle_); }
  std::string_view return_code() const noexcept { return flare_shareable_return_code(handle_); }
  std::string_view reason() const noexcept { return flare_shareable_reason(handle_); }
  /** FLARE_HEADERS, FLARE_BODY or FLARE_META. */
  Value section(flare_section section) const { return Value(flare_shareable_section(handle_, section)); }
  const flare_shareable *handle() const noexcept { return handle_; }

 private:
  const flare_shareable *handle_;
};

/* ---- Result ---------------------------------------------------------------------------------------------- */

/** The answer to a task. The setters return the result itself, to be chained. Released before submit it is
 *  dropped; after submit the upload goes on, and with borrowed memory the destructor waits until it is settled. */
class Result {
 public:
  using Shape = std::vector<int64_t>;

  explicit Result(flare_task *task) {
    flare_result *result = nullptr;
    call(flare_result_new, task, &result);
    handle_.reset(result);
  }

  /** Copies as many elements as `shape` says. */
  template <typename T>
  Result &copy(const std::string &name, const T *data, const Shape &shape) {
    return copy(name, view(data, shape));
  }
  template <typename T>
  Result &copy(const std::string &name, const std::vector<T> &elements, const Shape &shape) {
    return copy(name, view(elements, shape));
  }
  /** With one dimension. */
  template <typename T>
  Result &copy(const std::string &name, const std::vector<T> &elements) {
    return copy(name, elements, {static_cast<int64_t>(elements.size())});
  }
  Result &copy(const std::string &name, const flare_tensor &tensor) {
    call(flare_shareable_copy_tensor, shareable(), name.c_str(), &tensor);
    return *this;
  }

  /** Leave the elements alone until finish() or wait() has returned true or thrown, or this object is destroyed. */
  template <typename T>
  Result &borrow(const std::string &name, const T *data, const Shape &shape) {
    return borrow(name, view(data, shape));
  }
  template <typename T>
  Result &borrow(const std::string &name, const std::vector<T> &elements, const Shape &shape) {
    return borrow(name, view(elements, shape));
  }
  template <typename T>
  Result &borrow(const std::string &name, const std::vector<T> &&elements, const Shape &shape) = delete;
  Result &borrow(const std::string &name, const flare_tensor &tensor) {
    call(flare_shareable_borrow_tensor, shareable(), name.c_str(), &tensor);
    return *this;
  }

  Result &bytes(const std::string &name, std::string_view content) {
    call(flare_shareable_copy_bytes, shareable(), name.c_str(), static_cast<const void *>(content.data()),
         content.size());
    return *this;
  }
  Result &metric(const std::string &name, double value) {
    call(flare_shareable_set_metric, shareable(), name.c_str(), value);
    return *this;
  }
  Result &steps(int64_t steps) {
    call(flare_shareable_set_steps, shareable(), steps);
    return *this;
  }
  Result &kind(const std::string &kind) {
    call(flare_shareable_set_kind, shareable(), kind.c_str());
    return *this;
  }
  Result &return_code(const std::string &code) {
    call(flare_shareable_set_return_code, shareable(), code.c_str());
    return *this;
  }
  Result &set_int(flare_section section, const std::string &name, int64_t value) {
    call(flare_shareable_set_int, shareable(), section, name.c_str(), value);
    return *this;
  }
  Result &set_double(flare_section section, const std::string &name, double value) {
    call(flare_shareable_set_double, shareable(), section, name.c_str(), value);
    return *this;
  }
  Result &set_text(flare_section section, const std::string &name, const std::string &value) {
    call(flare_shareable_set_text, shareable(), section, name.c_str(), value.c_str());
    return *this;
  }
  Result &set_json(flare_section section, const std::string &name, const std::string &json) {
    call(flare_shareable_set_json, shareable(), section, name.c_str(), json.c_str());
    return *this;
  }

  void submit() { call(flare_result_submit, handle()); }
  /** FLARE_ACCEPTED or FLARE_DELIVERED. */
  void wait(flare_level level) { call(flare_result_wait, handle(), level, FLARE_WAIT_FOREVER); }
  [[nodiscard]] bool wait(flare_level level, std::chrono::milliseconds timeout) {
    return try_call(FLARE_TIMEOUT, flare_result_wait, handle(), level, int64_t{timeout.count()});
  }
  /** Submits and waits until delivered. */
  void finish() { call(flare_result_finish, handle(), FLARE_WAIT_FOREVER); }
  /** False: submitted, but not delivered yet; go on with wait(). */
  [[nodiscard]] bool finish(std::chrono::milliseconds timeout) {
    return try_call(FLARE_TIMEOUT, flare_result_finish, handle(), int64_t{timeout.count()});
  }
  void cancel() noexcept { flare_result_cancel(handle()); }
  flare_progress progress() const {
    flare_progress progress = FLARE_PROGRESS_INIT;
    const flare_status status = flare_result_progress(handle(), &progress);
    if (status != FLARE_OK) detail::raise(status, nullptr);
    return progress;
  }
  /** Waits until there is more to see than `seen` shows, or the upload is settled; false when neither came in time. */
  [[nodiscard]] bool wait_progress(flare_progress *seen, std::chrono::milliseconds timeout) {
    return try_call(FLARE_TIMEOUT, flare_result_wait_progress, handle(), int64_t{timeout.count()}, seen);
  }
  /** Each receiver's name ("" when the peer alone is it) and part. */
  std::vector<std::pair<std::string, flare_progress>> receivers() const {
    std::vector<std::pair<std::string, flare_progress>> all;
    const char *name = nullptr;
    flare_progress part = FLARE_PROGRESS_INIT;
    while (flare_result_receiver_at(handle(), all.size(), &name, &part) == FLARE_OK) all.emplace_back(name, part);
    return all;
  }
  int poll_fd(flare_level level) const noexcept { return flare_result_poll_fd(handle(), level); }
  int progress_poll_fd() const noexcept { return flare_result_progress_poll_fd(handle()); }
  flare_result *handle() const noexcept { return handle_.get(); }

 private:
  template <typename T>
  static flare_tensor view(const T *data, const Shape &shape) {
    flare_tensor tensor = FLARE_TENSOR_INIT;
    tensor.dtype = dtype_of<T>();
    tensor.ndim = static_cast<int32_t>(shape.size());
    tensor.data = data;
    tensor.shape = shape.data();
    return tensor;
  }
  template <typename T>
  static flare_tensor view(const std::vector<T> &elements, const Shape &shape) {
    static_assert(!std::is_same_v<T, bool>, "std::vector<bool> has no elements in memory: give an array of bool");
    const flare_tensor tensor = view(elements.data(), shape);
    if (Tensor(tensor).count() != elements.size())
      throw Error(FLARE_INVALID_ARGUMENT, "the shape does not fit a vector of " + std::to_string(elements.size()));
    return tensor;
  }
  flare_shareable *shareable() const noexcept { return flare_result_shareable(handle()); }

  detail::Handle<flare_result, flare_result_free> handle_;
};

/* ---- Task ------------------------------------------------------------------------------------------------ */

class Task {
 public:
  /** Takes the handle over. */
  explicit Task(flare_task *handle) : handle_(handle) {}

  /** FLARE_TASK_TRAIN, FLARE_TASK_VALIDATE, FLARE_TASK_SUBMIT_MODEL or FLARE_TASK_OTHER. */
  flare_task_kind kind() const noexcept { return flare_task_get_kind(handle()); }
  std::string_view id() const noexcept { return flare_task_id(handle()); }
  std::string_view name() const noexcept { return flare_task_name(handle()); }
  int64_t attempt() const noexcept { return flare_task_attempt(handle()); }
  /** -1 when the peer did not say. */
  int64_t round() const noexcept { return flare_task_round(handle()); }
  int64_t total_rounds() const noexcept { return flare_task_total_rounds(handle()); }
  std::string_view job_id() const noexcept { return flare_task_job_id(handle()); }
  std::string_view site() const noexcept { return flare_task_site(handle()); }
  bool is_aborted() const noexcept { return flare_task_is_aborted(handle()) != 0; }
  Shareable data() const { return Shareable(flare_task_shareable(handle())); }

  /** The one result of this task. */
  Result result() { return Result(handle()); }
  void fail(const std::string &return_code, const std::string &reason) {
    call(flare_task_fail, handle(), return_code.c_str(), reason.c_str());
  }
  flare_task *handle() const noexcept { return handle_.get(); }

 private:
  detail::Handle<flare_task, flare_task_free> handle_;
};

/* ---- Agent ----------------------------------------------------------------------------------------------- */

class Tasks;

/** What the library says about itself. */
struct LogRecord {
  flare_log_level level; /**< FLARE_LOG_DEBUG to FLARE_LOG_ERROR */
  std::string text;      /**< one line */
};

class Agent {
 public:
  /** Without options the environment decides (FLARE_AGENT_*). Does not wait for the peer. FLARE_INVALID_STATE: the
   *  library that was found is of another version than this header. */
  Agent() : Agent(Options()) {}
  explicit Agent(const Options &options) {
    detail::check_version(flare_version(), FLARE_VERSION);
    flare_agent *agent = nullptr;
    call(flare_agent_open, options.handle(), &agent);
    handle_.reset(agent);
  }

  void wait_connected() { call(flare_agent_wait_connected, handle(), FLARE_WAIT_FOREVER); }
  [[nodiscard]] bool wait_connected(std::chrono::milliseconds timeout) {
    return try_call(FLARE_TIMEOUT, flare_agent_wait_connected, handle(), int64_t{timeout.count()});
  }

  /** The next task; none when the job ended or this agent was stopped. */
  std::optional<Task> next_task() { return take(FLARE_WAIT_FOREVER); }
  /** None when no task came in time, or none will come any more: then over() is true. */
  std::optional<Task> try_next_task(std::chrono::milliseconds timeout) { return take(timeout.count()); }
  /** All tasks from now on, for a range-based for. The loop ends as next_task() does; each task is released before
   *  the next one is taken. */
  Tasks tasks();

  void stop() noexcept { flare_agent_stop(handle()); }
  /** Whether the job ended or this agent was stopped. */
  bool over() const noexcept { return state() == FLARE_STATE_ENDED || state() == FLARE_STATE_STOPPED; }
  /** Whether a process that was launched for one task has delivered its result. */
  bool should_exit() const noexcept { return flare_agent_should_exit(handle()) != 0; }
  flare_state state() const noexcept { return flare_agent_state(handle()); }
  std::optional<std::string_view> info(const std::string &name) const {
    const char *value = nullptr;
    const flare_status status = flare_agent_info(handle(), name.c_str(), &value);
    return status == FLARE_OK ? std::optional<std::string_view>(value) : std::nullopt;
  }
  flare_agent_stats stats() const {
    flare_agent_stats stats = FLARE_AGENT_STATS_INIT;
    const flare_status status = flare_agent_get_stats(handle(), &stats);
    if (status != FLARE_OK) detail::raise(status, nullptr);
    return stats;
  }

  void log_scalar(const std::string &name, double value, int64_t step = FLARE_NO_STEP) {
    call(flare_agent_log_scalar, handle(), name.c_str(), value, step);
  }
  void log_json(const std::string &type, const std::string &name, const std::string &json, int64_t step = FLARE_NO_STEP,
                const std::string &path = "") {
    call(flare_agent_log_json, handle(), type.c_str(), name.c_str(), json.c_str(), step,
         path.empty() ? nullptr : path.c_str());
  }
  /** A record of the library's own log; none when none came in time, or this agent was stopped. */
  std::optional<LogRecord> next_log_record(std::chrono::milliseconds timeout) {
    flare_log_record *record = nullptr;
    flare_error *error = nullptr;
    const flare_status status = flare_agent_next_log_record(handle(), timeout.count(), &record, &error);
    if (status == FLARE_TIMEOUT || status == FLARE_STOPPED) return std::nullopt;
    if (status != FLARE_OK) detail::raise(status, error);
    const detail::Handle<flare_log_record, flare_log_record_free> owner(record);
    return LogRecord{flare_log_record_level(record), flare_log_record_text(record)};
  }
  int log_poll_fd() const noexcept { return flare_agent_log_poll_fd(handle()); }
  int poll_fd() const noexcept { return flare_agent_poll_fd(handle()); }
  int connected_poll_fd() const noexcept { return flare_agent_connected_poll_fd(handle()); }
  flare_agent *handle() const noexcept { return handle_.get(); }

 private:
  std::optional<Task> take(int64_t timeout_ms) {
    flare_task *task = nullptr;
    flare_error *error = nullptr;
    const flare_status status = flare_agent_next_task(handle(), timeout_ms, &task, &error);
    if (status == FLARE_OK) return Task(task);
    if (status == FLARE_TIMEOUT || status == FLARE_ENDED || status == FLARE_STOPPED) return std::nullopt;
    detail::raise(status, error);
  }

  detail::Handle<flare_agent, flare_agent_close> handle_;
};

/** What Agent::tasks() gives: a range to go through once. It holds the task in hand. */
class Tasks {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Task;
    using difference_type = std::ptrdiff_t;
    using pointer = Task *;
    using reference = Task &;

    Task &operator*() const { return *tasks_->task_; }
    Task *operator->() const { return &*tasks_->task_; }
    Iterator &operator++() {
      tasks_->advance();
      return *this;
    }
    void operator++(int) { tasks_->advance(); }
    friend bool operator==(const Iterator &a, const Iterator &b) { return a.at_end() == b.at_end(); }
    friend bool operator!=(const Iterator &a, const Iterator &b) { return !(a == b); }

   private:
    friend class Tasks;
    explicit Iterator(Tasks *tasks) : tasks_(tasks) {}
    bool at_end() const { return tasks_ == nullptr || !tasks_->task_; }

    Tasks *tasks_;
  };

  explicit Tasks(Agent &agent) : agent_(&agent) {}
  Tasks(const Tasks &) = delete;  // its iterators point at it
  Tasks &operator=(const Tasks &) = delete;

  Iterator begin() {
    advance();
    return Iterator(this);
  }
  Iterator end() { return Iterator(nullptr); }

 private:
  void advance() {
    task_.reset();  // one task is in hand at a time
    task_ = agent_->next_task();
  }

  Agent *agent_;
  std::optional<Task> task_;
};

inline Tasks Agent::tasks() { return Tasks(*this); }

}  // namespace flare

#endif  // FLARE_AGENT_HPP
