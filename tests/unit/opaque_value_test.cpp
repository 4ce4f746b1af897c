// What the C API shows of an object of Python, which no C program can make.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "capi/handles.h"
#include "capi/view.h"
#include "flare_agent.h"

namespace flare {
namespace {

TEST(OpaqueValue, ShowsItsTypeNameAndItsContent) {
  const std::string_view pickled("\x80\x05\0.", 4);
  const Value value(OpaqueObject{"torch.Tensor", copy_bytes(pickled.data(), pickled.size())});
  const char *text = nullptr;
  const void *data = nullptr;
  size_t size = 0;
  int64_t integer = 0;
  EXPECT_EQ(flare_value_get_type(to_c(&value)), FLARE_VALUE_OPAQUE);
  ASSERT_EQ(flare_value_get_text(to_c(&value), &text), FLARE_OK);
  EXPECT_STREQ(text, "torch.Tensor");
  ASSERT_EQ(flare_value_get_bytes(to_c(&value), &data, &size), FLARE_OK);
  EXPECT_EQ(std::string_view(static_cast<const char *>(data), size), pickled);
  EXPECT_EQ(flare_value_get_int(to_c(&value), &integer), FLARE_NOT_FOUND);
  EXPECT_EQ(flare_value_count(to_c(&value)), 0u);
}

}  // namespace
}  // namespace flare
