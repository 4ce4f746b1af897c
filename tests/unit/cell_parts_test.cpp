// The parts of NVFlare's own pipe, on a cell that does nothing: what they ask of it, and when.
#include <gmock/gmock.h>

#include <set>

#include "base/failure.h"
#include "fobs/shareable.h"
#include "pipe/cell/array_answers.h"
#include "pipe/cell/cell_words.h"
#include "pipe/cell/messages_out.h"
#include "pipe/cell/pipe_blobs.h"
#include "pipe/cell/task_downloads.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr TimePoint kStart{1h};

class FakeCell : public CellCalls {
 public:
  std::string request(Blob blob, Duration) override {
    requests.push_back(std::move(blob));
    return std::to_string(requests.size());
  }
  void cancel(const std::string &request_id, const std::string &) override { cancelled.push_back(request_id); }
  int64_t answer(const StreamCell::Received &, std::string_view, Blob) override { return ++streams; }
  void refuse(const StreamCell::Received &, const std::string &) override {}
  void stop(int64_t stream_id, const std::string &) override { stopped.push_back(stream_id); }
  int64_t notify(Blob) override { return ++streams; }

  std::vector<Blob> requests;
  std::vector<std::string> cancelled;
  std::vector<int64_t> stopped;
  int64_t streams = 0;
};

StreamCell::Answered answered(const std::string &id, std::string_view code, bool local = false) {
  StreamCell::Answered answered;
  answered.request_id = id;
  answered.return_code = code;
  answered.local = local;
  return answered;
}

Shareable with_array() {
  Shareable shareable;
  shareable.kind = kind::kWeights;
  shareable.body.set("w", Tensor{FLARE_FLOAT32, {1}, copy_bytes("\0\0\0\0", 4)});
  return shareable;
}

// ---- What goes out

struct Out {
  Out() {
    ClientApiConfig config;
    config.task_channel = "task";
    config.metric_channel = "metric";
    PipeHandler::Options options;
    options.max_resends = 0;
    handler = std::make_unique<PipeHandler>(options, Limits());
    out = std::make_unique<MessagesOut>(config, "peer", 60s, &cell, handler.get());
  }
  void send(const std::string &id, std::string_view topic, size_t contents, Duration timeout = 10s) {
    Message message;
    message.id = id;
    message.topic = topic;
    const auto shared = std::make_shared<Message>(message);
    SendOptions options;
    options.timeout = timeout;
    options.receivers = {"site-2"};
    out->add(shared, std::vector<Chain>(contents), options);
    handler->send(shared, timeout, kStart);
    handler->take_actions();
    out->transmit(id, true, kStart);
    out->ask_metrics();
  }
  // "" while it is not decided.
  std::string decided() const {
    std::string all;
    for (const auto &action : handler->take_actions()) {
      const auto *sent = std::get_if<PipeHandler::Sent>(&action);
      if (sent) all += (sent->accepted ? "accepted " : "not accepted ") + sent->id + " " + sent->reason;
    }
    return all;
  }

  FakeCell cell;
  std::unique_ptr<PipeHandler> handler;
  std::unique_ptr<MessagesOut> out;
};

TEST(CellParts, AMessageIsTakenWhenItIsAnsweredAndABatchWhenAllOfItIs) {
  Out out;
  out.send("a", "train", 1);
  out.send("b", topic::kMetric, 2);
  ASSERT_THAT(out.cell.requests, SizeIs(3));
  EXPECT_EQ(out.cell.requests[0].channel, "cell_pipe.task");
  EXPECT_EQ(out.cell.requests[1].channel, "cell_pipe.metric");
  EXPECT_NE(text_of(out.cell.requests[1].headers, pipe_key::kMessageId),
            text_of(out.cell.requests[2].headers, pipe_key::kMessageId));
  out.out->on_answered(answered("1", return_code::kOk), kStart);
  EXPECT_EQ(out.decided(), "accepted a ");
  out.out->on_answered(answered("2", return_code::kOk), kStart);
  EXPECT_EQ(out.decided(), "");
  out.out->on_answered(answered("3", return_code::kOk), kStart);
  EXPECT_EQ(out.decided(), "accepted b ");
}

TEST(CellParts, MetricsThatNobodyWantsAreTaken) {
  Out out;
  out.send("a", topic::kMetric, 0);
  EXPECT_THAT(out.cell.requests, IsEmpty());
  EXPECT_EQ(out.decided(), "accepted a ");
}

TEST(CellParts, WhatIsLostHereIsNoAttempt) {
  Out out;
  out.send("a", "train", 1);
  out.out->on_answered(answered("1", return_code::kCommError, true), kStart);
  EXPECT_EQ(out.decided(), "");
  out.send("b", "train", 1);
  out.out->on_lost("gone", kStart);
  EXPECT_EQ(out.decided(), "");
  EXPECT_THAT(out.cell.cancelled, ElementsAre("2"));
}

