// What stands on both sides of a FilePipe: a listener that keeps what it hears, and a peer that is seen by its files
// alone.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fobs/shareable.h"
#include "pipe/file/file_pipe.h"
#include "pipe/metric.h"

namespace flare {

namespace files = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (files::temp_directory_path() / "file-pipe-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { files::remove_all(path_); }
  const files::path &path() const { return path_; }

 private:
  files::path path_;
};

// Until it is so; false after a long time.
inline bool eventually(const std::function<bool()> &check) {
  for (int i = 0; i < 2000; ++i) {
    if (check()) return true;
    ::usleep(5000);
  }
  return false;
}

inline Shareable model_of(double number, size_t more_bytes = 0) {
  Shareable model;
  model.kind = kind::kWeights;
  model.body.set("w", Tensor{FLARE_FLOAT64, {1}, copy_bytes(&number, sizeof number)});
  if (more_bytes == 0) return model;
  Block block(more_bytes);
  std::memset(block.data(), 7, more_bytes);
  model.body.set("more", Tensor{FLARE_UINT8, {static_cast<int64_t>(more_bytes)}, block.share()});
  return model;
}

inline std::string bytes_of_task(double number, size_t more_bytes = 0) {
  Shareable task = model_of(number, more_bytes);
  task.headers.set("current_round", 1);
  return std::string(fobs::encode(fobs::write_shareable(task, std::nullopt, Limits()).message).join().text());
}

inline double number_of(const Shareable &shareable) {
  const Value *value = shareable.body.find("w");
  double number = -1;
  if (value && value->tensor() && value->tensor()->bytes.size == sizeof number)
    std::copy_n(value->tensor()->bytes.data, sizeof number, reinterpret_cast<std::byte *>(&number));
  return number;
}

// The passive end's folder of one channel.
class FilePeer {
 public:
  static constexpr const char *kBeat = "REQ._HEARTBEAT_.";  // what the names of heartbeats begin with

  explicit FilePeer(const files::path &folder) : folder_(folder) {
    for (const char *name : {"x", "y", "t"}) files::create_directories(folder / name);
  }

  void put(const std::string &name, std::string_view content = "") const {
    std::ofstream(folder_ / "t" / name, std::ios::binary) << content;
    files::rename(folder_ / "t" / name, folder_ / "x" / name);
  }
  bool lies(const std::string &name) const { return exists(folder_ / "x" / name); }
  static bool exists(const files::path &path) { return files::exists(files::symlink_status(path)); }
  const files::path &folder() const { return folder_; }

  std::vector<std::string> sent(const std::string &begin) const {
    std::vector<std::string> names;
    for (const auto &entry : files::directory_iterator(folder_ / "y")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(begin)) names.push_back(name);
    }
    return names;
  }
  // The first file with such a name, waited for and left there.
  std::string wait(const std::string &begin) const {
    std::vector<std::string> names;
    eventually([&] { return !(names = sent(begin)).empty(); });
    return names.empty() ? "nothing came" : names.front();
  }
  // As its owner reads it; the content.
  std::string take(const std::string &name) const {
    files::rename(folder_ / "y" / name, folder_ / "t" / name);
    std::string content(files::file_size(folder_ / "t" / name), '\0');
    std::ifstream(folder_ / "t" / name, std::ios::binary)
        .read(content.data(), static_cast<std::streamsize>(content.size()));
    files::remove(folder_ / "t" / name);
    return content;
  }

 private:
  files::path folder_;
};

// The trainer's end.
class FileEnd : public PipeListener {
 public:
  explicit FileEnd(const files::path &root, const Settings &settings = quick(), bool metrics = true)
      : loop_("file-end", [](std::exception_ptr error) { std::rethrow_exception(error); }) {
    ClientApiConfig config;
    config.files = FilePlace{root.string(), std::nullopt};
    if (metrics) {
      config.metric_channel = "metric";
      config.files->metric_root = root.string();
    }
    config.site = "site-1";
    loop_.run_and_wait([&] { pipe_ = std::make_unique<FilePipe>(settings, config, &loop_, Log("off", ""), this); });
  }
  ~FileEnd() override { close(); }
  void close() {
    if (!pipe_) return;
    loop_.run_and_wait([this] { pipe_.reset(); });
  }

