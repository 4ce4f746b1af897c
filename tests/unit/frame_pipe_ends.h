// What stands on both sides of a FramePipe, for tests that play its peer frame by frame.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipe/zmq/frame_pipe.h"

namespace flare {

// Keeps what is sent.
class FakeLink : public Link {
 public:
  struct Sent {
    Connection to;
    wire::Envelope envelope;
    Bytes payload;
  };
  struct Wire {
    std::vector<Sent> sent;
    LinkListener *listener = nullptr;
    bool works = true;
  };

  explicit FakeLink(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}

  void open(LinkListener *listener) override { wire_->listener = listener; }
  bool send(const Connection &to, const wire::Envelope &envelope, const Bytes &payload, bool) override {
    if (wire_->works) wire_->sent.push_back({to, envelope, payload});
    return wire_->works;
  }
  bool reachable(const Connection &) override { return wire_->works; }
  std::string url() const override { return "fake"; }
  void close(Duration) override { wire_->listener = nullptr; }

 private:
  std::shared_ptr<Wire> wire_;
};

// Takes every message, or refuses every one.
class FakeListener : public PipeListener {
 public:
  void on_up(const PeerInfo &, bool) override {}
  void on_down(bool) override {}
  std::optional<Refusal> on_offered(const Message &, size_t under_way) override {
    under_ways.push_back(under_way);
    return refusal;
  }
  void on_message(const MessagePtr &message) override { messages.push_back(message); }
  void on_message_lost(const MessagePtr &message, flare_status, const std::string &) override {
    lost.push_back(message->id);
  }
  void on_transaction(const std::string &) override {}
  void on_progress(const TransferEvent &) override {}
  void on_accepted(const std::string &id, bool, const std::string &) override { ++accepted[id]; }
  void on_settled(const std::string &id, flare_status, const std::string &) override { ++settled[id]; }
  void on_words_left(bool) override {}
  void on_over(flare_status status, const std::string &) override { over = status; }

  std::optional<Refusal> refusal;
  std::vector<MessagePtr> messages;
  std::vector<std::string> lost;
  std::vector<size_t> under_ways;
  std::map<std::string, int> accepted, settled;
  std::optional<flare_status> over;
};

}  // namespace flare
