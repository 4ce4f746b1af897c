// A trainer on NVFlare's own pipes, CellPipe and FilePipe, for cell_pipe_test.py and file_pipe_test.py: it is started
// by NVFlare itself, finds its configuration where NVFlare leaves it, adds one to every number of each model, and logs
// a metric each time. With CELL_TRAINER_ECHO in its environment it sends models back as they are, and with
// CELL_TRAINER_EXIT it ends as soon as the first is settled. Usage: cell_trainer [anything]
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>

#include "base/uuid.h"
#include "config/client_api_config.h"
#include "pipe/cell/cell_pipe.h"
#include "pipe/file/file_pipe.h"
#include "pipe/metric.h"

namespace flare {
namespace {

void say(const std::string &line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

Settings settings_of(const ClientApiConfig &config) {
  Settings settings;
  settings.heartbeat_timeout = std::nullopt;
  if (config.heartbeat_timeout_s > 0) settings.heartbeat_timeout = from_seconds(config.heartbeat_timeout_s);
  settings.max_resends = config.max_resends;
  settings.connect_timeout = std::chrono::seconds(10);
  settings.submit_result_timeout = from_seconds(config.submit_result_timeout_s);
  settings.download_complete_timeout = from_seconds(config.download_complete_timeout_s);
  return settings;
}

Tensor plus_one(const Tensor &tensor) {
  Block block(tensor.bytes.size);
  std::memcpy(block.data(), tensor.bytes.data, tensor.bytes.size);
  const auto add = [&]<typename Number>(Number one) {
    for (size_t at = 0; at + sizeof one <= tensor.bytes.size; at += sizeof one) {
      Number number;
      std::memcpy(&number, block.data() + at, sizeof number);
      number += one;
      std::memcpy(block.data() + at, &number, sizeof number);
    }
  };
  if (tensor.dtype == FLARE_FLOAT32) add(1.0F);
  if (tensor.dtype == FLARE_FLOAT64) add(1.0);
  return {tensor.dtype, tensor.shape, block.share()};
}

class Trainer : public PipeListener {
 public:
  explicit Trainer(const ClientApiConfig &config)
      : settings_(settings_of(config)), loop_("trainer", [this](std::exception_ptr error) { on_error(error); }) {
    loop_.run_and_wait([&] {
      const Log log("debug", "");
      if (config.files) {
        pipe_ = std::make_unique<FilePipe>(settings_, config, &loop_, log, this);
      } else {
        pipe_ = std::make_unique<CellPipe>(settings_, config, CellNaming::kFlat, &loop_, log, this);
      }
    });
  }
  ~Trainer() override {
    loop_.run_and_wait([this] { pipe_.reset(); });
  }
  // Returns whether all went well.
  bool wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return over_.has_value(); });
    return *over_ == FLARE_ENDED;
  }

 private:
  void on_error(const std::exception_ptr &error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception &exception) {
      say(std::string("error ") + exception.what());
    }
    on_over(FLARE_INTERNAL, "an exception");
  }
  void on_up(const PeerInfo &peer, bool) override { say("up " + peer.instance); }
  void on_down(bool) override { say("down"); }
  std::optional<Refusal> on_offered(const Message &, size_t) override { return std::nullopt; }
  void on_message(const MessagePtr &message) override {
    say("task " + message->topic);
    auto reply = std::make_shared<Message>();
    reply->kind = MessageKind::kReply;
    reply->topic = message->topic;
    reply->id = new_uuid();
    reply->request_id = message->id;
    reply->data.kind = kind::kWeights;
    for (const auto &[name, value] : message->data.body) {
      const Tensor *tensor = value.tensor();
      if (tensor && !echo_) reply->data.body.set(name, plus_one(*tensor));
      if (!tensor || echo_) reply->data.body.set(name, value);
    }
    reply->data.meta.set(meta::kNumSteps, 1);
    reply->data.headers.set(header::kReturnCode, "OK");
    pipe_->send(to_message({{"SCALAR", "loss", 0.5, ++round_, "", 0}}), {});
    pipe_->send(reply, {settings_.submit_result_timeout, {}, false});
  }
  void on_message_lost(const MessagePtr &, flare_status, const std::string &reason) override { say("lost " + reason); }
  void on_transaction(const std::string &) override {}
  void on_progress(const TransferEvent &event) override {
    say("progress " + event.receiver + " " + std::to_string(event.bytes));
  }
  void on_accepted(const std::string &, bool accepted, const std::string &reason) override {
    say(accepted ? "accepted" : "not accepted: " + reason);
  }
  void on_settled(const std::string &, flare_status status, const std::string &reason) override {
    say("settled " + std::string(flare_status_text(status)) + " " + reason);
    if (--expected_ > 0 || !std::getenv("CELL_TRAINER_EXIT")) return;
    const std::lock_guard lock(mutex_);
    over_ = FLARE_ENDED;
    ended_.notify_all();
  }
  void on_words_left(bool) override {}
  void on_over(flare_status status, const std::string &reason) override {
    say("over " + std::string(flare_status_text(status)) + " " + reason);
    const std::lock_guard lock(mutex_);
    over_ = status;
    ended_.notify_all();
  }

  Settings settings_;
  const bool echo_ = std::getenv("CELL_TRAINER_ECHO") != nullptr;
  int64_t round_ = 0;
  int expected_ = 2;  // the metric and the result
  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<flare_status> over_;
  Loop loop_;
  std::unique_ptr<Pipe> pipe_;
};

}  // namespace
}  // namespace flare

int main() {
  try {
    flare::Trainer trainer(flare::read_client_api_config("config/client_api_config.json"));
    return trainer.wait() ? 0 : 1;
  } catch (const std::exception &error) {
    std::printf("error %s\n", error.what());
    return 2;
  }
}
