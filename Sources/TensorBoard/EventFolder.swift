// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// A folder of event files as TensorBoard reads them: one run, a file for each session that trained it.
public final class EventFolder {
    /// The last step that the files of earlier sessions hold; nil for none.
    public let lastStep: Int?
    private let path: String
    /// Of this session; made with its first event.
    private var file: (descriptor: Int32, path: String)?

    /// - Throws: `FileError` when the folder cannot be made, or files in it not be read.
    public init(_ path: String) throws {
        try makeFolder(path)
        self.path = path
        let names = try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.contains(".tfevents.") }
        let steps = try names.flatMap { name in
            Records.all(in: try readFile("\(path)/\(name)")).compactMap { record -> Int? in
                guard let event = try? Tensorflow_Event(serializedBytes: record), case .summary = event.what else { return nil }
                return Int(event.step)
            }
        }
        lastStep = steps.max()
    }

    deinit {
        if let file { close(file.descriptor) }
    }

    /// Adds one step's numbers; they are on disk when it returns.
    /// - Parameter scalars: by their tags, such as `loss/train`.
    /// - Throws: `FileError` with the system's reason.
    public func append(step: Int, _ scalars: [(tag: String, value: Double)]) throws {
        var event = Tensorflow_Event()
        event.step = Int64(step)
        event.summary.value = scalars.map { tag, value in
            .with {
                $0.tag = tag
                $0.simpleValue = Float(value)
            }
        }
        try write(event)
    }

    private func write(_ event: Tensorflow_Event) throws {
        let now = Date().timeIntervalSince1970
        if file == nil {
            // The time first: TensorBoard reads a folder's files in the order of their names.
            let name = String(format: "events.out.tfevents.%010d.%@.%d", Int(now), ProcessInfo.processInfo.hostName, getpid())
            let place = "\(path)/\(name)", descriptor = open(place, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
            guard descriptor >= 0 else { throw FileError("cannot write \(place): \(systemReason())") }
            file = (descriptor, place)
            try write(.with { $0.fileVersion = "brain.Event:2" })
        }
        guard let file else { return }
        var event = event
        event.wallTime = now
        try writeDurably(Records.framed(try event.serializedData()), to: file.descriptor, named: file.path)
    }
}
