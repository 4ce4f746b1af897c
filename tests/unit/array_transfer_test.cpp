// Arrays from a source to a download, as NVFlare's two ends do it; with the answers in between as bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/failure.h"
#include "fobs/classes.h"
#include "fobs/npz.h"
#include "fobs/value_write.h"
#include "pipe/cell/array_download.h"
#include "pipe/cell/array_source.h"

namespace flare {
namespace {

using testing::HasSubstr;
using State = ArrayDownload::State;

Tensor floats(int64_t count, float first = 0) {
  Block block(static_cast<size_t>(count) * sizeof(float));
  for (int64_t i = 0; i < count; ++i) {
    const float value = first + static_cast<float>(i);
    std::memcpy(block.data() + static_cast<size_t>(i) * sizeof value, &value, sizeof value);
  }
  return {FLARE_FLOAT32, {count}, block.share()};
}

fobs::Source from(const std::string &ref, size_t items = 0) {
  return {fobs::dot::kArrays, "site-1_job_active", ref, items};
}

// Both ends and a clock. What the download asks, the source is given as whoever asks.
class ArrayTransfer : public testing::Test {
 protected:
  void offer(std::vector<Tensor> items, int64_t receivers = 1) {
    source_.add("result", "ref", std::move(items), receivers, 300, now_);
  }
  // One request and its answer, until there is none.
  void carry(ArrayDownload *download, const std::string &receiver = "server.job") {
    for (auto requests = download->take_requests(); !requests.empty(); requests = download->take_requests()) {
      for (const auto &request : requests) answer(download, request, receiver);
    }
  }
  ArraySource::Answer answer(ArrayDownload *download, const ArrayDownload::Request &request,
                             const std::string &receiver) {
    EXPECT_EQ(request.fqcn, "site-1_job_active");
    const Bytes asked = fobs::encode(request.content).join();
    ArraySource::Answer answer = source_.serve(fobs::read_request(fobs::decode(asked, {})), receiver, now_);
    Bytes content;
    if (answer.content) content = fobs::encode(*answer.content).join();
    sizes_.push_back(content.size);
    download->on_answer(request.cursor, answer.return_code, content, now_);
    if (!answer.finished.empty() && answers_leave_) source_.on_left(answer.finished, now_);
    return answer;
  }
  ArrayDownload download(const std::string &ref = "ref", size_t items = 0) {
    return ArrayDownload({from(ref, items)}, {});
  }

  static void expect_items(const fobs::Downloads &downloads, const std::vector<Tensor> &expected) {
    const fobs::Items &items = downloads.at(fobs::dot::kArrays);
    ASSERT_EQ(items.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto found = items.find(fobs::item_name(i));
      ASSERT_NE(found, items.end()) << i;
      const auto *tensor = std::get_if<Tensor>(&found->second.data());
      ASSERT_NE(tensor, nullptr);
      EXPECT_EQ(tensor->dtype, expected[i].dtype);
      EXPECT_EQ(tensor->shape, expected[i].shape);
      EXPECT_EQ(tensor->bytes.text(), expected[i].bytes.text());
    }
  }

  double now_ = 1000;
  ArraySource source_{Limits()};
  std::vector<size_t> sizes_;  // of the answers
  bool answers_leave_ = true;
};

TEST_F(ArrayTransfer, EveryArrayArrivesAndTheEndIsFetched) {
  const std::vector<Tensor> items = {floats(3), floats(0), floats(1 << 20, 7), floats(1 << 19, 1), floats(3 << 20, 5)};
  offer(items);
  auto download = this->download();
  carry(&download);
  ASSERT_EQ(download.state(), State::kComplete) << download.reason();
  expect_items(download.take_downloads(), items);
  // Two small ones, one of 4 MiB, one of 2 MiB, one of 12 MiB, and the end.
  EXPECT_EQ(sizes_.size(), 5u);
  const auto settled = source_.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].transaction, "result");
  EXPECT_EQ(settled[0].status, FLARE_OK);
  EXPECT_EQ(source_.live(), 0u) << "nothing of it is kept";
}

