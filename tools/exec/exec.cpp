#include "exec/exec.h"

#include <poll.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <flare_agent.hpp>
#include <optional>

#include "exec/answer.h"
#include "exec/guard.h"
#include "exec/metric_line.h"
#include "exec/program.h"
#include "exec/task_folder.h"
#include "interrupts.h"
#include "private_directory.h"

namespace flare_tool {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAbortLook{200};  // how often a task is asked whether it is still wanted
constexpr const char *kFailed = "EXECUTION_EXCEPTION";
constexpr const char *kBadResult = "EXECUTION_RESULT_ERROR";

std::string parent_of_files(const ExecOptions &options) {
  const char *const temporary = std::getenv("TMPDIR");
  // Absolute, as the program may go elsewhere.
  return std::filesystem::absolute(!options.folder.empty()                      ? options.folder
                                   : temporary != nullptr && *temporary != '\0' ? temporary
                                                                                : "/tmp");
}

TensorFormat format_of(const std::string &name) {
  return name == "safetensors" ? TensorFormat::kSafetensors : TensorFormat::kNpz;
}

void complain(const flare::Task &task, const std::string &what) {
  std::fprintf(stderr, "flare-agent: task %s: %s\n", std::string(task.name()).c_str(), what.c_str());
}

void fail(flare::Task &task, const std::string &return_code, const std::string &reason) {
  complain(task, reason.substr(0, reason.find('\n')));  // the program's own words stand above
  try {
    const bool known =
        !return_code.empty() && return_code.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string::npos;
    task.fail(known ? return_code : kBadResult,
              as_utf8(known ? reason : "the return code '" + return_code + "' is none of NVFlare's: " + reason));
  } catch (const flare::Error &error) {
    complain(task, std::string("the peer was not told: ") + error.what());
  }
}

class Execution {
 public:
  explicit Execution(const ExecOptions &options)
      : options_(options), files_(parent_of_files(options)), guard_(files_.path()) {
    if (!options_.resident) return;
    for (const std::string &word : options_.command)
      if (has_placeholder(word))
        throw std::runtime_error("with --resident there is one command for all tasks, so it cannot have " + word +
                                 " in it: each task's files are in the line that the program reads");
  }

  void run() {
    try {
      while (std::optional<flare::Task> task = next_task()) serve(*task);
    } catch (...) {
      stop_program(false);
      throw;
    }
    stop_program(true);
    if (interrupted_) throw Interrupted(*interrupted_);
  }

 private:
  // Waits until `fd` is readable. Throws Interrupted.
  void wait_for(int fd) const {
    std::array<pollfd, 2> entries = {{{fd, POLLIN, 0}, {interrupts_.fd(), POLLIN, 0}}};
    while (entries[0].revents == 0) {
      ::poll(entries.data(), entries.size(), -1);
      if (const auto signal = interrupts_.take()) throw Interrupted(*signal);
    }
  }

  // None when the job has ended.
  std::optional<flare::Task> next_task() {
    for (;;) {
      wait_for(agent_.poll_fd());
      std::optional<flare::Task> task = agent_.try_next_task(milliseconds(0));
      if (task || agent_.over()) return task;
    }
  }

  void serve(flare::Task &task) {
    try {
      const TaskFolder folder(files_.path() / std::to_string(++number_), task, format_of(options_.format));
      begin(task, folder);
      if (const std::optional<std::string> line = end_or_fail(task)) answer(task, folder, *line);
    } catch (const BadTensorFile &error) {
      fail(task, "BAD_TASK_DATA", error.what());
    } catch (const std::system_error &error) {
      fail(task, kFailed, error.what());
    }
    if (!options_.resident) program_.reset();
  }

  void begin(const flare::Task &task, const TaskFolder &folder) {
    if (!options_.resident) {
      program_.emplace(folder.replace_in(options_.command), folder.variables(), false, guard_);
      return;
    }
    if (program_ && program_->has_ended()) {
      complain(task, "the program had ended with " + program_->how_it_ended() + "; it is started again");
      drop_program();
    }
    if (!program_) program_.emplace(options_.command, std::map<std::string, std::string>(), true, guard_);
    program_->forget_words();
    program_->tell(folder.json());
  }

