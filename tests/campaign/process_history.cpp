#include "process_history.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

namespace flare_test {

namespace {

using Words = std::vector<std::string>;

// Of a well-behaved end, whatever happens to it.
constexpr int64_t kMostDescriptors = 64, kMostThreads = 24;
constexpr int64_t kSpareKib = 48 << 10;
constexpr int kInternal = -10, kAborted = -4, kOutOfMemory = -8;

// The lines of the program itself, without their times.
std::vector<Words> lines_of(const std::string &output) {
  std::vector<Words> lines;
  std::istringstream in(output);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Words found;
    for (std::string word; words >> word;) found.push_back(word);
    if (found.size() < 2 || found.front().find_first_not_of("0123456789.") != std::string::npos) continue;
    found.erase(found.begin());
    lines.push_back(std::move(found));
  }
  return lines;
}

int64_t number(const Words &words, size_t index) {
  if (index >= words.size()) return -1;
  char *end = nullptr;
  const double value = std::strtod(words[index].c_str(), &end);
  return end == words[index].c_str() ? -1 : static_cast<int64_t>(value);
}

std::string word(const Words &words, size_t index) { return index < words.size() ? words[index] : ""; }

struct Answer {  // of a trainer
  std::string task, kind;
  bool submitted = false, accepted = false, delivered = false, settled = false;
};

class Checker {
 public:
  Checker(const Expectations &expected, Tally *tally) : expected_(expected), tally_(tally) {}

  std::vector<std::string> check(const std::vector<Life> &lives) {
    for (const Life &life : lives) end_of(life);
    for (const Life &life : lives) {
      if (life.role == Role::kExchanger) exchanger(life);
    }
    for (const Life &life : lives) {
      if (life.role == Role::kTrainer) trainer(life);
    }
    for (const auto &[who, answer] : answers_) delivery(who, answer);
    for (const auto &[who, task] : replies_) {
      if (answers_.count(who) == 0) {
        violate("the reply to task " + task + " is none that a trainer gave: " + name(who));
      } else if (answers_.at(who).task != task) {
        violate("the reply to task " + task + " was given to task " + answers_.at(who).task);
      }
    }
    if (expected_.calm) calm();
    return std::move(violations_);
  }

 private:
  using Who = std::pair<int64_t, int64_t>;  // pid and serial of an answer

  static std::string name(const Who &who) {
    return "answer " + std::to_string(who.second) + " of process " + std::to_string(who.first);
  }
  void violate(const std::string &what) { violations_.push_back(what); }

  // What holds whatever was done to the wire.
  void end_of(const Life &life) {
    const std::string who =
        life.role == Role::kExchanger ? "exchanger " + std::to_string(life.run) : std::string("a trainer");
    if (life.hung) violate(who + " hung");
    if (!life.killed && !life.hung && life.status != 0) {
      violate(who + " ended with status " + std::to_string(life.status));
    }
    int64_t first = -1;
    for (const Words &line : lines_of(life.output)) {
      if (line[0] == "failed") violate(who + " could not open: " + word(line, 2));
      for (const size_t index : {size_t{1}, size_t{2}, size_t{3}}) {
        const bool status = (line[0] == "over" && index == 1) || (line[0] == "gone" && index == 2) ||
                            ((line[0] == "undelivered" || line[0] == "unsubmitted") && index == 3);
        if (status && (number(line, index) == kInternal || number(line, index) == kOutOfMemory)) {
          violate(who + " was told of a defect: " + line[0] + " " + word(line, index));
        }
      }
      if (line[0] != "usage") continue;
      if (first < 0) first = number(line, 3);
      if (number(line, 1) > kMostDescriptors) violate(who + " has " + word(line, 1) + " descriptors");
      if (number(line, 2) > kMostThreads) violate(who + " has " + word(line, 2) + " threads");
      const int64_t allowed = first + kSpareKib + (expected_.tasks + 4) * 3 * expected_.largest_bytes / 1024;
      if (number(line, 3) > allowed) violate(who + " holds " + word(line, 3) + " KiB");
    }
  }

  void exchanger(const Life &life) {
    std::map<std::string, int> outcomes;
    std::set<std::string> sent;
    for (const Words &line : lines_of(life.output)) {
      const std::string task = word(line, 1);
      const std::string where = " (exchanger " + std::to_string(life.run) + ")";
      if (line[0] == "send") {
        sent.insert(task);
        sent_.insert({life.run, task});
      } else if (line[0] == "aborting") {
        aborted_.insert(task);
      } else if (line[0] == "reply") {
        ++tally_->replies;
        if (++outcomes[task] > 1) violate("task " + task + " had two outcomes" + where);
        if (word(line, 2) != "right") violate("the reply to task " + task + " is " + word(line, 2) + where);
        codes_[task] = word(line, 3);
        if (number(line, 4) >= 0) replies_.emplace(Who{number(line, 4), number(line, 5)}, task);
      } else if (line[0] == "gone") {
        ++tally_->gone;
        if (++outcomes[task] > 1) violate("task " + task + " had two outcomes" + where);
        if (number(line, 2) == kAborted) told_aborted_.insert(task);
        gone_.insert(task);
      } else if (line[0] == "metric") {
        metric(life.run, line);
      }
    }
    for (const std::string &task : sent) {
      if (outcomes.count(task) > 0) continue;
      if (life.killed) {
        died_with_.insert(task);
      } else if (!life.hung) {
        violate("task " + task + " had no outcome (exchanger " + std::to_string(life.run) + ")");
      }
    }
  }