TEST_F(ArrayTransfer, ProgressIsToldOfEachAnswerAndTheEnd) {
  offer({floats(1 << 20), floats(1 << 20)});
  auto download = this->download();
  carry(&download);
  const auto told = source_.take_progress();
  ASSERT_GE(told.size(), 3u);
  int64_t bytes = 0;
  for (const TransferEvent &event : told) {
    EXPECT_EQ(event.transaction, "result");
    EXPECT_EQ(event.receiver, "server.job");
    EXPECT_GE(event.bytes, bytes);
    bytes = event.bytes;
  }
  EXPECT_EQ(bytes, 8 << 20);
  EXPECT_EQ(told.back().state, TransferState::kCompleted);
  EXPECT_EQ(told.back().items, 2);
}

TEST_F(ArrayTransfer, ItIsOverWhenAllReceiversHaveIt) {
  offer({floats(10)}, 2);
  auto first = download(), second = download();
  carry(&first, "site-1");
  EXPECT_TRUE(source_.take_settled().empty());
  carry(&second, "site-2");
  ASSERT_EQ(source_.take_settled().size(), 1u);
}

TEST_F(ArrayTransfer, WithoutTheEndItIsNotDelivered) {
  offer({floats(10)});
  auto download = this->download();
  answer(&download, download.take_requests().at(0), "server.job");
  EXPECT_TRUE(source_.take_settled().empty());
  now_ += 301;
  source_.on_time(now_);
  const auto settled = source_.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].status, FLARE_STALLED);
}

TEST_F(ArrayTransfer, ItIsNotOverBeforeItsLastAnswerHasLeft) {
  answers_leave_ = false;
  offer({floats(10)});
  auto download = this->download();
  carry(&download);
  source_.on_time(now_ + 4);
  EXPECT_TRUE(source_.take_settled().empty());
  source_.on_left("result", now_ + 4);
  EXPECT_EQ(source_.take_settled().size(), 1u);
}

TEST_F(ArrayTransfer, AnAnswerThatIsNotSeenToLeaveIsWaitedForNotForEver) {
  answers_leave_ = false;
  offer({floats(10)});
  auto download = this->download();
  carry(&download);
  ASSERT_EQ(source_.deadline(), now_ + 5);
  source_.on_time(now_ + 5);
  EXPECT_EQ(source_.take_settled().size(), 1u);
}

TEST_F(ArrayTransfer, ARequestThatIsNotAnsweredIsMadeAgain) {
  offer({floats(10)});
  auto download = this->download();
  for (double wait : {2.0, 4.0, 8.0}) {
    ASSERT_EQ(download.take_requests().size(), 1u);
    download.on_answer(0, "timeout", {}, now_);
    ASSERT_EQ(download.deadline(), now_ + wait);
    EXPECT_TRUE(download.take_requests().empty()) << "not before";
    now_ += wait;
    download.on_time(now_);
  }
  carry(&download);
  EXPECT_EQ(download.state(), State::kComplete);
}

TEST_F(ArrayTransfer, ItFailsWhenNobodyEverAnswers) {
  auto download = this->download();
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(download.take_requests().size(), 1u);
    download.on_answer(0, "timeout", {}, now_);
    now_ += 60;
    download.on_time(now_);
  }
  EXPECT_EQ(download.state(), State::kFailed);
  EXPECT_THAT(download.reason(), HasSubstr("did not answer 10 times"));
  EXPECT_FALSE(download.deadline());
}

TEST_F(ArrayTransfer, RequestsThatAreLostHereCountForNothing) {
  offer({floats(10), floats(1 << 20)});
  auto download = this->download();
  answer(&download, download.take_requests().at(0), "server.job");
  for (int i = 0; i < 100; ++i) {
    const auto requests = download.take_requests();
    ASSERT_EQ(requests.size(), 1u) << i;
    download.on_not_sent(0, now_);
    ASSERT_TRUE(download.deadline());
    EXPECT_TRUE(download.take_requests().empty()) << "not before";
    now_ = *download.deadline();
    download.on_time(now_);
  }
  carry(&download);
  EXPECT_EQ(download.state(), State::kComplete) << download.reason();
}

