// SPDX-License-Identifier: Apache-2.0
// The harness against itself: the reference with flows added in another order must agree, a target with a
// fault must be caught.
#include <algorithm>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "tests/diff/harness.hpp"
#include "tests/diff/reference_target.hpp"

namespace sluice::tests {
namespace {

/// The reference, but flows go in backwards.
class ReversedTarget final : public DiffTarget {
  public:
    std::string name() const override { return "reference, flows reversed"; }
    Result<void> configure(const std::vector<TargetBridge>& bridges) override {
        std::vector<TargetBridge> reversed = bridges;
        for (TargetBridge& bridge : reversed)
            std::reverse(bridge.flows.begin(), bridge.flows.end());
        return inner_.configure(reversed);
    }
    Verdict run(const std::string& bridge, OfPort in_port, wire::Bytes frame) override {
        return inner_.run(bridge, in_port, frame);
    }
    Result<void> change(const std::string& bridge, const std::vector<RuleChange>& changes) override {
        return inner_.change(bridge, changes);
    }

  private:
    ReferenceTarget inner_;
};

/// The reference, but every hundredth frame loses its last output byte.
class FaultyTarget final : public DiffTarget {
  public:
    std::string name() const override { return "faulty"; }
    Result<void> configure(const std::vector<TargetBridge>& bridges) override {
        return inner_.configure(bridges);
    }
    Verdict run(const std::string& bridge, OfPort in_port, wire::Bytes frame) override {
        Verdict verdict = inner_.run(bridge, in_port, frame);
        if (++count_ >= 100 && !verdict.sent.empty()) verdict.sent.front().bytes.pop_back();
        return verdict;
    }
    Result<void> change(const std::string& bridge, const std::vector<RuleChange>& changes) override {
        return inner_.change(bridge, changes);
    }

  private:
    ReferenceTarget inner_;
    unsigned count_ = 0;
};

RandomOptions everything() {
    RandomOptions options;
    options.normal = true;
    options.controller = true;
    return options;
}

TEST(DifferentialSelf, OrderOfFlowsMeansNothing) {
    ReversedTarget target;
    run_differential(target, {.seed = 7, .programs = 60, .random = everything()});
}

TEST(DifferentialSelf, AFaultIsFound) {
    EXPECT_NONFATAL_FAILURE(  // exactly one

        {
            FaultyTarget target;
            run_differential(target, {.seed = 7, .programs = 60, .failures = 1, .random = {}});
        },
        "faulty");
}

}  // namespace
}  // namespace sluice::tests
