#include "exec/answer.h"

#include <fstream>
#include <sstream>

namespace flare_tool {

namespace {

Json object_in(const std::string &text, const std::string &where) {
  Json words;
  try {
    words = parse_json(text);
  } catch (const std::exception &error) {
    throw BadAnswer(where + " is no JSON: " + error.what());
  }
  if (!words.is_object()) throw BadAnswer(where + " is no object in JSON");
  for (const char *const member : {"return_code", "reason"})
    if (words.contains(member) && !words[member].is_string()) throw BadAnswer(where + ": '" + member + "' is no text");
  return words;
}

std::string content_of(const std::filesystem::path &path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Memory of Fortran's order, as the library reads it.
std::vector<int64_t> strides_of(const FileTensor &tensor) {
  std::vector<int64_t> strides;
  int64_t step = 1;
  for (const int64_t extent : tensor.shape) {
    strides.push_back(step);
    step *= extent > 0 ? extent : 1;
  }
  return strides;
}

void add_tensor(const FileTensor &tensor, const flare::Task &task, flare::Result *result) {
  flare_tensor view = FLARE_TENSOR_INIT;
  view.dtype = tensor.dtype;
  view.ndim = static_cast<int32_t>(tensor.shape.size());
  view.data = tensor.elements.data();
  view.shape = tensor.shape.data();
  // Opaque bytes are numbers in a safetensors file.
  const auto given = task.data().find(tensor.name);
  if (tensor.dtype == FLARE_UINT8 && given && given->dtype() == FLARE_OPAQUE) view.dtype = FLARE_OPAQUE;
  if (!tensor.first_index_fastest || view.ndim < 2) {
    result->borrow(tensor.name, view);
    return;
  }
  const std::vector<int64_t> strides = strides_of(tensor);
  view.strides = strides.data();
  result->copy(tensor.name, view);
}

}  // namespace

ProgramAnswer::ProgramAnswer(const TaskFolder &folder, const std::string &line) {
  const bool has_tensors = std::filesystem::exists(folder.result_file());
  const bool has_words = std::filesystem::exists(folder.result_json());
  if (has_words) {
    if (!std::filesystem::is_regular_file(folder.result_json())) throw BadAnswer("result.json is no regular file");
    words_ = object_in(content_of(folder.result_json()), "result.json");
  }
  if (!line.empty()) words_.update(object_in(line, "the answer " + line.substr(0, 200)));
  if (!has_tensors && !has_words && words_.empty())
    throw BadAnswer("the program has written no result: neither FLARE_RESULT_FILE (" + folder.result_file().string() +
                    ") nor FLARE_RESULT_JSON is there");
  try {
    if (has_tensors) tensors_ = std::make_unique<TensorFile>(folder.result_file());
  } catch (const std::exception &error) {
    throw BadAnswer(error.what());
  }
}

void ProgramAnswer::fill(const flare::Task &task, flare::Result *result) const {
  if (tensors_)
    for (const FileTensor &tensor : tensors_->tensors()) add_tensor(tensor, task, result);
  for (const auto &[member, value] : words_.items()) say(member, value, result);
}

void ProgramAnswer::say(const std::string &member, const Json &value, flare::Result *result) const {
  const auto expect = [&](bool right, const char *what) {
    if (!right) throw BadAnswer("the result says '" + member + "', which is no " + what);
  };
  if (member == "metrics") {
    expect(value.is_object(), "object of numbers");
    for (const auto &[name, number] : value.items()) {
      expect(number.is_number(), "object of numbers");
      result->metric(name, number.get<double>());
    }
  } else if (member == "num_steps") {
    expect(value.is_number_unsigned() && value <= INT64_MAX, "number of steps");
    result->steps(value.get<int64_t>());
  } else if (member == "data_kind") {
    expect(value.is_string(), "text");
    result->kind(value.get<std::string>());
  } else if (member == "meta" || member == "headers") {
    expect(value.is_object(), "object");
    for (const auto &[name, entry] : value.items())
      result->set_json(member == "meta" ? FLARE_META : FLARE_HEADERS, name, entry.dump());
  } else if (member != "return_code" && member != "reason") {
    throw BadAnswer("the result says '" + member +
                    "'; what is known is metrics, num_steps, data_kind, meta, headers, return_code and reason");
  }
}

}  // namespace flare_tool