TEST_F(ArrayTransfer, ARefNobodyHasFailsAtOnceAndNamesTheCell) {
  auto download = this->download("other");
  carry(&download);
  EXPECT_EQ(download.state(), State::kFailed);
  EXPECT_EQ(download.status(), FLARE_IO) << "nobody has taken the task back";
  EXPECT_THAT(download.reason(), HasSubstr("'site-1_job_active' answered invalid_request"));
}

TEST_F(ArrayTransfer, WhatWasCancelledIsNotServedAnyMore) {
  offer({floats(10)});
  source_.cancel("result", FLARE_STOPPED, "the trainer was stopped", now_);
  const auto settled = source_.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].status, FLARE_STOPPED);
  EXPECT_EQ(settled[0].reason, "the trainer was stopped");
  auto download = this->download();
  carry(&download);
  EXPECT_EQ(download.state(), State::kFailed);
  source_.cancel("result", FLARE_ABORTED, "again", now_);
  EXPECT_TRUE(source_.take_settled().empty());
}

TEST_F(ArrayTransfer, AReceiverThatHadItAllMayAskAgain) {
  offer({floats(10)});
  auto download = this->download();
  carry(&download);
  auto again = this->download();
  carry(&again);
  EXPECT_EQ(again.state(), State::kComplete) << "the end at once, without arrays";
  EXPECT_TRUE(again.take_downloads().at(fobs::dot::kArrays).empty());
}

TEST_F(ArrayTransfer, StatesThatNeverWereGetNothing) {
  offer({floats(10), floats(10)});
  const auto asked = [&](fobs::Object state) {
    return source_.serve({"ref", std::move(state)}, "server.job", now_).return_code;
  };
  EXPECT_EQ(asked(fobs::Dict{{"start", -1}, {"count", 1}}), "process_exception");
  EXPECT_EQ(asked(fobs::Dict{{"start", 2}, {"count", 1}}), "process_exception");
  EXPECT_EQ(asked(fobs::Dict{{"start", INT64_MAX}, {"count", INT64_MAX}}), "process_exception");
  EXPECT_EQ(asked(fobs::Dict{{"start", "0"}, {"count", 1}}), "process_exception");
  EXPECT_EQ(asked("begin"), "process_exception");
  EXPECT_EQ(asked(fobs::Dict{{"start", 0}, {"count", 1}}), "ok");
  EXPECT_TRUE(source_.take_settled().empty());
}

TEST_F(ArrayTransfer, AnswersThatAreNoneEndIt) {
  auto download = this->download();
  download.take_requests();
  const std::string nonsense = "nonsense";
  download.on_answer(0, "ok", {nullptr, reinterpret_cast<const std::byte *>(nonsense.data()), nonsense.size()}, now_);
  EXPECT_EQ(download.state(), State::kFailed);
  EXPECT_EQ(download.status(), FLARE_PROTOCOL);

  auto other = this->download();
  other.take_requests();
  fobs::DownloadReply reply;
  reply.state = fobs::Dict{{"start", 0}, {"count", 1}};
  reply.items.emplace_back(Bytes{nullptr, reinterpret_cast<const std::byte *>(nonsense.data()), nonsense.size()});
  other.on_answer(0, "ok", fobs::encode(fobs::write_reply(std::move(reply))).join(), now_);
  EXPECT_EQ(other.state(), State::kFailed);
  EXPECT_EQ(other.status(), FLARE_PROTOCOL);
}

TEST_F(ArrayTransfer, AnOwnerThatNeverEndsIsGivenUp) {
  fobs::ReadRules rules;
  rules.limits.max_tensors = 100;
  ArrayDownload download({from("ref")}, rules);
  int answers = 0;
  for (auto requests = download.take_requests(); !requests.empty() && answers < 1000;
       requests = download.take_requests()) {
    fobs::DownloadReply reply;
    reply.state = fobs::Dict{{"start", 0}, {"count", 1}};
    reply.items.emplace_back(fobs::write_npz("T0", floats(1)));
    download.on_answer(0, "ok", fobs::encode(fobs::write_reply(std::move(reply))).join(), now_);
    ++answers;
  }
  EXPECT_EQ(answers, 101);
  EXPECT_EQ(download.state(), State::kFailed);
  EXPECT_EQ(download.status(), FLARE_TOO_LARGE);
}