  void metric(int run, const Words &line) {
    ++tally_->metrics;
    const int64_t step = number(line, 2);
    if (!metrics_.insert({run, word(line, 1), step}).second) {
      violate("metric " + word(line, 1) + " of step " + word(line, 2) + " came twice");
    }
    const double value = std::strtod(word(line, 3).c_str(), nullptr);
    if (std::abs(value - static_cast<double>(step) * 0.5) > 1e-9) {
      violate("metric " + word(line, 1) + " of step " + word(line, 2) + " is wrong: " + word(line, 3));
    }
  }

  void trainer(const Life &life) {
    int64_t pid = -1;
    std::map<int64_t, Answer> own;
    for (const Words &line : lines_of(life.output)) {
      const int64_t serial = number(line, 2);
      if (line[0] == "open") {
        pid = number(line, 1);
      } else if (line[0] == "task") {
        task(line);
      } else if (line[0] == "answer") {
        ++tally_->answered;
        if (!own.emplace(serial, Answer{word(line, 1), word(line, 3)}).second) {
          violate("a trainer gave answer " + word(line, 2) + " twice");
        }
      } else if (line[0] == "submitted") {
        own[serial].submitted = true;
      } else if (line[0] == "accepted") {
        own[serial].accepted = true;
      } else if (line[0] == "delivered" || line[0] == "undelivered") {
        Answer &answer = own[serial];
        if (answer.settled) violate("answer " + word(line, 2) + " was settled twice");
        answer.settled = true;
        answer.delivered = line[0] == "delivered";
        ++(answer.delivered ? tally_->delivered : tally_->undelivered);
      }
    }
    for (const auto &[serial, answer] : own) {
      if (answer.submitted && !answer.settled && !life.killed && !life.hung) {
        violate("the result of task " + answer.task + " was " + (answer.accepted ? "accepted" : "submitted") +
                " and neither delivered nor reported");
      }
      answers_[{pid, serial}] = answer;
    }
  }

  void task(const Words &line) {
    ++tally_->handed_out;
    const std::string task = word(line, 1);
    const int64_t run = number(line, 2), attempt = number(line, 3);
    if (!handed_out_.insert({run, task, attempt}).second) {
      violate("attempt " + word(line, 3) + " of task " + task + " of exchanger " + word(line, 2) +
              " was handed out twice");
    }
    if (sent_.count({static_cast<int>(run), task}) == 0) {
      violate("task " + task + " of exchanger " + word(line, 2) + " was never sent");
    }
    if (word(line, 4) != "right") violate("task " + task + " is " + word(line, 4));
  }

  void delivery(const Who &who, const Answer &answer) {
    const auto reply = replies_.find(who);
    if (reply != replies_.end()) {
      if (answer.settled && !answer.delivered && answer.kind == "result") ++tally_->lost_words;
      return;
    }
    if (!answer.delivered) return;
    // Whoever had it was killed before it could say so, or had just told that it wants it no more.
    if (died_with_.count(answer.task) > 0) return;
    if (aborted_.count(answer.task) > 0 && told_aborted_.count(answer.task) > 0) return;
    violate("the result of task " + answer.task + " was called delivered, and no exchanger has it: " + name(who));
  }

  void calm() {
    for (const std::string &task : gone_) violate("task " + task + " failed although nothing was done to it");
    for (const auto &[who, answer] : answers_) {
      const std::string code = codes_.count(answer.task) > 0 ? codes_.at(answer.task) : "nothing";
      const bool plain = answer.kind == "result";
      if (plain && !answer.delivered) violate("the result of task " + answer.task + " was not delivered in calm");
      if (plain && code != "OK") violate("task " + answer.task + " was answered with " + code);
      if ((answer.kind == "fail" || answer.kind == "release") && code != "EXECUTION_EXCEPTION") {
        violate("the failure of task " + answer.task + " was answered with " + code);
      }
    }
    if (static_cast<int>(answers_.size()) != expected_.tasks) {
      violate(std::to_string(answers_.size()) + " of " + std::to_string(expected_.tasks) +
              " tasks were answered in calm");
    }
  }

  const Expectations &expected_;
  Tally *tally_;
  std::vector<std::string> violations_;
  std::set<std::pair<int, std::string>> sent_;
  std::set<std::tuple<int64_t, std::string, int64_t>> handed_out_;
  std::set<std::tuple<int, std::string, int64_t>> metrics_;
  std::map<Who, Answer> answers_;
  std::map<Who, std::string> replies_;
  std::map<std::string, std::string> codes_;
  std::set<std::string> aborted_, told_aborted_, gone_, died_with_;
};

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
  return *this;
}

std::vector<std::string> check_history(const Expectations &expected, const std::vector<Life> &lives, Tally *tally) {
  Tally ignored;
  return Checker(expected, tally != nullptr ? tally : &ignored).check(lives);
}

}  // namespace flare_test
