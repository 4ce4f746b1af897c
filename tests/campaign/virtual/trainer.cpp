#include "trainer.h"

#include <algorithm>
#include <cstdlib>

namespace flare_world {

using What = Entry::What;

namespace {

std::string text(PlannedTask::Answer answer) {
  switch (answer) {
    case PlannedTask::Answer::kFail: return "fail";
    case PlannedTask::Answer::kRelease: return "release";
    case PlannedTask::Answer::kCancel: return "cancel";
    default: return "result";
  }
}

int64_t number(const flare::Shareable &content, std::string_view name) {
  const flare::Value *value = content.headers.find(name);
  return value ? value->integer().value_or(-1) : -1;
}

}  // namespace

uint64_t task_key(const Schedule &schedule, int index) { return schedule.seed * 1000 + static_cast<uint64_t>(index); }

uint64_t answer_key(const Schedule &schedule, int64_t answer) {
  return schedule.seed * 1000 + 500 + static_cast<uint64_t>(answer);
}

// ---- What is done to it --------------------------------------------------------------------------------------

void Trainer::stop() {
  if (agent_) doing([this] { agent_->stop(); });
}

void Trainer::ring() {
  if (agent_) doing([this] { agent_->ask_to_stop(); });
}

void Trainer::close_soon() {
  close_soon_ = true;
  look_at(world_.now());
}

// ---- Its turns -----------------------------------------------------------------------------------------------

void Trainer::look() {
  if (!agent_) open();
  for (bool more = true; more && !close_soon_;) {
    more = false;
    for (auto sent = sent_.begin(); sent != sent_.end();) {
      const auto next = std::next(sent);
      if (see(&*sent)) {
        sent_.erase(sent);
        more = true;
      }
      sent = next;
    }
    more = answer() || more;
    more = take() || more;
  }
  if (close_soon_ || (over() && !waiting())) leave();
}

void Trainer::open() {
  flare::Resolved resolved;
  resolved.settings = schedule_.settings;
  resolved.sources["url"] = "the schedule";
  agent_ = flare::Agent::open(resolved);
  agent_->task_fd();
}

bool Trainer::take() {
  if (over() || task_ || (!schedule_.ahead && waiting())) return false;
  if (!world_.readable(agent_->task_fd())) return false;
  const flare::Outcome outcome = agent_->next_task(0, &task_);
  if (outcome.status == FLARE_TIMEOUT) defect("there is no task although the descriptor says so");
  if (outcome.status != FLARE_OK) {
    over(outcome.status);
    return false;
  }
  Entry entry;
  entry.what = What::kTask;
  index_ = entry.task = std::atoi(task_->id().c_str());
  entry.attempt = task_->attempt();
  entry.other = static_cast<int>(number(task_->data(), "life"));
  const PlannedTask &plan = schedule_.tasks.at(static_cast<size_t>(index_));
  entry.right = is_content(task_->data(), task_key(schedule_, index_), plan.task_floats);
  write(entry);
  answer_at_ = world_.now() + plan.hold;
  return true;
}

bool Trainer::answer() {
  if (!task_) return false;
  if (world_.now() < answer_at_) {
    look_at(answer_at_);
    return false;
  }
  const PlannedTask &plan = schedule_.tasks.at(static_cast<size_t>(index_));
  for (int64_t i = 0; i < plan.metrics; ++i, ++steps_) {
    flare::Metric metric;
    metric.type = "SCALAR";
    metric.name = std::to_string(life());
    metric.value = static_cast<double>(steps_) * 0.5;
    metric.step = steps_;
    agent_->log(std::move(metric));
  }
  Entry entry;
  entry.what = What::kAnswered;
  entry.task = index_;
  entry.answer = recorder_->next_answer();
  entry.code = text(plan.answer);
  write(entry);
  if (plan.answer == PlannedTask::Answer::kFail) {
    agent_->fail(*task_, "EXECUTION_EXCEPTION", "as the schedule says");
  } else if (plan.answer != PlannedTask::Answer::kRelease) {
    submit(plan, entry.answer);
  }
  task_.reset();
  return true;
}

void Trainer::submit(const PlannedTask &plan, int64_t number) {
  Sent &sent = sent_.emplace_back();
  sent.answer = number;
  flare::Shareable content =
      make_content(answer_key(schedule_, number), plan.result_floats, plan.lent_result ? sent.memory.get() : nullptr);
  content.headers.set("answer", number);
  const flare::Outcome outcome = agent_->submit(*task_, std::move(content), plan.lent_result, &sent.upload);
  if (outcome.status != FLARE_OK) {
    sent_.pop_back();
    return;
  }
  Entry entry;
  entry.what = What::kSubmitted;
  entry.answer = number;
  write(entry);
  if (plan.answer == PlannedTask::Answer::kCancel) {
    sent.cancel_at = world_.now() + milliseconds(world_.draw().one_in(2) ? 0 : world_.draw().below(10));
  }
}

// ---- Uploads -------------------------------------------------------------------------------------------------

bool Trainer::waiting() const {
  return std::any_of(sent_.begin(), sent_.end(), [](const Sent &sent) { return !sent.waited_in_vain; });
}

// True: it is settled.
bool Trainer::see(Sent *sent) {
  if (sent->cancel_at && world_.now() >= *sent->cancel_at) {
    sent->cancel_at.reset();
    agent_->cancel(*sent->upload);
  }
  if (sent->cancel_at) look_at(*sent->cancel_at);
  if (!sent->accepted_told && sent->upload->accepted_fd.raised()) {
    sent->accepted_told = true;
    const flare::Outcome outcome = agent_->wait(*sent->upload, FLARE_ACCEPTED, 0);
    if (outcome.status == FLARE_TIMEOUT) defect("an upload is not decided although the descriptor says so");
    Entry entry;
    entry.what = What::kAccepted;
    entry.answer = sent->answer;
    entry.status = outcome.status;
    write(entry);
  }
  if (sent->waited_in_vain || !sent->upload->settled_fd.raised()) return false;
  const flare::Outcome outcome = agent_->wait(*sent->upload, FLARE_DELIVERED, 0);
  if (outcome.status == FLARE_TIMEOUT) defect("an upload is not settled although the descriptor says so");
  if (!sent->upload->settled()) {
    sent->waited_in_vain = true;
    return false;
  }
  settle(sent, outcome);
  return true;
}

void Trainer::settle(Sent *sent, const flare::Outcome &outcome) {
  sent->memory->scribble();
  Entry entry;
  entry.what = What::kSettled;
  entry.answer = sent->answer;
  entry.status = outcome.status;
  write(entry);
}

void Trainer::leave() {
  task_.reset();
  agent_->close();
  for (Sent &sent : sent_) {
    if (const auto outcome = sent.upload->settled()) settle(&sent, *outcome);
  }
  closed_in_order();
}

}  // namespace flare_world
