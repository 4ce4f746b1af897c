// A whole pipe, agent's or exchanger's, whose peer sends any valid frame at any moment. Its time is real, so nothing is
// said here about deadlines. What it sends must be readable, and each message given to it has its two answers.
#include <algorithm>

#include "base/checksum.h"
#include "frame_pipe_ends.h"
#include "frames_samples.h"
#include "fuzz_input.h"

namespace flare {
namespace {

using namespace std::chrono_literals;

class World {
 public:
  World(FuzzInput input, Loop *loop) : input_(input) {
    settings_.token = "secret";
    settings_.limits.max_tensor_bytes = 4096;
    settings_.limits.max_message_bytes = 8192;
    settings_.limits.inline_bytes = 64;
    settings_.limits.chunk_bytes = 256;
    settings_.limits.chunk_window = 2;
    settings_.limits.max_transactions = 3;
    settings_.limits.max_words_left = 3;
    settings_.limits.max_remembered_ids = 3;
    agent_ = input_.flag();
    pipe_ = std::make_unique<FramePipe>(agent_ ? FramePipe::Role::kAgent : FramePipe::Role::kExchanger, settings_,
                                        std::make_unique<FakeLink>(wire_), loop, Log("off", "none"), &listener_);
  }

  void run() {
    if (agent_) wire_->listener->on_connection(kControl, true);
    if (agent_) wire_->listener->on_connection(kBulk, true);
    while (!input_.over()) {
      event();
      check();
    }
    pipe_->close("the end");
    check();
    pipe_.reset();
  }

 private:
  Connection connection() {
    if (agent_) return input_.flag() ? kControl : kBulk;
    return named("connection-", 2);
  }
  std::string named(const char *what, size_t count) { return what + std::to_string(input_.below(count)); }
  std::string id() { return named("id-", 6); }
  uint64_t epoch() { return input_.below(8) == 0 ? input_.number() : ups_; }

  void event() {
    switch (input_.below(12)) {
      case 0:
        if (input_.below(8) == 0) wire_->works = !wire_->works;
        if (agent_ && input_.below(4) == 0) wire_->listener->on_connection(connection(), input_.flag());
        return;
      case 1: return send();
      case 2:
        if (input_.below(4) == 0) pipe_->cancel("ours-" + std::to_string(input_.below(8)), FLARE_ABORTED, "cancelled");
        return;
      case 3:
        listener_.refusal.reset();
        if (input_.below(4) == 0) listener_.refusal = Refusal{"no", input_.flag()};
        return;
      case 4: return greet();
      default: {
        Bytes payload;
        wire::Body body = this->body(&payload);
        deliver(connection(), {epoch(), std::move(body)}, payload);
      }
    }
  }

  void greet() {
    const wire::Lane lane = input_.flag() ? wire::Lane::kBulk : wire::Lane::kControl;
    const std::string instance = named("instance-", input_.below(8) == 0 ? 2 : 1);
    if (agent_) {
      wire::Welcome welcome;
      welcome.lane = lane;
      welcome.instance = instance;
      welcome.epoch = lane == wire::Lane::kBulk ? ups_ : ++ups_;
      return deliver(lane == wire::Lane::kBulk ? kBulk : kControl, {0, welcome}, {});
    }
    wire::Hello hello;
    hello.lane = lane;
    hello.epoch = ups_;
    hello.instance = instance;
    hello.agent_id = "agent";
    hello.token = "secret";
    deliver(lane == wire::Lane::kBulk ? "connection-1" : "connection-0", {0, hello}, {});
  }

