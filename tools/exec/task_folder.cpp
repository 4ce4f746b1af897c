#include "exec/task_folder.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "exec/bounded_json.h"
#include "exec/little_endian.h"

namespace flare_tool {

namespace {

constexpr std::array kKinds = {"other", "train", "validate", "submit_model"};  // by flare_task_kind

std::vector<FileTensor> tensors_of(const flare::Shareable &task) {
  std::vector<FileTensor> tensors;
  for (size_t i = 0; i < task.tensor_count(); ++i) {
    const auto [name, tensor] = task.at(i);
    FileTensor entry = {std::string(name), tensor.dtype(), tensor.shape(), {}};
    entry.elements = {static_cast<const std::byte *>(tensor.view().data),
                      elements_size(entry.name, entry.dtype, entry.shape)};
    tensors.push_back(std::move(entry));
  }
  return tensors;
}

// What JSON has no word for (tensors, bytes, objects of Python) is left out. The library bounds the depth.
Json json_of(const flare::Value &value) {
  switch (value.type()) {
    case FLARE_VALUE_BOOL: return *value.as_int() != 0;
    case FLARE_VALUE_INT: return *value.as_int();
    case FLARE_VALUE_DOUBLE: return *value.as_double();
    case FLARE_VALUE_TEXT: return std::string(*value.as_text());
    case FLARE_VALUE_LIST: {
      Json list = Json::array();
      for (size_t i = 0; i < value.count(); ++i) list.push_back(json_of(value.at(i).second));
      return list;
    }
    case FLARE_VALUE_MAP: {
      Json map = Json::object();
      for (size_t i = 0; i < value.count(); ++i) {
        const auto [key, child] = value.at(i);
        const bool has_word = child.type() != FLARE_VALUE_TENSOR && child.type() != FLARE_VALUE_BYTES &&
                              child.type() != FLARE_VALUE_OPAQUE;
        if (has_word) map[std::string(key)] = json_of(child);
      }
      return map;
    }
    default: return nullptr;
  }
}

}  // namespace

TaskFolder::TaskFolder(const std::filesystem::path &folder, const flare::Task &task, TensorFormat format)
    : folder_(folder), ending_(file_ending(format)), facts_(facts(task)) {
  Json json = Json::object();
  for (const Fact &fact : facts_) {
    Json value = fact.value;
    if (fact.is_number) value = std::stoll(fact.value);
    if (fact.is_number && fact.value == "-1") value = nullptr;
    json[fact.key] = std::move(value);
  }
  json["data_kind"] = std::string(task.data().kind());
  json["meta"] = json_of(task.data().section(FLARE_META));
  json["headers"] = json_of(task.data().section(FLARE_HEADERS));
  json_ = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  const FilePieces tensors = tensor_file_pieces(format, tensors_of(task.data()));
  std::filesystem::create_directory(folder_);
  try {
    tensors.write(folder_ / ("task" + ending_));
    FilePieces text;
    text.add(json_ + "\n");
    text.write(folder_ / "task.json");
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
    throw;
  }
}

TaskFolder::~TaskFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<TaskFolder::Fact> TaskFolder::facts(const flare::Task &task) const {
  const auto kind = static_cast<size_t>(task.kind());
  return {{"task_dir", folder_},
          {"task_file", folder_ / ("task" + ending_)},
          {"task_json", folder_ / "task.json"},
          {"result_file", result_file()},
          {"result_json", result_json()},
          {"task_name", std::string(task.name())},
          {"task_kind", kKinds.at(kind < kKinds.size() ? kind : 0)},
          {"task_round", std::to_string(task.round()), true},
          {"task_total_rounds", std::to_string(task.total_rounds()), true},
          {"task_id", std::string(task.id())},
          {"task_attempt", std::to_string(task.attempt()), true},
          {"task_site", std::string(task.site())},
          {"task_job", std::string(task.job_id())}};
}

std::map<std::string, std::string> TaskFolder::variables() const {
  std::map<std::string, std::string> variables;
  for (const Fact &fact : facts_) {
    std::string name = "FLARE_";
    for (const char c : fact.key) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    variables[name] = fact.value;
  }
  return variables;
}

std::vector<std::string> TaskFolder::replace_in(const std::vector<std::string> &command) const {
  std::map<std::string, std::string> values;
  for (const Fact &fact : facts_) values["{" + fact.key + "}"] = fact.value;
  values["{task}"] = values["{task_file}"];
  values["{result}"] = values["{result_file}"];
  std::vector<std::string> words = command;
  for (std::string &word : words) {
    for (size_t at = word.find('{'); at != std::string::npos; at = word.find('{', at)) {
      const size_t end = word.find('}', at);
      const auto found = values.find(word.substr(at, end - at + 1));  // other braces are the program's business
      if (found != values.end()) word.replace(at, end - at + 1, found->second);
      at += found != values.end() ? found->second.size() : 1;
    }
  }
  return words;
}

bool has_placeholder(const std::string &word) {
  return word.find("{task") != std::string::npos || word.find("{result") != std::string::npos;
}

}  // namespace flare_tool