TEST(CellParts, AnAttemptIsNotOverWhileArraysAreFetched) {
  Out out;
  out.send("a", "train", 1, 10s);
  TransferEvent event;
  event.transaction = "a";
  event.receiver = "some cell";
  EXPECT_TRUE(out.out->on_fetched(&event, kStart + 5s));
  EXPECT_EQ(event.receiver, "site-2");
  out.out->on_answered(answered("1", return_code::kTimeout), kStart + 14s);
  EXPECT_EQ(out.decided(), "");
  out.out->transmit("a", true, kStart + 16s);
  out.out->on_answered(answered("2", return_code::kTimeout), kStart + 26s);
  EXPECT_EQ(out.decided(), "not accepted a the peer answered timeout");
}

TEST(CellParts, WhatIsForgottenIsAskedNoMore) {
  Out out;
  out.send("a", topic::kMetric, 200);
  const size_t asked = out.cell.requests.size();
  EXPECT_LT(asked, 200u) << "they leave room for others";
  out.out->forget("a", "enough");
  EXPECT_THAT(out.cell.cancelled, SizeIs(asked));
  EXPECT_FALSE(out.out->ask_metrics());
  out.out->on_answered(answered("1", return_code::kOk), kStart);
  EXPECT_EQ(out.decided(), "");
}

// ---- What comes

struct Downloads {
  void add(const std::string &id) {
    Message task;
    task.id = id;
    const auto written = fobs::write_shareable(with_array(), fobs::ByReference{"peer", "ref"}, {});
    downloads.add(std::make_shared<Message>(task), fobs::decode(fobs::encode(written.message).join(), {}));
    downloads.ask();
  }

  FakeCell cell;
  TaskKeys keys{2};
  TaskDownloads downloads{{}, &cell, &keys};
};

TEST(CellParts, ATaskThatCannotBeFetchedIsLostAndNotAskedForAnyMore) {
  Downloads tasks;
  tasks.add("t1");
  tasks.add("t2");
  EXPECT_THAT(tasks.cell.requests, SizeIs(2));
  EXPECT_FALSE(tasks.downloads.take_finished());
  EXPECT_TRUE(tasks.downloads.on_answered(answered("1", return_code::kInvalidRequest), kStart));
  const auto lost = tasks.downloads.take_finished();
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->task->id, "t1");
  EXPECT_NE(lost->status, FLARE_OK);
  EXPECT_THAT(tasks.cell.cancelled, IsEmpty());
  tasks.downloads.fail_all(FLARE_STOPPED, "enough");
  EXPECT_EQ(tasks.downloads.take_finished()->reason, "enough");
  EXPECT_THAT(tasks.cell.cancelled, ElementsAre("2"));
  EXPECT_EQ(tasks.downloads.under_way(), 0u);
  EXPECT_FALSE(tasks.downloads.on_answered(answered("2", return_code::kOk), kStart));
}

TEST(CellParts, ThatNobodyAnswersIsSaidOnce) {
  Downloads tasks;
  tasks.add("t1");
  tasks.downloads.on_answered(answered("1", return_code::kCommError, true), kStart);
  EXPECT_THAT(tasks.downloads.take_unanswered(), IsEmpty()) << "it was lost here";
  for (int i = 2; i < 4; ++i) {
    tasks.downloads.on_time(*tasks.downloads.deadline());
    tasks.downloads.ask();
    tasks.downloads.on_answered(answered(std::to_string(i), return_code::kTimeout), kStart);
    EXPECT_THAT(tasks.downloads.take_unanswered(), SizeIs(i == 2 ? 1 : 0));
  }
}

TEST(CellParts, KeysAreKeptOfTheLastTasks) {
  TaskKeys keys(2);
  for (const char *task : {"a", "b", "c"}) keys.keep(task, {{"way", fobs::Object(int64_t{1})}});
  EXPECT_THAT(keys.of("a"), IsEmpty());
  EXPECT_THAT(keys.of("b"), SizeIs(1));
  keys.forget("b");
  EXPECT_THAT(keys.of("b"), IsEmpty());
  EXPECT_THAT(keys.of("c"), SizeIs(1));
}

TEST(CellParts, OnlyAnswersThatHaveArraysAreTakenBack) {
  FakeCell cell;
  ArraySource source{Limits()};
  ArrayAnswers answers(Limits(), &source, &cell);
  source.add("result", "ref", fobs::write_shareable(with_array(), fobs::ByReference{"us", "ref"}, {}).items, 1, 60,
             to_seconds(kStart));
  StreamCell::Received received;
  received.origin = "somebody";
  received.content = fobs::encode(fobs::write_request({"ref", {}})).join();
  EXPECT_GT(answers.serve(received, kStart), 0);
  received.content = fobs::encode(fobs::write_request({"ref", fobs::Dict{{"start", 0}, {"count", 1}}})).join();
  answers.serve(received, kStart);  // that it was all
  received.content = copy_bytes("?", 1);
  EXPECT_THROW(answers.serve(received, kStart), Failure);
  answers.on_sent({2, ""}, kStart);
  EXPECT_THAT(source.take_settled(), SizeIs(1)) << "the last answer has left";
  answers.take_back("result");
  EXPECT_THAT(cell.stopped, testing::Each(1));
}

}  // namespace
}  // namespace flare