std::vector<Tensor> of_a_mebibyte(size_t count) {
  std::vector<Tensor> items;
  for (size_t i = 0; i < count; ++i) items.push_back(floats(1 << 18, static_cast<float>(i)));
  return items;
}

size_t start_asked(const ArrayDownload::Request &request) {
  const fobs::DownloadRequest asked = fobs::read_request(request.content);
  const auto number = [&](const char *name) {
    const fobs::Object *found = asked.state.find(name);
    return found == nullptr ? 0 : static_cast<size_t>(std::get<int64_t>(found->data()));
  };
  return number("start") + number("count");
}

TEST_F(ArrayTransfer, TwoRequestsOfALongDownloadAreUnderWay) {
  const auto items = of_a_mebibyte(20);
  offer(items);
  auto download = this->download("ref", items.size());
  auto requests = download.take_requests();
  ASSERT_EQ(requests.size(), 1u) << "how much an answer has is not known yet";
  answer(&download, requests[0], "server.job");
  requests = download.take_requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(start_asked(requests[0]) + start_asked(requests[1]), 1u + 11u) << "half of what is left each";
  for (const auto &request : requests) answer(&download, request, "server.job");
  carry(&download);
  ASSERT_EQ(download.state(), State::kComplete) << download.reason();
  expect_items(download.take_downloads(), items);
  EXPECT_EQ(download.bytes(), static_cast<int64_t>(items.size()) * ((1 << 20) + 128)) << "each was sent once";
}

TEST_F(ArrayTransfer, AShortDownloadIsOneRequestAfterTheOther) {
  const std::vector<Tensor> items = {floats(1 << 18), floats(10), floats(10), floats(1 << 19)};
  offer(items);
  auto download = this->download("ref", items.size());
  for (auto requests = download.take_requests(); !requests.empty(); requests = download.take_requests()) {
    ASSERT_EQ(requests.size(), 1u);
    answer(&download, requests[0], "server.job");
  }
  EXPECT_EQ(download.state(), State::kComplete);
  expect_items(download.take_downloads(), items);
  EXPECT_EQ(sizes_.size(), 3u) << "three, one, and the end";
}

TEST_F(ArrayTransfer, WhoIsDoneTakesOverHalfOfWhatTheOtherHasLeft) {
  const auto items = of_a_mebibyte(30);
  offer(items);
  auto download = this->download("ref", items.size());
  answer(&download, download.take_requests().at(0), "server.job");
  auto requests = download.take_requests();
  ASSERT_EQ(requests.size(), 2u);
  const auto slow = requests[0];
  for (std::vector<ArrayDownload::Request> fast = {requests[1]}; !fast.empty(); fast = download.take_requests()) {
    ASSERT_EQ(fast.size(), 1u);
    EXPECT_NE(start_asked(fast[0]), items.size()) << "the end is for the last to ask for";
    answer(&download, fast[0], "server.job");
  }
  EXPECT_GT(download.bytes(), 28 << 20);
  EXPECT_EQ(download.state(), State::kRunning);
  answer(&download, slow, "server.job");
  carry(&download);
  ASSERT_EQ(download.state(), State::kComplete) << download.reason();
  expect_items(download.take_downloads(), items);
  ASSERT_EQ(source_.take_settled().size(), 1u);
}

