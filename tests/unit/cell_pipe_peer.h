// NVFlare's end of a CellPipe on a real socket: the cell that the trainer connects with, and in it the passive end of
// the pipe, which answers as a test says.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/uuid.h"
#include "cellnet_listener.h"
#include "config/client_api_config.h"
#include "fobs/download.h"
#include "fobs/shareable.h"
#include "pipe/cell/cell_pipe.h"
#include "pipe/cell/cell_words.h"
#include "pipe/metric.h"

namespace flare {

class CellPeer {
 public:
  // What is to be done with a blob that wants an answer, in the peer's thread. False: it gets ok.
  using OnBlob = std::function<bool(StreamCell &, const StreamCell::Received &)>;
  using Work = std::function<void(StreamCell &)>;

  explicit CellPeer(OnBlob on_blob = nullptr) : on_blob_(std::move(on_blob)) {
    thread_ = std::thread([this] {
      for (;;) {
        Descriptor socket(listener_.accept());
        if (socket.get() < 0) break;
        serve(socket);
      }
    });
  }
  ~CellPeer() {
    over_ = true;
    listener_.shut();
    thread_.join();
  }

  std::string url() const { return listener_.url(); }
  void cut() { cut_ = true; }           // the connection
  void cut_all() { cuts_all_ = true; }  // each one as soon as it is greeted
  void read_slowly() { reads_slowly_ = true; }
  int connections() const { return connections_; }

  // In the peer's thread, when there is a connection.
  void run(Work work) {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
  }
  void beat() {
    run([](StreamCell &cell) {
      Blob blob;
      blob.destination = kUs;
      blob.channel = "cell_pipe.task";
      blob.topic = kHeartbeatTopic;
      cell.notify(std::move(blob), Clock::now());
    });
  }
  void send(const std::string &id, const std::string &topic, const fobs::Message &content) {
    const Bytes bytes = fobs::encode(content).join();
    run([=](StreamCell &cell) {
      Blob blob;
      blob.destination = kUs;
      blob.channel = "cell_pipe.task";
      blob.topic = topic;
      blob.headers.set(pipe_key::kMessageType, kPipeRequest);
      blob.headers.set(pipe_key::kMessageId, id);
      blob.content = bytes;
      cell.request(std::move(blob), std::chrono::seconds(20), Clock::now());
    });
  }
  // A task whose only array `w` is to be downloaded from this peer.
  void send_task(const std::string &id) {
    Shareable task;
    task.kind = kind::kWeights;
    task.headers.set(header::kTaskId, id);
    task.headers.set(header::kTaskName, "train");
    task.body.set("w", Tensor{FLARE_FLOAT32, {1}, copy_bytes("\0\0\0\0", 4)});
    send(id, "train", fobs::write_shareable(task, fobs::ByReference{kThem, "ref-" + id}, {}).message);
  }

  // What came, in order: "beat CHANNEL", "TOPIC MESSAGE_ID" of what wants an answer, and "answered CODE" of our own.
  std::vector<std::string> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  size_t count(const std::string &beginning) const {
    const auto all = seen();
    return static_cast<size_t>(
        std::count_if(all.begin(), all.end(), [&](const std::string &line) { return line.starts_with(beginning); }));
  }

 private:
  void serve(const Descriptor &socket) {
    ++connections_;
    cut_ = false;
    SfmSession frames({}, CellLimits());
    frames.on_connected(TimePoint());
    StreamCell::Options options;
    options.identity = {kThem, "site-1", "NA", "NA"};
    options.channels = {"cell_pipe.task", "cell_pipe.metric", std::string(kDownloadChannel)};
    options.first_stream_id = connections_ * 100000;
    StreamCell cell(options, CellLimits());
    cell.on_connected(kUs);
    FrameParser parser{CellLimits()};
    bool greeted = false;
    while (!over_ && !cut_ && !(cuts_all_ && greeted)) {
      if (reads_slowly_) std::this_thread::sleep_for(std::chrono::milliseconds(40));
      pollfd ready{socket.get(), POLLIN, 0};
      if (::poll(&ready, 1, 5) > 0) {
        const auto room = parser.room();
        const ssize_t count = ::recv(socket.get(), room.data(), room.size(), 0);
        if (count <= 0) return;
        parser.filled(static_cast<size_t>(count));
        while (const auto frame = parser.next()) {
          if (frame->prefix.type == frame_type::kHello) greeted = send_all(socket, ready_frame_of(kServer));
          if (frame->prefix.type == frame_type::kData) {
            cell.on_message({decode_map(frame->headers, CellLimits()), frame->payload}, Clock::now());
          }
        }
      }
      cell.on_time(Clock::now());
      for (auto &event : cell.take_events()) on_event(cell, event);
      for (Work &work : greeted ? take_work() : std::deque<Work>()) work(cell);
      while (const auto message = cell.take_message(Clock::now(), 0)) {
        if (!send_all(socket, bytes_of(frames.encode(*message)))) return;
      }
    }
  }

  std::deque<Work> take_work() {
    const std::lock_guard lock(mutex_);
    return std::exchange(work_, {});
  }

  void on_event(StreamCell &cell, StreamCell::Event &event) {
    if (const auto *answered = std::get_if<StreamCell::Answered>(&event)) note("answered " + answered->return_code);
    const auto *blob = std::get_if<StreamCell::Received>(&event);
    if (blob == nullptr) return;
    if (blob->request_id.empty()) return note("beat " + blob->channel);
    note(blob->topic + " " + text_of(blob->headers, pipe_key::kMessageId));
    if (!on_blob_ || !on_blob_(cell, *blob)) cell.answer(*blob, return_code::kOk, {}, Clock::now());
  }
  void note(const std::string &line) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(line);
  }

