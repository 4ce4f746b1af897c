#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/search.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const TimePoint kStart{1000s};

Search search(std::optional<Duration> connect_timeout) { return {"digits", "/run/meet", connect_timeout, kStart}; }

TEST(Search, LooksEachSecondUntilItsTimeIsOver) {
  Search some = search(2500ms);
  EXPECT_EQ(some.next_look(kStart), kStart + 1s);
  EXPECT_EQ(some.next_look(kStart + 2s), kStart + 2500ms);
  EXPECT_FALSE(some.end(kStart + 2499ms));
  some.on_nothing("");
  const auto end = some.end(kStart + 2500ms);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->status, FLARE_UNREACHABLE);
  EXPECT_THAT(end->reason,
              AllOf(HasSubstr("digits"), HasSubstr("/run/meet"), HasSubstr("2.5 s"), Not(HasSubstr("did not answer"))));
}

TEST(Search, NeverEndsWithoutAConnectTimeout) {
  const Search some = search(std::nullopt);
  EXPECT_FALSE(some.end(kStart + 1000h));
  EXPECT_EQ(some.next_look(kStart + 1000h), kStart + 1000h + 1s);
}

TEST(Search, ANameThatIsTakenIsARefusal) {
  Search some = search(1s);
  some.on_nothing("job-7");
  const auto end = some.end(kStart + 1s);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->status, FLARE_REFUSED);
  EXPECT_THAT(end->reason, AllOf(HasSubstr("job-7"), HasSubstr("digits"), HasSubstr("agent_id")));
  some.on_nothing("");  // it is over by now
  EXPECT_EQ(some.end(kStart + 1s)->status, FLARE_UNREACHABLE);
}

TEST(Search, AnExchangerHasTenSecondsAtMostForItsAnswer) {
  EXPECT_EQ(search(std::nullopt).on_found("a", kStart), 10s);
  EXPECT_EQ(search(60s).on_found("a", kStart), 10s);
  EXPECT_EQ(search(60s).on_found("a", kStart + 57s), 3s);
  EXPECT_EQ(search(60s).on_found("a", kStart + 60s), 1ms);
}

TEST(Search, WhoDidNotAnswerComesAfterTheOthers) {
  Search some = search(60s);
  some.on_found("a", kStart);
  EXPECT_TRUE(some.on_failed(FLARE_UNREACHABLE, "no answer at zmq+tcp", kStart + 1s));
  EXPECT_THAT(some.avoided(kStart + 1s), ElementsAre("a"));
  some.on_found("b", kStart + 1s);
  EXPECT_TRUE(some.on_failed(FLARE_ENDED, "all tasks are done", kStart + 1s));
  EXPECT_THAT(some.avoided(kStart + 1s), ElementsAre("a", "b"));
  some.on_nothing("");
  EXPECT_THAT(some.avoided(kStart + 1s), IsEmpty());
  EXPECT_THAT(some.end(kStart + 60s)->reason, HasSubstr("did not answer: all tasks are done"));
}

TEST(Search, WhoRefusedIsAskedAgainAfterAWhile) {
  Search some = search(60s);
  some.on_found("a", kStart);
  EXPECT_TRUE(some.on_failed(FLARE_REFUSED, "this key is not admitted", kStart));
  some.on_found("b", kStart + 1s);
  EXPECT_TRUE(some.on_failed(FLARE_PROTOCOL, "another wire", kStart + 1s));
  some.on_nothing("");  // nor when it was the only one
  EXPECT_THAT(some.avoided(kStart + 29s), ElementsAre("a", "b"));
  EXPECT_THAT(some.avoided(kStart + 30s), ElementsAre("b"));
  EXPECT_THAT(some.avoided(kStart + 31s), IsEmpty());
}

TEST(Search, ARefusalIsTheLastWordWhenNothingElseCame) {
  Search some = search(60s);
  some.on_found("a", kStart);
  some.on_failed(FLARE_REFUSED, "this key is not admitted", kStart);
  some.on_found("b", kStart);
  some.on_failed(FLARE_UNREACHABLE, "no answer", kStart);
  some.on_nothing("c");
  EXPECT_FALSE(some.end(kStart + 59s));
  EXPECT_EQ(some.end(kStart + 60s)->status, FLARE_REFUSED);
  EXPECT_THAT(some.end(kStart + 60s)->reason,
              AllOf(HasSubstr("job 'a'"), HasSubstr("this key is not admitted"), HasSubstr("60 s")));
}

TEST(Search, AnInternalErrorIsTheLastWord) {
  Search some = search(60s);
  some.on_found("a", kStart);
  EXPECT_FALSE(some.on_failed(FLARE_INTERNAL, "out of memory", kStart));
}

}  // namespace
}  // namespace flare
