// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Files
import Foundation
import Statistics
import TestSupport
import Testing

@Suite struct SafetensorsTests {
    /// Written by Python with `json.dumps(header, separators=(",", ":"), ensure_ascii=False)` and `struct`:
    /// scalar F64 0.1, a F32 [2, 3] 0…5, h F16 [3], empty I8 [0, 4], é/x U8 [1, 2, 255], and two pairs of metadata.
    static let fromPython = Data(
        base64Encoded: """
            YAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJtYWRlIGJ5IjoiUHl0aG9uIFwianNvblwiXG4iLCLPgSI6IjFlLTUifSwic2NhbGFyIjp7\
            ImR0eXBlIjoiRjY0Iiwic2hhcGUiOltdLCJkYXRhX29mZnNldHMiOlswLDhdfSwiYSI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMiwz\
            XSwiZGF0YV9vZmZzZXRzIjpbOCwzMl19LCJoIjp7ImR0eXBlIjoiRjE2Iiwic2hhcGUiOlszXSwiZGF0YV9vZmZzZXRzIjpbMzIsMzhd\
            fSwiZW1wdHkiOnsiZHR5cGUiOiJJOCIsInNoYXBlIjpbMCw0XSwiZGF0YV9vZmZzZXRzIjpbMzgsMzhdfSwiw6kveCI6eyJkdHlwZSI6\
            IlU4Iiwic2hhcGUiOlszXSwiZGF0YV9vZmZzZXRzIjpbMzgsNDFdfX0gICAgICAgmpmZmZmZuT8AAAAAAACAPwAAAEAAAEBAAACAQAAA\
            oEAAPABAAEIBAv8=
            """)!

    @Test func readsPythonsFile() throws {
        let file = try SafetensorsFile(bytes: Self.fromPython, path: "python")
        #expect(file.metadata == ["made by": "Python \"json\"\n", "ρ": "1e-5"])
        #expect(file.tensors.count == 5)
        #expect(try file.floats(named: "a", shape: [2, 3]) == [0, 1, 2, 3, 4, 5])
        #expect(try file.values(Double.self, named: "scalar", shape: []) == [0.1])
        #expect(try file.values(UInt8.self, named: "é/x") == [1, 2, 255])
        #expect(file.tensors["empty"] == StoredTensor(shape: [0, 4], [Int8]()))
        #expect(file.tensors["h"] == StoredTensor(shape: [3], type: .f16, data: Data([0, 0x3c, 0, 0x40, 0, 0x42])))
    }

    /// Python lists them widest first and then by name, as `encoded` does: the bytes must return.
    @Test func writesPythonsBytes() throws {
        #expect(try SafetensorsFile(bytes: Self.fromPython, path: "python").encoded() == Self.fromPython)
    }

