// A cell of ours as a program, for cellnet_test.py: it sends each blob that wants an answer back, and says line by line
// what it sees. Usage: cell_program URL clear|tls|mtls WORKSPACE. Commands on stdin:
//   ask BYTES     a request of so many bytes, which must come back as they were
//   nobody        a request to a cell that is not there
//   unknown       a request on a channel that the other cell does not have
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "cellnet/cell_client.h"

namespace flare {
namespace {

const std::string kServer = "server";
const std::string kUs = "site-1_tok1_active";
const std::string kThem = "site-1_tok1_passive";

void say(const std::string &line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

Bytes pattern(size_t size) {
  Block block(size);
  uint32_t seed = 7;
  for (size_t i = 0; i < size; ++i) {
    seed = seed * 1664525 + 1013904223;
    block.data()[i] = static_cast<std::byte>(seed >> 24);
  }
  return block.share();
}

class Program : public CellClientListener {
 public:
  Program(const std::string &url, const std::string &security, const std::string &workspace) {
    CellClient::Options options;
    options.identity = {kUs, "site-1", "NA", "NA"};
    options.url = url;
    options.expected_peer = kServer;
    options.channels = {"cell_pipe.task"};
    if (security == "mtls") options.security = CellSecurity::kMutualTls;
    if (security == "tls") options.security = CellSecurity::kTls;
    if (security != "clear") options.tls = tls_files_of(workspace, options.security);
    loop_.run_and_wait([&] {
      client_ = std::make_unique<CellClient>(options, &loop_, this);
      client_->open();
    });
  }
  ~Program() override {
    loop_.run_and_wait([&] { client_.reset(); });
  }

  void ask(size_t bytes, const std::string &destination = kThem, const std::string &channel = "cell_pipe.task") {
    Blob blob;
    blob.destination = destination;
    blob.channel = channel;
    blob.topic = "train";
    blob.encoding = encoding::kBytes;
    const Bytes content = pattern(bytes);
    blob.content = content;
    const auto timeout = std::chrono::seconds(destination == kThem ? 60 : 1);
    loop_.run_and_wait([&] { asked_[client_->request(blob, timeout)] = content; });
  }

 private:
  void on_connected(const std::string &peer) override { say("connected " + peer); }
  void on_disconnected(const std::string &reason, bool refused) override {
    say((refused ? "refused " : "disconnected ") + reason);
  }
  void on_event(StreamCell::Event event) override {
    if (const auto *received = std::get_if<StreamCell::Received>(&event)) {
      say("received " + received->topic + " " + std::to_string(received->content.size));
      if (received->topic == "broken") return client_->refuse(*received, "it is broken");
      if (received->request_id.empty()) return;
      Blob echo;
      echo.encoding = encoding::kBytes;
      echo.content = received->content;
      client_->answer(*received, return_code::kOk, echo);
    } else if (const auto *answered = std::get_if<StreamCell::Answered>(&event)) {
      const bool same = asked_.extract(answered->request_id).mapped().text() == answered->content.text();
      say("answered " + answered->return_code + (same ? " the same " : " ") + answered->error);
    } else if (std::holds_alternative<StreamCell::PeerLeaves>(event)) {
      say("peer leaves");
    } else if (const auto *complaint = std::get_if<StreamCell::Complaint>(&event)) {
      say("complaint " + complaint->text);
    }
  }

  Loop loop_{"cell", [](std::exception_ptr error) {
               try {
                 std::rethrow_exception(error);
               } catch (const std::exception &failure) {
                 say(std::string("exception ") + failure.what());
               }
             }};
  std::map<std::string, Bytes> asked_;
  std::unique_ptr<CellClient> client_;
};

int run(int argc, char **argv) {
  if (argc != 4) return 2;
  Program program(argv[1], argv[2], argv[3]);
  std::string command;
  while (std::cin >> command) {
    size_t bytes = 0;
    if (command == "ask" && std::cin >> bytes) program.ask(bytes);
    if (command == "nobody") program.ask(10, "site-2_tok1_passive");
    if (command == "unknown") program.ask(10, kThem, "unknown");
  }
  return 0;
}

}  // namespace
}  // namespace flare

int main(int argc, char **argv) {
  try {
    return flare::run(argc, argv);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
