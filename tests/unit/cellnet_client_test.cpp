// A cell of ours on real sockets, and a peer made of the same machines.
#include "cellnet/cell_client.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "cellnet_listener.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto kLongEnough = 20s;

// Accepts one connection after the other, greets, and sends each blob that wants an answer back.
class EchoingPeer {
 public:
  explicit EchoingPeer(std::string name = kServer, std::string first_bytes = "")
      : name_(std::move(name)), first_bytes_(std::move(first_bytes)) {
    thread_ = std::thread([this] {
      while (const int socket = listener_.accept()) {
        if (socket < 0) break;
        serve(Descriptor(socket));
      }
    });
  }
  ~EchoingPeer() {
    listener_.shut();
    cut();
    thread_.join();
  }

  std::string url() const { return listener_.url(); }
  void cut() {
    std::lock_guard lock(mutex_);
    if (serving_ >= 0) ::shutdown(serving_, SHUT_RDWR);
  }
  void silence(bool on) { silent_ = on; }
  void deaf(bool on) { deaf_ = on; }
  int connections() const { return connections_; }
  // Of all connections that are over.
  int blobs() const { return blobs_; }
  bool bye() const { return bye_; }
  void wait_for_end() {
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, kLongEnough, [&] { return serving_ < 0; });
  }

 private:
  void serve(Descriptor socket) {
    {
      std::lock_guard lock(mutex_);
      serving_ = socket.get();
    }
    ++connections_;
    SfmSession frames({}, CellLimits());
    frames.on_connected(TimePoint());
    StreamCell::Options options;
    options.identity = {kThem, "site-1", "NA", "NA"};
    options.channels = {"cell_pipe.task"};
    options.first_stream_id = connections_ * 1000;
    StreamCell cell(options, CellLimits());
    cell.on_connected(kUs);
    FrameParser parser{CellLimits()};
    if (!first_bytes_.empty()) send_all(socket, first_bytes_);
    for (;;) {
      while (deaf_) std::this_thread::sleep_for(5ms);
      const auto room = parser.room();
      const ssize_t count = ::recv(socket.get(), room.data(), room.size(), 0);
      if (count <= 0) break;
      parser.filled(static_cast<size_t>(count));
      while (const auto frame = parser.next()) on_frame(socket, *frame, &cell);
      for (auto &event : cell.take_events()) {
        if (std::holds_alternative<StreamCell::PeerLeaves>(event)) bye_ = true;
        auto *blob = std::get_if<StreamCell::Received>(&event);
        if (!blob || blob->request_id.empty()) continue;
        ++blobs_;
        Blob answer;
        answer.content = blob->content;
        answer.encoding = encoding::kBytes;
        cell.answer(*blob, return_code::kOk, answer, Clock::now());
      }
      while (const auto message = cell.take_message(Clock::now(), 0)) {
        const OutFrame frame = frames.encode(*message);
        if (!silent_ && !send_all(socket, bytes_of(frame))) break;
      }
    }
    std::lock_guard lock(mutex_);
    serving_ = -1;
    ended_.notify_all();
  }

  void on_frame(const Descriptor &socket, const Frame &frame, StreamCell *cell) {
    if (frame.prefix.type == frame_type::kHello) {
      send_all(socket, ready_frame_of(name_));
    } else if (frame.prefix.type == frame_type::kData) {
      cell->on_message({decode_map(frame.headers, CellLimits()), frame.payload}, Clock::now());
    }
  }

  std::string name_;
  std::string first_bytes_;
  Listener listener_;
  std::atomic<bool> silent_ = false, deaf_ = false;
  std::atomic<int> connections_ = 0, blobs_ = 0;
  std::atomic<bool> bye_ = false;
  std::mutex mutex_;
  std::condition_variable ended_;
  int serving_ = -1;
  std::thread thread_;
};

class TestedClient : public CellClientListener {
 public:
  explicit TestedClient(const std::string &url, const std::string &expected_peer = "") {
    CellClient::Options options;
    options.identity = our_identity();
    options.url = url;
    options.expected_peer = expected_peer;
    options.channels = {"cell_pipe.task"};
    loop_.run_and_wait([&] {
      client_ = std::make_unique<CellClient>(options, &loop_, this);
      client_->open();
    });
  }
  ~TestedClient() override {
    loop_.run_and_wait([&] { client_.reset(); });
  }

