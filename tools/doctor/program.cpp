// Whether a program could be started here, without starting it.
#include <elf.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "doctor/elf.h"
#include "doctor/gather.h"

namespace flare_tool::doctor {

namespace {

bool exists(const std::string &path) { return ::access(path.c_str(), F_OK) == 0; }

// As execvp() would find it; one that may not be executed when no other is there.
std::string find_program(const std::string &command) {
  if (command.find('/') != std::string::npos) return exists(command) ? command : "";
  const char *const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  std::string found;
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + command;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    if (found.empty() && exists(candidate)) found = candidate;
  }
  return found;
}

std::string head_of(const std::string &path) {
  std::array<char, 4096> bytes;
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), bytes.size());
  return {bytes.data(), static_cast<size_t>(file.gcount())};
}

bool is_noexec(const std::string &path) {
  struct statvfs system = {};
  return ::statvfs(path.c_str(), &system) == 0 && (system.f_flag & ST_NOEXEC) != 0;
}

bool is_own(int machine) {
  const int own = read_head(head_of("/proc/self/exe")).machine;
  return machine == own || (own == EM_X86_64 && machine == EM_386);
}

std::string quoted(const std::string &text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

// What the loader says when it is asked to load the program and not to run it.
std::string loader_words(const std::string &loader, const std::string &path, Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - Clock::now()).count();
  const std::string command = "exec timeout " + std::to_string(std::max<int64_t>(left, 1)) + " " + quoted(loader) +
                              " --list " + quoted(path) + " 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE *)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string words;
  std::array<char, 4096> part;
  while (pipe && std::fgets(part.data(), part.size(), pipe.get()) != nullptr) words += part.data();
  return words;
}

std::string trimmed(const std::string &text) {
  const size_t begin = text.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : text.substr(begin);
}

// "libx.so.1 => /lib/libx.so.1 (0x7f...)", "libx.so.1 => not found", "PATH: /lib/libc.so.6: version `X' not found ...",
// or "PATH: error while loading shared libraries: libx.so.1: cannot open ..."
void read_words(const std::string &words, Program *program) {
  std::istringstream lines(words);
  for (std::string line; std::getline(lines, line);) {
    line = trimmed(line);
    const size_t arrow = line.find(" => ");
    if (arrow != std::string::npos && line.find("=> not found") != std::string::npos) {
      program->missing_libraries.push_back(line.substr(0, arrow));
    } else if (line.find("' not found (required by") != std::string::npos ||
               line.find("error while loading shared libraries") != std::string::npos) {
      program->missing_libraries.push_back("(" + line + ")");
    } else if (arrow != std::string::npos && line.starts_with("libflare_agent.so")) {
      program->agent_library = line.substr(arrow + 4, line.find(" (0x") - arrow - 4);
    }
  }
}

}  // namespace

Program gather_program(const std::string &command, Clock::time_point deadline) {
  Program program;
  program.command = command;
  program.path = find_program(command);
  struct stat status = {};
  if (program.path.empty() || ::stat(program.path.c_str(), &status) != 0) return program;
  program.file = S_ISREG(status.st_mode);
  if (!program.file) return program;
  program.executable = ::access(program.path.c_str(), X_OK) == 0;
  program.noexec = is_noexec(program.path);
  if (::access(program.path.c_str(), R_OK) != 0) {
    program.kind = "unreadable";
    return program;
  }
  const Head head = read_head(head_of(program.path));
  program.kind = head.kind;
  program.interpreter = head.interpreter;
  program.has_interpreter = head.interpreter.empty() || ::access(head.interpreter.c_str(), X_OK) == 0;
  if (head.kind != "ELF") return program;
  program.own_architecture = is_own(head.machine);
  program.architecture = machine_text(head.machine);
  // A loader can map nothing from where nothing may be executed, and would say so of each library.
  const bool can_load = program.own_architecture && program.has_interpreter && !program.noexec;
  if (can_load && !head.interpreter.empty()) {
    read_words(loader_words(head.interpreter, program.path, deadline), &program);
  }
  return program;
}

}  // namespace flare_tool::doctor
