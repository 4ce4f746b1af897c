#include "site.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "trainer.h"

namespace flare_world {

using What = Entry::What;

namespace {

constexpr Duration kLinger = std::chrono::seconds(30);

}  // namespace

Site::Site(const Schedule &schedule, std::set<int> tasks, Recorder *recorder)
    : Program(Role::kSite, recorder),
      schedule_(schedule),
      left_(std::move(tasks)),
      to_ask_(left_.begin(), left_.end()) {}

// ---- What is done to it --------------------------------------------------------------------------------------

void Site::abort_request(int index) {
  const auto found =
      std::find_if(asked_.begin(), asked_.end(), [&](const Asked &asked) { return asked.index == index; });
  if (found == asked_.end() || found->done) return;
  Entry entry;
  entry.what = What::kAborting;
  entry.task = index;
  write(entry);
  doing([&] {
    exchanger_->abort(found->request, "the schedule says so");
    found->memory->scribble();  // it is the program's again as soon as the call returns
  });
}

void Site::abort_job() {
  if (!exchanger_) return;
  Entry entry;
  entry.what = What::kAborting;
  write(entry);
  doing([&] { exchanger_->abort("the schedule says so"); });
}

void Site::end_job() {
  if (exchanger_) doing([&] { exchanger_->end("the schedule says so"); });
}

// ---- Its turns -----------------------------------------------------------------------------------------------

void Site::look() {
  if (!exchanger_) open();
  for (bool more = true; more;) {
    more = false;
    ask();
    for (Asked &asked : asked_) more = see(&asked) || more;
    more = read_metric() || more;
  }
  speak();
  if (!left_.empty() || !words_.empty()) return;
  if (!over()) {
    if (lingers()) return;
    exchanger_->end("all tasks are done");
    while (read_metric()) {
    }
  }
  exchanger_->close();
  closed_in_order();
}

// An exchanger that closes while the connection is lost does not wait for it to come back: what it had still to say is
// lost with it. Where everything must succeed, there is time for it.
bool Site::lingers() {
  const auto loses = [](const Event &event) {
    using Kind = Event::Kind;
    return event.kind == Kind::kCut || event.kind == Kind::kCutUnseen || event.kind == Kind::kHalfClose;
  };
  if (!schedule_.mild || std::none_of(schedule_.events.begin(), schedule_.events.end(), loses)) return false;
  if (!leave_at_) leave_at_ = world_.now() + kLinger;
  look_at(*leave_at_);
  return world_.now() < *leave_at_;
}

void Site::open() {
  flare::Resolved resolved;
  resolved.settings = schedule_.settings;
  resolved.sources["url"] = "the schedule";
  exchanger_ = flare::Exchanger::open(resolved);
  exchanger_->metric_fd();
}

void Site::ask() {
  while (!to_ask_.empty()) {
    const bool waiting = std::any_of(asked_.begin(), asked_.end(), [](const Asked &asked) { return !asked.done; });
    if (waiting && !schedule_.all_at_once) return;
    Asked &asked = asked_.emplace_back();
    asked.index = to_ask_.front();
    to_ask_.erase(to_ask_.begin());
    const PlannedTask &plan = schedule_.tasks.at(static_cast<size_t>(asked.index));
    asked.request = std::make_shared<flare::Request>();
    asked.request->task_name = "campaign";
    asked.request->id = std::to_string(asked.index);
    for (int64_t i = 0; i < plan.receivers; ++i) asked.request->receivers.push_back("receiver-" + std::to_string(i));
    flare::Shareable content =
        make_content(task_key(schedule_, asked.index), plan.task_floats, plan.lent_task ? asked.memory.get() : nullptr);
    content.headers.set("life", int64_t{life()});
    Entry entry;
    entry.what = What::kSent;
    entry.task = asked.index;
    write(entry);
    const flare::Outcome outcome = exchanger_->send(asked.request, std::move(content), plan.lent_task);
    if (outcome.status != FLARE_OK) {
      asked.done = true;
      record(asked, outcome, nullptr);
    }
  }
}

bool Site::see(Asked *asked) {
  if (asked->done || !world_.readable(exchanger_->done_fd(*asked->request))) return false;
  flare::MessagePtr reply;
  const flare::Outcome outcome = exchanger_->wait(*asked->request, 0, &reply);
  if (outcome.status == FLARE_TIMEOUT) {
    defect("a request is not done although the descriptor says so");
    return false;
  }
  asked->done = true;
  asked->memory->scribble();
  record(*asked, outcome, reply);
  return true;
}

void Site::record(const Asked &asked, const flare::Outcome &outcome, const flare::MessagePtr &reply) {
  left_.erase(asked.index);
  Entry entry;
  entry.what = What::kOutcome;
  entry.task = asked.index;
  entry.status = outcome.status;
  if (reply) {
    entry.code = flare::text_header(reply->data, flare::header::kReturnCode);
    if (const flare::Value *answer = reply->data.headers.find("answer")) {
      const PlannedTask &plan = schedule_.tasks.at(static_cast<size_t>(asked.index));
      entry.answer = answer->integer().value_or(-1);
      entry.right = is_content(reply->data, answer_key(schedule_, entry.answer), plan.result_floats);
      plan_words(asked.index, reply);
    } else {
      entry.right = entry.code != "OK";
    }
  }
  write(entry);
}

bool Site::read_metric() {
  if (over() || !world_.readable(exchanger_->metric_fd())) return false;
  flare::Metric metric;
  const flare::Outcome outcome = exchanger_->next_metric(0, &metric);
  if (outcome.status == FLARE_TIMEOUT) defect("there is no metric although the descriptor says so");
  if (outcome.status != FLARE_OK) {
    over(outcome.status);
    return false;
  }
  Entry entry;
  entry.what = What::kMetric;
  entry.other = std::atoi(metric.name.c_str());
  entry.step = metric.step;
  entry.right = metric.value.number() == static_cast<double>(metric.step) * 0.5;
  write(entry);
  return true;
}

// ---- Other receivers -----------------------------------------------------------------------------------------

void Site::plan_words(int index, const flare::MessagePtr &reply) {
  const PlannedTask &plan = schedule_.tasks.at(static_cast<size_t>(index));
  for (int64_t i = 1; i < plan.receivers; ++i) {
    words_.push_back({world_.now() + plan.others_take, reply, "receiver-" + std::to_string(i), plan.others_agree});
  }
}

void Site::speak() {
  for (const Word &word : words_) {
    if (world_.now() < word.at) {
      look_at(word.at);
    } else {
      exchanger_->confirm(*word.reply, word.receiver, word.success, word.success ? "" : "it does not like it");
    }
  }
  std::erase_if(words_, [&](const Word &word) { return world_.now() >= word.at; });
}

}  // namespace flare_world