  std::string request(const Bytes &content) {
    std::string id;
    loop_.run_and_wait([&] { id = ask(content); });
    return id;
  }
  // And closes at once.
  void ask_and_close(const Bytes &content, int times) {
    loop_.run_and_wait([&] {
      for (int i = 0; i < times; ++i) ask(content);
      client_->close();
    });
    loop_.run_and_wait([&] { client_.reset(); });
  }

  // What the listener does besides, when something was answered.
  void when_answered(std::function<void()> work) {
    loop_.run_and_wait([&] { when_answered_ = std::move(work); });
  }
  // In the loop.
  std::string ask(const Bytes &content) {
    Blob blob;
    blob.destination = kThem;
    blob.channel = "cell_pipe.task";
    blob.topic = "train";
    blob.encoding = encoding::kBytes;
    blob.content = content;
    return client_->request(blob, kLongEnough);
  }

  // The next news of those that count, as text.
  std::string next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kLongEnough, [&] { return !news_.empty(); })) return "nothing";
    std::string news = std::move(news_.front());
    news_.pop_front();
    return news;
  }
  Bytes content() {
    std::lock_guard lock(mutex_);
    return content_;
  }

 private:
  void on_connected(const std::string &peer) override { add("connected " + peer); }
  void on_disconnected(const std::string &reason, bool refused) override {
    add((refused ? "refused " : "disconnected ") + reason);
  }
  void on_event(StreamCell::Event event) override {
    if (const auto *answered = std::get_if<StreamCell::Answered>(&event)) {
      {
        std::lock_guard lock(mutex_);
        content_ = answered->content;
      }
      if (when_answered_) return when_answered_();
      add("answered " + answered->return_code + " " + answered->error);
    } else if (const auto *complaint = std::get_if<StreamCell::Complaint>(&event)) {
      add("complaint " + complaint->text);
    }
  }
  void add(const std::string &news) {
    std::lock_guard lock(mutex_);
    news_.push_back(news);
    changed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> news_;
  Bytes content_;
  std::function<void()> when_answered_;
  Loop loop_{"cell", [](std::exception_ptr) { ADD_FAILURE() << "an exception in the loop"; }};
  std::unique_ptr<CellClient> client_;
};

Bytes random_bytes(size_t size) {
  Block block(size);
  uint32_t seed = 1;
  for (size_t i = 0; i < size; ++i) {
    seed = seed * 1664525 + 1013904223;
    block.data()[i] = static_cast<std::byte>(seed >> 24);
  }
  return block.share();
}

TEST(CellnetClient, ExchangesSmallAndLargeBlobs) {
  EchoingPeer peer;
  TestedClient client(peer.url(), kServer);
  EXPECT_EQ(client.next(), "connected server");
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1} << 20, (size_t{36} << 20) + 5}) {
    const Bytes sent = random_bytes(size);
    client.request(sent);
    EXPECT_EQ(client.next(), "answered ok ");
    EXPECT_EQ(client.content().text() == sent.text(), true) << size;
  }
  EXPECT_EQ(peer.connections(), 1);
}

TEST(CellnetClient, ManyRequestsAtOnceAllEnd) {
  EchoingPeer peer;
  TestedClient client(peer.url());
  EXPECT_EQ(client.next(), "connected server");
  const Bytes content = random_bytes(3 << 20);
  for (int i = 0; i < 20; ++i) client.request(content);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.next(), "answered ok ");
}

TEST(CellnetClient, WhatIsInFlightFailsWithTheConnectionAndTheNextOneWorks) {
  EchoingPeer peer;
  TestedClient client(peer.url());
  EXPECT_EQ(client.next(), "connected server");
  peer.silence(true);
  client.request(random_bytes(10));
  client.request(random_bytes(30 << 20));  // waits for acknowledgements
  peer.cut();
  peer.silence(false);
  EXPECT_THAT(client.next(), HasSubstr("answered comm_error"));
  EXPECT_THAT(client.next(), HasSubstr("answered comm_error"));
  EXPECT_THAT(client.next(), HasSubstr("disconnected"));
  EXPECT_EQ(client.next(), "connected server");
  client.request(random_bytes(2 << 20));
  EXPECT_EQ(client.next(), "answered ok ");
}

