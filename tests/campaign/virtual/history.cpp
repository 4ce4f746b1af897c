#include "history.h"

#include <iomanip>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

namespace flare_world {

namespace {

using What = Entry::What;

bool is_defect(flare_status status) { return status == FLARE_INTERNAL || status == FLARE_OUT_OF_MEMORY; }

struct Answer {  // of a trainer
  int life = 0;
  int task = -1;
  std::string kind;
  bool submitted = false, accepted = false, settled = false, delivered = false;
};

class Checker {
 public:
  Checker(const Expectations &expected, const History &history, Tally *tally)
      : expected_(expected), history_(history), tally_(tally) {}

  std::vector<std::string> check() {
    for (const Entry &entry : history_.entries) read(entry);
    tally_->messages += history_.messages;
    for (size_t life = 0; life < history_.lives.size(); ++life) end_of(static_cast<int>(life));
    for (const auto &[request, outcomes] : requests_) request_over(request.first, request.second, outcomes);
    for (const auto &[number, answer] : answers_) delivery(number, answer);
    if (expected_.mild) mild();
    if (history_.spins) violate("somebody takes turns without end");
    if (history_.messages > expected_.most_messages) {
      violate("the ends sent each other " + std::to_string(history_.messages) + " messages, more than " +
              std::to_string(expected_.most_messages));
    }
    if (history_.borrowed != 0) violate(std::to_string(history_.borrowed) + " payloads were sent in lent memory");
    if (history_.held != 0) violate(std::to_string(history_.held) + " loops, alarms or descriptors were left behind");
    return std::move(violations_);
  }

 private:
  void violate(const std::string &what) { violations_.push_back(what); }

  std::string name(int life) const {
    const bool site = history_.lives.at(static_cast<size_t>(life)).role == Role::kSite;
    return (site ? "site " : "trainer ") + std::to_string(life);
  }
  bool killed(int life) const { return history_.lives.at(static_cast<size_t>(life)).killed; }

  void read(const Entry &entry) {
    if (is_defect(entry.status)) violate(name(entry.life) + " was told of a defect: " + describe(entry));
    switch (entry.what) {
      case What::kSent: requests_[{entry.life, entry.task}]; return;
      case What::kAborting: aborting(entry); return;
      case What::kOutcome: return outcome(entry);
      case What::kMetric: return metric(entry);
      case What::kTask: return task(entry);
      case What::kAnswered:
        ++tally_->answered;
        answers_[entry.answer] = {entry.life, entry.task, entry.code};
        return;
      case What::kSubmitted: answers_[entry.answer].submitted = true; return;
      case What::kAccepted: answers_[entry.answer].accepted = entry.status == FLARE_OK; return;
      case What::kSettled: return settled(entry);
      case What::kOver: return;
      case What::kDefect: violate(name(entry.life) + ": " + entry.code); return;
    }
  }

  // ---- Sites

  void aborting(const Entry &entry) {
    for (auto &[request, state] : requests_) {
      if (request.first == entry.life && (entry.task < 0 || request.second == entry.task)) state.aborting = true;
    }
  }

  void outcome(const Entry &entry) {
    const std::string where = "task " + std::to_string(entry.task) + " of " + name(entry.life);
    Request &request = requests_[{entry.life, entry.task}];
    if (++request.outcomes > 1) violate(where + " had two outcomes");
    request.status = entry.status;
    request.code = entry.code;
    if (entry.status != FLARE_OK) {
      ++tally_->gone;
      return;
    }
    ++tally_->replies;
    if (!entry.right) violate("the reply to " + where + " is not what was sent");
    if (entry.answer < 0) return;
    const auto answer = answers_.find(entry.answer);
    const std::string which = "answer " + std::to_string(entry.answer);
    if (answer == answers_.end()) return violate("the reply to " + where + " is none that a trainer gave: " + which);
    if (answer->second.task != entry.task) violate("the reply to " + where + " was given to another: " + which);
    if (!replies_.insert({entry.answer, entry.life}).second)
      violate(name(entry.life) + " received " + which + " twice");
  }

  void metric(const Entry &entry) {
    ++tally_->metrics;
    if (!entry.right) violate("a metric of " + name(entry.other) + " is wrong at step " + std::to_string(entry.step));
    auto &steps = steps_[{entry.life, entry.other}];
    const std::string which = "step " + std::to_string(entry.step) + " of the metrics of " + name(entry.other) +
                              " came to " + name(entry.life);
    if (expected_.metrics_in_order && !steps.empty() && entry.step < *steps.rbegin()) {
      violate(which + " after " + std::to_string(*steps.rbegin()));
    }
    if (!steps.insert(entry.step).second) violate(which + " twice");
  }

  // ---- Trainers

  void task(const Entry &entry) {
    ++tally_->handed_out;
    const std::string which = "task " + std::to_string(entry.task) + " of " + name(entry.other);
    if (requests_.count({entry.other, entry.task}) == 0) violate(which + " was never sent");
    if (!entry.right) violate(which + " is not what was sent");
    if (!handed_out_.insert({entry.life, entry.other, entry.task, entry.attempt}).second) {
      violate("attempt " + std::to_string(entry.attempt) + " of " + which + " was handed out twice to " +
              name(entry.life));
    }
  }

