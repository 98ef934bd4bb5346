// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A message in the wire format of Protocol Buffers, as far as ONNX needs it: fields are appended in the order of the calls.
/// A dependency with a code generator would be larger than this and its one use.
struct ProtobufMessage {
    private(set) var bytes = Data()

    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest > 127 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Wire type 0.
    mutating func add(_ field: UInt64, _ value: Int) {
        append(varint: field << 3)
        append(varint: UInt64(bitPattern: Int64(value)))
    }

    /// Wire type 2.
    mutating func add(_ field: UInt64, _ value: Data) {
        append(varint: field << 3 | 2)
        append(varint: UInt64(value.count))
        bytes.append(value)
    }

    mutating func add(_ field: UInt64, _ value: String) { add(field, Data(value.utf8)) }
    mutating func add(_ field: UInt64, _ value: ProtobufMessage) { add(field, value.bytes) }

    mutating func add(_ field: UInt64, _ build: (inout ProtobufMessage) -> Void) {
        var message = ProtobufMessage()
        build(&message)
        add(field, message)
    }
}
