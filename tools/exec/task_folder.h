// What a program is given of a task: files in a folder of its own, and where they lie as variables, as words for its
// command line and as JSON.
#pragma once

#include <filesystem>
#include <flare_agent.hpp>
#include <map>
#include <string>
#include <vector>

#include "exec/tensor_file.h"

namespace flare_tool {

class TaskFolder {
 public:
  // Writes the task's files. Throws BadTensorFile when a tensor does not go into the format, or std::system_error.
  TaskFolder(const std::filesystem::path &folder, const flare::Task &task, TensorFormat format);
  ~TaskFolder();
  TaskFolder(const TaskFolder &) = delete;
  TaskFolder &operator=(const TaskFolder &) = delete;

  std::filesystem::path result_file() const { return folder_ / ("result" + ending_); }
  std::filesystem::path result_json() const { return folder_ / "result.json"; }

  // FLARE_TASK_FILE and the like.
  std::map<std::string, std::string> variables() const;
  // With {task_file}, short {task}, and the like replaced.
  std::vector<std::string> replace_in(const std::vector<std::string> &command) const;
  // One line: all of it.
  const std::string &json() const { return json_; }

 private:
  struct Fact {
    std::string key, value;
    bool is_number = false;
  };
  std::vector<Fact> facts(const flare::Task &task) const;

  std::filesystem::path folder_;
  std::string ending_;
  std::vector<Fact> facts_;
  std::string json_;
};

// Whether a word of a command stands for what is different for each task.
bool has_placeholder(const std::string &word);

}  // namespace flare_tool
