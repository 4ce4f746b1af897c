#include "agent/upload_progress.h"

#include <gtest/gtest.h>

#include <limits>

namespace flare {
namespace {

Map event() {
  Map event;
  event.set("direction", "result_upload");
  event.set("transfer_id", "ref");
  return event;
}

TEST(UploadProgress, AG_42_NumbersAreReadLeniently) {
  Map map = event();
  map.set("sequence", " 12 ");
  map.set("bytes_done", 7.9);
  map.set("items_done", true);
  map.set("state", "DONE");
  UploadProgress progress;
  EXPECT_EQ(read_upload_progress(map, &progress), ProgressReading::kUpload);
  EXPECT_EQ(progress.sequence, 12);
  EXPECT_EQ(progress.bytes, 7);
  EXPECT_EQ(progress.items, 1);
  EXPECT_EQ(progress.state, TransferState::kCompleted);
  EXPECT_EQ(progress.receiver, std::nullopt);
}

TEST(UploadProgress, AG_42_WhatIsNoNumberIsUnusable) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Value &bad :
       {Value("abc"), Value(""), Value(1e19), Value(infinity), Value("9223372036854775808"), Value()}) {
    Map map = event();
    map.set("sequence", bad);
    UploadProgress progress;
    EXPECT_EQ(read_upload_progress(map, &progress), ProgressReading::kUnusable) << value_to_json(bad);
  }
  for (const char *name : {"bytes_done", "items_done"}) {
    Map map = event();
    map.set(name, "many");
    UploadProgress progress;
    EXPECT_EQ(read_upload_progress(map, &progress), ProgressReading::kUnusable) << name;
  }
}

TEST(UploadProgress, AG_42_IdsMayBeNumbersAndWhatIsNoIdIsNone) {
  Map map = event();
  map.set("tx_id", int64_t{12});
  map.set("receiver_id", 1.5);
  map.set("job_id", "job");
  map.set("task_id", Value());
  map.set("timestamp", 2.5);
  UploadProgress progress;
  EXPECT_EQ(read_upload_progress(map, &progress), ProgressReading::kUpload);
  EXPECT_EQ(progress.transaction, "12");
  EXPECT_EQ(progress.receiver, std::nullopt);
  EXPECT_EQ(progress.job, "job");
  EXPECT_EQ(progress.task, std::nullopt);
  EXPECT_EQ(progress.time, 2.5);
}

TEST(UploadProgress, AG_42_OtherDirectionsAreNoneOfOurBusiness) {
  Map map = event();
  map.set("direction", "task_payload_download");
  UploadProgress progress;
  EXPECT_EQ(read_upload_progress(map, &progress), ProgressReading::kOtherDirection);
  map.set("direction", "result_upload");
  map.set("transfer_id", "");
  EXPECT_EQ(read_upload_progress(map, &progress), ProgressReading::kUnusable);
  map.set("ref_id", "other");
  EXPECT_EQ(read_upload_progress(map, &progress), ProgressReading::kUpload);
  EXPECT_EQ(progress.ref, "other");
}

}  // namespace
}  // namespace flare
