// What a program answers a task with: a file of tensors, and words about them in JSON.
#pragma once

#include <flare_agent.hpp>
#include <memory>
#include <stdexcept>
#include <string>

#include "exec/bounded_json.h"
#include "exec/task_folder.h"
#include "exec/tensor_file.h"

namespace flare_tool {

// An answer that is none; the text is for the user.
class BadAnswer : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ProgramAnswer {
 public:
  // From the files that were written; what `line` says, an object in JSON or "", wins over the file. Throws BadAnswer
  // when nothing was written, or what cannot be read.
  ProgramAnswer(const TaskFolder &folder, const std::string &line);

  // NVFlare's, "OK" where nothing is said, and the reason for another.
  std::string return_code() const { return words_.value("return_code", "OK"); }
  std::string reason() const { return words_.value("reason", "the program did not say why"); }

  // The result refers to the tensors of this object. Throws BadAnswer, or flare::Error for what the library refuses.
  void fill(const flare::Task &task, flare::Result *result) const;

 private:
  void say(const std::string &member, const Json &value, flare::Result *result) const;

  Json words_ = Json::object();
  std::unique_ptr<TensorFile> tensors_;  // may be none
};

}  // namespace flare_tool