  static Settings quick() {
    Settings settings;
    settings.heartbeat_interval = std::chrono::milliseconds(50);
    settings.heartbeat_timeout = std::nullopt;
    return settings;
  }

  // For what is done between two turns of the pipe.
  Loop &loop() { return loop_; }
  FilePipe &pipe() { return *pipe_; }

  void send(const MessagePtr &message, Duration timeout = std::chrono::seconds(30)) {
    loop_.run_and_wait([&] { pipe_->send(message, {timeout, {}, false}); });
  }
  std::string reply_to(const std::string &task, double number, Duration timeout = std::chrono::seconds(30),
                       size_t more_bytes = 0) {
    auto reply = std::make_shared<Message>();
    reply->kind = MessageKind::kReply;
    reply->topic = "train";
    reply->request_id = task;
    reply->id = "result-" + task;
    reply->data = model_of(number, more_bytes);
    send(reply, timeout);
    return "REP.train." + task + "." + reply->id;
  }
  void cancel(const std::string &id) {
    loop_.run_and_wait([&] { pipe_->cancel(id, FLARE_STALLED, "given up"); });
  }
  PipeStats stats() {
    PipeStats stats;
    loop_.run_and_wait([&] { stats = pipe_->stats(); });
    return stats;
  }

  // What was heard, as lines; true when one of them comes, be it later.
  bool hears(const std::string &line) {
    return eventually([&] {
      const auto heard = lines();
      return std::find(heard.begin(), heard.end(), line) != heard.end();
    });
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::vector<std::string> lines(const std::string &begin) {
    auto heard = lines();
    std::erase_if(heard, [&](const std::string &line) { return !line.starts_with(begin); });
    return heard;
  }
  MessagePtr last_message() {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  void take_no_tasks(bool full) {
    const std::lock_guard lock(mutex_);
    full_ = full;
  }

 private:
  void say(const std::string &line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
  }
  void on_up(const PeerInfo &, bool) override { say("up"); }
  void on_down(bool) override { say("down"); }
  std::optional<Refusal> on_offered(const Message &message, size_t) override {
    const std::lock_guard lock(mutex_);
    if (message.kind == MessageKind::kReply) return Refusal{"nothing was asked", true};
    return full_ ? std::optional(Refusal{"full", false}) : std::nullopt;
  }
  void on_message(const MessagePtr &message) override {
    {
      const std::lock_guard lock(mutex_);
      last_ = message;
    }
    say("task " + message->id + " " + std::to_string(static_cast<int>(number_of(message->data))));
  }
  void on_message_lost(const MessagePtr &message, flare_status, const std::string &) override {
    say("lost " + message->id);
  }
  void on_transaction(const std::string &) override { say("transaction"); }
  void on_progress(const TransferEvent &) override { say("progress"); }
  void on_accepted(const std::string &id, bool accepted, const std::string &) override {
    say((accepted ? "accepted " : "not accepted ") + id);
  }
  void on_settled(const std::string &id, flare_status status, const std::string &) override {
    say("settled " + id + " " + std::to_string(status));
  }
  void on_words_left(bool) override {}
  void on_over(flare_status status, const std::string &) override { say("over " + std::to_string(status)); }

  std::mutex mutex_;
  std::vector<std::string> lines_;
  MessagePtr last_;
  bool full_ = false;
  Loop loop_;
  std::unique_ptr<FilePipe> pipe_;
};

inline std::string with(const std::string &text, flare_status status) { return text + std::to_string(status); }

}  // namespace flare
