// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import TensorBoard
import TestSupport
import Testing

/// Event files: their framing byte by byte, what a later session finds, and TensorBoard's own reader.
struct EventFolderTests {
    /// The check value of the CRC catalogue for CRC-32C (“123456789”), and three examples of RFC 3720, B.4.
    @Test func checksumsAreThePublishedOnes() {
        #expect(Records.crc32c(Data("123456789".utf8)) == 0xe306_9283)
        #expect(Records.crc32c(Data(repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(Records.crc32c(Data(repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(Records.crc32c(Data(0..<32)) == 0x46dd_794e)
    }

    /// The first record of an event file without its time: `file_version` is field 3, of type 2, of 13 bytes.
    @Test func recordsAreFramed() throws {
        let event = try Tensorflow_Event.with { $0.fileVersion = "brain.Event:2" }.serializedData()
        #expect(event == Data([0x1a, 13]) + Data("brain.Event:2".utf8))
        let framed = Records.framed(event)
        #expect(
            framed.count == 8 + 4 + 15 + 4 && framed.prefix(8) == Data([15, 0, 0, 0, 0, 0, 0, 0])
                && framed.dropFirst(12).prefix(15) == event)
        #expect(Records.all(in: framed + framed) == [event, event])
    }

    /// Cut anywhere, or with a bit flipped anywhere, the records before the damage are read, and nothing else.
    @Test func damageEndsTheRecords() {
        let bodies = [Data("first".utf8), Data(), Data("third record".utf8)], whole = bodies.map(Records.framed)
        let file = Data(whole.joined()), ends = [whole[0].count, whole[0].count + whole[1].count, file.count]
        for place in 0..<file.count {
            var flipped = file
            flipped[place] ^= 1 << UInt8(place % 8)
            let before = Array(bodies.prefix(ends.count { $0 <= place }))
            #expect(Records.all(in: file.prefix(place)) == before && Records.all(in: flipped) == before, "\(place)")
        }
    }

    private func write(_ folder: String, _ steps: ClosedRange<Int>) throws {
        let events = try EventFolder(folder)
        for step in steps { try events.append(step: step, [("loss/train", 1 / Double(step)), ("α/layer1.0.act1", 0.25)]) }
    }

    /// A session knows the last step of those before it, also where the last record was cut off.
    @Test func laterSessionsKnowTheLastStep() throws {
        let folder = try TemporaryFolder(), place = folder.path + "/a/run"
        #expect(try EventFolder(place).lastStep == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place).isEmpty)
        try write(place, 1...3)
        #expect(try EventFolder(place).lastStep == 3)
        let file = try #require(FileManager.default.contentsOfDirectory(atPath: place).first), bytes = try readFile("\(place)/\(file)")
        #expect(file.wholeMatch(of: /events\.out\.tfevents\.[0-9]{10}\..+/) != nil && Records.all(in: bytes).count == 4)
        try bytes.dropLast(5).write(to: URL(fileURLWithPath: "\(place)/\(file)"))
        #expect(try EventFolder(place).lastStep == 2)
    }

    @Test func whatCannotBeWrittenIsSaid() throws {
        #expect(throws: FileError.self) { try EventFolder("/dev/null/a") }
        let folder = try TemporaryFolder()
        _ = try folder.write("", to: "file")
        #expect { try EventFolder(folder.path + "/file") } throws: { "\($0)".contains("is no folder") }
    }

    /// A Python that has the package tensorboard: that of `setup.sh --tensorboard`, or the one on the PATH.
    static let python: String? = {
        let own = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../.build/tensorboard/bin/python3").standardized.path
        return [own, "python3"].first { (try? runTool($0, ["-c", "import tensorboard"], package: "python3").status) == 0 }
    }()

    private static let reader = """
        import sys
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        events = EventAccumulator(sys.argv[1]).Reload()
        for tag in events.Tags()["scalars"]:
            print(tag, *(f"{event.step}:{event.value:.6g}" for event in events.Scalars(tag)))
        """

    /// Of two sessions.
    @Test(.enabled(if: EventFolderTests.python != nil, "./setup.sh --tensorboard installs TensorBoard to read the files back"))
    func tensorBoardReadsThem() throws {
        let folder = try TemporaryFolder(), place = folder.path + "/run"
        try write(place, 1...2)
        try write(place, 3...4)
        let result = try runTool(try #require(Self.python), ["-c", Self.reader, place], package: "python3")
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(
            lines == ["loss/train 1:1 2:0.5 3:0.333333 4:0.25", "α/layer1.0.act1 1:0.25 2:0.25 3:0.25 4:0.25"],
            "\(result.output) \(result.errors.suffix(2000))")
    }
}
