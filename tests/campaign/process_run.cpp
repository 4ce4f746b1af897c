#include "process_run.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "../process/program.h"

namespace flare_test {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTurn{5};

// What both ends are told, and how long nobody may say anything by it: a task is not begun to be fetched, may stall at
// both ends and be sent again as often as it can be, then they take each other for gone, fail to connect, and close. On
// top of that, time for a machine that has much else to do.
const std::map<std::string, std::string> kEnvironment = {{"FLARE_AGENT_HEARTBEAT_INTERVAL", "0.25"},
                                                         {"FLARE_AGENT_HEARTBEAT_TIMEOUT", "4"},
                                                         {"FLARE_AGENT_CONNECT_TIMEOUT", "8"},
                                                         {"FLARE_AGENT_CLOSE_TIMEOUT", "3"},
                                                         {"FLARE_AGENT_RESEND_INTERVAL", "0.2"},
                                                         {"FLARE_AGENT_SUBMIT_RESULT_TIMEOUT", "0.8"},
                                                         {"FLARE_AGENT_STREAMING_IDLE_TIMEOUT", "2"},
                                                         {"FLARE_AGENT_PEER_READ_TIMEOUT", "30"},
                                                         {"FLARE_AGENT_LOG_LEVEL", "info"}};
constexpr milliseconds kSilence{3 * 2000 + 4 * (800 + 200) + 4000 + 8000 + 3000 + 20'000};
constexpr milliseconds kInAll{180'000};  // however much they say

class Runner {
 public:
  explicit Runner(const Schedule &schedule) : schedule_(schedule) {
    char folder[] = "/tmp/flare-campaign-XXXXXX";
    if (::mkdtemp(folder) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = folder;
    // Of its own: the port of a killed exchanger may be that of another schedule's by now.
    environment_["FLARE_AGENT_TOKEN"] = folder_;
    if (schedule.events.empty()) {  // however slow the machine is, nothing may fail
      environment_["FLARE_AGENT_HEARTBEAT_TIMEOUT"] = "30";
      environment_["FLARE_AGENT_CONNECT_TIMEOUT"] = "30";
      environment_["FLARE_AGENT_SUBMIT_RESULT_TIMEOUT"] = "30";
      environment_["FLARE_AGENT_STREAMING_IDLE_TIMEOUT"] = "30";
    }
    for (size_t i = 0; i < schedule.tasks.size(); ++i) open_tasks_.insert(static_cast<int>(i));
  }
  ~Runner() { std::filesystem::remove_all(folder_); }

  RunReport run() {
    begin_ = Clock::now();
    start_exchanger();
    start_trainer();
    const auto last = schedule_.events.empty() ? milliseconds(0) : schedule_.events.back().at;
    milliseconds longest{0};
    for (const Event &event : schedule_.events) longest = std::max(longest, event.lasts);
    events_begin_ = said_ = Clock::now();
    const auto end = events_begin_ + last + longest + kInAll;
    while (!over() && Clock::now() < end && Clock::now() < said_ + longest + kSilence) {
      std::this_thread::sleep_for(kTurn);
      attend();
    }
    finish();
    return std::move(report_);
  }

 private:
  struct Process {
    Life life;
    std::unique_ptr<Program> program;
    bool frozen = false;
    bool running() const { return program != nullptr; }
  };
  struct Later {
    Clock::time_point at;
    std::function<void()> what;
  };

  // ---- Processes
  void start_exchanger() {
    exchanger_ = Process();
    exchanger_.life.role = Role::kExchanger;
    exchanger_.life.run = ++runs_;
    std::vector<std::string> arguments = {std::to_string(runs_)};
    for (const int index : open_tasks_) {
      const PlannedTask &task = schedule_.tasks[static_cast<size_t>(index)];
      std::ostringstream text;
      text << index << ':' << task.floats << ':' << task.answer << ':' << task.hold_ms << ':' << task.metrics << ':'
           << task.lent;
      arguments.push_back(text.str());
    }
    auto environment = environment_;
    environment["FLARE_AGENT_URL"] =
        schedule_.transport == "ipc" ? "zmq+ipc://" + folder_ + "/x.sock" : "zmq+tcp://127.0.0.1:*";
    exchanger_.program = std::make_unique<Program>("campaign_exchanger", arguments, environment);
    std::string url;
    for (int i = 0; i < 4 && url.empty(); ++i) url = exchanger_.program->wait_line("", seconds(15));
    const size_t begin = url.find("zmq+");
    if (begin == std::string::npos) throw std::runtime_error("no exchanger: " + exchanger_.program->output());
    url = url.substr(begin);
    if (proxy_) {
      proxy_->retarget(url);
    } else {
      proxy_ = std::make_unique<FaultProxy>(url, folder_, schedule_.seed);
    }
  }

  void start_trainer() {
    trainer_ = Process();
    auto environment = environment_;
    environment["FLARE_AGENT_URL"] = proxy_->url();
    std::vector<std::string> arguments;
    if (schedule_.ahead) arguments.emplace_back("--ahead");
    trainer_.program = std::make_unique<Program>("campaign_trainer", arguments, environment);
  }

  // Takes what it says; true when it has ended, which is noted.
  bool look(Process *process) {
    if (!process->running()) return false;
    const size_t before = process->program->output().size();
    const int status = process->program->wait_exit(milliseconds(0));
    if (process->program->output().size() > before) said_ = Clock::now();
    if (status == -1) return false;
    process->life.status = status;
    bury(process);
    return true;
  }

  void bury(Process *process) {
    process->life.output = process->program->output();
    report_.lives.push_back(process->life);
    process->program.reset();
  }

  void kill(Process *process) {
    process->program->signal(SIGKILL);
    process->life.killed = true;
    process->life.status = process->program->wait_exit(seconds(20));
    bury(process);
  }

  void note_outcomes() {
    std::istringstream lines(report_.lives.back().output);
    std::string time, word;
    int index = 0;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream in(line);
      if (in >> time >> word >> index && (word == "reply" || word == "gone")) open_tasks_.erase(index);
    }
  }

  // ---- Time
  void after(milliseconds time, std::function<void()> what) {
    later_.push_back({Clock::now() + time, std::move(what)});
  }

  void attend() {
    const auto now = Clock::now();
    while (next_ < schedule_.events.size() && now - events_begin_ >= schedule_.events[next_].at) {
      befall(schedule_.events[next_++]);
    }
    for (size_t i = 0; i < later_.size();) {
      if (later_[i].at > now) {
        ++i;
        continue;
      }
      const auto what = std::move(later_[i].what);
      later_.erase(later_.begin() + static_cast<std::ptrdiff_t>(i));
      what();
    }
    exchanger_has_ended();
    trainer_has_ended();
  }

  bool exchanger_has_ended() {
    if (!look(&exchanger_)) return false;
    job_over_ = true;
    note_outcomes();
    return true;
  }

  bool trainer_has_ended() {
    if (!look(&trainer_)) return false;
    // Whoever runs trainers starts another one as long as there is a job for it.
    after(milliseconds(100), [this] {
      if (!job_over_ && !trainer_.running()) start_trainer();
    });
    return true;
  }

  bool over() const { return job_over_ && !trainer_.running(); }

  void befall(const Event &event) {
    using Kind = Event::Kind;
    const auto lasts = event.lasts;
    const Way way = event.way;
    if (job_over_) return;
    switch (event.kind) {
      case Kind::kAbortTask:
        try {
          if (exchanger_.running()) exchanger_.program->write_line("abort " + std::to_string(event.value));
        } catch (const std::runtime_error &) {
          // It has just ended.
        }
        break;
      case Kind::kKillTrainer:
        if (!trainer_.running() || trainer_has_ended()) break;
        kill(&trainer_);
        start_trainer();
        break;
      case Kind::kKillExchanger:
        if (!exchanger_.running() || exchanger_has_ended()) break;
        kill(&exchanger_);
        note_outcomes();
        after(lasts, [this] { start_exchanger(); });
        break;
      case Kind::kFreezeTrainer: freeze(&trainer_, lasts); break;
      case Kind::kFreezeExchanger: freeze(&exchanger_, lasts); break;
      case Kind::kCut: proxy_->cut(); break;
      case Kind::kHalfClose: proxy_->half_close(way); break;
      case Kind::kStall:
        proxy_->stall_after(0, way);
        after(lasts, [this, way] { proxy_->stall_after(-1, way); });
        break;
      case Kind::kLimit:
        proxy_->limit(event.value, way);
        after(lasts, [this, way] { proxy_->limit(0, way); });
        break;
      case Kind::kBefall:
        proxy_->befall(event.rates, way);
        after(lasts, [this, way] { proxy_->befall({}, way); });
        break;
    }
  }

  void freeze(Process *process, milliseconds time) {
    if (!process->running()) return;
    process->program->signal(SIGSTOP);
    const Program *frozen = process->program.get();
    after(time, [process, frozen] {
      if (process->program.get() == frozen) frozen->signal(SIGCONT);
    });
  }

  void finish() {
    for (Process *process : {&exchanger_, &trainer_}) {
      if (!process->running()) continue;
      process->life.hung = true;
      kill(process);
    }
    report_.faults = proxy_->counts();
    proxy_.reset();
    Expectations expected;
    expected.tasks = static_cast<int>(schedule_.tasks.size());
    expected.calm = schedule_.events.empty();
    expected.largest_bytes = schedule_.largest_bytes();
    report_.violations = check_history(expected, report_.lives, &report_.tally);
    report_.seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  }

  const Schedule &schedule_;
  RunReport report_;
  std::map<std::string, std::string> environment_ = kEnvironment;
  std::string folder_;
  std::unique_ptr<FaultProxy> proxy_;
  Process exchanger_, trainer_;
  std::set<int> open_tasks_;  // without an outcome
  int runs_ = 0;
  bool job_over_ = false;
  size_t next_ = 0;
  std::vector<Later> later_;
  Clock::time_point begin_, events_begin_, said_;
};

}  // namespace

RunReport run_schedule(const Schedule &schedule) { return Runner(schedule).run(); }

}  // namespace flare_test
