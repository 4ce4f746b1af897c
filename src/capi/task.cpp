#include <memory>
#include <string>

#include "capi/boundary.h"
#include "capi/handles.h"

using flare::guarded;
using flare::is_usable;
using flare::Task;
using flare::usable;

namespace {

const Task *task_of(const flare_task *task) { return task ? task->task.get() : nullptr; }

}  // namespace

void flare_task_free(flare_task *task) noexcept {
  if (is_usable(task)) delete task;
}

flare_task_kind flare_task_get_kind(const flare_task *task) noexcept {
  return task ? task_of(task)->kind() : FLARE_TASK_OTHER;
}

const char *flare_task_id(const flare_task *task) noexcept { return task ? task_of(task)->id().c_str() : ""; }
const char *flare_task_name(const flare_task *task) noexcept { return task ? task_of(task)->name().c_str() : ""; }
int64_t flare_task_attempt(const flare_task *task) noexcept { return task ? task_of(task)->attempt() : 0; }

int64_t flare_task_round(const flare_task *task) noexcept {
  return task ? flare::current_round(task_of(task)->data()).value_or(-1) : -1;
}

int64_t flare_task_total_rounds(const flare_task *task) noexcept {
  return task ? flare::total_rounds(task_of(task)->data()).value_or(-1) : -1;
}

const char *flare_task_job_id(const flare_task *task) noexcept { return task ? task_of(task)->job_id().c_str() : ""; }
const char *flare_task_site(const flare_task *task) noexcept { return task ? task_of(task)->site().c_str() : ""; }
int32_t flare_task_is_aborted(const flare_task *task) noexcept { return task ? task_of(task)->aborted() : 1; }

const flare_shareable *flare_task_shareable(const flare_task *task) noexcept {
  return task ? &*task->shareable : nullptr;
}

flare_status flare_task_fail(flare_task *task, const char *return_code, const char *reason,
                             flare_error **error) noexcept {
  return guarded(error, [&] {
    Task &failed = *usable(task, "task")->task;
    const std::string code(flare::return_code_text(return_code));
    return failed.agent()->fail(failed, code, std::string(flare::text(reason, "reason")));
  });
}