// Items of any sizes, answers in any order, some of them lost: whatever happens, the end is asked for when everything
// else is there, as the owner forgets the arrays then.
TEST_F(ArrayTransfer, InWhateverOrderAnswersComeTheEndIsTheLast) {
  std::mt19937 random(20261130);
  const auto below = [&](size_t limit) { return random() % limit; };
  for (int run = 0; run < 300; ++run) {
    SCOPED_TRACE(run);
    ArraySource source{Limits()};
    std::vector<Tensor> items;
    for (size_t i = 0, count = 1 + below(40); i < count; ++i) {
      items.push_back(floats(static_cast<int64_t>(below(5) == 0 ? 1 << (10 + below(10)) : below(100))));
    }
    source.add("result", "ref", items, 1, 300, now_);
    // What a message refers to may be less than there is.
    auto download = this->download("ref", below(4) == 0 ? below(items.size() + 1) : items.size());
    std::vector<ArrayDownload::Request> pending = download.take_requests();
    while (download.state() == State::kRunning) {
      if (pending.empty()) {
        ASSERT_TRUE(download.deadline());
        now_ = *download.deadline();
        download.on_time(now_);
      } else {
        const auto next = pending.begin() + static_cast<std::ptrdiff_t>(below(pending.size()));
        const auto request = *next;
        pending.erase(next);
        ASSERT_LE(start_asked(request), items.size());
        if (start_asked(request) == items.size()) {
          ASSERT_TRUE(pending.empty());
        }
        const size_t fate = below(10);
        if (fate == 0) {
          download.on_not_sent(request.cursor, now_);
        } else if (fate == 1) {
          download.on_answer(request.cursor, "timeout", {}, now_);
        } else {
          const Bytes asked = fobs::encode(request.content).join();
          const auto answer = source.serve(fobs::read_request(fobs::decode(asked, {})), "server.job", now_);
          Bytes content;
          if (answer.content) content = fobs::encode(*answer.content).join();
          download.on_answer(request.cursor, answer.return_code, content, now_);
        }
      }
      for (auto &request : download.take_requests()) pending.push_back(std::move(request));
      ASSERT_LE(pending.size(), 2u);
    }
    ASSERT_EQ(download.state(), State::kComplete) << download.reason();
    expect_items(download.take_downloads(), items);
  }
}

// Which no message of NVFlare's does. Its owner says that it is the end, and forgets the arrays.
TEST_F(ArrayTransfer, AMessageThatRefersToMoreArraysThanThereAreDoesNotHang) {
  const auto items = of_a_mebibyte(8);
  offer(items);
  auto download = this->download("ref", 100);
  for (auto requests = download.take_requests(); !requests.empty(); requests = download.take_requests()) {
    for (const auto &request : requests) {
      if (start_asked(request) <= items.size()) {
        answer(&download, request, "server.job");
        continue;
      }
      fobs::DownloadReply end;
      end.status = fobs::DownloadReply::Status::kEof;
      download.on_answer(request.cursor, "ok", fobs::encode(fobs::write_reply(std::move(end))).join(), now_);
    }
  }
  EXPECT_EQ(download.state(), State::kComplete) << "whoever reads the message says what is missing";
}

TEST_F(ArrayTransfer, AnAnswerToAnotherQuestionEndsIt) {
  offer(of_a_mebibyte(20));
  auto download = this->download("ref", 20);
  answer(&download, download.take_requests().at(0), "server.job");
  const auto requests = download.take_requests();
  ASSERT_EQ(requests.size(), 2u);
  fobs::DownloadReply reply;
  reply.state = fobs::Dict{{"start", 0}, {"count", 1}};
  reply.items.emplace_back(fobs::write_npz("T0", floats(1)));
  const auto first = start_asked(requests[0]) < start_asked(requests[1]) ? requests[0] : requests[1];
  download.on_answer(first.cursor, "ok", fobs::encode(fobs::write_reply(std::move(reply))).join(), now_);
  EXPECT_EQ(download.state(), State::kFailed);
  EXPECT_EQ(download.status(), FLARE_PROTOCOL);
}

TEST_F(ArrayTransfer, WithoutSourcesThereIsNothingToDo) {
  EXPECT_EQ(ArrayDownload({}, {}).state(), State::kComplete);
  ArrayDownload torch({{fobs::dot::kTorchTensors, "server", "ref", 1}}, {});
  EXPECT_EQ(torch.state(), State::kComplete) << "the message says what it is";
}

}  // namespace
}  // namespace flare
