#include "agent/task_book.h"

#include <gtest/gtest.h>

namespace flare {
namespace {

MessagePtr task(const std::string &id) {
  auto message = std::make_shared<Message>();
  message->topic = "train";
  message->id = id;
  message->data.headers.set(header::kTaskId, id);
  return message;
}

TEST(TaskBook, GivesTasksInTheirOrderOneAtATime) {  // AG-06
  TaskBook book(8);
  EXPECT_EQ(book.next().status, FLARE_TIMEOUT);
  EXPECT_FALSE(book.ready());
  book.arrived(task("a"));
  book.arrived(task("b"));
  EXPECT_TRUE(book.ready());
  EXPECT_EQ(book.next().task->id, "a");
  EXPECT_EQ(book.next().status, FLARE_INVALID_STATE);
  EXPECT_TRUE(book.answer("a"));
  EXPECT_EQ(book.next().task->id, "b");
}

TEST(TaskBook, ATaskIsAnsweredOnce) {  // AG-13, W-10
  TaskBook book(8);
  book.arrived(task("a"));
  EXPECT_FALSE(book.answer("a")) << "not in hand yet";
  book.next();
  EXPECT_FALSE(book.answer("b"));
  EXPECT_TRUE(book.answer("a"));
  EXPECT_FALSE(book.answer("a"));
}

TEST(TaskBook, TheEndWinsOverWaitingTasks) {  // AG-07, W-24
  TaskBook book(8);
  book.arrived(task("a"));
  book.over(FLARE_ENDED, "done");
  EXPECT_TRUE(book.ready());
  EXPECT_EQ(book.next().status, FLARE_ENDED);
  EXPECT_EQ(book.next().reason, "done");
  book.over(FLARE_PEER_GONE, "later");
  EXPECT_EQ(book.next().status, FLARE_ENDED) << "the first end counts";
}

TEST(TaskBook, TheTaskInHandMayBeAnsweredAfterTheEnd) {  // AG-14
  TaskBook book(8);
  book.arrived(task("a"));
  book.next();
  book.over(FLARE_ENDED, "done");
  EXPECT_TRUE(book.answer("a"));
}

TEST(TaskBook, AnAbortedTaskIsNeverSeen) {
  TaskBook book(8);
  book.arrived(task("a"));
  book.arrived(task("b"));
  EXPECT_TRUE(book.aborted("a"));
  EXPECT_FALSE(book.aborted("a"));
  EXPECT_EQ(book.next().task->id, "b");
  EXPECT_FALSE(book.aborted("b")) << "it is in hand: the user is told, the book keeps it";
}

TEST(TaskBook, TheTaskInHandIsNotGivenTwice) {
  TaskBook book(8);
  book.arrived(task("a"));
  book.next();
  EXPECT_EQ(book.arrived(task("a")), TaskBook::Arrival::kInHand);
  book.answer("a");
  EXPECT_EQ(book.next().status, FLARE_TIMEOUT);
}

TEST(TaskBook, TheTaskInHandIsAnsweredAsItWasAskedForLast) {
  TaskBook book(8);
  book.arrived(task("a"));
  book.next();
  book.peer_replaced();
  EXPECT_EQ(book.wanted(), TaskBook::Wanted::kMaybe) << "the new peer has not asked yet";
  const MessagePtr again = task("a");
  EXPECT_EQ(book.arrived(again), TaskBook::Arrival::kInHand);
  EXPECT_EQ(book.in_hand(), again);
  EXPECT_EQ(book.wanted(), TaskBook::Wanted::kYes);
}

TEST(TaskBook, ANewPeerThatAsksForAnotherTaskDoesNotWantTheOneInHand) {
  TaskBook book(8);
  book.arrived(task("a"));
  book.next();
  book.peer_replaced();
  EXPECT_EQ(book.arrived(task("b")), TaskBook::Arrival::kQueued);
  EXPECT_EQ(book.wanted(), TaskBook::Wanted::kNo);
  EXPECT_EQ(book.arrived(task("a")), TaskBook::Arrival::kQueued) << "it is computed again";
  book.answer("a");
  EXPECT_EQ(book.next().task->id, "b");
  EXPECT_EQ(book.wanted(), TaskBook::Wanted::kYes);
}

TEST(TaskBook, AnAbortedTaskInHandMayBeAskedForAnew) {
  TaskBook book(8);
  book.arrived(task("a"));
  book.next();
  book.aborted("a");
  EXPECT_EQ(book.wanted(), TaskBook::Wanted::kNo);
  EXPECT_EQ(book.arrived(task("a")), TaskBook::Arrival::kQueued);
  book.answer("a");
  EXPECT_EQ(book.next().status, FLARE_OK);
}

TEST(TaskBook, IsBounded) {  // W-25
  TaskBook book(2);
  book.arrived(task("a"));
  EXPECT_FALSE(book.full(0));
  EXPECT_TRUE(book.full(1)) << "with the one whose tensors are on their way";
  book.arrived(task("b"));
  EXPECT_TRUE(book.full(0));
  book.peer_replaced();
  EXPECT_FALSE(book.full(1));
  EXPECT_FALSE(book.ready());
}

}  // namespace
}  // namespace flare
