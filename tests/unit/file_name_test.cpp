#include "pipe/file/file_name.h"

#include <gtest/gtest.h>

#include "base/failure.h"

namespace flare {
namespace {

TEST(FileName, IsAllOfAMessageButItsData) {
  const auto request = read_file_name("REQ.train.4f-1 b");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->kind, MessageKind::kRequest);
  EXPECT_EQ(request->topic, "train");
  EXPECT_EQ(request->id, "4f-1 b");
  EXPECT_EQ(file_name_of(*request), "REQ.train.4f-1 b");
  const auto reply = read_file_name("REP.submit_model.q1.r2");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->kind, MessageKind::kReply);
  EXPECT_EQ(reply->request_id, "q1");
  EXPECT_EQ(reply->id, "r2");
  EXPECT_EQ(file_name_of(*reply), "REP.submit_model.q1.r2");
}

TEST(FileName, OthersAreNone) {
  for (const char *name : {"",
                           ".",
                           "REQ",
                           "REQ.train",
                           "REQ.train.",
                           "REQ..id",
                           "REQ.train.q.r",
                           "REQ.train.q.r.s",
                           "REP.train.q",
                           "REP.train..r",
                           "REP.train.q.",
                           "REP.train.q.r.s",
                           "req.train.id",
                           "NOT.train.id",
                           "REQ.tr ain.id",
                           "REQ.train\n.id",
                           "REQ.train.a/b",
                           "train.npy",
                           ".nfs000012",
                           "REQ.train.id."}) {
    EXPECT_FALSE(read_file_name(name)) << name;
  }
}

TEST(FileName, WhatNoFileCanBeCalledIsRefused) {
  Message message;
  message.topic = "train";
  for (const std::string &id : {std::string(), std::string("a.b"), std::string("../x"), std::string(300, 'a')}) {
    message.id = id;
    EXPECT_THROW(file_name_of(message), Failure) << id;
  }
  message.id = "id";
  message.topic = "two words";
  EXPECT_THROW(file_name_of(message), Failure);
}

}  // namespace
}  // namespace flare
