#include "federation.h"

#include <poll.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "log_tail.h"

namespace flare_tool {

namespace {

constexpr size_t kLogLinesShown = 10;
constexpr std::chrono::milliseconds kLastWords(500);
constexpr std::chrono::seconds kEndTimeout(10);
constexpr std::chrono::seconds kTerminateTimeout(5);

}  // namespace

Federation::Federation(const std::vector<Site::Settings> &sites, std::chrono::seconds task_timeout,
                       const Interrupts &interrupts)
    : task_timeout_(task_timeout), interrupts_(interrupts) {
  for (const Site::Settings &settings : sites) sites_.push_back(std::make_unique<Site>(settings));
}

Federation::~Federation() {
  if (!all_ended()) stop_trainers();
}

std::vector<Answer> Federation::ask_all(const Order &order) { return ask(order, sites_.size()); }

Answer Federation::ask_first(const Order &order) { return std::move(ask(order, 1).front()); }

std::vector<Answer> Federation::ask(const Order &order, size_t count) {
  const std::string work = describe(order);
  const auto deadline = Clock::now() + task_timeout_;
  std::vector<Answer> answers(count);
  std::vector<Pending> pending;
  for (size_t i = 0; i < count; ++i) {
    sites_[i]->send(order);
    pending.push_back({sites_[i].get(), &answers[i]});
  }
  for (;;) {
    collect(pending, work);
    if (pending.empty()) return answers;
    check_trainers(work);
    if (Clock::now() >= deadline)
      fail(*pending.front().site, work + ": no answer within " + std::to_string(task_timeout_.count()) + " s");
    wait_for_events(pending, deadline);
  }
}

void Federation::collect(std::vector<Pending> &pending, const std::string &work) {
  const auto take = [&](const Pending &entry) {
    try {
      std::optional<Answer> answer = entry.site->take_answer();
      if (!answer) return false;
      *entry.answer = std::move(*answer);
      return true;
    } catch (const std::exception &error) {
      fail(*entry.site, work + ": " + error.what());
    }
  };
  pending.erase(std::remove_if(pending.begin(), pending.end(), take), pending.end());
  for (const auto &site : sites_) site->take_logged();
}

void Federation::wait_for_events(const std::vector<Pending> &pending, Clock::time_point deadline) const {
  std::vector<pollfd> entries = {{interrupts_.fd(), POLLIN, 0}};
  for (const Pending &entry : pending) entries.push_back({entry.site->answer_fd(), POLLIN, 0});
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  ::poll(entries.data(), entries.size(), static_cast<int>(std::clamp<int64_t>(left, 0, 60'000)));
  if (const auto signal = interrupts_.take()) throw Interrupted(*signal);
}

void Federation::check_trainers(const std::string &work) {
  for (const auto &site : sites_)
    if (site->trainer().has_ended()) fail(*site, work);
}

void Federation::fail(Site &site, const std::string &what) {
  // A failure is often followed by the end of the process, and then the end of its log says more.
  TrainerProcess &trainer = site.trainer();
  for (const auto deadline = Clock::now() + kLastWords; !trainer.has_ended() && Clock::now() < deadline;)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::string text = site.name() + ": " + what;
  if (trainer.has_ended()) text += ": the trainer ended with " + trainer.how_it_ended();
  const std::string tail = log_tail(trainer.log(), kLogLinesShown);
  throw std::runtime_error(text + (tail.empty() ? "\n  it printed nothing" : "\n  the end of its output:" + tail));
}

void Federation::finish() {
  stop_trainers();
  if (interrupted_) throw Interrupted(*interrupted_);
  for (const auto &site : sites_)
    if (!site->trainer().has_succeeded()) fail(*site, "the end of the job");
}

bool Federation::all_ended() {
  return std::all_of(sites_.begin(), sites_.end(), [](const auto &site) { return site->trainer().has_ended(); });
}

// A signal that asks to end cuts the wait short.
bool Federation::wait_all_ended(std::chrono::seconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  while (!all_ended()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd entry = {interrupts_.fd(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(left));
    if (const auto signal = interrupts_.take()) {
      interrupted_ = signal;
      return all_ended();
    }
  }
  return true;
}

void Federation::stop_trainers() {
  for (const auto &site : sites_) site->end("the simulation is over");
  const auto signal_all = [&](int signal) {
    for (const auto &site : sites_)
      if (!site->trainer().has_ended()) site->trainer().signal(signal);
  };
  if (!wait_all_ended(kEndTimeout)) signal_all(SIGTERM);
  if (!wait_all_ended(kTerminateTimeout)) signal_all(SIGKILL);
  wait_all_ended(kTerminateTimeout);
  for (const auto &site : sites_) site->take_logged();
}

}  // namespace flare_tool
