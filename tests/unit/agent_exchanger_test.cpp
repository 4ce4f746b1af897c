// Agent and exchanger together, over each transport that fits into one process.
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "agent/agent.h"
#include "base/failure.h"
#include "exchanger/exchanger.h"

namespace flare {
namespace {

using namespace std::chrono_literals;

constexpr int64_t kLong = 20'000;

Tensor tensor(size_t floats, float first) {
  Block block(floats * sizeof(float));
  auto *values = reinterpret_cast<float *>(block.data());
  for (size_t i = 0; i < floats; ++i) values[i] = first + static_cast<float>(i % 1000);
  return {FLARE_FLOAT32, {static_cast<int64_t>(floats)}, block.share()};
}

Shareable weights(size_t floats, float first) {
  Shareable shareable;
  shareable.kind = kind::kWeights;
  shareable.body.set("w", tensor(floats, first));
  return shareable;
}

float first_of(const Shareable &shareable) {
  const Value *w = shareable.body.find("w");
  if (!w || !w->tensor()) return -1;
  float first;
  std::memcpy(&first, w->tensor()->bytes.data, sizeof first);
  return first;
}

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

class Pair : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/flare-unit-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    Resolved resolved;
    resolved.settings.token = "secret";
    resolved.settings.job_id = "job";
    resolved.settings.site = "site-1";
    resolved.settings.close_timeout = 5s;
    resolved.settings.connect_timeout = 20s;
    resolved.settings.heartbeat_interval = 200ms;
    resolved.settings.heartbeat_timeout = 5s;
    resolved.settings.log_level = "warn";
    resolved.sources["url"] = "the test";
    if (GetParam() == "memory") resolved.settings.url = "memory://" + folder_;
    if (GetParam() == "ipc") resolved.settings.url = "zmq+ipc://" + folder_ + "/x.sock";
    if (GetParam() == "tcp") resolved.settings.url = "zmq+tcp://127.0.0.1:*";
    settings_ = resolved;
    change(&settings_.settings);
    exchanger_ = Exchanger::open(settings_);
    settings_.settings.url = exchanger_->url();
    agent_ = Agent::open(settings_);
    ASSERT_EQ(agent_->wait_connected(kLong).status, FLARE_OK);
  }
  void TearDown() override {
    task_.reset();
    if (agent_) agent_->close();
    if (exchanger_) exchanger_->close();
    std::filesystem::remove_all(folder_);
  }
  virtual void change(Settings *) {}

  std::shared_ptr<Request> ask(Shareable content, const std::string &id = "", const std::string &name = "train") {
    auto request = std::make_shared<Request>();
    request->task_name = name;
    request->id = id;
    EXPECT_EQ(exchanger_->send(request, std::move(content), false).status, FLARE_OK);
    return request;
  }
  flare_status next() {
    task_.reset();
    return agent_->next_task(kLong, &task_).status;
  }
  std::shared_ptr<Upload> submit(Shareable content) {
    std::shared_ptr<Upload> upload;
    EXPECT_EQ(agent_->submit(*task_, std::move(content), false, &upload).status, FLARE_OK);
    return upload;
  }

  std::string folder_;
  Resolved settings_;
  std::shared_ptr<Exchanger> exchanger_;
  std::shared_ptr<Agent> agent_;
  std::shared_ptr<Task> task_;
};