  const OnBlob on_blob_;
  Listener listener_;
  std::atomic<bool> over_ = false, cut_ = false, cuts_all_ = false, reads_slowly_ = false;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::deque<Work> work_;
  std::vector<std::string> seen_;
  std::thread thread_;
};

// A CellPipe in a loop of its own, with a listener that notes what it is told.
class TestedPipe : public PipeListener {
 public:
  static Settings quick() {
    Settings settings;
    settings.resend_interval = std::chrono::milliseconds(50);
    settings.submit_result_timeout = std::chrono::seconds(20);
    settings.heartbeat_timeout = std::nullopt;
    return settings;
  }

  explicit TestedPipe(const std::string &url, const Settings &settings = quick(), const std::string &parent = kServer)
      : log_("warn", std::string(kNoLogFile)) {
    ClientApiConfig config;
    config.site = "site-1";
    config.token = config.job_id = "tok1";
    config.place = {url, "clear", parent};
    config.metric_channel = "metric";
    loop_.run_and_wait(
        [&] { pipe_ = std::make_unique<CellPipe>(settings, config, CellNaming::kFlat, &loop_, log_, this); });
  }
  ~TestedPipe() override {
    loop_.run_and_wait([this] { pipe_.reset(); });
  }

  std::string send(const MessagePtr &message, Duration timeout = std::chrono::seconds(20), bool lent = false) {
    loop_.run_and_wait([&] { pipe_->send(message, {timeout, {}, lent}); });
    return message->id;
  }
  void cancel(const std::string &id, const std::string &reason) {
    loop_.run_and_wait([&] { pipe_->cancel(id, FLARE_STOPPED, reason); });
  }
  // The answer to a task, with an array of so many floats if any.
  std::string send_result(int64_t floats = 0, Duration timeout = std::chrono::seconds(20)) {
    auto reply = std::make_shared<Message>();
    reply->kind = MessageKind::kReply;
    reply->topic = "train";
    reply->id = new_uuid();
    reply->request_id = "task";
    reply->data.headers.set(header::kReturnCode, "OK");
    if (floats > 0) {
      const std::string zeros(static_cast<size_t>(floats) * 4, 0);
      reply->data.kind = kind::kWeights;
      reply->data.body.set("w", Tensor{FLARE_FLOAT32, {floats}, copy_bytes(zeros.data(), zeros.size())});
    }
    return send(reply, timeout);
  }
  std::string send_metrics(int count) {
    std::vector<Metric> metrics;
    for (int i = 0; i < count; ++i) metrics.push_back({"SCALAR", "loss", 0.5, i, "", 0});
    return send(to_message(metrics));
  }
  PipeStats stats() {
    PipeStats stats;
    loop_.run_and_wait([&] { stats = pipe_->stats(); });
    return stats;
  }

  // Waits until something told begins so.
  bool told(const std::string &beginning, std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] {
      return std::any_of(lines_.begin(), lines_.end(), [&](auto &line) { return line.starts_with(beginning); });
    });
  }
  std::string everything() {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const std::string &line : lines_) all += line + "\n";
    return all;
  }
  // The last that came.
  MessagePtr message() {
    const std::lock_guard lock(mutex_);
    return message_;
  }
  std::string logged() const {
    std::string all;
    while (const auto record = log_.take()) all += record->text + "\n";
    return all;
  }
  // From within on_message() and on_settled().
  std::function<void()> when_message, when_settled;

 private:
  void on_up(const PeerInfo &peer, bool new_peer) override { note("up " + peer.instance + (new_peer ? " new" : "")); }
  void on_down(bool) override { note("down"); }
  std::optional<Refusal> on_offered(const Message &message, size_t under_way) override {
    note("offered " + text_header(message.data, header::kTaskId, "nothing") + " " + std::to_string(under_way));
    return std::nullopt;
  }
  void on_message(const MessagePtr &message) override {
    {
      const std::lock_guard lock(mutex_);
      message_ = message;
    }
    note("message " + message->id);
    if (when_message) when_message();
  }
  void on_message_lost(const MessagePtr &message, flare_status status, const std::string &reason) override {
    note("lost " + message->id + " " + flare_status_text(status) + " " + reason);
  }
  void on_transaction(const std::string &) override {}
  void on_progress(const TransferEvent &) override {}
  void on_accepted(const std::string &id, bool accepted, const std::string &reason) override {
    note((accepted ? "accepted " : "not accepted ") + id + " " + reason);
  }
  void on_settled(const std::string &id, flare_status status, const std::string &reason) override {
    if (when_settled) when_settled();
    note("settled " + id + " " + flare_status_text(status) + " " + reason);
  }
  void on_words_left(bool) override {}
  void on_over(flare_status status, const std::string &reason) override {
    note("over " + std::string(flare_status_text(status)) + " " + reason);
  }
  void note(const std::string &line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
  MessagePtr message_;
  Log log_;
  Loop loop_{"pipe", [](std::exception_ptr) { ADD_FAILURE() << "an exception in the loop"; }};
  std::unique_ptr<CellPipe> pipe_;
};

// Waits a while for what another thread brings about.
inline bool eventually(const std::function<bool()> &true_now) {
  const TimePoint until = Clock::now() + std::chrono::seconds(20);
  while (!true_now()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace flare