  std::optional<std::string> end_or_fail(flare::Task &task) {
    try {
      return end(task);
    } catch (const Interrupted &interrupted) {
      fail(task, kFailed, std::string("flare-agent exec was ") + interrupted.what());
      throw;
    }
  }

  // Until the program has done its work: what it answered by a line, "" when it answers by its end. None when it has
  // failed, or nobody wants the result any more.
  std::optional<std::string> end(flare::Task &task) {
    for (;;) {
      const bool ended = program_->has_ended();  // before what it printed is looked at
      while (const auto line = program_->take_line())
        if (hear(task, *line)) return line;
      if (ended) break;
      if (task.is_aborted()) {
        complain(task, "nobody wants its result any more: the program is ended");
        const std::optional<int> signal = program_->stop(options_.grace, false, interrupts_);
        drop_program();
        interrupt(signal);
        return std::nullopt;
      }
      program_->wait(kAbortLook, interrupts_);
      interrupt(interrupts_.take());
    }
    if (program_->has_succeeded() && !options_.resident) return "";
    const std::string words = program_->last_words();
    fail(task, kFailed,
         "the program ended with " + program_->how_it_ended() + (options_.resident ? " before it answered" : "") +
             (words.empty() ? "; it said nothing on its standard error" : "; the end of its standard error:" + words));
    program_.reset();
    return std::nullopt;
  }

  // Whether a line is an answer, as those of a resident program may be. Metrics go to the job, everything else is
  // passed on.
  bool hear(const flare::Task &task, const std::string &line) {
    if (options_.resident && line.starts_with("{")) return true;
    if (const auto metric = parse_metric_line(line)) {
      try {
        agent_.log_scalar(metric->name, metric->value, metric->step.value_or(task.round()));
      } catch (const flare::Error &error) {
        complain(task, std::string("a metric is lost: ") + error.what());
      }
      return false;
    }
    if (line.starts_with("metric ")) complain(task, "this is no metric (metric NAME VALUE [STEP]): " + line);
    pass_on(line);
    return false;
  }

  static void pass_on(const std::string &line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
  }

  // Not before what it said at its end was passed on.
  void drop_program() {
    while (program_) {
      const std::optional<std::string> line = program_->take_line();
      if (!line) break;
      pass_on(*line);
    }
    program_.reset();
  }

  void answer(flare::Task &task, const TaskFolder &folder, const std::string &line) {
    try {
      const ProgramAnswer answer(folder, line);
      if (answer.return_code() != "OK") return fail(task, answer.return_code(), answer.reason());
      flare::Result result = task.result();
      try {
        answer.fill(task, &result);
        result.submit();
      } catch (const flare::Error &error) {
        return fail(task, kBadResult, error.what());
      }
      deliver(task, result);
    } catch (const BadAnswer &error) {
      fail(task, kBadResult, error.what());
    }
  }

  // Why a delivery failed the next task says, when there is none.
  void deliver(const flare::Task &task, flare::Result &result) const {
    try {
      wait_for(result.poll_fd(FLARE_DELIVERED));
    } catch (const Interrupted &) {
      result.cancel();  // its release would wait for what is lent
      throw;
    }
    try {
      result.wait(FLARE_DELIVERED);
    } catch (const flare::Error &error) {
      complain(task, error.what());
    }
  }

  void interrupt(std::optional<int> signal) const {
    if (signal) throw Interrupted(*signal);
  }

  void stop_program(bool politely) {
    if (program_ && !program_->has_ended()) interrupted_ = program_->stop(options_.grace, politely, interrupts_);
    drop_program();
  }

  const ExecOptions &options_;
  const Interrupts interrupts_;
  const PrivateDirectory files_;
  const Guard guard_;  // before the agent's thread
  flare::Agent agent_;
  std::optional<Program> program_;
  std::optional<int> interrupted_;
  int64_t number_ = 0;
};

}  // namespace

void exec(const ExecOptions &options) { Execution(options).run(); }

}  // namespace flare_tool