TEST_P(Pair, ATaskGoesThereAndItsResultComesBack) {
  for (const size_t floats : {size_t{1}, size_t{1000}, size_t{20'000}, size_t{3'000'001}}) {
    Shareable content = weights(floats, 5);
    content.headers.set(header::kCurrentRound, int64_t{3});
    content.headers.set(header::kNumRounds, int64_t{10});
    const auto request = ask(content);
    ASSERT_EQ(next(), FLARE_OK);
    EXPECT_EQ(task_->name(), "train");
    EXPECT_EQ(task_->kind(), FLARE_TASK_TRAIN);
    EXPECT_EQ(task_->site(), "site-1");
    EXPECT_EQ(current_round(task_->data()), 3);
    EXPECT_EQ(total_rounds(task_->data()), 10);
    EXPECT_EQ(first_of(task_->data()), 5);
    const auto upload = submit(weights(floats, 7));
    EXPECT_EQ(agent_->wait(*upload, FLARE_ACCEPTED, kLong).status, FLARE_OK);
    EXPECT_EQ(agent_->wait(*upload, FLARE_DELIVERED, kLong).status, FLARE_OK);
    MessagePtr reply;
    ASSERT_EQ(exchanger_->wait(*request, kLong, &reply).status, FLARE_OK);
    const Tensor *w = reply->data.body.find("w")->tensor();
    const Tensor expected = tensor(floats, 7);
    ASSERT_EQ(w->bytes.size, expected.bytes.size);
    EXPECT_EQ(std::memcmp(w->bytes.data, expected.bytes.data, w->bytes.size), 0);
    EXPECT_EQ(text_header(reply->data, header::kReturnCode), "OK");
    EXPECT_EQ(current_round(reply->data), 3) << "TX-09";
  }
}

TEST_P(Pair, AResultHasItsTensorsWhereTheTaskHasThem) {
  Map layer;
  layer.set("w", tensor(3, 1));
  Shareable content = weights(1, 0);
  content.body.set("layer", std::move(layer));
  const auto request = ask(content);
  ASSERT_EQ(next(), FLARE_OK);
  Shareable result = weights(1, 0);
  result.body.set("layer/w", tensor(3, 7));
  const auto upload = submit(std::move(result));
  EXPECT_EQ(agent_->wait(*upload, FLARE_DELIVERED, kLong).status, FLARE_OK);
  MessagePtr reply;
  ASSERT_EQ(exchanger_->wait(*request, kLong, &reply).status, FLARE_OK);
  const Value *received = reply->data.body.find("layer");
  ASSERT_TRUE(received != nullptr && received->map() != nullptr);
  Shareable inner;
  inner.body = *received->map();
  EXPECT_EQ(first_of(inner), 7);
  EXPECT_EQ(reply->data.body.size(), 2u);
}

TEST_P(Pair, DescriptorsShowWhatACallWouldSay) {
  EXPECT_FALSE(readable(agent_->task_fd()));
  EXPECT_EQ(agent_->next_task(0, &task_).status, FLARE_TIMEOUT);
  const auto request = ask(weights(1, 0));
  pollfd entry{agent_->task_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&entry, 1, 20'000), 1);
  EXPECT_EQ(agent_->next_task(0, &task_).status, FLARE_OK);
  EXPECT_TRUE(readable(agent_->task_fd()));
  std::shared_ptr<Task> second;
  EXPECT_EQ(agent_->next_task(0, &second).status, FLARE_INVALID_STATE);
  const auto upload = submit(weights(1, 0));
  EXPECT_FALSE(readable(agent_->task_fd()));
  EXPECT_EQ(agent_->wait(*upload, FLARE_DELIVERED, kLong).status, FLARE_OK);
  EXPECT_TRUE(readable(upload->settled_fd.get()));
}

TEST_P(Pair, TheNextTaskComesWhenTheAgentHasAnswered) {
  const auto first = ask(weights(1, 1)), second = ask(weights(1, 2));
  ASSERT_EQ(next(), FLARE_OK);
  EXPECT_EQ(first_of(task_->data()), 1);
  submit(weights(1, 0));
  ASSERT_EQ(next(), FLARE_OK);
  EXPECT_EQ(first_of(task_->data()), 2);
  submit(weights(1, 0));
  MessagePtr reply;
  EXPECT_EQ(exchanger_->wait(*first, kLong, &reply).status, FLARE_OK);
  EXPECT_EQ(exchanger_->wait(*second, kLong, &reply).status, FLARE_OK);
}

TEST_P(Pair, AReleasedTaskIsAnsweredWithAFailure) {
  const auto request = ask(weights(1, 1));
  ASSERT_EQ(next(), FLARE_OK);
  task_.reset();
  MessagePtr reply;
  ASSERT_EQ(exchanger_->wait(*request, kLong, &reply).status, FLARE_OK);
  EXPECT_EQ(text_header(reply->data, header::kReturnCode), "EXECUTION_EXCEPTION");
  EXPECT_NE(text_header(reply->data, header::kReason).find("released"), std::string::npos);
}

TEST_P(Pair, ATaskThatIsReleasedAfterAStopIsAnsweredToo) {
  const auto request = ask(weights(1, 1));
  ASSERT_EQ(next(), FLARE_OK);
  agent_->stop();
  task_.reset();
  agent_->close();
  MessagePtr reply;
  ASSERT_EQ(exchanger_->wait(*request, kLong, &reply).status, FLARE_OK);
  EXPECT_NE(text_header(reply->data, header::kReason).find("released"), std::string::npos);
}

TEST_P(Pair, AnAgentThatClosesAnswersItsTaskFirst) {
  const auto request = ask(weights(1, 1));
  ASSERT_EQ(next(), FLARE_OK);
  agent_->close();
  MessagePtr reply;
  ASSERT_EQ(exchanger_->wait(*request, kLong, &reply).status, FLARE_OK);
  EXPECT_EQ(text_header(reply->data, header::kReturnCode), "EXECUTION_EXCEPTION");
}

TEST_P(Pair, ATaskIsAnsweredOnce) {
  const auto request = ask(weights(1, 1));
  ASSERT_EQ(next(), FLARE_OK);
  submit(weights(1, 0));
  std::shared_ptr<Upload> upload;
  EXPECT_EQ(agent_->submit(*task_, weights(1, 0), false, &upload).status, FLARE_INVALID_STATE);
  EXPECT_EQ(agent_->fail(*task_, "ERROR", "x").status, FLARE_INVALID_STATE);
}

TEST_P(Pair, AnAbortedTaskIsToldAndTheSessionGoesOn) {  // W-14
  const auto request = ask(weights(1, 1));
  ASSERT_EQ(next(), FLARE_OK);
  EXPECT_FALSE(task_->aborted());
  exchanger_->abort(request, "not needed");
  const auto deadline = Clock::now() + 20s;
  while (!task_->aborted() && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(task_->aborted());
  std::shared_ptr<Upload> upload;
  EXPECT_EQ(agent_->submit(*task_, weights(1, 0), false, &upload).status, FLARE_ABORTED);
  MessagePtr reply;
  EXPECT_EQ(exchanger_->wait(*request, kLong, &reply).status, FLARE_ABORTED);
  const auto second = ask(weights(1, 2));
  ASSERT_EQ(next(), FLARE_OK);
  EXPECT_EQ(first_of(task_->data()), 2);
}

TEST_P(Pair, EndsAreToldApart) {
  exchanger_->end("all done");
  EXPECT_EQ(agent_->next_task(kLong, &task_).status, FLARE_ENDED);
  EXPECT_EQ(agent_->state(), FLARE_STATE_ENDED);
  EXPECT_STREQ(agent_->info("close_reason"), "all done");
  EXPECT_EQ(exchanger_->send(std::make_shared<Request>(), {}, false).status, FLARE_ENDED);
}

TEST_P(Pair, AnAgentThatLeavesAfterTheEndAnswersNothingMore) {
  const auto request = ask({});
  ASSERT_EQ(next(), FLARE_OK);
  EXPECT_EQ(exchanger_->end("enough").status, FLARE_OK);
  const TimePoint deadline = Clock::now() + std::chrono::milliseconds(kLong);
  while (agent_->state() != FLARE_STATE_ENDED && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  task_.reset();
  agent_->close();
  MessagePtr reply;
  const Outcome outcome = exchanger_->wait(*request, kLong, &reply);
  EXPECT_EQ(outcome.status, FLARE_PEER_GONE);
  EXPECT_EQ(outcome.reason, "the agent left at the end of the job");
}

TEST_P(Pair, AnAbortedJobIsAborted) {
  const auto request = ask(weights(1, 1));
  ASSERT_EQ(next(), FLARE_OK);
  exchanger_->abort("the admin said so");
  MessagePtr reply;
  EXPECT_EQ(exchanger_->wait(*request, kLong, &reply).status, FLARE_ABORTED);
  std::shared_ptr<Task> none;
  Outcome outcome;
  do {
    outcome = agent_->next_task(kLong, &none);
  } while (outcome.status == FLARE_INVALID_STATE);
  EXPECT_EQ(outcome.status, FLARE_ABORTED);
  EXPECT_EQ(outcome.reason, "the admin said so");
  EXPECT_TRUE(task_->aborted());
}

TEST_P(Pair, StopEndsAWaitAtOnce) {
  std::thread stopper([this] {
    std::this_thread::sleep_for(50ms);
    agent_->stop();
  });
  EXPECT_EQ(agent_->next_task(-1, &task_).status, FLARE_STOPPED);
  stopper.join();
}

TEST_P(Pair, AnExchangerThatClosesEndsTheJob) {
  exchanger_->close();
  EXPECT_EQ(agent_->next_task(kLong, &task_).status, FLARE_ENDED);
}

TEST_P(Pair, AnExchangerThatClosesLeavesNoFile) {
  exchanger_->close();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

class PairOverIpc : public Pair {};

TEST_P(PairOverIpc, AnExchangerThatClosesLeavesTheFileOfTheNext) {
  std::filesystem::remove(folder_ + "/x.sock");
  settings_.settings.url = "zmq+ipc://" + folder_ + "/x.sock";
  const auto next = Exchanger::open(settings_);
  exchanger_->close();
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/x.sock"));
  next->close();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_P(Pair, MetricsComeInOrderAndBeforeTheResult) {
  const auto request = ask(weights(1, 1));
  ASSERT_EQ(next(), FLARE_OK);
  constexpr int kMetrics = 3000;
  for (int i = 0; i < kMetrics; ++i) EXPECT_EQ(agent_->log({"SCALAR", "loss", 0.5 * i, i, "", 0}).status, FLARE_OK);
  submit(weights(1, 0));
  MessagePtr reply;
  ASSERT_EQ(exchanger_->wait(*request, kLong, &reply).status, FLARE_OK);
  for (int i = 0; i < kMetrics; ++i) {
    Metric metric;
    ASSERT_EQ(exchanger_->next_metric(0, &metric).status, FLARE_OK) << i;
    ASSERT_EQ(metric.step, i);
  }
}

TEST_P(Pair, StatisticsCount) {
  const auto request = ask(weights(100'000, 1), "", "other");
  ASSERT_EQ(next(), FLARE_OK);
  const auto upload = submit(weights(200'000, 1));
  ASSERT_EQ(agent_->wait(*upload, FLARE_DELIVERED, kLong).status, FLARE_OK);
  const auto stats = agent_->stats();
  EXPECT_EQ(stats.tasks_received, 1);
  EXPECT_EQ(stats.results_delivered, 1);
  EXPECT_EQ(stats.bytes_received, 400'000);
  EXPECT_EQ(stats.bytes_sent, 800'000);
  EXPECT_EQ(agent_->progress(*upload).sum().bytes_done, 800'000);
}

// Results that a second receiver fetches from the exchanger (AG-10).
class TwoReceivers : public Pair {
 protected:
  void change(Settings *settings) override {
    settings->streaming_idle_timeout = 400ms;
    settings->launch_once = false;
  }
  // A result that the exchanger itself has fetched already.
  void submit_and_fetch() {
    request_ = std::make_shared<Request>();
    request_->task_name = "other";
    request_->receivers = {"site-1", "server"};
    ASSERT_EQ(exchanger_->send(request_, weights(1, 0), false).status, FLARE_OK);
    ASSERT_EQ(next(), FLARE_OK);
    upload_ = submit(weights(100'000, 7));
    ASSERT_EQ(exchanger_->wait(*request_, kLong, &reply_).status, FLARE_OK);
    EXPECT_EQ(agent_->wait(*upload_, FLARE_ACCEPTED, kLong).status, FLARE_OK);
  }
  Outcome delivered(int64_t timeout = kLong) { return agent_->wait(*upload_, FLARE_DELIVERED, timeout); }

  std::shared_ptr<Request> request_;
  std::shared_ptr<Upload> upload_;
  MessagePtr reply_;
};

TEST_P(TwoReceivers, ItIsDeliveredWhenTheLastOneSaysSo) {
  submit_and_fetch();
  EXPECT_EQ(delivered(50).status, FLARE_TIMEOUT);
  EXPECT_FALSE(agent_->should_exit());
  EXPECT_EQ(exchanger_->confirm(*reply_, "server", true, "").status, FLARE_OK);
  EXPECT_EQ(delivered().status, FLARE_OK);
  EXPECT_TRUE(agent_->should_exit()) << "AG-43, launch_once false";
  const UploadSnapshot end = agent_->progress(*upload_);
  EXPECT_EQ(end.state, FLARE_UPLOAD_DELIVERED);
  ASSERT_EQ(end.receivers.size(), 2u);
  EXPECT_EQ(end.receivers[1].name, "server");
  EXPECT_EQ(end.receivers[1].bytes, 400'000);
}

TEST_P(TwoReceivers, ProgressOfTheSlowOneKeepsTheGateOpen) {
  submit_and_fetch();
  UploadSnapshot news;
  for (int64_t bytes = 50'000; bytes <= 400'000; bytes += 50'000) {
    std::this_thread::sleep_for(100ms);
    EXPECT_EQ(exchanger_->report(*reply_, "server", bytes).status, FLARE_OK);
    while (news.receivers.empty() || news.receivers[1].bytes < bytes) {
      ASSERT_EQ(agent_->wait_progress(*upload_, news.changes, kLong, &news).status, FLARE_OK);
      ASSERT_NE(news.state, FLARE_UPLOAD_FAILED);
    }
  }
  EXPECT_EQ(exchanger_->confirm(*reply_, "server", true, "").status, FLARE_OK);
  EXPECT_EQ(delivered().status, FLARE_OK) << "twice the idle timeout has passed since the submit";
}

TEST_P(TwoReceivers, OneThatNeverStartsIsNamed) {
  submit_and_fetch();
  const Outcome outcome = delivered();
  EXPECT_EQ(outcome.status, FLARE_STALLED);
  EXPECT_NE(outcome.reason.find("receiver=server did not start"), std::string::npos) << outcome.reason;
  EXPECT_NE(outcome.reason.find("streaming_idle_timeout"), std::string::npos) << outcome.reason;
  EXPECT_EQ(agent_->progress(*upload_).receivers[0].state, FLARE_UPLOAD_DELIVERED);
  EXPECT_EQ(agent_->progress(*upload_).receivers[1].state, FLARE_UPLOAD_FAILED);
  EXPECT_FALSE(agent_->should_exit());
}

TEST_P(TwoReceivers, OneThatStallsIsGivenUp) {
  submit_and_fetch();
  exchanger_->report(*reply_, "server", 1000);
  const Outcome outcome = delivered();
  EXPECT_EQ(outcome.status, FLARE_STALLED);
  EXPECT_NE(outcome.reason.find("stalled"), std::string::npos) << outcome.reason;
  EXPECT_NE(outcome.reason.find("401000 of 800000 bytes"), std::string::npos) << outcome.reason;
}

TEST_P(TwoReceivers, OneThatFailsEndsItWithItsReason) {
  submit_and_fetch();
  exchanger_->confirm(*reply_, "server", false, "its disk is full");
  const Outcome outcome = delivered();
  EXPECT_EQ(outcome.status, FLARE_ABORTED);
  EXPECT_NE(outcome.reason.find("ended with state=failed"), std::string::npos) << outcome.reason;
  EXPECT_NE(outcome.reason.find("its disk is full"), std::string::npos) << outcome.reason;
}

TEST_P(TwoReceivers, AStopGivesTheLastGraceAndNoMore) {
  submit_and_fetch();
  const TimePoint begin = Clock::now();
  agent_->stop();
  exchanger_->confirm(*reply_, "server", true, "");
  EXPECT_EQ(delivered().status, FLARE_OK) << "it was under way";
  EXPECT_LT(Clock::now() - begin, 5s);
}

TEST_P(TwoReceivers, AStopEndsTheWaitForOneThatSaysNothing) {
  settings_.settings.streaming_idle_timeout = 600s;
  submit_and_fetch();
  agent_->stop();
  EXPECT_EQ(delivered().status, FLARE_STOPPED);
}

TEST_P(TwoReceivers, WordsOfStrangersAndOfTheFetcherItselfAreRefused) {
  submit_and_fetch();
  exchanger_->confirm(*reply_, "stranger", true, "");
  exchanger_->report(*reply_, "site-1", 1);
  EXPECT_EQ(delivered(200).status, FLARE_TIMEOUT);
  EXPECT_EQ(agent_->stats().frames_rejected, 2);
  exchanger_->confirm(*reply_, "server", true, "");
  EXPECT_EQ(delivered().status, FLARE_OK);
}

// AG-34: a stop and the last confirmation at the same time. Whoever is first, the wait ends, and with the truth.
TEST_P(TwoReceivers, AStopAndTheLastConfirmationMayMeet) {
  for (int i = 0; i < 30; ++i) {
    submit_and_fetch();
    std::thread confirming([&] { exchanger_->confirm(*reply_, "server", true, ""); });
    std::thread stopping([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(i * 10));
      agent_->stop();
    });
    const Outcome outcome = delivered();
    confirming.join();
    stopping.join();
    EXPECT_EQ(outcome.status, FLARE_OK) << "it was on its way: " << outcome.reason;
    EXPECT_EQ(agent_->progress(*upload_).state, FLARE_UPLOAD_DELIVERED);
    task_.reset();
    agent_->close();
    agent_ = Agent::open(settings_);
    ASSERT_EQ(agent_->wait_connected(kLong).status, FLARE_OK);
  }
}

// At the limits of what may be under way, and one beyond: refused with a reason, and nothing is lost.
class AtTheLimits : public TwoReceivers {
 protected:
  void change(Settings *settings) override {
    settings->launch_once = true;
    settings->limits.max_uploads = 2;
    settings->limits.max_metrics = 3;
    settings->limits.max_receivers = 4;
  }
};

TEST_P(AtTheLimits, AResultTooManyCanBeSubmittedLater) {
  submit_and_fetch();
  const auto first = upload_;
  const MessagePtr first_reply = reply_;
  submit_and_fetch();
  const auto request = ask(weights(1, 0), "third", "other");
  ASSERT_EQ(next(), FLARE_OK);
  std::shared_ptr<Upload> upload;
  const Outcome refused = agent_->submit(*task_, weights(1, 7), false, &upload);
  EXPECT_EQ(refused.status, FLARE_INVALID_STATE);
  EXPECT_NE(refused.reason.find("2 results are still on their way"), std::string::npos) << refused.reason;
  EXPECT_EQ(exchanger_->confirm(*first_reply, "server", true, "").status, FLARE_OK);
  EXPECT_EQ(agent_->wait(*first, FLARE_DELIVERED, kLong).status, FLARE_OK);
  upload = submit(weights(1, 7));
  EXPECT_EQ(agent_->wait(*upload, FLARE_DELIVERED, kLong).status, FLARE_OK);
  EXPECT_EQ(exchanger_->confirm(*reply_, "server", true, "").status, FLARE_OK);
  EXPECT_EQ(delivered().status, FLARE_OK);
}

TEST_P(AtTheLimits, ATaskWithTooManyReceiversIsRefusedForGood) {
  const auto send = [&](size_t receivers) {
    auto request = std::make_shared<Request>();
    request->task_name = "other";
    for (size_t i = 0; i < receivers; ++i) request->receivers.push_back("receiver-" + std::to_string(i));
    EXPECT_EQ(exchanger_->send(request, weights(1, 0), false).status, FLARE_OK);
    return request;
  };
  MessagePtr none;
  const Outcome refused = exchanger_->wait(*send(5), kLong, &none);
  EXPECT_LT(refused.status, 0);
  EXPECT_NE(refused.reason.find("more than 4 receivers"), std::string::npos) << refused.reason;
  send(4);
  EXPECT_EQ(next(), FLARE_OK);
}

TEST_P(AtTheLimits, OfMetricsThatNobodyReadsTheLastAreKept) {
  for (const int64_t step : {0, 1, 2, 3, 4}) {
    EXPECT_EQ(agent_->log({"SCALAR", "loss", 1.0, step, "", 0}).status, FLARE_OK);
    while (agent_->stats().metrics_sent <= step) std::this_thread::sleep_for(1ms);
  }
  Metric metric;
  for (const int64_t step : {2, 3, 4}) {
    ASSERT_EQ(exchanger_->next_metric(kLong, &metric).status, FLARE_OK);
    EXPECT_EQ(metric.step, step);
  }
  EXPECT_EQ(exchanger_->next_metric(0, &metric).status, FLARE_TIMEOUT);
}

INSTANTIATE_TEST_SUITE_P(Transports, AtTheLimits, testing::Values("memory", "ipc"),
                         [](const auto &parameter) { return parameter.param; });

INSTANTIATE_TEST_SUITE_P(Transports, TwoReceivers, testing::Values("memory", "ipc", "tcp"),
                         [](const auto &parameter) { return parameter.param; });

INSTANTIATE_TEST_SUITE_P(Transports, PairOverIpc, testing::Values("ipc"),
                         [](const auto &parameter) { return parameter.param; });
INSTANTIATE_TEST_SUITE_P(Transports, Pair, testing::Values("memory", "ipc", "tcp"),
                         [](const auto &parameter) { return parameter.param; });

}  // namespace
}  // namespace flare