  void settled(const Entry &entry) {
    Answer &answer = answers_[entry.answer];
    if (answer.settled) violate("answer " + std::to_string(entry.answer) + " was settled twice");
    answer.settled = true;
    answer.delivered = entry.status == FLARE_OK;
    ++(answer.delivered ? tally_->delivered : tally_->undelivered);
  }

  // ---- When all is over

  void end_of(int life) {
    const Life &end = history_.lives[static_cast<size_t>(life)];
    if (!end.killed && !end.closed) violate(name(life) + " hung");
  }

  struct Request {
    int outcomes = 0;
    bool aborting = false;
    flare_status status = FLARE_OK;
    std::string code;
  };

  void request_over(int life, int task, const Request &request) {
    if (request.outcomes == 0 && !killed(life)) {
      violate("task " + std::to_string(task) + " of " + name(life) + " had no outcome");
    }
  }

  // Some site has the reply; or was killed before it could look, or had just said that it wants it no more.
  bool has_it(int64_t number, const Answer &answer) const {
    const auto reply = replies_.lower_bound({number, 0});
    if (reply != replies_.end() && reply->first == number) return true;
    for (const auto &[request, state] : requests_) {
      if (request.second != answer.task) continue;
      if (state.outcomes == 0 && killed(request.first)) return true;
      if (state.aborting && state.status == FLARE_ABORTED) return true;
    }
    return false;
  }

  void delivery(int64_t number, const Answer &answer) {
    const std::string which = "answer " + std::to_string(number) + " to task " + std::to_string(answer.task);
    if (answer.submitted && !answer.settled && !killed(answer.life)) {
      violate(which + " was " + (answer.accepted ? "accepted" : "submitted") + " and neither delivered nor reported");
    }
    if (answer.delivered && !has_it(number, answer)) violate(which + " was called delivered, and no site has it");
    const auto reply = replies_.lower_bound({number, 0});
    const bool arrived = reply != replies_.end() && reply->first == number;
    if (arrived && answer.settled && !answer.delivered && answer.kind == "result") ++tally_->lost_words;
  }

  void mild() {
    std::map<int, std::string> codes;
    for (const auto &[request, state] : requests_) {
      codes[request.second] = state.code;
      const std::string which = "task " + std::to_string(request.second);
      if (state.status != FLARE_OK) violate(which + " failed although little was done");
    }
    int64_t answers = 0;
    for (const auto &[number, answer] : answers_) {
      ++answers;
      const std::string which = "task " + std::to_string(answer.task);
      const bool result = answer.kind == "result";
      const std::string code = codes.count(answer.task) > 0 ? codes.at(answer.task) : "nothing";
      if (result && !answer.delivered)
        violate("the result of " + which + " was not delivered although little was done");
      if (code != (result ? "OK" : "EXECUTION_EXCEPTION")) violate(which + " was answered with " + code);
    }
    if (answers != expected_.tasks) {
      violate(std::to_string(answers) + " of " + std::to_string(expected_.tasks) + " tasks were answered");
    }
  }

  const Expectations &expected_;
  const History &history_;
  Tally *tally_;
  std::vector<std::string> violations_;
  std::map<std::pair<int, int>, Request> requests_;  // by site and task
  std::map<int64_t, Answer> answers_;
  std::set<std::pair<int64_t, int>> replies_;                // answer and site
  std::set<std::tuple<int, int, int, int64_t>> handed_out_;  // trainer, site, task, attempt
  std::map<std::pair<int, int>, std::set<int64_t>> steps_;   // by site and trainer
};

std::string text(What what) {
  switch (what) {
    case What::kSent: return "sent";
    case What::kAborting: return "aborting";
    case What::kOutcome: return "outcome";
    case What::kMetric: return "metric";
    case What::kTask: return "task";
    case What::kAnswered: return "answered";
    case What::kSubmitted: return "submitted";
    case What::kAccepted: return "accepted";
    case What::kSettled: return "settled";
    case What::kOver: return "over";
    case What::kDefect: return "defect";
  }
  return "";
}

}  // namespace

Tally &Tally::operator+=(const Tally &more) {
  handed_out += more.handed_out;
  answered += more.answered;
  delivered += more.delivered;
  undelivered += more.undelivered;
  replies += more.replies;
  gone += more.gone;
  metrics += more.metrics;
  lost_words += more.lost_words;
  messages += more.messages;
  return *this;
}

std::vector<std::string> check_history(const Expectations &expected, const History &history, Tally *tally) {
  Tally ignored;
  return Checker(expected, history, tally != nullptr ? tally : &ignored).check();
}

std::string describe(const Entry &entry) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(3) << entry.at << " " << entry.life << " " << text(entry.what);
  if (entry.task >= 0) out << " task=" << entry.task;
  if (entry.attempt > 0) out << " attempt=" << entry.attempt;
  if (entry.answer >= 0) out << " answer=" << entry.answer;
  if (entry.other >= 0) out << " other=" << entry.other;
  if (entry.what == What::kMetric) out << " step=" << entry.step;
  if (entry.status != FLARE_OK) out << " status=" << flare_status_text(entry.status);
  if (!entry.code.empty()) out << " " << entry.code;
  if (!entry.right) out << " WRONG";
  return out.str();
}

}  // namespace flare_world
