#include <utility>

#include "agent/agent.h"

namespace flare {

Task::Task(std::shared_ptr<Agent> agent, MessagePtr message, flare_task_kind kind)
    : agent_(std::move(agent)),
      message_(std::move(message)),
      id_(task_id_of(*message_)),
      name_(task_name_of(*message_)),
      job_id_(text_header(message_->data, header::kJobId)),
      site_(text_header(message_->data, header::kSiteName)),
      kind_(kind),
      aborted_(std::make_shared<std::atomic<bool>>(false)) {}

Task::~Task() { agent_->abandon(*this); }

int64_t Task::attempt() const {
  const Value *attempt = message_->data.headers.find(header::kAttempt);
  return attempt ? attempt->integer().value_or(1) : 1;
}

}  // namespace flare
