#include "base/name_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "base/failure.h"

namespace flare {
namespace {

// Of this run of the test.
std::string name() { return "test " + std::to_string(::getpid()); }

// A process that was forked, and sleeps until it is killed.
class Child {
 public:
  Child() : pid_(::fork()) {
    while (pid_ == 0) ::pause();
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_;
};

TEST(NameLock, AnotherIsRefusedAndToldWhoHasIt) {
  std::optional<NameLock> lock(std::in_place, name(), "has it");
  const NameLock other(name() + " other", "has it");
  for (int i = 0; i < 5; ++i) {
    try {
      const NameLock second(name(), "has it: wait");
      FAIL() << "both have it";
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), FLARE_REFUSED);
      EXPECT_EQ(failure.what(), "process " + std::to_string(::getpid()) + " has it: wait");
    }
  }
  lock.reset();
  const NameLock third(name(), "has it");
}

TEST(NameLock, AChildOfItsHolderDoesNotKeepIt) {
  std::optional<NameLock> lock(std::in_place, name(), "has it");
  const Child child;
  EXPECT_THROW(NameLock(name(), "has it"), Failure);
  lock.reset();
  EXPECT_NO_THROW(NameLock(name(), "has it"));
}

TEST(NameLock, WhatAChildOfAKilledHolderKeepsIsPassedOver) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string text = name();
  const pid_t holder = ::fork();
  if (holder == 0) {
    const NameLock lock(text, "has it");
    const pid_t child = ::fork();
    if (child != 0 && ::write(ends[1], &child, sizeof child) < 0) ::_exit(1);
    for (;;) ::pause();
  }
  pid_t child = 0;
  ASSERT_EQ(::read(ends[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  EXPECT_THROW(NameLock(text, "has it"), Failure);
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  for (int i = 0; i < 5; ++i) {
    const NameLock next(text, "has it");
    EXPECT_THROW(NameLock(text, "has it"), Failure);
  }
  ::kill(child, SIGKILL);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace flare