  wire::Body body(Bytes *payload) {
    switch (input_.below(10)) {
      case 0:
      case 1: return data(payload);
      case 2: return wire::Ack{known_id(), input_.flag(), "because", input_.flag()};
      case 3:
        return ChunkRequest{known_id(), static_cast<uint32_t>(input_.below(3)), input_.below(4) * 256,
                            static_cast<uint32_t>(1 + input_.below(256))};
      case 4: {
        *payload = wire::sample_bytes(input_.flag() ? 256 : input_.byte(), 1);
        const uint64_t sum = input_.below(4) == 0 ? input_.number() : checksum(payload->data, payload->size);
        return wire::Chunk{id(), static_cast<uint32_t>(input_.below(3)), input_.below(4) * 256, sum};
      }
      case 5: return wire::ChunkRefused{id(), static_cast<int32_t>(input_.number()), "because"};
      case 6: return wire::Settled{known_id(), input_.flag(), "because", input_.flag() ? "" : "other"};
      case 7:
        return wire::Progress{known_id(), input_.flag() ? "" : "other", input_.number() % 10000,
                              static_cast<uint32_t>(input_.byte())};
      case 8:
        if (input_.below(8) == 0) return wire::Bye{"bye"};
        return wire::Heartbeat{};
      default:
        if (input_.below(8) == 0) return wire::Reject{static_cast<wire::Refusal>(input_.below(6)), "because"};
        return wire::Reject{wire::Refusal::kUnknownSession, "because"};
    }
  }

  // Theirs or one of ours.
  std::string known_id() { return input_.flag() ? id() : "ours-" + std::to_string(input_.below(8)); }

  wire::Body data(Bytes *payload) {
    constexpr std::string_view kTopics[] = {"train",     topic::kMetric, topic::kAbortTask,
                                            topic::kEnd, topic::kAbort,  topic::kPeerGone};
    Message message;
    message.kind = input_.flag() ? MessageKind::kReply : MessageKind::kRequest;
    message.topic = kTopics[input_.below(8) == 0 ? input_.below(6) : 0];
    message.id = id();
    message.request_id = known_id();
    for (size_t i = input_.below(3); i > 0; --i) {
      message.data.body.set("w" + std::to_string(i),
                            wire::sample_tensor(FLARE_UINT8, {static_cast<int64_t>(input_.byte()) * 2}));
    }
    std::vector<Bytes> objects;
    wire::Data data;
    data.payload = wire::lay_out(message, settings_.limits, &objects);
    if (data.payload.inlined) *payload = input_.below(8) == 0 ? Bytes() : objects.front();
    data.message = std::make_shared<const Message>(std::move(message));
    return data;
  }

  // As it comes from a link: encoded, decoded, and dropped when it is not valid.
  void deliver(const Connection &from, const wire::Envelope &envelope, const Bytes &payload) {
    const Bytes encoded = wire::encode(envelope);
    const auto decoded = wire::decode(encoded.data, encoded.size, Limits());
    wire_->listener->on_frame(from, decoded, payload);
    if (agent_) return;
    // An exchanger counts its epochs itself: it tells them in its welcomes.
    for (const auto &sent : wire_->sent) {
      if (const auto *welcome = std::get_if<wire::Welcome>(&sent.envelope.body)) ups_ = welcome->epoch;
    }
  }

  void send() {
    if (sent_.size() >= 8) return;
    auto message = std::make_shared<Message>();
    message->kind = input_.flag() ? MessageKind::kReply : MessageKind::kRequest;
    message->topic = "train";
    message->id = "ours-" + std::to_string(sent_.size());
    message->request_id = id();
    message->data.body.set("w", wire::sample_tensor(FLARE_UINT8, {static_cast<int64_t>(input_.byte()) * 20}));
    SendOptions options;
    options.lent = input_.flag();
    if (input_.flag()) options.receivers = {"me", "other"};
    sent_.push_back(message->id);
    pipe_->send(message, options);
  }

  void check() {
    for (const auto &sent : wire_->sent) {
      const Bytes encoded = wire::encode(sent.envelope);
      require(wire::same(sent.envelope, wire::decode(encoded.data, encoded.size, Limits())));
    }
    wire_->sent.clear();
    for (const std::string &id : sent_) {
      require(listener_.accepted[id] <= 1 && listener_.settled[id] <= listener_.accepted[id]);
    }
  }

  FuzzInput input_;
  Settings settings_;
  bool agent_ = false;
  std::shared_ptr<FakeLink::Wire> wire_ = std::make_shared<FakeLink::Wire>();
  FakeListener listener_;
  std::unique_ptr<FramePipe> pipe_;
  std::vector<std::string> sent_;
  uint64_t ups_ = 0;
};

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static flare::Loop loop("fuzz", [](std::exception_ptr) { std::abort(); });
  loop.run_and_wait([&] { flare::World({bytes, size}, &loop).run(); });
  return 0;
}