    /// Files that come under the name of a safetensors file by mistake each get a sentence that says what to do.
    @Test(arguments: [
        (Data("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 46830571\n".utf8), "pointer of Git LFS", "git lfs pull"),
        (Data("<!DOCTYPE html><html><head><title>Access denied</title></head></html>".utf8), "a web page", "download"),
        (Data("\n  <html lang=\"en\">".utf8), "a web page", "download"),
        (Data("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".utf8), "a web page", "download"),
        (Data([0x50, 0x4B, 3, 4]) + Data(count: 3000), "(.pth: a zip archive)", "convert_torchvision.py"),
        (Data([0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9]) + Data(count: 100), "(.pth: a pickle)", "convert_torchvision.py"),
        (Data([0x1F, 0x8B, 8, 0]) + Data(count: 100), "compressed with gzip", "gzip --decompress")
    ])
    func anotherFormatIsNamed(_ bytes: Data, _ what: String, _ advice: String) {
        for bytes in [bytes, (Data([1]) + bytes).dropFirst()] {
            let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(bytes: bytes, path: "w.safetensors") }
            let text = error?.description ?? ""
            #expect(text.hasPrefix("w.safetensors: ") && text.contains(what) && text.contains(advice) && !text.contains("\n"), "\(text)")
        }
    }

    /// Data slices keep their start index: neither reading nor storing may count from 0.
    @Test func sliceOfALargerBuffer() throws {
        let slice = (Data([1, 2, 3, 4, 5]) + Self.fromPython).dropFirst(5)
        let file = try SafetensorsFile(bytes: slice, path: "slice")
        #expect(try file.floats(named: "a")[5] == 5)
        let tensor = StoredTensor(shape: [2], type: .f32, data: (Data([9]) + StoredTensor(shape: [2], [Float(1), 2]).data).dropFirst())
        let copy = try SafetensorsFile(bytes: SafetensorsFile(tensors: ["t": tensor]).encoded(), path: "copy")
        #expect(try copy.floats(named: "t", shape: [2]) == [1, 2])
    }

    @Test func roundTripThroughAFile() throws {
        let folder = try TemporaryFolder(), path = folder.path + "/t.safetensors"
        var random = Philox(seed: 1, stream: 0)
        let values = (0..<60).map { _ in Float(random.normal()) }
        var file = SafetensorsFile(metadata: ["quote\"\\": "\u{1}\t\u{1f} 🦙", "": ""])
        file.tensors = [
            "weight": StoredTensor(shape: [3, 4, 5], values), "nan": StoredTensor(shape: [2], [Float.nan, -.infinity]),
            "label": StoredTensor(shape: [2], [Int64.min, 7]), "state": StoredTensor(shape: [1], [UInt64.max]),
            "count": StoredTensor(shape: [], [Int32(-5)]), "flag": StoredTensor(shape: [1], type: .bool, data: Data([1])),
            "": StoredTensor(shape: [0], [Double]())
        ]
        try file.write(to: path)
        let copy = try SafetensorsFile(path: path)
        #expect(copy.metadata == file.metadata)
        #expect(copy.tensors == file.tensors)
        #expect(copy.path == path)
        #expect(try copy.floats(named: "weight", shape: [3, 4, 5]) == values)
        #expect(try copy.encoded() == file.encoded())
    }

    /// The header ends, and each tensor begins, where its numbers are aligned.
    @Test func alignment() throws {
        var file = SafetensorsFile()
        for (i, name) in ["a", "bb", "ccc"].enumerated() {
            file.tensors["u" + name] = StoredTensor(shape: [i + 1], [UInt8](repeating: 1, count: i + 1))
            file.tensors["x" + name] = StoredTensor(shape: [1], [Double(i)])
        }
        let bytes = try file.encoded()
        #expect(bytes[0] % 8 == 0 && bytes[1] < 2)
        let expected = [Double(0), 1, 2].withUnsafeBytes { Data($0) } + Data(repeating: 1, count: 6)
        #expect(bytes.suffix(6 + 24) == expected)
    }

    @Test func accessorsNameWhatIsWrong() throws {
        let file = try SafetensorsFile(bytes: Self.fromPython, path: "weights.safetensors")
        func message(_ body: () throws -> Void) -> String? { #expect(throws: SafetensorsError.self) { try body() }?.description }
        #expect(message { _ = try file.floats(named: "b", shape: [1]) } == "weights.safetensors: no tensor \"b\", expected F32 [1]")
        #expect(
            message { _ = try file.floats(named: "a", shape: [3, 2]) }
                == "weights.safetensors: tensor \"a\": expected F32 [3, 2], found F32 [2, 3], 24 bytes")
        #expect(message { _ = try file.floats(named: "h") } == "weights.safetensors: tensor \"h\": expected F32, found F16 [3], 6 bytes")
        for (path, words) in [("/no/such", "cannot read /no/such: No such file or directory"), ("/", "cannot read /: it is a folder")] {
            #expect(#expect(throws: FileError.self) { try SafetensorsFile(path: path) }?.description == words)
        }
    }

    @Test(arguments: [[3], [-1], [Int.max, Int.max], [Int.max / 2, 1]])
    func refusesToStoreWhatDoesNotFit(shape: [Int]) {
        let tensor = StoredTensor(shape: shape, type: .f32, data: Data(count: 8))
        #expect(throws: SafetensorsError.self) { try SafetensorsFile(tensors: ["t": tensor]).encoded() }
    }

    @Test func refusesTheReservedName() {
        #expect(throws: SafetensorsError.self) {
            try SafetensorsFile(tensors: ["__metadata__": StoredTensor(shape: [], [Float(1)])]).encoded()
        }
    }

    /// A file with this header and `data` zero bytes after it.
    static func file(_ header: String, data: Int, length: UInt64? = nil) -> Data {
        withUnsafeBytes(of: length ?? UInt64(header.utf8.count)) { Data($0) } + Data(header.utf8) + Data(count: data)
    }

    static let good = "\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"

    @Test func acceptsWhatTheFormatAllows() throws {
        func read(_ header: String, data: Int) throws -> SafetensorsFile {
            try SafetensorsFile(bytes: Self.file(header, data: data), path: "f")
        }
        #expect(try read("{\(Self.good)}", data: 8).floats(named: "t") == [0, 0])
        #expect(try read("{}", data: 0).tensors.isEmpty)
        #expect(try read("{ \"__metadata__\" : { } ,\n\t\(Self.good) }   ", data: 8).tensors.count == 1)
        #expect(
            try read("{\"\\u00e9\\ud83e\\udd99\\/\":{\"data_offsets\":[0,0],\"shape\":[3,0],\"dtype\":\"BOOL\"}}", data: 0).tensors["é🦙/"]
                != nil)
    }

    @Test(arguments: [
        (file("{\(good)}", data: 7), "truncated"), (file("{\(good)}", data: 9), "1 bytes after the last tensor"),
        (file("{\(good)}", data: 8).prefix(7), "8 bytes at least"), (Data(), "8 bytes at least"), (file("", data: 0), "header of 0 bytes"),
        (file("{\(good)}", data: 8, length: .max), "header of 18446744073709551615 bytes"),
        (file("{\(good)}", data: 8, length: 1 << 63), "header of"), (file("{\(good)}", data: 8, length: 1000), "header of 1000 bytes"),
        (file("{}", data: 0, length: 3), "header of 3 bytes, expected 2 to 2"),
        (file("{\(good)}", data: 8, length: 60), "bytes after the last|expected"),
        (file("{\(good),\(good)}", data: 8), "duplicate name \"t\""),
        (file("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"},\(good)}", data: 8), "duplicate name \"a\""),
        (file("{\"__metadata__\":{},\"__metadata__\":{}}", data: 0), "duplicate name \"__metadata__\""),
        (file("{\"__metadata__\":{\"a\":1},\(good)}", data: 8), "expected a string, found \"1}"),
        (
            file("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"shape\":[2]}}", data: 8),
            "tensor \"t\": duplicate name \"shape\""
        ),
        (file("{\"t\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", data: 8), "tensor \"t\": unknown dtype \"F33\""),
        (
            file("{\"t\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", data: 8),
            "tensor \"t\": F32 [3] takes 12 bytes, found 8"
        ),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,8],\"data_offsets\":[0,8]}}", data: 8), "takes too many bytes"),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,8]}}", data: 8), "expected an integer from 0"),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", data: 8), "expected an integer from 0"),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[02],\"data_offsets\":[0,8]}}", data: 8), "expected an integer from 0"),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", data: 8), "expected ']'"),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", data: 8), "expected dtype, shape and data_offsets"),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", data: 8), "expected dtype, shape and data_offsets"),
        (file("{\"t\":{\"shape\":[\(String(repeating: "1,", count: 9999))1]}}", data: 8), "64 dimensions at most"),
        (file("{\"\(String(repeating: "t\u{301}", count: 9999))\":1}", data: 8), "expected '{'"),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[2]}}", data: 8), "found F32, [2], no data_offsets"),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", data: 8), "unknown key \"x\""),
        (file("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}", data: 9), "expected to begin at 0"),
        (
            file("{\(good),\"u\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", data: 12),
            "tensor \"u\": data_offsets [4, 12], expected to begin at 8"
        ),
        (file("{\(good),\"u\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}", data: 20), "expected to begin at 8"),
        (file("{\"t\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807],\"data_offsets\":[0,9223372036854775807]}}", data: 8), "truncated"),
        (file("[\(good)]", data: 8), "expected '{'"), (file(" {\(good)}", data: 8), "expected '{'"),
        (file("{\(good)} x", data: 8), "expected spaces"),
        (file("{\(good),}", data: 8), "expected a string"), (file("{\"t", data: 0), "expected a JSON string"),
        (file("{\"t\\", data: 0), "expected a JSON string"),
        (file("{\"\\ud83e\":{}}", data: 0), "expected a JSON string"),
        (file(String(repeating: "{", count: 100_000), data: 0), "expected a string")
    ])
    func refusesWith(_ bytes: Data, _ message: String) throws {
        let error = try #require(throws: SafetensorsError.self) { try SafetensorsFile(bytes: bytes, path: "bad.safetensors") }
        #expect(message.split(separator: "|").contains { error.description.contains($0) }, "\(error)")
        #expect(error.description.hasPrefix("bad.safetensors: ") && !error.description.contains("\n") && error.description.utf8.count < 500)
    }

    /// 4000 damaged files: an error of one line, or a file whose tensors all have the bytes their shapes ask for. Never a crash.
    @Test func damagedFiles() throws {
        var random = Philox(seed: 20, stream: 0)
        let pieces = ["\"", "\\", "{", "}", "[", "]", ",", "0", "9", "-", "99999999999999999999", "\\u", "\u{0}", " "].map { Data($0.utf8) }
        let headerEnd = 8 + 352
        var (valid, refused) = (0, 0)
        for _ in 0..<4000 {
            var bytes = Self.fromPython
            for _ in 0...Int.random(in: 0..<3, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: 0..<min(headerEnd + 8, bytes.count), using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
                case 2: bytes = Data(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
                case 3: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...20, using: &random)))
                default: bytes.insert(contentsOf: pieces.randomElement(using: &random)!, at: place)
                }
            }
            do {
                let file = try SafetensorsFile(bytes: bytes, path: "fuzz")
                _ = try file.encoded()
                valid += 1
            } catch let error as SafetensorsError {
                #expect(!error.description.contains("\n") && error.description.hasPrefix("fuzz: "))
                refused += 1
            }
        }
        // Renamed tensors and changed values stay valid; most damage does not.
        #expect(valid > 20 && refused > 2000, "valid \(valid), refused \(refused)")
    }

    /// 100,000 small tensors: what is quadratic in their number would take minutes.
    @Test func manyTensors() throws {
        var file = SafetensorsFile()
        for i in 0..<100_000 { file.tensors["tensor.\(i)"] = StoredTensor(shape: [1], [Int32(i)]) }
        let copy = try SafetensorsFile(bytes: file.encoded(), path: "many")
        #expect(try copy.values(Int32.self, named: "tensor.99999") == [99999])
    }
}
