// Every task is answered: what becomes of a task whose result the network swallowed.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>

#include "agent/agent.h"
#include "exchanger/exchanger.h"
#include "fault_proxy.h"

namespace flare_test {
namespace {

using namespace flare;
using namespace std::chrono_literals;

constexpr int64_t kLong = 10'000;

class Answering : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/flare-test-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    Resolved resolved;
    resolved.settings.token = "secret";
    resolved.settings.heartbeat_interval = 200ms;
    resolved.settings.heartbeat_timeout = 8s;
    resolved.settings.resend_interval = 100ms;
    resolved.settings.submit_result_timeout = 200ms;
    resolved.settings.max_resends = 1;
    resolved.settings.log_level = "error";
    resolved.sources["url"] = "the test";
    resolved.settings.url = GetParam() == "ipc" ? "zmq+ipc://" + folder_ + "/x.sock" : "zmq+tcp://127.0.0.1:*";
    exchanger_ = Exchanger::open(resolved);
    proxy_ = std::make_unique<FaultProxy>(exchanger_->url(), folder_, 1);
    resolved.settings.url = proxy_->url();
    agent_ = Agent::open(resolved);
    request_ = std::make_shared<Request>();
    request_->task_name = "train";
    ASSERT_EQ(exchanger_->send(request_, Shareable(), false).status, FLARE_OK);
    ASSERT_EQ(agent_->next_task(kLong, &task_).status, FLARE_OK);
    std::this_thread::sleep_for(100ms);  // the exchanger knows that it is there
  }
  void TearDown() override {
    task_.reset();
    if (agent_) agent_->close();
    if (exchanger_) exchanger_->close();
    proxy_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::shared_ptr<Upload> submit_into_the_void() {
    FaultRates rates;
    rates.drop = 1;
    proxy_->befall(rates, Way::kUp);
    std::shared_ptr<Upload> upload;
    EXPECT_EQ(agent_->submit(*task_, Shareable(), false, &upload).status, FLARE_OK);
    return upload;
  }
  void the_exchanger_hears_of_it() {
    proxy_->befall({}, Way::kUp);
    MessagePtr reply;
    const Outcome outcome = exchanger_->wait(*request_, kLong, &reply);
    ASSERT_EQ(outcome.status, FLARE_OK) << outcome.reason;
    EXPECT_EQ(text_header(reply->data, header::kReturnCode), "EXECUTION_RESULT_ERROR");
    EXPECT_EQ(text_header(reply->data, header::kTaskId), request_->id);
    const flare_agent_stats stats = agent_->stats();
    EXPECT_EQ(stats.results_failed, 1) << "the trainer submitted one";
    EXPECT_EQ(stats.results_delivered, 0);
  }

  std::string folder_;
  std::shared_ptr<Exchanger> exchanger_;
  std::unique_ptr<FaultProxy> proxy_;
  std::shared_ptr<Agent> agent_;
  std::shared_ptr<Request> request_;
  std::shared_ptr<Task> task_;
};

TEST_P(Answering, AResultThatWasCancelledOnItsWayIsAnsweredWithAFailure) {
  const auto upload = submit_into_the_void();
  agent_->cancel(*upload);
  EXPECT_EQ(agent_->wait(*upload, FLARE_DELIVERED, kLong).status, FLARE_ABORTED);
  std::this_thread::sleep_for(200ms);  // it is lost by now
  the_exchanger_hears_of_it();
}

TEST_P(Answering, AResultThatNobodyTookIsAnsweredWithAFailureHoweverLongThatTakes) {
  const auto upload = submit_into_the_void();
  EXPECT_EQ(agent_->wait(*upload, FLARE_DELIVERED, kLong).status, FLARE_STALLED);
  std::this_thread::sleep_for(1500ms);  // the failure itself is lost as well, more often than max_resends
  the_exchanger_hears_of_it();
}

// libzmq (seen with 4.3.4) never tries again once somebody answered with what is not ZMTP.
TEST(Connecting, AStrangerAtTheAddressIsOutlived) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr *>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 8), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr *>(&address), &size), 0);
  Resolved resolved;
  resolved.settings.token = "secret";
  resolved.settings.log_level = "error";
  resolved.sources["url"] = "the test";
  resolved.settings.url = "zmq+tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const auto agent = Agent::open(resolved);
  // A greeting of ZMTP 3 with a mechanism that nobody knows, on both connections.
  const std::string greeting = std::string("\xff\0\0\0\0\0\0\0\1\x7f\3\0", 12) + std::string(52, 'X');
  int strangers[2];
  for (int &stranger : strangers) {
    stranger = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    ASSERT_GE(stranger, 0);
    ASSERT_EQ(::send(stranger, greeting.data(), greeting.size(), MSG_NOSIGNAL), static_cast<ssize_t>(greeting.size()));
    char taken[1024];
    while (::recv(stranger, taken, sizeof taken, 0) > 0) {  // until libzmq has hung up
    }
    ::close(stranger);
  }
  ::close(listener);
  const auto exchanger = Exchanger::open(resolved);
  const auto request = std::make_shared<Request>();
  request->task_name = "train";
  Shareable content;
  content.kind = kind::kWeights;
  Block block(1 << 20);
  std::memset(block.data(), 0, block.size());
  content.body.set("w", Tensor{FLARE_FLOAT32, {1 << 18}, block.share()});
  ASSERT_EQ(exchanger->send(request, std::move(content), false).status, FLARE_OK);
  std::shared_ptr<Task> task;
  EXPECT_EQ(agent->next_task(20'000, &task).status, FLARE_OK) << "over both connections";
  task.reset();
  agent->close();
  exchanger->close();
}

INSTANTIATE_TEST_SUITE_P(Transports, Answering, testing::Values("ipc", "tcp"),
                         [](const auto &parameter) { return parameter.param; });

}  // namespace
}  // namespace flare_test
