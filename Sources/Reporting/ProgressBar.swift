// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// The progress of a training run: epoch, rate, loss, accuracy and time left.
///
/// On a terminal one line is drawn again and again, never wider than the terminal; elsewhere (a file, a pipe) plain lines
/// appear at most every 10 s and at the end of each epoch.
public struct ProgressBar {
    private let label: String
    private let epochs: Int
    private let imagesPerEpoch: Int
    private let isTerminal: Bool
    private let columns: () -> Int
    private let now: () -> Double
    private let write: (String) -> Void

    private let start: Double
    private var shown: Double
    private let imagesBefore: Int
    private var lineIsOpen = false

    /// - Parameters:
    ///   - label: put before each line, such as the run's name; may be empty.
    ///   - epochs: of the whole run.
    ///   - imagesPerEpoch: training images.
    ///   - imagesBefore: that an earlier part of the run trained on, over all epochs: they took none of the time shown.
    ///   - isTerminal: whether `write` ends on a terminal.
    ///   - columns: the terminal's width in characters now.
    ///   - now: seconds of a clock that only goes forward.
    ///   - write: takes the output.
    public init(
        label: String, epochs: Int, imagesPerEpoch: Int, imagesBefore: Int = 0, isTerminal: Bool, columns: @escaping () -> Int,
        now: @escaping () -> Double = { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }, write: @escaping (String) -> Void
    ) {
        precondition(epochs > 0 && imagesPerEpoch > 0)
        self.label = label
        self.epochs = epochs
        self.imagesPerEpoch = imagesPerEpoch
        self.imagesBefore = imagesBefore
        self.isTerminal = isTerminal
        self.columns = columns
        self.now = now
        self.write = write
        start = now()
        shown = start
    }

    /// Shows progress within an epoch.
    /// - Parameters:
    ///   - epoch: from 1.
    ///   - images: trained on so far in this epoch, 0 … `imagesPerEpoch`.
    ///   - loss: mean of the epoch so far.
    ///   - accuracy: top-1 in percent on the epoch's training images so far.
    public mutating func update(epoch: Int, images: Int, loss: Double, accuracy: Double) {
        let time = now()
        guard time - shown >= (isTerminal ? 0.1 : 10) else { return }
        shown = time
        let parts = progress(epoch: epoch, images: images, time: time) + [measured(loss: loss, accuracy: accuracy)]
        if isTerminal {
            // The last column stays free: some terminals wrap as soon as it is filled.
            write("\r" + fitted(parts, bar: Double(images) / Double(imagesPerEpoch), width: columns() - 1) + "\u{1B}[K")
            lineIsOpen = true
        } else {
            write(parts.joined(separator: "  ") + "\n")
        }
    }

    /// Leaves one line for a finished epoch.
    /// - Parameters:
    ///   - epoch: counted from 1.
    ///   - loss: the epoch's mean.
    ///   - accuracy: top-1 in percent of the training images.
    ///   - evaluated: when the epoch ended with an evaluation, on which images (`test`), and top-1 in percent.
    public mutating func endEpoch(_ epoch: Int, loss: Double, accuracy: Double, evaluated: (images: String, accuracy: Double)?) {
        let time = now()
        shown = time
        let evaluation = evaluated.map { ["\($0.images) " + String(format: "%.2f %%", $0.accuracy)] } ?? []
        let parts = progress(epoch: epoch, images: imagesPerEpoch, time: time) + [measured(loss: loss, accuracy: accuracy)] + evaluation
        write((isTerminal ? "\r\u{1B}[K" : "") + parts.joined(separator: "  ") + "\n")
        lineIsOpen = false
    }

    /// Ends a line still open on the terminal, so that what follows (an error message) starts on its own.
    public mutating func close() {
        if lineIsOpen { write("\n") }
        lineIsOpen = false
    }

    private func progress(epoch: Int, images: Int, time: Double) -> [String] {
        let done = (epoch - 1) * imagesPerEpoch + images - imagesBefore
        let seconds = time - start
        let head = (label.isEmpty ? [] : [label]) + ["epoch \(epoch)/\(epochs)"]
        guard done > 0, seconds > 0 else { return head }
        let left = Double((epochs - epoch) * imagesPerEpoch + imagesPerEpoch - images) * seconds / Double(done)
        return head + [
            String(format: "%.0f images/s", Double(done) / seconds),
            left < 0.5 ? Self.clock(seconds) + " taken" : Self.clock(left) + " left"
        ]
    }

    private func measured(loss: Double, accuracy: Double) -> String { String(format: "loss %.4f  train %.2f %%", loss, accuracy) }

    /// The parts in one line of at most `width` characters, with a bar if at least 10 remain for it.
    private func fitted(_ parts: [String], bar fraction: Double, width: Int) -> String {
        let text = parts.joined(separator: "  ")
        let room = min(30, width - text.count - 4)
        guard room >= 10 else { return String(text.prefix(max(0, width))) }
        let full = Int((Double(room) * min(1, max(0, fraction))).rounded(.down))
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: room - full) + "]  " + text
    }

    /// Whole seconds as `h:mm:ss`.
    private static func clock(_ seconds: Double) -> String {
        guard seconds < 1e9 else { return "long" }
        let whole = Int(seconds.rounded())
        return String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
    }
}

extension ProgressBar {
    /// A bar on standard error, drawn as fits what standard error is.
    public static func onStandardError(label: String, epochs: Int, imagesPerEpoch: Int, imagesBefore: Int = 0) -> ProgressBar {
        ProgressBar(
            label: label, epochs: epochs, imagesPerEpoch: imagesPerEpoch, imagesBefore: imagesBefore,
            isTerminal: isDrawnOnStandardError(),
            columns: {
                var size = winsize()
                return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
            },
            write: writeToStandardError)
    }
}
