// The messages of NVFlare's download service, against NVFlare's own.
#include "fobs/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/failure.h"
#include "fobs/classes.h"
#include "fobs/npz.h"
#include "fobs_samples.h"

namespace flare::fobs {
namespace {

using testing::HasSubstr;
using Status = DownloadReply::Status;

Message message_in(const char *name) { return decode(bytes_of(vector_named(name).bytes), {}); }

TEST(FobsDownload, ReadsAndWritesWhatNVFlareDoes) {
  for (const char *name : {"dl_request_first", "dl_request_next"}) {
    const DownloadRequest request = read_request(message_in(name));
    EXPECT_EQ(request.ref_id, "11111111-2222-3333-4444-555555555555");
    EXPECT_EQ(to_digits(encoded(write_request(request))), to_digits(vector_named(name).bytes));
  }
  const std::pair<const char *, Status> replies[] = {
      {"dl_reply_ok", Status::kOk}, {"dl_reply_eof", Status::kEof}, {"dl_reply_error", Status::kError}};
  for (const auto &[name, status] : replies) {
    const DownloadReply reply = read_reply(message_in(name), {});
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(to_digits(encoded(write_reply(reply))), to_digits(vector_named(name).bytes));
  }
  const DownloadReply reply = read_reply(message_in("dl_reply_ok"), {});
  ASSERT_EQ(reply.items.size(), 2u);
  EXPECT_EQ(reply.items[1].bytes()->text(), "ITEM1");
  EXPECT_EQ(show(read_request(message_in("dl_request_next")).state), show(reply.state));
}

TEST(FobsDownload, CarriesLargeItemsInDatums) {
  const std::string elements(11u << 20, 'x');
  const Tensor tensor{FLARE_UINT8, {11 << 20}, bytes_of(elements)};
  const Message message =
      write_reply({Status::kOk, Dict{{"start", 0}, {"count", 2}}, {write_npz("T0", tensor), bytes_of("small")}});
  ASSERT_EQ(message.datums.size(), 1u);
  EXPECT_EQ(message.datums[0].content.bytes.data, tensor.bytes.data) << "which are not copied";
  const Bytes sent = encode(message).join();
  const DownloadReply reply = read_reply(decode(sent, {}), {});
  ASSERT_EQ(reply.items.size(), 2u);
  const Bytes npy = read_npz(*reply.items[0].bytes(), {})[0].npy;
  EXPECT_EQ(npy.text().substr(npy.size - elements.size()), elements);
  EXPECT_EQ(npy.owner, sent.owner);
}

TEST(FobsDownload, RefusesWhatIsNoneOfItsMessages) {
  const auto expect = [](Object root, const char *words, const Limits &limits = {}) {
    try {
      read_reply({std::move(root), {}}, limits);
      ADD_FAILURE() << words;
    } catch (const Failure &failure) {
      EXPECT_THAT(failure.what(), HasSubstr(words));
    }
  };
  EXPECT_THROW(read_request({Dict{{"ref_id", 5}}, {}}), Failure);
  expect(Object(), "no status");
  expect(Dict{{"status", "new"}}, "unknown status");
  expect(Dict{{"status", "ok"}}, "no items");
  expect(Dict{{"status", "ok"}, {"state", 1}, {"data", Array()}}, "no items");
  expect(Dict{{"status", "ok"}, {"state", 1}, {"data", Array{"text"}}}, "an item has no bytes");
  expect(Dict{{"status", "ok"}, {"state", 1}, {"data", Array{datum_reference_of("none")}}}, "an item has no bytes");
  Limits limits;
  limits.max_tensors = 1;
  expect(Dict{{"status", "ok"}, {"state", 1}, {"data", Array{Bytes(), Bytes()}}}, "too many items", limits);
}

}  // namespace
}  // namespace flare::fobs