TEST(CellnetClient, ConnectsAgainWhileAChildHasItsSocketsToo) {
  EchoingPeer peer;
  TestedClient client(peer.url());
  EXPECT_EQ(client.next(), "connected server");
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  peer.cut();
  EXPECT_THAT(client.next(), HasSubstr("disconnected the other end closed the connection"));
  EXPECT_EQ(client.next(), "connected server");
  ::kill(child, SIGKILL);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST(CellnetClient, GoesOnAfterAListenerThatThrows) {
  EchoingPeer peer;
  TestedClient client(peer.url());
  EXPECT_EQ(client.next(), "connected server");
  client.when_answered([] { throw std::runtime_error("of the listener"); });
  client.request(random_bytes(10));
  EXPECT_EQ(client.next(), "disconnected of the listener");
  client.when_answered(nullptr);
  EXPECT_EQ(client.next(), "connected server");
  client.request(random_bytes(10));
  EXPECT_EQ(client.next(), "answered ok ");
}

TEST(CellnetClient, AListenerThatAsksAgainAtOnceDoesNotHoldUpTheRest) {
  auto peer = std::make_unique<EchoingPeer>();
  const std::string url = peer->url();
  peer.reset();
  TestedClient client(url);
  client.when_answered([&] { client.ask(random_bytes(1)); });
  client.request(random_bytes(1));  // it fails at once: there is no connection
  for (int i = 0; i < 3; ++i) EXPECT_THAT(client.next(), HasSubstr("disconnected"));
}

TEST(CellnetClient, TriesAgainWhenNobodyIsThere) {
  auto peer = std::make_unique<EchoingPeer>();
  const std::string url = peer->url();
  peer.reset();
  TestedClient client(url);
  EXPECT_THAT(client.next(), HasSubstr("disconnected Connection refused"));
  EXPECT_THAT(client.next(), HasSubstr("disconnected Connection refused"));
}

TEST(CellnetClient, SaysThatAHostIsNotKnown) {
  TestedClient client("tcp://no-such-host.invalid:5");
  EXPECT_THAT(client.next(), HasSubstr("disconnected the host 'no-such-host.invalid'"));
}

TEST(CellnetClient, RefusesTheWrongCell) {
  EchoingPeer peer("site-2");
  TestedClient client(peer.url(), kServer);
  EXPECT_THAT(client.next(), HasSubstr("refused the cell at the other end is 'site-2'"));
}

TEST(CellnetClient, RefusesWhatIsNoCell) {
  EchoingPeer peer(kServer, "HTTP/1.1 400 Bad Request\r\n\r\n");
  TestedClient client(peer.url());
  EXPECT_THAT(client.next(), HasSubstr("does not answer as a cell of NVFlare does"));
}

// The answers that come meanwhile and that nobody reads must not make the socket throw away what was said.
TEST(CellnetClient, WhatWasSaidBeforeTheEndArrives) {
  EchoingPeer peer(kThem);  // so that bye is for itself
  TestedClient client(peer.url());
  EXPECT_EQ(client.next(), "connected " + kThem);
  client.ask_and_close(random_bytes(20000), 300);
  peer.wait_for_end();
  EXPECT_EQ(peer.blobs(), 300);
  EXPECT_TRUE(peer.bye());
}

TEST(CellnetClient, APeerThatReadsNothingDoesNotHoldUpTheEnd) {
  EchoingPeer peer;
  TestedClient client(peer.url());
  EXPECT_EQ(client.next(), "connected server");
  peer.deaf(true);
  const TimePoint begun = Clock::now();
  client.ask_and_close(random_bytes(1 << 20), 64);
  EXPECT_LT(Clock::now() - begun, 10s);
  peer.deaf(false);
}

}  // namespace
}  // namespace flare
