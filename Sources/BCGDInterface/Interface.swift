// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import CBCGD

// What `bcgd.h` declares, function by function; it says what they promise.

@_cdecl("bcgd_open")
public func bcgdOpen(
    _ path: UnsafePointer<CChar>?, _ threads: Int32, _ callers: Int32, _ error: UnsafeMutablePointer<CChar>?
) -> UnsafeMutableRawPointer? {
    guard let path else { return failed("bcgd_open: expected a path, found NULL", nil, error) }
    guard (1...256).contains(threads) else { return failed("bcgd_open: expected 1 to 256 threads, not \(threads)", nil, error) }
    guard (1...64).contains(callers) else { return failed("bcgd_open: expected 1 to 64 callers, not \(callers)", nil, error) }
    // Repaired, it would be another file's.
    guard let path = String(validatingCString: path) else {
        return failed("bcgd_open: expected a path in UTF-8, found \(String(cString: path)) with other bytes: rename the file", nil, error)
    }
    do {
        let model = try SharedModel(try PackedModel(path: path), threads: Int(threads), callers: Int(callers))
        return Unmanaged.passRetained(model).toOpaque()
    } catch let fault { return failed("\(fault)", nil, error) }
}

@_cdecl("bcgd_describe")
public func bcgdDescribe(_ model: UnsafeRawPointer?, _ description: UnsafeMutablePointer<bcgd_description>?) {
    guard let model, let description else { return }
    description.pointee = shared(model).description
}

@_cdecl("bcgd_describe_unit")
public func bcgdDescribeUnit(_ model: UnsafeRawPointer?, _ unit: Int32, _ description: UnsafeMutablePointer<bcgd_unit>?) -> Int32 {
    guard let model, let description, shared(model).units.indices.contains(Int(unit)) else { return -1 }
    description.pointee = shared(model).units[Int(unit)]
    return 0
}

@_cdecl("bcgd_numbers")
public func bcgdNumbers(_ model: UnsafeRawPointer?, _ unit: Int32, _ kind: Int32, _ into: UnsafeMutableRawPointer?, _ capacity: Int64)
    -> Int64
{
    guard let model, shared(model).units.indices.contains(Int(unit)) else { return -1 }
    return shared(model).numbers(Int(unit), kind: kind, into: into, capacity: Int(capacity)).map(Int64.init) ?? -1
}

@_cdecl("bcgd_run")
public func bcgdRun(
    _ model: UnsafeRawPointer?, _ images: UnsafePointer<UInt8>?, _ count: Int64, _ scores: UnsafeMutablePointer<Float>?,
    _ error: UnsafeMutablePointer<CChar>?
) -> Int32 {
    guard let model else { return failed("bcgd_run: expected a model, found NULL", -1, error) }
    guard count >= 0 else { return failed("bcgd_run: expected 0 images or more, not \(count)", -1, error) }
    guard count > 0 else { return 0 }
    guard let images, let scores else { return failed("bcgd_run: expected images and room for scores, found NULL", -1, error) }
    shared(model).run(images, count: Int(count), into: scores)
    return 0
}

@_cdecl("bcgd_close")
public func bcgdClose(_ model: UnsafeMutableRawPointer?) {
    if let model { Unmanaged<SharedModel>.fromOpaque(model).release() }
}

private func shared(_ model: UnsafeRawPointer) -> SharedModel { Unmanaged<SharedModel>.fromOpaque(model).takeUnretainedValue() }

/// Stores the message, cut off at a whole character.
private func failed<T>(_ message: String, _ result: T, _ error: UnsafeMutablePointer<CChar>?) -> T {
    guard let error else { return result }
    var length = 0
    for character in message {
        let bytes = character.utf8
        guard length + bytes.count < Int(BCGD_ERROR_BYTES) else { break }
        for byte in bytes {
            error[length] = CChar(bitPattern: byte)
            length += 1
        }
    }
    error[length] = 0
    return result
}
