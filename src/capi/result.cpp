#include <memory>
#include <string>
#include <utility>

#include "base/failure.h"
#include "capi/boundary.h"
#include "capi/handles.h"

using flare::Agent;
using flare::checked_timeout;
using flare::Draft;
using flare::Failure;
using flare::guarded;
using flare::is_usable;
using flare::Outcome;
using flare::required;
using flare::Task;
using flare::Upload;
using flare::UploadSnapshot;
using flare::usable;

namespace {

// A result is of the kind of its task, when that is one of weights.
std::string_view default_kind(const Task &task) {
  const std::string_view kind = task.data().kind;
  return kind == flare::kind::kWeightDiff ? kind : flare::kind::kWeights;
}

// Null before the submit.
Upload *upload_of(const flare_result *result) { return result->shareable.sent ? result->upload.get() : nullptr; }

Outcome submit(flare_result *result) {
  Task &task = *result->task;
  flare_shareable &content = result->shareable;
  if (content.sent) return {FLARE_INVALID_STATE, "the result of task '" + task.id() + "' was submitted already"};
  std::shared_ptr<Upload> upload;
  Outcome outcome = task.agent()->submit(task, content.finish(), content.lent, &upload);
  if (outcome.status == FLARE_OK) {
    result->upload = std::move(upload);
    content.sent = true;
  }
  return outcome;
}

Outcome not_submitted(const flare_result *result) {
  return {FLARE_INVALID_STATE, "the result of task '" + result->task->id() + "' was not submitted"};
}

flare_progress part(const UploadSnapshot &upload, const flare::ReceiverProgress &receiver) {
  const double rate = upload.seconds > 0 ? static_cast<double>(receiver.bytes) / upload.seconds : 0;
  return {0,    receiver.state, upload.bytes_per_receiver, receiver.bytes, upload.items_per_receiver, receiver.items,
          rate, upload.changes};
}

flare_progress whole(const UploadSnapshot &upload) {
  const flare::TransferProgress sum = upload.sum();
  const double rate = upload.seconds > 0 ? static_cast<double>(sum.bytes_done) / upload.seconds : 0;
  return {0, upload.state, sum.bytes_total, sum.bytes_done, sum.items_total, sum.items_done, rate, upload.changes};
}

Outcome wait(flare_result *result, flare_level level, int64_t timeout_ms) {
  if (level != FLARE_ACCEPTED && level != FLARE_DELIVERED) {
    throw Failure(FLARE_INVALID_ARGUMENT,
                  "level " + std::to_string(level) + " is neither FLARE_ACCEPTED nor FLARE_DELIVERED");
  }
  Upload *upload = upload_of(result);
  if (upload == nullptr) return not_submitted(result);
  return result->task->agent()->wait(*upload, level, checked_timeout(timeout_ms));
}

}  // namespace

flare_status flare_result_new(flare_task *task, flare_result **result, flare_error **error) noexcept {
  return guarded(error, [&] {
    const std::shared_ptr<Task> &owner = usable(task, "task")->task;
    required(result, "result");
    // On the heap first: once the task says that it has a result, nothing may fail any more.
    std::unique_ptr<flare_result> handle(
        new flare_result{owner, {Draft(default_kind(*owner)), owner->agent()->settings().limits}, nullptr});
    if (!owner->claim_result()) {
      throw Failure(FLARE_INVALID_STATE, "task '" + owner->id() + "' has a result already, or was failed");
    }
    *result = handle.release();
    return FLARE_OK;
  });
}

void flare_result_free(flare_result *result) noexcept {
  if (!is_usable(result)) return;
  guarded(nullptr, [&] {
    Upload *upload = upload_of(result);
    if (upload == nullptr) {
      result->task->drop_result();
    } else if (upload->lent()) {
      result->task->agent()->wait(*upload, FLARE_DELIVERED, FLARE_WAIT_FOREVER);
    }
    return FLARE_OK;
  });
  delete result;
}

flare_shareable *flare_result_shareable(flare_result *result) noexcept { return result ? &result->shareable : nullptr; }

flare_status flare_result_submit(flare_result *result, flare_error **error) noexcept {
  return guarded(error, [&] { return submit(usable(result, "result")); });
}

flare_status flare_result_wait(flare_result *result, flare_level level, int64_t timeout_ms,
                               flare_error **error) noexcept {
  return guarded(error, [&] { return wait(usable(result, "result"), level, timeout_ms); });
}

flare_status flare_result_finish(flare_result *result, int64_t timeout_ms, flare_error **error) noexcept {
  return guarded(error, [&] {
    usable(result, "result"), checked_timeout(timeout_ms);
    Outcome submitted = submit(result);
    return submitted.status == FLARE_OK ? wait(result, FLARE_DELIVERED, timeout_ms) : submitted;
  });
}

void flare_result_cancel(flare_result *result) noexcept {
  if (!is_usable(result)) return;
  guarded(nullptr, [&] {
    if (Upload *upload = upload_of(result)) result->task->agent()->cancel(*upload);
    return FLARE_OK;
  });
}

int flare_result_poll_fd(const flare_result *result, flare_level level) noexcept {
  const Upload *upload = is_usable(result) ? upload_of(result) : nullptr;
  if (upload == nullptr) return -1;
  if (level == FLARE_ACCEPTED) return upload->accepted_fd.get();
  return level == FLARE_DELIVERED ? upload->settled_fd.get() : -1;
}

flare_status flare_result_progress(const flare_result *result, flare_progress *progress) noexcept {
  return guarded(nullptr, [&] {
    usable(result, "result"), required(progress, "progress");
    flare_progress now = FLARE_PROGRESS_INIT;
    if (Upload *upload = upload_of(result)) now = whole(result->task->agent()->progress(*upload));
    flare::write_tagged(progress, now);
    return FLARE_OK;
  });
}

flare_status flare_result_wait_progress(flare_result *result, int64_t timeout_ms, flare_progress *progress,
                                        flare_error **error) noexcept {
  return guarded(error, [&] {
    usable(result, "result"), required(progress, "progress"), checked_timeout(timeout_ms);
    if (progress->struct_size < sizeof(flare_progress)) {
      throw Failure(FLARE_INVALID_ARGUMENT, "progress: begin with FLARE_PROGRESS_INIT");
    }
    Upload *upload = upload_of(result);
    if (upload == nullptr) return not_submitted(result);
    UploadSnapshot news;
    Outcome outcome = result->task->agent()->wait_progress(*upload, progress->changes, timeout_ms, &news);
    if (outcome.status == FLARE_OK) flare::write_tagged(progress, whole(news));
    return outcome;
  });
}

int flare_result_progress_poll_fd(const flare_result *result) noexcept {
  const Upload *upload = is_usable(result) ? upload_of(result) : nullptr;
  return upload == nullptr ? -1 : upload->progress_fd.get();
}

flare_status flare_result_receiver_at(const flare_result *result, size_t index, const char **name,
                                      flare_progress *progress) noexcept {
  return guarded(nullptr, [&] {
    usable(result, "result");
    const Upload *upload = upload_of(result);
    if (upload == nullptr) return FLARE_NOT_FOUND;
    const UploadSnapshot now = result->task->agent()->progress(*upload);
    if (index >= now.receivers.size()) return FLARE_NOT_FOUND;
    if (progress != nullptr) flare::write_tagged(progress, part(now, now.receivers[index]));
    if (name != nullptr) *name = upload->receivers().empty() ? "" : upload->receivers()[index].c_str();
    return FLARE_OK;
  });
}
