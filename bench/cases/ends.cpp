#include "ends.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "mappings.h"

namespace flare::bench {

double now_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::micro>(now).count();
}

void Line::say(const std::string &text) {
  const std::string line = text + "\n";
  if (::send(fd_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("the other end is gone");
  }
}

std::string Line::hear() {
  std::string line;
  for (char letter = 0;;) {
    const ssize_t got = ::read(fd_, &letter, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw std::runtime_error("the other end is gone");
    if (letter == '\n') return line;
    line += letter;
  }
}

void print_json(const std::map<std::string, Figures> &ends) { std::puts(nlohmann::json(ends).dump().c_str()); }

int run_alone(const std::function<void(Figures *)> &here) {
  Figures figures;
  here(&figures);
  print_json({{"here", figures}});
  return 0;
}

int run_ends(const std::function<void(Line *, Figures *)> &here, const std::function<void(Line *, Figures *)> &other) {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) throw std::runtime_error("no socket pair");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no process for the other end");
  Line line(sockets[child == 0 ? 1 : 0]);
  ::close(sockets[child == 0 ? 0 : 1]);
  if (child == 0) {
    int code = 0;
    try {
      Figures figures;
      other(&line, &figures);
      line.say(nlohmann::json(figures).dump());
    } catch (const std::exception &error) {
      std::fprintf(stderr, "other end: %s\n", error.what());
      code = 1;
    }
    ::_exit(code);
  }
  Figures figures;
  here(&line, &figures);
  const Figures theirs = nlohmann::json::parse(line.hear()).get<Figures>();
  int status = 0;
  ::waitpid(child, &status, 0);
  print_json({{"here", figures}, {"other", theirs}});
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void pin_to_one_core() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(0, &cores);
  if (::sched_setaffinity(0, sizeof cores, &cores) != 0) throw std::runtime_error("this process cannot be pinned");
}

Usage::Counts Usage::count() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return {static_cast<double>(usage.ru_minflt), static_cast<double>(usage.ru_nvcsw),
          static_cast<double>(usage.ru_nivcsw), seconds(usage.ru_utime) + seconds(usage.ru_stime), mappings()};
}

void Usage::begin() { begun_ = count(); }

void Usage::end(Figures *figures) const {
  const Counts now = count();
  (*figures)["page_faults"].push_back(now.page_faults - begun_.page_faults);
  (*figures)["voluntary_switches"].push_back(now.voluntary - begun_.voluntary);
  (*figures)["involuntary_switches"].push_back(now.involuntary - begun_.involuntary);
  (*figures)["cpu_s"].push_back(now.cpu_s - begun_.cpu_s);
  (*figures)["maps"].push_back(now.maps - begun_.maps);
}

namespace {

// A number of a file of /proc: the one behind "FIELD:".
double field_of(const std::filesystem::path &file, const std::string &field) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    double value = 0;
    if (word == field + ":" && in >> value) return value;
  }
  return 0;
}

}  // namespace

double memory_mib(const char *field) { return field_of("/proc/self/status", field) / 1024; }

double sleeps() {
  double all = 0;
  for (const auto &thread : std::filesystem::directory_iterator("/proc/self/task")) {
    all += field_of(thread.path() / "status", "voluntary_ctxt_switches");
  }
  return all;
}

PeakMemory::PeakMemory() {
  std::ofstream("/proc/self/clear_refs") << 5;  // VmHWM begins anew
  begun_mib_ = memory_mib("VmRSS");
}

double PeakMemory::extra_mib() const { return memory_mib("VmHWM") - begun_mib_; }

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "flare-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace flare::bench
