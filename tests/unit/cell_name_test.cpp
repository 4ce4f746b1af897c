#include "pipe/cell/cell_name.h"

#include <gtest/gtest.h>

#include "base/failure.h"

namespace flare {
namespace {

std::string flat(const PipeName &name, PipeEnd end = PipeEnd::kActive) {
  return pipe_cell_name(CellNaming::kFlat, name, end);
}
std::string tagged(const PipeName &name, PipeEnd end = PipeEnd::kActive) {
  return pipe_cell_name(CellNaming::kTagged, name, end);
}

// Names that NVFlare's own pipes had in sessions with them.
TEST(CellName, BelowServerSiteAndRelay) {
  EXPECT_EQ(flat({"server", "site-1", "simulate_job"}), "site-1_simulate_job_active");
  EXPECT_EQ(flat({"server", "site-1", "simulate_job"}, PipeEnd::kPassive), "site-1_simulate_job_passive");
  EXPECT_EQ(flat({"site-1", "site-1", "0d1c"}), "site-1.site-1_0d1c_active");
  EXPECT_EQ(flat({"relay-1", "site-1", "0d1c"}), "relay-1.site-1_0d1c_active");
}

TEST(CellName, TheDevelopmentVersionMarksThem) {
  EXPECT_EQ(tagged({"server", "site-1", "0d1c"}), "site-1.cellpipe~plain~0d1c~active");
  EXPECT_EQ(tagged({"site-1", "site-1", "0d1c"}, PipeEnd::kPassive), "site-1.cellpipe~plain~0d1c~passive");
  EXPECT_EQ(tagged({"relay-1.site-1", "site-1", "0d1c"}), "relay-1.site-1.cellpipe~plain~0d1c~active");
  EXPECT_EQ(tagged({"relay-1", "site-1", "0d1c"}), "relay-1.cellpipe~alias~site-1~0d1c~active");
}

TEST(CellName, WhatNvflareDoesNotTakeIsRefused) {
  EXPECT_THROW(flat({"server", "site 1", "0d1c"}), Failure);
  EXPECT_THROW(flat({"a.a", "site-1", "0d1c"}), Failure);
  EXPECT_THROW(flat({"server", "site-1", "0~1"}), Failure);
  EXPECT_THROW(tagged({"server", "site-1", "0~1"}), Failure);
  EXPECT_THROW(tagged({"server", "site-1", "0.1"}), Failure);
  for (const char *name : {"", ".", "a.", ".a", "a..b", "a.b.a", "a b", "\xc3\xa4"})
    EXPECT_FALSE(is_cell_name(name)) << name;
  for (const char *name : {"a", "server.0d1c-4", "A_1.b~c"}) EXPECT_TRUE(is_cell_name(name)) << name;
}

}  // namespace
}  // namespace flare
