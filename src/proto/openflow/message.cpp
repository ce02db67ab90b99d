// SPDX-License-Identifier: Apache-2.0
#include "proto/openflow/message.hpp"

namespace sluice::openflow {

Body::Body() = default;
Body::Body(const Body& other) = default;
Body::Body(Body&& other) noexcept = default;
Body& Body::operator=(const Body& other) = default;
Body& Body::operator=(Body&& other) noexcept = default;
Body::~Body() = default;

}  // namespace sluice::openflow
